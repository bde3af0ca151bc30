package dirstore

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"polisen-events-collector/pkg/filelock"
	"polisen-events-collector/pkg/statefile"
)

// prepare returns the store's folder for writing. The first call creates the
// folder durably if it is missing.
func (s *Store) prepare() (*os.Root, error) {
	s.mu.Lock()
	ready, root := s.folders != nil, s.root
	s.mu.Unlock()
	if ready {
		return root, nil
	}
	if err := s.createRoot(s.path); err != nil {
		return nil, accessError(fmt.Errorf("create the store's folder: %w", err))
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	s.removeTemps(root, ".")
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
	err := os.Mkdir(dir, folderMode)
	if errors.Is(err, fs.ErrExist) {
		// Another process may have created it just now.
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%s is neither a folder nor a link to one that exists", dir)
		}
	} else if err != nil {
		return err
	}
	if err == nil {
		if root, err := os.OpenRoot(parent); err == nil {
			keepFolderOwner(root, filepath.Base(dir))
			root.Close()
		}
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
// exists: a process that was killed before its own sync may have created it. It
// also removes the temporary files in the folder whose writers are gone.
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
	switch err := parent.Mkdir(base, folderMode); {
	case err == nil:
		keepFolderOwner(parent, base)
	case errors.Is(err, fs.ErrExist):
		if info, err := parent.Stat(base); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, syscall.ENOTDIR
		}
		s.removeTemps(root, dir)
	default:
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

// keepOwner gives a new file in a folder to the owner of the folder, if root has created it.
// Root may run a command on the archive of another user, who could not read or replace the
// objects of root later. It gives away no file that has a second name, since the owner of
// the folder may have put a link to a file of root there. It ignores errors: some file
// systems keep no owners.
func keepOwner(created *os.File, folder *os.Root) {
	if os.Geteuid() != 0 {
		return
	}
	in, err := folder.Stat(".")
	if err != nil {
		return
	}
	info, err := created.Stat()
	if err != nil {
		return
	}
	owner, hasOwner := in.Sys().(*syscall.Stat_t)
	file, hasLinks := info.Sys().(*syscall.Stat_t)
	if hasOwner && owner.Uid != 0 && hasLinks && (info.IsDir() || file.Nlink == 1) {
		_ = created.Chown(int(owner.Uid), int(owner.Gid))
	}
}

// keepFolderOwner is keepOwner for the new folder of that name in another folder.
func keepFolderOwner(parent *os.Root, name string) {
	created, err := parent.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer created.Close()
	keepOwner(created, parent)
}

// removeTemps removes the temporary files in a folder whose writers are gone:
// a writer keeps its file locked. It ignores errors, since these files only take
// up space.
func (s *Store) removeTemps(root *os.Root, dir string) {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		name := path.Join(dir, e.Name())
		if lock, ok := filelock.Try(s.file(name)); ok {
			_ = root.Remove(name)
			lock.Release()
		}
	}
}

// syncRead makes durable what Get has returned since the last call. Otherwise, if
// the machine crashed, what a caller writes because of an object could outlive
// that object.
func (s *Store) syncRead(root *os.Root) error {
	s.syncingRead.Lock() // a call that finds no folder waits until the folders of another are durable
	defer s.syncingRead.Unlock()
	s.mu.Lock()
	folders := s.unsynced
	s.unsynced = make(map[string]struct{})
	s.mu.Unlock()
	for dir := range folders {
		if err := s.openAndSync(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.mu.Lock()
			maps.Copy(s.unsynced, folders)
			s.mu.Unlock()
			return err
		}
	}
	return nil
}

// openAndSync makes the entries of a folder of the store durable.
func (s *Store) openAndSync(root *os.Root, dir string) error {
	folder, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return s.syncFolder(folder)
}

// syncFile makes a file's content durable, if the file system can do that.
func (s *Store) syncFile(f *os.File) error {
	err := s.sync(f)
	if statefile.CannotSync(err) {
		s.noteUnsynced(err)
		return nil
	}
	return err
}

// syncFolder makes a folder's entries durable, if the file system can do that. Some
// say with EBADF or ENOENT that they cannot sync an open folder. Its errors wrap
// errSyncFolder and not their cause: after a failed sync the outcome of the write is
// unknown, even if the cause is a missing permission.
func (s *Store) syncFolder(folder *os.File) error {
	err := s.sync(folder)
	switch {
	case err == nil:
		return nil
	case statefile.CannotSync(err), errors.Is(err, syscall.EBADF), errors.Is(err, syscall.ENOENT):
		s.noteUnsynced(err)
		return nil
	}
	return fmt.Errorf("%w: %v", errSyncFolder, withoutPath(err))
}

// noteUnsynced calls OnUnsynced at the first call.
func (s *Store) noteUnsynced(err error) {
	if s.OnUnsynced != nil {
		s.unsyncedOnce.Do(func() { s.OnUnsynced(fmt.Errorf("sync a file or folder in %s: %w", s.path, withoutPath(err))) })
	}
}
