//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// disk records which part of a folder survives a power cut: the content that a file had, and
// the entries that a folder had, when they were last synced.
type disk struct {
	root    string
	content map[uint64][]byte            // by inode
	entries map[uint64]map[string]uint64 // by the folder's inode: inodes by name
	folders map[uint64]bool
	// held keeps files open, so that the system does not use their inodes again.
	held []*os.File
}

// newDisk returns the state of a folder whose files and folders are all synced.
func newDisk(root string) (*disk, error) {
	d := &disk{root, map[uint64][]byte{}, map[uint64]map[string]uint64{}, map[uint64]bool{}, nil}
	return d, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = d.sync(path)
		}
		return err
	})
}

func (d *disk) close() {
	for _, file := range d.held {
		file.Close()
	}
}

// inode returns the inode of a file or folder.
func inode(path string) (ino uint64, folder bool, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, false, err
	}
	return info.Sys().(*syscall.Stat_t).Ino, info.IsDir(), nil
}

// entriesOf returns the inodes of a folder's entries.
func (d *disk) entriesOf(path string) (map[string]uint64, error) {
	list, err := os.ReadDir(path)
	all := map[string]uint64{}
	for _, entry := range list {
		ino, folder, err := inode(filepath.Join(path, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another thread has removed it since
		}
		if err != nil {
			return nil, err
		}
		all[entry.Name()] = ino
		d.folders[ino] = folder
	}
	return all, err
}

// sync records that a file or folder was synced. The path may lead into /proc, to a file
// that the program has open.
func (d *disk) sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	ino := info.Sys().(*syscall.Stat_t).Ino
	d.held = append(d.held, file)
	d.folders[ino] = info.IsDir()
	if info.IsDir() {
		d.entries[ino], err = d.entriesOf(path)
	} else {
		d.content[ino], err = os.ReadFile(path)
	}
	return err
}

// image builds a folder as it may be after a power cut now. The function survives decides
// about each change that was not synced.
func (d *disk) image(to string, survives func() bool) error {
	now := map[uint64]string{} // paths of the files that exist
	err := filepath.WalkDir(d.root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			var ino uint64
			ino, _, err = inode(path)
			now[ino] = path
		}
		return err
	})
	if err != nil {
		return err
	}
	root, _, err := inode(d.root)
	if err != nil {
		return err
	}
	return d.build(root, to, now, survives)
}

func (d *disk) build(folder uint64, to string, now map[uint64]string, survives func() bool) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	current := map[string]uint64{}
	if path, ok := now[folder]; ok {
		var err error
		if current, err = d.entriesOf(path); err != nil {
			return err
		}
	}
	names := maps.Clone(d.entries[folder])
	if names == nil {
		names = map[string]uint64{}
	}
	maps.Copy(names, current)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		synced, unsynced := d.entries[folder][name], current[name]
		ino := synced
		if synced != unsynced && survives() {
			ino = unsynced
		}
		if ino == 0 {
			continue
		}
		path := filepath.Join(to, name)
		if d.folders[ino] {
			if err := d.build(ino, path, now, survives); err != nil {
				return err
			}
			continue
		}
		body := d.content[ino] // none if the file was never synced
		if file, ok := now[ino]; ok && survives() {
			var err error
			if body, err = os.ReadFile(file); err != nil {
				return err
			}
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// images is the number of folders that are tried for each moment of a power cut: nothing that
// was not synced survives, or everything, or a random part.
const images = 4

// powerCuts returns a fault for each victim with an archive in a folder.
func powerCuts() (all []fault) {
	for _, v := range victims {
		all = append(all, fault{"power cut before each system call of " + v.name, func(program, dir string, row *row) error {
			w, err := newWorld(program, dir, false, 12)
			if err != nil {
				return err
			}
			defer w.close()
			return w.cutEvery(v, 1, row)
		}})
	}
	return all
}

// cutEvery cuts the power before each step-th call of the victim, and after its end.
func (w *world) cutEvery(v victim, step int, row *row) error {
	if v.name != "first collect" {
		if err := w.mustRun("collect"); err != nil {
			return err
		}
	}
	args, err := v.begin(w, 0)
	if err != nil {
		return err
	}
	pristine, image := filepath.Join(w.dir, "pristine"), filepath.Join(w.dir, "image")
	if err := os.CopyFS(pristine, os.DirFS(w.disk)); err != nil {
		return err
	}
	s := newSummary()
	random := rand.New(rand.NewPCG(1, 2))
	for k := 1; ; k += step {
		ended := false
		for i := range images {
			if err := replace(w.disk, pristine); err != nil {
				return err
			}
			r, n, err := w.cutAt(args, k, image, func() bool { return i == 1 || i > 1 && random.IntN(2) == 0 })
			if err != nil {
				return fmt.Errorf("power cut before call %d: %w", k, err)
			}
			if r.Late {
				return fmt.Errorf("power cut before call %d: the run did not end within %v", k, limit)
			}
			if ended = n < k; ended && r.Exit != 0 {
				return fmt.Errorf("%s ended with exit code %d: %s", v.name, r.Exit, r.Stderr)
			}
			if err := replace(w.disk, image); err != nil {
				return err
			}
			where := fmt.Sprintf("power cut before call %d of %d, outcome %d", k, n, i)
			if err := s.add(w, r); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			if err := w.mustRun(args...); err != nil {
				return fmt.Errorf("%s: the next run: %w", where, err)
			}
			if err := w.check(); err != nil {
				return fmt.Errorf("%s: after the next run: %w", where, err)
			}
		}
		if ended {
			s.fill(row)
			return nil
		}
	}
}

// cutAt runs a command, kills it before its k-th call, and builds the image of the disk. It
// returns the number of calls.
func (w *world) cutAt(args []string, k int, image string, survives func() bool) (r result, n int, err error) {
	d, err := newDisk(w.disk)
	if err != nil {
		return r, 0, err
	}
	defer d.close()
	var failed error
	r, err = trace(w.command(args...), w.disk, limit, nil, func(c call) action {
		switch {
		case !c.changes():
		case !c.After:
			n++
			return action{Kill: n == k}
		case c.Name == "fsync" && n < k && !w.syncsNothing:
			// Another thread may change a folder at the same time: then its new entries
			// count as synced.
			if err := d.sync(fmt.Sprintf("/proc/%d/fd/%d", c.PID, c.FD)); err != nil && failed == nil {
				failed = fmt.Errorf("record a sync of %s: %w", c.Path, err)
			}
		}
		return action{}
	})
	return r, n, errors.Join(err, failed, os.RemoveAll(image), d.image(image, survives))
}

// replace makes a folder a copy of another.
func replace(folder, from string) error {
	return errors.Join(os.RemoveAll(folder), os.CopyFS(folder, os.DirFS(from)))
}
