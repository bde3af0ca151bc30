package dirstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"polisen-events-collector/pkg/store"
)

var errNotAFile = errors.New("it is neither a file nor a folder: put the file itself there, or take it away; for a folder on another disk, mount it")

// missing makes store.ErrNotExist of errors that say so of a file: there is
// none, a part of its path is itself a file, or the name is too long for the
// file system to have it. Other errors it returns as they are.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return store.ErrNotExist
	}
	return err
}

// fault says which path failed, and why in the terms of package store.
func (s *Store) fault(verb, name string, err error) error {
	what := fmt.Sprintf("%s %s", verb, filepath.Join(s.path, filepath.FromSlash(name)))
	const advice = "check its owner, mode and mount, or choose another folder"
	if errors.Is(err, store.ErrAccess) {
		return fmt.Errorf("%s: %w: %s", what, err, advice)
	}
	err = bare(err) // its path is relative to the root, and says no more than what
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %w: %w: %s", what, store.ErrAccess, err, advice)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: %w: free some space", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// bare returns the cause that a failed system call gave.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
