package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// archive packs a folder, whose name comes first in the names of all entries. The same
// content gives the same bytes: entries are in the order of their names and belong to root,
// modes are 0755 or 0644, and all have the same time.
func archive(folder, file string, modified time.Time) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	packed := tar.NewWriter(zipped)
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error { // in order of names
		if err != nil {
			return err
		}
		return pack(packed, folder, name, entry, modified)
	})
	if err != nil {
		return fmt.Errorf("pack %s: %w", folder, err)
	}
	return errors.Join(packed.Close(), zipped.Close())
}

// pack adds a file or a folder to the archive.
func pack(w *tar.Writer, folder, name string, entry fs.DirEntry, modified time.Time) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(folder, name)
	if err != nil {
		return err
	}
	header := &tar.Header{
		Name: path.Join(filepath.Base(folder), filepath.ToSlash(rel)), Typeflag: tar.TypeReg, Size: info.Size(),
		Mode: 0o644, ModTime: modified, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
	}
	switch {
	case info.IsDir():
		header.Name, header.Typeflag, header.Size, header.Mode = header.Name+"/", tar.TypeDir, 0, 0o755
		return w.WriteHeader(header)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", name)
	case info.Mode()&0o111 != 0:
		header.Mode = 0o755
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}
