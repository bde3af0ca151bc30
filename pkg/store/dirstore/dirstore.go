// Package dirstore keeps objects as files below one folder: atomically, durably
// and with conditional writes that hold between processes of one machine.
//
// Each object is the file of its name. Beside them the store keeps ".lock" and
// ".tmp"; other files and folders whose names begin with a dot are ignored, so
// they are never objects. The paths of objects are resolved by os.Root, so no
// name and no symbolic link leads out of the folder.
//
// What differs from other stores: one object's name cannot be a folder of
// another's ("a" and "a/b"), and on file systems that fold case or Unicode
// forms such names are one. Network file systems are served as well as their
// locks (flock) and hard links are.
package dirstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"polisen-events-collector/pkg/store"
)

// Store is a store.Store in a folder. Open makes one.
type Store struct {
	path string               // absolute
	sync func(*os.File) error // makes a file or a folder durable

	mu      sync.Mutex
	root    *os.Root            // nil until the folder exists and is first used
	folders map[string]struct{} // below root, known to exist durably; nil before the first write

	turn chan struct{} // holds a token while a goroutine of ours has the lock or waits for it
	lock *flock.Flock

	replaced version // the last one that Put put in the place of another; under the lock
}

var _ store.Store = (*Store)(nil)

// Open returns the store in the folder root. A folder that does not exist yet
// is an empty store, which the first write creates (mode 0750), as are the
// store's own files: reading needs no permission to write, and changes
// nothing. ErrAccess if root is not a folder or cannot be searched.
func Open(root string) (*Store, error) {
	path, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{
		path: path,
		sync: (*os.File).Sync,
		turn: make(chan struct{}, 1),
		lock: flock.New(filepath.Join(path, lockName), flock.SetPermissions(fileMode)),
	}
	if _, err := s.opened(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, s.fault("open", ".", err)
	}
	return s, nil
}

// String returns the folder as file:///absolute/path.
func (s *Store) String() string { return "file://" + filepath.ToSlash(s.path) }

// opened returns the folder. The error wraps fs.ErrNotExist if there is none
// yet, and else store.ErrAccess.
func (s *Store) opened() (*os.Root, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root != nil {
		return s.root, nil
	}
	root, err := os.OpenRoot(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrAccess, bare(err))
	}
	s.root = root
	return root, nil
}

// Get implements store.Reader.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	return s.object(ctx, "get", name)
}

// Stat implements store.Reader. It reads the file, since the ETag and the MD5
// are those of the content, and makes sure that the object is durable: its
// writer may have been killed just before doing so, and whoever asks without
// wanting the content is about to rely on the object being there.
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	o, err := s.object(ctx, "stat", name)
	if err != nil {
		return store.Attrs{}, err
	}
	if err := s.syncAbove(name); err != nil {
		return store.Attrs{}, s.fault("stat", name, err)
	}
	return o.Attrs, nil
}

// syncAbove makes the folder of an object durable.
func (s *Store) syncAbove(name string) error {
	root, err := s.opened()
	if err != nil {
		return err
	}
	folder, err := root.Open(path.Dir(name))
	if err != nil {
		return missing(err)
	}
	defer folder.Close()
	return s.syncFolder(folder)
}

func (s *Store) object(ctx context.Context, verb, name string) (store.Object, error) {
	if err := admit(ctx, name); err != nil {
		return store.Object{}, fmt.Errorf("%s %s: %w", verb, name, err)
	}
	root, err := s.opened()
	if err != nil {
		return store.Object{}, s.fault(verb, name, missing(err))
	}
	body, err := read(root, name)
	if err != nil {
		return store.Object{}, s.fault(verb, name, err)
	}
	return store.Object{Body: body, Attrs: store.Attrs{
		Name: name, Size: int64(len(body)), ETag: etagOf(body), MD5: store.MD5(body),
	}}, nil
}

// open opens the object of that name. Files are replaced by renaming and never
// changed, so one that is open keeps its content.
func open(root *os.Root, name string) (*os.File, error) {
	if info, err := root.Lstat(name); err != nil {
		return nil, missing(err)
	} else if info.IsDir() {
		return nil, store.ErrNotExist
	} else if !info.Mode().IsRegular() {
		return nil, errNotAFile // opening a pipe would wait for its writer
	}
	f, err := root.Open(name)
	return f, missing(err)
}

// read returns the content of the object of that name.
func read(root *os.Root, name string) ([]byte, error) {
	f, err := open(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	body := make([]byte, info.Size())
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, err
	}
	return body, nil
}

// etagOf returns the ETag of an object with this content, which is a hash of
// it: equal content is the same state. A conditional write may then find the
// state it wants although the object was another one in between, which does no
// harm: what the writer decided on is what it replaces.
func etagOf(body []byte) store.ETag {
	sum := sha256.Sum256(body)
	return etagOfSum(sum[:])
}

func etagOfSum(sha256 []byte) store.ETag { return store.ETag(hex.EncodeToString(sha256[:16])) }

// currentETag returns the ETag of the object of that name.
func currentETag(root *os.Root, name string) (store.ETag, error) {
	f, err := open(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return etagOfSum(h.Sum(nil)), nil
}

// admit checks what every call about one object needs.
func admit(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
