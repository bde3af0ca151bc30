package dirstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"polisen-events-collector/pkg/store"
)

const (
	lockName   = ".lock"
	tempFolder = ".tmp"

	// The process's umask may narrow both.
	fileMode   fs.FileMode = 0o640
	folderMode fs.FileMode = 0o750

	// tempAge is how old a temporary file is that its writer has surely left
	// behind.
	tempAge = 24 * time.Hour
	// lockPoll is how often a lock that another process holds is tried again.
	// It is held for one renaming.
	lockPoll = 2 * time.Millisecond
)

// Put implements store.Writer. The body is written and synced as a temporary
// file, which then takes the object's name: by a hard link if there must be no
// object, since linking never replaces, and else by renaming, under the lock.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	err := admit(ctx, name)
	if err == nil && !cond.Valid() {
		err = fmt.Errorf("%w: no condition", store.ErrInvalid)
	}
	if err != nil {
		return "", fmt.Errorf("put %s: %w", name, err)
	}
	etag := etagOf(body)
	if err := s.put(ctx, name, body, etag, cond); err != nil {
		return "", s.fault("put", name, err)
	}
	return etag, nil
}

// put puts an object that will have this ETag.
func (s *Store) put(ctx context.Context, name string, body []byte, etag store.ETag, cond store.Cond) error {
	root, err := s.writable()
	if err != nil {
		return err
	}
	parent, err := s.makeFolder(root, path.Dir(name))
	if err != nil {
		return impossible(err)
	}
	defer parent.Close()
	// Opened before anything is written, so that a folder that must not be read
	// is found out in time.
	folder, err := parent.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	switch info, err := parent.Lstat(path.Base(name)); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%w: other objects have this name as their folder", store.ErrInvalid)
	case err == nil && cond.Absent():
		return s.taken(folder)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return impossible(err)
	}
	temp := path.Join(tempFolder, rand.Text())
	defer root.Remove(temp) // gone already if it was renamed
	if err := s.writeTemp(root, temp, body); err != nil {
		return err
	}
	if cond.Absent() {
		if err := root.Link(temp, name); errors.Is(err, fs.ErrExist) {
			return s.taken(folder)
		} else if err != nil {
			return impossible(err)
		}
		return s.syncFolder(folder)
	}
	return s.locked(ctx, func() error {
		if err := s.holds(root, name, cond); err != nil {
			return err
		}
		written := openVersion(root, temp, etag)
		if err := root.Rename(temp, name); err != nil {
			written.close()
			return impossible(err)
		}
		s.replaced.close()
		s.replaced = written
		return s.syncFolder(folder)
	})
}

// Delete implements store.Writer.
func (s *Store) Delete(ctx context.Context, name string, etag store.ETag) error {
	err := admit(ctx, name)
	if err == nil && etag == "" {
		err = fmt.Errorf("%w: no ETag", store.ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	if err := s.remove(ctx, name, etag); err != nil {
		return s.fault("delete", name, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, name string, etag store.ETag) error {
	root, err := s.opened()
	if err != nil {
		return missing(err)
	}
	folder, err := root.Open(path.Dir(name))
	if err != nil {
		return missing(err)
	}
	defer folder.Close()
	return s.locked(ctx, func() error {
		is, err := s.replaced.etagOf(root, name)
		if err != nil {
			return err
		}
		if is != etag {
			return fmt.Errorf("%w: the object's ETag is %q", store.ErrPrecondition, is)
		}
		if err := root.Remove(name); err != nil {
			return err
		}
		return s.syncFolder(folder)
	})
}

// holds returns an error wrapping ErrPrecondition unless cond, which is not
// IfAbsent, allows a Put now.
func (s *Store) holds(root *os.Root, name string, cond store.Cond) error {
	if _, ok := cond.Match(); !ok {
		return nil
	}
	is, err := s.replaced.etagOf(root, name)
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("%w: there is no object", store.ErrPrecondition)
	}
	if err != nil {
		return err
	}
	if !cond.Allows(is) {
		return fmt.Errorf("%w: the object's ETag is %q", store.ErrPrecondition, is)
	}
	return nil
}

// taken returns ErrPrecondition for an object that must not exist and does. It
// makes sure of the object's durability first, since the caller will rely on
// it and its writer may have been killed just before doing so.
func (s *Store) taken(folder *os.File) error {
	if err := s.syncFolder(folder); err != nil {
		return err
	}
	return fmt.Errorf("%w: the object exists", store.ErrPrecondition)
}

// impossible makes ErrInvalid of a name that the file system cannot hold.
func impossible(err error) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a folder in its name is itself an object", store.ErrInvalid)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Errorf("%w: the file system takes no name that long", store.ErrInvalid)
	}
	return err
}

// locked runs f while no other Put that replaces and no Delete runs, in this
// process or any other.
func (s *Store) locked(ctx context.Context, f func() error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if _, err := s.lock.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("wait for another process to release %s: %w", s.lock.Path(), context.Cause(ctx))
		}
		return err
	}
	defer s.lock.Unlock()
	return f()
}

func (s *Store) writeTemp(root *os.Root, temp string, body []byte) error {
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = s.sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
