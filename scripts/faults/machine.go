//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fillDisk writes a file until the disk is full.
func fillDisk(w *world, _ *exec.Cmd) (func(), error) {
	name := filepath.Join(w.disk, "filler")
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() { os.Remove(name) }, nil
}

// fillInodes creates files until there are no inodes.
func fillInodes(w *world, _ *exec.Cmd) (func(), error) {
	dir := filepath.Join(w.disk, "fillers")
	err := os.Mkdir(dir, 0o700)
	for i := 0; err == nil; i++ {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() { os.RemoveAll(dir) }, nil
}

func readOnly(w *world, _ *exec.Cmd) (func(), error) {
	if err := syscall.Mount("none", w.disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Mount("none", w.disk, "", syscall.MS_REMOUNT, "") }, nil
}

// failing returns a reaction that lets calls fail whose file is in the archive, or anywhere
// on the disk.
func failing(name string, archive bool, errno syscall.Errno) func(w *world, c call) action {
	return func(w *world, c call) action {
		if c.After || c.Path == "socket" || c.Name != name || archive && !strings.HasPrefix(c.Path, filepath.Join(w.disk, w.archive)) {
			return action{}
		}
		return action{Error: errno}
	}
}

func diskFaults() (all []fault) {
	for _, s := range []single{
		{name: "full disk", mount: "size=3m", exits: []int{5}, cause: fillDisk},
		{name: "no inodes", mount: "nr_inodes=1000", exits: []int{5}, cause: fillInodes},
		{name: "read-only disk", mount: "size=3m", exits: []int{5, 6}, cause: readOnly},
	} {
		all = append(all, s.fault())
	}
	for _, f := range []struct {
		call  string
		errno syscall.Errno
	}{
		{"write", syscall.EIO}, {"write", syscall.EDQUOT}, {"write", syscall.ENOSPC}, {"fsync", syscall.EIO}, {"fsync", syscall.EDQUOT}, {"close", syscall.EDQUOT}, {"read", syscall.EIO},
		{"openat", syscall.EDQUOT}, {"openat", syscall.EACCES}, {"renameat", syscall.EIO}, {"renameat", syscall.EDQUOT}, {"unlinkat", syscall.EIO},
	} {
		all = append(all,
			single{name: fmt.Sprintf("%s of %s in the archive", errnoName(f.errno), f.call), exits: []int{0, 3, 5, 6}, react: failing(f.call, true, f.errno)}.fault(),
			single{name: fmt.Sprintf("%s of %s in the archive and the state folder", errnoName(f.errno), f.call), exits: []int{0, 1, 3, 5, 6}, react: failing(f.call, false, f.errno)}.fault())
	}
	return all
}

func errnoName(e syscall.Errno) string {
	return map[syscall.Errno]string{syscall.EIO: "EIO", syscall.EDQUOT: "EDQUOT", syscall.ENOSPC: "ENOSPC", syscall.EACCES: "EACCES"}[e]
}

// shell makes a command run by a shell, after this part of a script.
func shell(script string) func(w *world, c *exec.Cmd) (func(), error) {
	return func(_ *world, c *exec.Cmd) (func(), error) {
		args := append([]string{"sh", "-c", fmt.Sprintf(script, `exec "$0" "$@"`), c.Path}, c.Args[1:]...)
		path, err := exec.LookPath("sh")
		c.Path, c.Args = path, args
		return nil, err
	}
}

func processFaults() (all []fault) {
	for _, s := range []single{
		{name: "8 file descriptors, folder", exits: []int{1, 3, 5, 6}, cause: shell("ulimit -n 8; %s")},
		{name: "8 file descriptors, bucket", bucket: true, exits: []int{1, 4, 5, 6}, cause: shell("ulimit -n 8; %s")},
		{name: "5 file descriptors", exits: []int{1, 2, 4, 5, 6}, cause: shell("ulimit -n 5; %s")},
		{name: "address space of 120 MB (ENOMEM)", exits: []int{0, 1, 2, 5}, cause: shell("ulimit -v 120000; %s")},
		{name: "closed stdout", exits: []int{0, 1}, cause: shell("%s --output json >&-")},
		{name: "full stdout", exits: []int{1}, cause: shell("%s --output json >/dev/full")},
		{name: "closed stderr", exits: []int{0}, cause: shell("%s 2>&-")},
		{name: "full stderr at log level debug", exits: []int{0, 1}, cause: shell("%s --log-level debug 2>/dev/full")},
		{name: "closed stdin, stdout and stderr", exits: []int{0}, cause: shell("%s <&- >&- 2>&-")},
		{name: "SIGSTOP for 6 s during the call to the API, time limit 4 s", exits: []int{0, 4, 5}, cause: func(w *world, c *exec.Cmd) (func(), error) {
			set(c, "POLISEN_TIMEOUT", waiting.String())
			return w.intercept(isAPI, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				_ = c.Process.Signal(syscall.SIGSTOP)
				time.Sleep(waiting + 2*time.Second)
				_ = c.Process.Signal(syscall.SIGCONT)
				serve(rw, r)
			}), nil
		}},
	} {
		all = append(all, s.fault())
	}
	return all
}
