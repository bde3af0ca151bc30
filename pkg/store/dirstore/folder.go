package dirstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"polisen-events-collector/pkg/store"
)

// writable returns the folder after making sure that it exists durably and
// clearing away what killed writers left behind.
func (s *Store) writable() (*os.Root, error) {
	s.mu.Lock()
	ready, root := s.folders != nil, s.root
	s.mu.Unlock()
	if ready {
		return root, nil
	}
	if err := s.makeRoot(s.path); err != nil {
		return nil, fmt.Errorf("%w: create the store's folder: %w", store.ErrAccess, err)
	}
	root, err := s.opened()
	if err != nil {
		return nil, err
	}
	if err := root.Mkdir(tempFolder, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	clearTemps(root)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders == nil {
		s.folders = map[string]struct{}{".": {}}
	}
	return root, nil
}

// makeRoot creates the folder and those above it that are missing.
func (s *Store) makeRoot(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.makeRoot(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	above, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer above.Close()
	return s.syncFolder(above)
}

// makeFolder opens a folder of the store, after creating it and those above it
// if they are missing. The first write of a process to a folder syncs the one
// above even if both exist, because whoever created the folder may have been
// killed before doing so.
func (s *Store) makeFolder(root *os.Root, dir string) (*os.Root, error) {
	s.mu.Lock()
	_, known := s.folders[dir]
	s.mu.Unlock()
	if known {
		return root.OpenRoot(dir)
	}
	above, err := s.makeFolder(root, path.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer above.Close()
	base := path.Base(dir)
	if err := above.Mkdir(base, folderMode); errors.Is(err, fs.ErrExist) {
		if info, err := above.Stat(base); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, syscall.ENOTDIR
		}
	} else if err != nil {
		return nil, err
	}
	entries, err := above.Open(".")
	if err != nil {
		return nil, err
	}
	defer entries.Close()
	if err := s.syncFolder(entries); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folders[dir] = struct{}{}
	return above.OpenRoot(base)
}

// clearTemps removes temporary files that are older than tempAge. It matters
// little if it cannot: nobody reads them.
func clearTemps(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), tempFolder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
			_ = root.Remove(path.Join(tempFolder, e.Name()))
		}
	}
}

// syncFolder makes a folder's entries durable. Some file systems cannot sync
// folders and say EINVAL (fsync(2)); there is nothing more to be done on those.
// Any other error is one of unknown outcome, whatever its cause.
func (s *Store) syncFolder(folder *os.File) error {
	if err := s.sync(folder); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("make it durable: %v", err)
	}
	return nil
}
