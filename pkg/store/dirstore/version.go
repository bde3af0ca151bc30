package dirstore

import (
	"io/fs"
	"os"

	"polisen-events-collector/pkg/store"
)

// version is a file that is known to hold an object in the state that the ETag
// stands for. While it is open no other file is the same by os.SameFile, so one
// that is need not be read to know its ETag. The zero value is no file.
type version struct {
	etag store.ETag
	file *os.File
	info fs.FileInfo
}

// openVersion returns the version that the file temp, just written, becomes by
// being renamed. It is for speed alone: on an error there is none.
func openVersion(root *os.Root, temp string, etag store.ETag) version {
	file, err := root.Open(temp)
	if err != nil {
		return version{}
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return version{}
	}
	return version{etag, file, info}
}

func (v version) close() {
	if v.file != nil {
		v.file.Close()
	}
}

// etagOf returns the ETag of the object of that name, which may be v.
func (v version) etagOf(root *os.Root, name string) (store.ETag, error) {
	// Files that Puts made never change, but people may edit them in place.
	if info, err := root.Lstat(name); err == nil && v.file != nil && os.SameFile(info, v.info) &&
		info.Size() == v.info.Size() && info.ModTime().Equal(v.info.ModTime()) {
		return v.etag, nil
	}
	return currentETag(root, name)
}
