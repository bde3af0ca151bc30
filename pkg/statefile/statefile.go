//go:build linux || darwin || freebsd

// Package statefile keeps a value as JSON in a small file. Several processes may read
// and replace the file at the same time: a reader gets a whole value, never a part.
// [ReadFile] also reads other small files, such as keys, and [WritePublic] replaces a
// file for other programs.
//
// It does not lock the file. A process that reads a value, changes it and writes
// it back needs a lock of its own.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// MaxSize is the size in bytes of the largest file that is read.
const MaxSize = 1 << 20

// unsuitable is the reason why a file is not read.
type unsuitable string

func (u unsuitable) Error() string { return string(u) }

// ReadFile returns the content of a regular file of at most [MaxSize] bytes. It
// refuses all other files, since a read from a pipe or a terminal may never end. All
// errors are of type [*io/fs.PathError].
func ReadFile(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a named pipe would block. Without O_NOCTTY, a
	// terminal could become that of the process.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	refuse := func(why unsuitable) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: path, Err: why}
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return refuse("is a directory, not a file")
	case !info.Mode().IsRegular():
		return refuse("is a pipe or a device, not a regular file")
	}
	body, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > MaxSize:
		return refuse("is larger than 1 MiB, which is too large for such a file")
	}
	return body, nil
}

// IsUTF16 reports whether the text of a file is probably encoded in UTF-16: then its ASCII
// characters have a zero byte beside them.
func IsUTF16(text string) bool { return strings.Contains(text, "\x00") }

// Read parses the file at path into v. If there is no such file, the error wraps
// [io/fs.ErrNotExist] and v is unchanged. After another error v may hold a part of
// the value. [ReadFile] says which files are refused. The errors name the file.
func Read(path string, v any) error {
	body, err := ReadFile(path)
	if _, ok := errors.AsType[unsuitable](err); ok {
		return fmt.Errorf("%w; remove it", err)
	}
	if err != nil {
		return err // names the file
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}

// Write replaces the file at path with v atomically: after a crash the file holds
// the old or the new value. It creates the file's folder if it is missing. The user
// may write both, and the group may read them. The errors name the file or the
// folder.
func Write(path string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(0o640), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	return replace(file, path, append(body, '\n'))
}

// replace writes body to the file and renames it to path. If the file system cannot
// sync a file, a crash of the machine may lose the content.
func replace(file *renameio.PendingFile, path string, body []byte) error {
	defer removeAbandoned(path)
	defer file.Cleanup() // does nothing after CloseAtomicallyReplace
	if _, err := file.Write(body); err != nil {
		return err
	}
	err := file.CloseAtomicallyReplace()
	if !CannotSync(err) {
		return err
	}
	if err := file.File.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// abandoned is the age from which a temporary file belongs to no process that still runs.
const abandoned = time.Hour

// removeAbandoned removes the temporary files that processes left which were killed while
// they replaced the file at path. It compares the times of files, since the clock of the
// machine may differ from that of a network folder.
func removeAbandoned(path string) {
	dir, base := filepath.Split(path)
	current, err := os.Stat(path)
	entries, listErr := os.ReadDir(filepath.Clean(dir))
	if err != nil || listErr != nil {
		return // a later write tries again
	}
	for _, entry := range entries {
		random, ok := strings.CutPrefix(entry.Name(), "."+base) // as renameio names them
		if !ok || random == "" || strings.Trim(random, "0123456789") != "" {
			continue
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && current.ModTime().Sub(info.ModTime()) >= abandoned {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// Advice returns what the user can do about err, which is why the file or its lock cannot be
// written. It speaks of the file's folder as the state folder.
func Advice(err error) string {
	switch {
	case IsFull(err):
		return "free some space on the disk of the state folder"
	case errors.Is(err, fs.ErrPermission):
		return "make the state folder writable"
	}
	return "correct that, or choose another state folder"
}

// IsFull reports whether err means that a disk or the user's quota has no space left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsOutOfDescriptors reports whether err means that this process or the machine has no file
// descriptors left.
func IsOutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// CannotSync reports whether err, the error of a sync, means that the file system has
// no such call (see fsync(2)).
func CannotSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP)
}

// WritePublic replaces the file at path with body atomically. Everybody may read it,
// whatever the umask. It creates no folder, and follows a link at path. It refuses to
// replace anything but a regular file. All errors are of type [*io/fs.PathError] or
// [*os.LinkError].
func WritePublic(path string, body []byte) error {
	file, path, err := createPublic(path)
	if err != nil {
		return err
	}
	return replace(file, path, body)
}

// CheckPublic checks whether [WritePublic] can create a file at path, and returns its error.
// It leaves the file at path as it is.
func CheckPublic(path string) error {
	file, _, err := createPublic(path)
	if err != nil {
		return err
	}
	return file.Cleanup()
}

// createPublic creates a temporary file that can replace the file at path, and returns it
// with the path of that file, which is another one if there is a link at path.
func createPublic(path string) (*renameio.PendingFile, string, error) {
	switch target, err := filepath.EvalSymlinks(path); {
	case err == nil:
		path = target
	case !errors.Is(err, fs.ErrNotExist):
		return nil, "", err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, "", &fs.PathError{Op: "replace", Path: path, Err: unsuitable("is not a regular file")}
	}
	// renameio.WriteFile would keep the mode of the file that it replaces.
	dir := filepath.Dir(path)
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o644))
	if e, ok := errors.AsType[*fs.PathError](err); ok { // it names a temporary file
		err = &fs.PathError{Op: "create a file in", Path: dir, Err: e.Err}
	}
	return file, path, err
}
