// Package dirstore keeps objects as files in a folder. Writes are atomic,
// durable and conditional, also between processes on one machine.
//
// Each object is one file, whose path is the object's name. Put first writes a temporary
// file beside it, whose name begins with ".tmp-", and renames it when it is complete. The
// store ignores all files and folders whose names begin with a dot, and those of
// [store.IsLitter]. All paths are resolved by [os.Root], so no name and no symbolic link
// leads out of the folder. Files and folders that root creates belong to the owner of the
// folder that they are in.
//
// Limits of the file system apply: there cannot be both an object "a" and an
// object "a/b", and where the file system ignores case or normalizes Unicode,
// names that differ only in that are one object. The file system needs locks (flock),
// but no hard links. On a network file system two machines may both create an object,
// since locks of folders hold on one machine only. If the file system cannot sync
// files or folders, a crash of the machine may lose the newest objects.
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

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/store"
)

// Store keeps objects in a folder. Use [Open] to make one.
type Store struct {
	// OnUnsynced, if not nil, is called once, with the error, if the file system cannot
	// sync files or folders. Then a crash of the machine may lose the newest objects.
	// Set it before the first call.
	OnUnsynced   func(error)
	unsyncedOnce sync.Once

	path string               // absolute
	sync func(*os.File) error // makes a file or folder durable; tests replace it

	mu       sync.Mutex
	root     *os.Root            // nil until the folder exists and a call uses it
	folders  map[string]struct{} // folders below path known to be durable; nil before the first write
	unsynced map[string]struct{} // folders of objects that Get has returned since the last syncRead

	syncingRead sync.Mutex // held by syncRead
}

var _ store.Store = (*Store)(nil)

// Open returns the store in the folder root. If the folder does not exist, the
// store is empty and the first write creates the folder with mode 0750. Reading
// changes nothing and needs no permission to write. The error wraps ErrAccess
// if root is not a folder or cannot be searched.
func Open(root string) (*Store, error) {
	path, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{
		path:     path,
		sync:     (*os.File).Sync,
		unsynced: make(map[string]struct{}),
	}
	if _, err := s.openRoot(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, s.callError("open", ".", err)
	}
	return s, nil
}

// String returns the folder as file:///absolute/path. See [address.FileURL].
func (s *Store) String() string { return address.FileURL(s.path) }

// openRoot returns the store's folder, which it opens at the first call. The
// error wraps fs.ErrNotExist if the folder does not exist, else ErrAccess.
func (s *Store) openRoot() (*os.Root, error) {
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
		return nil, accessError(withoutPath(err))
	}
	s.root = root
	return root, nil
}

// Get implements [store.Reader]. The next Put syncs the object's folder before it
// writes, since the object's writer may have been killed before its own sync.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	o, err := s.read(ctx, "get", name)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unsynced[path.Dir(name)] = struct{}{}
	}
	return o, err
}

// Stat implements [store.Reader]. It reads the file, since ETag and MD5 are
// hashes of the content. It also syncs the object's folder: a caller of Stat
// relies on the object, whose writer may have been killed before its own sync.
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	o, err := s.read(ctx, "stat", name)
	if err != nil {
		return store.Attrs{}, err
	}
	root, err := s.openRoot()
	if err == nil {
		err = s.openAndSync(root, path.Dir(name))
	}
	if err != nil {
		return store.Attrs{}, s.callError("stat", name, asNotExist(err))
	}
	return o.Attrs, nil
}

// file returns the absolute path of an object or a temporary file.
func (s *Store) file(name string) string { return filepath.Join(s.path, filepath.FromSlash(name)) }

// read returns an object. The verb is the call's name in errors.
func (s *Store) read(ctx context.Context, verb, name string) (store.Object, error) {
	if err := store.CheckCall(ctx, verb, name); err != nil {
		return store.Object{}, err
	}
	root, err := s.openRoot()
	if err != nil {
		return store.Object{}, s.callError(verb, name, asNotExist(err))
	}
	body, err := readFile(root, name)
	if err != nil {
		return store.Object{}, s.callError(verb, name, err)
	}
	return store.Object{Body: body, Attrs: store.Attrs{
		Name: name, Size: int64(len(body)), ETag: etagOf(body), MD5: store.MD5(body),
	}}, nil
}

// readFile returns the content of an object's file.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, size, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body := make([]byte, size)
	if _, err := io.ReadFull(f, body); err != nil {
		return nil, err
	}
	return body, nil
}

// openFile opens the file of an object and returns its size. The content of an
// open file stays the same, since Put renames a new file over the old one and
// never writes into it.
func openFile(root *os.Root, name string) (*os.File, int64, error) {
	if info, err := root.Lstat(name); err != nil {
		return nil, 0, asNotExist(err)
	} else if info.IsDir() {
		return nil, 0, store.ErrNotExist
	} else if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular // opening a named pipe would block
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, asNotExist(err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() > store.MaxObject {
		err = store.ErrTooLarge
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// etagOf returns the ETag of an object with this content: a hash, so the same
// content always has the same ETag. A Put with IfMatch can therefore succeed
// although the object had other content in between. That does no harm, since the
// Put replaces the content that its caller has read.
func etagOf(body []byte) store.ETag {
	sum := sha256.Sum256(body)
	return etagFromSum(sum[:])
}

// etagFromSum returns the ETag for the SHA-256 of the content. Half of it is
// enough to tell any two contents apart.
func etagFromSum(sum []byte) store.ETag { return store.ETag(hex.EncodeToString(sum[:16])) }

// hashFile returns the ETag of the object of that name.
func hashFile(root *os.Root, name string) (store.ETag, error) {
	f, _, err := openFile(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return etagFromSum(h.Sum(nil)), nil
}
