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

// prepare returns the store's folder for writing. The first call creates the
// folder durably if it is missing, and removes the old temporary files of killed
// writers.
func (s *Store) prepare() (*os.Root, error) {
	s.mu.Lock()
	ready, root := s.folders != nil, s.root
	s.mu.Unlock()
	if ready {
		return root, nil
	}
	if err := s.createRoot(s.path); err != nil {
		return nil, fmt.Errorf("%w: create the store's folder: %w", store.ErrAccess, err)
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	if err := root.Mkdir(tempFolder, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	removeOldTemps(root)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders == nil {
		s.folders = map[string]struct{}{".": {}}
	}
	return root, nil
}

// createRoot creates dir and its missing parents durably.
func (s *Store) createRoot(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.createRoot(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer folder.Close()
	return s.syncFolder(folder)
}

// createFolder opens a folder of the store, and first creates it and its missing
// parents. It syncs the parent of each folder once per Store, even if the folder
// exists: a process that was killed before its own sync may have created it.
func (s *Store) createFolder(root *os.Root, dir string) (*os.Root, error) {
	s.mu.Lock()
	_, durable := s.folders[dir]
	s.mu.Unlock()
	if durable {
		return root.OpenRoot(dir)
	}
	parent, err := s.createFolder(root, path.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	base := path.Base(dir)
	if err := parent.Mkdir(base, folderMode); errors.Is(err, fs.ErrExist) {
		if info, err := parent.Stat(base); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, syscall.ENOTDIR
		}
	} else if err != nil {
		return nil, err
	}
	entries, err := parent.Open(".")
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
	return parent.OpenRoot(base)
}

// removeOldTemps removes temporary files that are older than tempAge. It
// ignores errors: these files only take up space.
func removeOldTemps(root *os.Root) {
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

// syncFolder makes a folder's entries durable. It ignores EINVAL, which some file
// systems return because they cannot sync folders (see fsync(2)). Its errors do
// not wrap their cause: after a failed sync the outcome of the write is unknown,
// even if the cause is a missing permission.
func (s *Store) syncFolder(folder *os.File) error {
	if err := s.sync(folder); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("sync the folder: %v", err)
	}
	return nil
}
