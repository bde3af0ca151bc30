package dirstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"polisen-events-collector/pkg/filelock"
	"polisen-events-collector/pkg/statefile"
	"polisen-events-collector/pkg/store"
)

// errNotRegular is the error for a symbolic link, a pipe or a device.
var errNotRegular = errors.New("not a regular file or folder: remove it or replace it with the file itself (use a mount, not a link, for a folder on another disk)")

// errSyncFolder means that the entries of a folder may not be durable.
var errSyncFolder = errors.New("sync the folder")

// asNotExist returns store.ErrNotExist if err means that there is no such file:
// it is missing, a part of its path is a file, or the file system does not
// allow names that long. It returns other errors unchanged.
func asNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return store.ErrNotExist
	}
	return err
}

// asInvalid returns an error that wraps store.ErrInvalid if err means that the
// file system cannot hold an object of that name. It returns other errors
// unchanged.
func asInvalid(err error) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a folder in the object's name is itself an object", store.ErrInvalid)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Errorf("%w: the name is too long for the file system", store.ErrInvalid)
	}
	return err
}

// shortage returns advice if err means that the machine is short of something,
// else "".
func shortage(err error) string {
	switch {
	case statefile.IsFull(err):
		return "free some space"
	case statefile.IsOutOfDescriptors(err):
		return "end other programs, or raise the limit (ulimit -n)"
	}
	return ""
}

// accessError returns the error of a failure to open or create the store's
// folder. It wraps store.ErrAccess, except for a shortage or an error of the
// disk, such as a failed sync, which no other setting would prevent.
func accessError(err error) error {
	if shortage(err) != "" || errors.Is(err, syscall.EIO) || errors.Is(err, errSyncFolder) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrAccess, err)
}

// callError returns the error of a call: it names the verb and the absolute
// path, and wraps store.ErrAccess if the cause is a missing permission, or a link that
// leads out of the store's folder.
func (s *Store) callError(verb, name string, err error) error {
	call := fmt.Sprintf("%s %s", verb, s.file(name))
	const advice = "check the folder's owner, mode and mount, or choose another folder"
	if errors.Is(err, store.ErrAccess) {
		return fmt.Errorf("%s: %w: %s", call, err, advice)
	}
	if errors.Is(err, filelock.ErrNoLocks) { // err names the file or folder that cannot be locked
		return fmt.Errorf("put into %s: %w: %w: choose a folder on another file system", s.path, store.ErrAccess, err)
	}
	err = withoutPath(err) // call has the absolute path
	switch {
	case s.leadsOut(err):
		return fmt.Errorf("%s: %w: a folder of this path is a link out of %s: replace the link with the folder itself (use a mount, not a link, for a folder on another disk)",
			call, store.ErrAccess, s.path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w: %w: %s", call, store.ErrAccess, err, advice)
	case shortage(err) != "":
		return fmt.Errorf("%s: %w: %s", call, err, shortage(err))
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%s: %w: check the disk, and then the archive with verify", call, err)
	}
	return fmt.Errorf("%s: %w", call, err)
}

// leadsOut reports whether err, without its path, means that a link leads out of the
// store's folder. Package os does not export this error, but returns it for "..".
func (s *Store) leadsOut(err error) bool {
	root, openErr := s.openRoot()
	if openErr != nil {
		return false
	}
	_, outside := root.Lstat("..")
	return outside != nil && errors.Is(err, withoutPath(outside))
}

// withoutPath returns the cause of a failed file operation without its path.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
