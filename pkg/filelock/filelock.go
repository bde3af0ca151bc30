//go:build linux || darwin || freebsd

// Package filelock locks a file or a folder between processes.
//
// The lock belongs to the file that the path names: after locking, the package checks
// that nobody has removed or replaced the file in between, and starts again if
// somebody has. It follows no symbolic link. The system frees the lock of a
// process that ends, however it ends.
//
// A lock only keeps out others that lock the file too. If somebody removes the
// file while it is locked, the next process locks a new one.
package filelock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"polisen-events-collector/pkg/blocking"
)

// ErrNoLocks means that the file system does not support locks between processes, as some
// network file systems and FUSE.
var ErrNoLocks = errors.New("this file system does not support locks")

// poll is the time between two attempts to lock a file that another process, or
// another goroutine, has locked.
const poll = 5 * time.Millisecond

// Lock is a locked file. Use [Create] or [Existing] to lock one.
type Lock struct{ file *flock.Flock }

// Create locks the file at path. It creates the file if it is missing, but not
// its folder. While the file is locked it waits; once ctx is done, it returns at
// once with an error that wraps context.Cause(ctx) and names the process that
// holds the lock, if the system tells. It wraps [ErrNoLocks] if the file system has no
// locks. All errors are of type [*fs.PathError].
func Create(ctx context.Context, path string) (*Lock, error) { return acquire(ctx, path, os.O_CREATE) }

// Existing is Create for a file that exists already. If there is none, the error
// wraps [fs.ErrNotExist].
func Existing(ctx context.Context, path string) (*Lock, error) { return acquire(ctx, path, 0) }

// Try is Existing without a wait: it reports false if the file is locked, is
// missing or cannot be locked.
func Try(path string) (*Lock, bool) {
	l := newLock(path, 0)
	if locked, err := l.file.TryLock(); locked && err == nil && l.inPlace() {
		return l, true
	}
	l.Release()
	return nil, false
}

func newLock(path string, create int) *Lock {
	// Without O_NONBLOCK, opening a named pipe would block.
	flags := os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | create
	return &Lock{flock.New(path, flock.SetFlag(flags), flock.SetPermissions(0o640))}
}

func acquire(ctx context.Context, path string, create int) (*Lock, error) {
	for {
		l := newLock(path, create)
		locked, err := wait(ctx, l.try)
		if locked && err == nil && l.inPlace() {
			return l, nil
		}
		l.Release()
		if ctx.Err() != nil {
			return nil, &fs.PathError{Op: "lock", Path: path, Err: fmt.Errorf(
				"wait for %s, which has locked the file: %w; if it hangs, end it, and keep the file: without the file, two processes would write at once",
				holder(path), context.Cause(ctx))}
		}
		if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() {
			return nil, &fs.PathError{Op: "lock", Path: path, Err: errors.New("not a regular file: remove it, or replace it with the file itself")}
		}
		if err != nil {
			return nil, lockError(path, err)
		}
	}
}

// Folder locks an open folder, as [Create] locks a file. The lock stays on this folder
// if somebody renames it, and nobody can remove it before the folder is empty. The path
// is the folder's name in errors. release unlocks the folder; closing it does, too.
func Folder(ctx context.Context, folder *os.File, path string) (release func(), err error) {
	call := func(how int) error {
		conn, err := folder.SyscallConn()
		if err != nil {
			return err
		}
		var lockErr error
		if err := conn.Control(func(fd uintptr) { lockErr = unix.Flock(int(fd), how) }); err != nil {
			return err
		}
		return lockErr
	}
	locked, err := wait(ctx, func(ctx context.Context) (bool, error) {
		defer blocking.Call(ctx, "lock "+path)()
		err := call(unix.LOCK_EX | unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	switch {
	case err != nil:
		return nil, lockError(path, err)
	case !locked:
		return nil, &fs.PathError{Op: "lock", Path: path, Err: fmt.Errorf(
			"wait for %s, which has locked the folder: %w; if it hangs, end it", holder(path), context.Cause(ctx))}
	}
	return func() { _ = call(unix.LOCK_UN) }, nil
}

// wait calls try until it locks, fails, or ctx is done.
func wait(ctx context.Context, try func(context.Context) (bool, error)) (bool, error) {
	locked, err := try(ctx)
	for err == nil && !locked && ctx.Err() == nil {
		pause, cancel := context.WithTimeout(ctx, poll)
		<-pause.Done()
		cancel()
		locked, err = try(ctx)
	}
	return locked, err
}

// lockError returns the error of a failed attempt to lock the file or folder at path.
// An error of opening the file names it already.
func lockError(path string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	for _, none := range []error{unix.EBADF, unix.ENOSYS, unix.ENOLCK, unix.ENOTSUP, unix.EOPNOTSUPP} {
		if errors.Is(err, none) {
			err = fmt.Errorf("%w (%w)", ErrNoLocks, err)
			break
		}
	}
	return &fs.PathError{Op: "lock", Path: path, Err: err}
}

// try tries to lock the file. It does not wait for the lock, but opening the file may
// block.
func (l *Lock) try(ctx context.Context) (bool, error) {
	defer blocking.Call(ctx, "lock "+l.file.Path())()
	return l.file.TryLock()
}

// inPlace reports whether the path still names the locked file.
func (l *Lock) inPlace() bool {
	locked, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(l.file.Path())
	return err == nil && named.Mode().IsRegular() && os.SameFile(locked, named)
}

// Release unlocks the file. It does not remove it.
func (l *Lock) Release() { _ = l.file.Close() }

// holder describes the process that has locked the file, as "process 123". Only
// Linux tells which one it is, and only of processes on this machine and in this
// container: see proc_locks(5).
func holder(path string) string {
	const unknown = "another process"
	info, err := os.Stat(path)
	if err != nil {
		return unknown
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return unknown
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return unknown
	}
	defer locks.Close()
	device := uint64(file.Dev)
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(device), unix.Minor(device), file.Ino)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// Such as "1: FLOCK ADVISORY WRITE 26589 fe:00:9979797 0 EOF". A line of
		// a process that waits has one field more.
		f := strings.Fields(lines.Text())
		if len(f) == 8 && f[1] == "FLOCK" && f[5] == inode {
			return "process " + f[4]
		}
	}
	return unknown
}
