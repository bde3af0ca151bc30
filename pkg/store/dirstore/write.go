package dirstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"polisen-events-collector/pkg/store"
)

const (
	lockName   = ".lock"
	tempFolder = ".tmp"

	// The process's umask may remove bits from both.
	fileMode   fs.FileMode = 0o640
	folderMode fs.FileMode = 0o750

	// tempAge is the age from which no writer can still be using a temporary
	// file, so that it may be removed.
	tempAge = 24 * time.Hour
	// lockPoll is the time between two attempts to take the lock. Another process
	// holds it only while it renames and syncs one file.
	lockPoll = 2 * time.Millisecond
)

// Put implements [store.Writer]. It writes and syncs a temporary file and then
// gives it the object's name: for IfAbsent with a hard link, which never replaces
// a file, otherwise by renaming it while it holds the lock.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if err := store.CheckPut(ctx, name, cond); err != nil {
		return "", err
	}
	etag := etagOf(body)
	if err := s.put(ctx, name, body, etag, cond); err != nil {
		return "", s.callError("put", name, err)
	}
	return etag, nil
}

// put is Put without its checks and the context of its errors. etag is the ETag of
// body.
func (s *Store) put(ctx context.Context, name string, body []byte, etag store.ETag, cond store.Cond) error {
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
	temp := path.Join(tempFolder, rand.Text())
	defer root.Remove(temp) // fails if it was renamed
	if err := s.writeTemp(root, temp, body); err != nil {
		return err
	}
	if cond.Absent() {
		if err := root.Link(temp, name); errors.Is(err, fs.ErrExist) {
			return s.existsError(folder)
		} else if err != nil {
			return asInvalid(err)
		}
		return s.syncFolder(folder)
	}
	return s.withLock(ctx, func() error {
		if err := s.checkMatch(root, name, cond); err != nil {
			return err
		}
		written := cacheETag(root, temp, etag)
		if err := root.Rename(temp, name); err != nil {
			written.close()
			return asInvalid(err)
		}
		s.last.close()
		s.last = written
		return s.syncFolder(folder)
	})
}

// Delete implements [store.Writer].
func (s *Store) Delete(ctx context.Context, name string, etag store.ETag) error {
	if err := store.CheckDelete(ctx, name, etag); err != nil {
		return err
	}
	if err := s.remove(ctx, name, etag); err != nil {
		return s.callError("delete", name, err)
	}
	return nil
}

// remove is Delete without its checks and the context of its errors.
func (s *Store) remove(ctx context.Context, name string, etag store.ETag) error {
	root, err := s.openRoot()
	if err != nil {
		return asNotExist(err)
	}
	folder, err := root.Open(path.Dir(name))
	if err != nil {
		return asNotExist(err)
	}
	defer folder.Close()
	return s.withLock(ctx, func() error {
		current, err := s.last.etagOf(root, name)
		if err != nil {
			return err
		}
		if current != etag {
			return store.ConditionFailed(current)
		}
		if err := root.Remove(name); err != nil {
			return err
		}
		return s.syncFolder(folder)
	})
}

// checkMatch returns an error that wraps ErrPrecondition if cond is IfMatch and
// does not hold.
func (s *Store) checkMatch(root *os.Root, name string, cond store.Cond) error {
	if _, ok := cond.Match(); !ok {
		return nil
	}
	current, err := s.last.etagOf(root, name)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	if !cond.Allows(current) {
		return store.ConditionFailed(current)
	}
	return nil
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

// withLock calls f while it holds the store's lock, so that no two such calls run
// at the same time, in this process or in another. The error wraps
// context.Cause(ctx) if ctx ends while it waits.
func (s *Store) withLock(ctx context.Context, f func() error) error {
	select {
	case s.semaphore <- struct{}{}:
		defer func() { <-s.semaphore }()
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

// writeTemp creates the temporary file, writes it and syncs it.
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
