// Package saved reads saved responses of the API. [Read] reads the items of any
// number of responses one by one. [Source] reads one response in place of a call to
// the API.
//
// Read does not decide which items are events; the caller parses them.
package saved

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/polisen"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Item is one item of a saved response, or damaged text between items.
type Item struct {
	// File is the path of the file, or Stdin. The Offset of the Piece is a position in
	// the decompressed content.
	File string
	polisen.Piece
	// Read is the number of bytes read so far from all files, as they are stored, which
	// may be compressed. It may be ahead of the item.
	Read int64
	// Warning says what is unusual about a file that was read to its end. The Item then
	// has no text.
	Warning string
}

// Place returns the position of the item for messages, such as "a.json at byte 7".
func (i Item) Place() string { return fmt.Sprintf("%s at byte %d", displayName(i.File), i.Offset) }

// Read yields the items of the files, in the order of paths. [polisen.Scanner] says what
// a file may contain. A file may be compressed with gzip or zstd; one in another compressed
// format, an archive of files or text in UTF-16 is an error. A folder stands for
// all files in it and in its subfolders, sorted by path, except files and folders
// whose names begin with a dot. Data objects of one kind in a copy of an archive come in
// the order in which they were committed, since this is the order of an event's versions.
//
// If Read cannot read a file to its end, it yields the items before the failure and then
// an error that names the file; after that it goes on with the next file. If ctx ends,
// the last error wraps its cause.
//
// The memory that Read needs does not depend on the size of the files.
func Read(ctx context.Context, paths []string, stdin io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := newReader(ctx, stdin, yield)
		for _, f := range files(ctx, paths) {
			err := f.err
			if err == nil {
				err = r.read(f.path)
			}
			if r.stopped {
				return
			}
			if ctx.Err() != nil {
				yield(Item{File: f.path}, fileError(f.path, context.Cause(ctx)))
				return
			}
			if err != nil && !yield(Item{File: f.path}, fileError(f.path, err)) {
				return
			}
		}
	}
}

// Size returns the total size in bytes of the files that [Read] reads for paths, or -1 if
// one of them is not a regular file. Standard input may be a regular file, too. Size counts
// nothing for files that do not exist.
func Size(ctx context.Context, paths []string, stdin io.Reader) int64 {
	total := int64(0)
	for _, f := range files(ctx, paths) {
		stat := func() (fs.FileInfo, error) { return os.Stat(f.path) }
		if f.path == Stdin {
			file, ok := stdin.(*os.File)
			if !ok {
				return -1
			}
			stat = file.Stat
		}
		end := blocking.Call(ctx, "look at "+displayName(f.path))
		info, err := stat()
		end()
		switch {
		case err == nil && !info.Mode().IsRegular():
			return -1
		case err == nil:
			total += info.Size()
		}
	}
	return total
}

// inputFile is a file to read, or a path that cannot be read.
type inputFile struct {
	path string
	err  error
}

// files returns the files that Read reads for paths, in their order.
func files(ctx context.Context, paths []string) (all []inputFile) {
	for _, path := range paths {
		for file, err := range filesIn(ctx, path) {
			all = append(all, inputFile{file, err})
		}
	}
	sortObjects(all)
	return all
}

// sortObjects sorts data objects of an archive that follow each other and are of one kind
// by the timestamps of their commits. Other files stay where they are.
func sortObjects(files []inputFile) {
	type object struct {
		inputFile
		folder    string // of its kind
		timestamp int64
	}
	var objects []object // that follow each other
	flush := func(end int) {
		slices.SortStableFunc(objects, func(a, b object) int { return cmp.Compare(a.timestamp, b.timestamp) })
		for i, o := range objects {
			files[end-len(objects)+i] = o.inputFile
		}
		objects = objects[:0]
	}
	for i, f := range files {
		name, ok := ObjectName(f.path)
		if !ok {
			flush(i)
			continue
		}
		const levels = 4 // year, month, day and file
		folder := filepath.Clean(f.path)
		for range levels {
			folder = filepath.Dir(folder)
		}
		if len(objects) > 0 && objects[0].folder != folder {
			flush(i)
		}
		objects = append(objects, object{f, folder, name.Timestamp})
	}
	flush(len(files))
}

// ObjectName returns the name of the data object that the file is in a copy of an archive.
// It reports false for other files.
func ObjectName(file string) (archive.Name, bool) {
	return archive.ParseName(lastElements(file, 5))
}

// IsMetadata reports whether the file is a metadata object in a copy of an archive, or a
// backup that a person has made of one, such as last_seen.json.bak.
func IsMetadata(file string) bool {
	name := lastElements(file, 2)
	return archive.IsMetadata(name) || strings.HasPrefix(name, archive.DocumentName) || strings.HasPrefix(name, archive.LastRunName)
}

// lastElements returns the last n elements of a path, without the suffix of a compressed
// file.
func lastElements(file string, n int) string {
	file = strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")
	parts := strings.Split(filepath.ToSlash(file), "/")
	return strings.Join(parts[max(len(parts)-n, 0):], "/")
}

// filesIn yields path, or the paths of the files in it if path is a folder.
func filesIn(ctx context.Context, path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if path == Stdin {
			yield(path, nil)
			return
		}
		end := blocking.Call(ctx, "look at "+path)
		info, err := os.Stat(path)
		end()
		if err != nil || !info.IsDir() {
			yield(path, err)
			return
		}
		walk(ctx, path, yield)
	}
}

// walk yields the paths of the files in a folder and in its subfolders, and reports false if
// yield did. Unlike [filepath.WalkDir] it notes that each list of a folder may block.
func walk(ctx context.Context, folder string, yield func(string, error) bool) bool {
	end := blocking.Call(ctx, "list "+folder)
	entries, err := os.ReadDir(folder) // with an error, those before it
	end()
	if err != nil && !yield(folder, err) {
		return false
	}
	for _, entry := range entries {
		path, ok := filepath.Join(folder, entry.Name()), true
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir():
			ok = walk(ctx, path, yield)
		case entry.Type().IsRegular(), entry.Type() == fs.ModeSymlink:
			ok = yield(path, nil)
		}
		if !ok {
			return false
		}
	}
	return true
}

// fileError returns err with the name of the file, once.
func fileError(file string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if errors.Is(err, syscall.EISDIR) {
		err = fmt.Errorf("%w: links to folders are not followed; give the folder itself", err)
	}
	return fmt.Errorf("read saved responses in %s: %w", displayName(file), err)
}

// displayName returns the name of a file for messages.
func displayName(file string) string {
	if file == Stdin {
		return "standard input"
	}
	return file
}
