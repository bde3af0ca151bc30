package dirstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"polisen-events-collector/pkg/filelock"
	"polisen-events-collector/pkg/store"
)

const (
	// tempPrefix begins the names of temporary files. Each is beside the file of
	// its object, since a folder may be on another disk than its parent.
	tempPrefix = ".tmp-"

	// folderMode is the mode of folders. The process's umask may remove bits from it.
	// Package filelock sets the mode of files.
	folderMode fs.FileMode = 0o750
)

// Put implements [store.Writer]. It writes and syncs a temporary file and then
// renames it to the object's name: while the folder is locked if there is no object,
// and while the object's own file is locked if there is one.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if err := store.CheckPut(ctx, name, body, cond); err != nil {
		return "", err
	}
	if err := s.put(ctx, name, body, cond); err != nil {
		return "", s.callError("put", name, err)
	}
	return etagOf(body), nil
}

// put is Put without its checks and the context of its errors.
func (s *Store) put(ctx context.Context, name string, body []byte, cond store.Cond) error {
	root, err := s.prepare()
	if err != nil {
		return err
	}
	parent, err := s.createFolder(root, path.Dir(name))
	if err != nil {
		return asInvalid(err)
	}
	defer parent.Close()
	// Open the folder before writing anything, since it must be synced after the
	// write, and this fails early if it cannot be read.
	folder, err := parent.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	switch info, err := parent.Lstat(path.Base(name)); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%w: the object's name is the folder of other objects", store.ErrInvalid)
	case err == nil && cond.Absent():
		return s.existsError(folder)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return asInvalid(err)
	}
	if err := s.syncRead(root); err != nil {
		return err
	}
	// The lock says that the writer of the temporary file is alive. The file
	// stays locked under its new name until that is durable.
	temp := path.Join(path.Dir(name), tempPrefix+rand.Text())
	defer root.Remove(temp) // fails if it was renamed or never created
	lock, err := filelock.Create(ctx, s.file(temp))
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.writeTemp(parent, path.Base(temp), body); err != nil {
		return err
	}
	w := write{Store: s, root: root, parent: parent, folder: folder, name: name, temp: temp}
	if cond.Absent() {
		return w.create(ctx)
	}
	for {
		err := w.replace(ctx, cond)
		if !errors.Is(err, store.ErrNotExist) {
			return err
		}
		if _, match := cond.Match(); match {
			return store.ConditionFailed("")
		}
		if err := w.create(ctx); !errors.Is(err, store.ErrPrecondition) {
			return err
		} // else another process has created it
	}
}

// write is a Put whose temporary file is written.
type write struct {
	*Store
	root       *os.Root
	parent     *os.Root // the folder of the object and the temporary file
	folder     *os.File // the same folder, to lock and sync it
	name, temp string
}

// create gives the temporary file the object's name. The error wraps
// ErrPrecondition if there is a file of that name.
func (w write) create(ctx context.Context) error {
	created, err := w.renameNew(ctx)
	if err != nil {
		return err
	}
	if !created {
		return w.existsError(w.folder)
	}
	return w.syncFolder(w.folder)
}

// renameNew renames the temporary file to the object's name while the folder is
// locked. It returns false if there is a file of that name.
//
// Hard links would need no lock, but exFAT and many network file systems have none. The
// lock is on the folder and not on a file in it: nobody can remove the lock without
// removing the folder with the temporary file.
func (w write) renameNew(ctx context.Context) (bool, error) {
	release, err := filelock.Folder(ctx, w.folder, w.file(path.Dir(w.name)))
	if err != nil {
		return false, err
	}
	defer release()
	base := path.Base(w.name)
	switch _, err := w.parent.Lstat(base); {
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, asInvalid(err)
	}
	return true, asInvalid(w.parent.Rename(path.Base(w.temp), base))
}

// replace renames the temporary file over the object, whose condition is not
// IfAbsent. The error wraps ErrNotExist if there is no object.
//
// The object's own file is locked, not one beside it: nobody can remove the lock
// without removing the object.
func (w write) replace(ctx context.Context, cond store.Cond) error {
	_, match := cond.Match()
	info, err := w.root.Lstat(w.name)
	if err != nil {
		return asNotExist(err)
	}
	if match || info.Mode().IsRegular() { // else it is no object
		lock, err := filelock.Existing(ctx, w.file(w.name))
		if err != nil {
			return asNotExist(err)
		}
		defer lock.Release()
	}
	if match {
		current, err := hashFile(w.root, w.name)
		if err != nil {
			return err
		}
		if !cond.Allows(current) {
			return store.ConditionFailed(current)
		}
	}
	if err := w.root.Rename(w.temp, w.name); err != nil {
		return asInvalid(err)
	}
	return w.syncFolder(w.folder)
}

// existsError returns the error, which wraps ErrPrecondition, of a Put with
// IfAbsent whose object exists. It first makes the object durable: the caller
// relies on it, and its writer may have been killed before its own sync.
func (s *Store) existsError(folder *os.File) error {
	if err := s.syncFolder(folder); err != nil {
		return err
	}
	return fmt.Errorf("%w: the object exists", store.ErrPrecondition)
}

// writeTemp writes and syncs the temporary file in its folder, which exists and is empty.
func (s *Store) writeTemp(folder *os.Root, temp string, body []byte) error {
	f, err := folder.OpenFile(temp, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	keepOwner(f, folder)
	_, err = f.Write(body)
	if err == nil {
		err = s.syncFile(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
