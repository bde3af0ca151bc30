// Package statefile keeps a value as JSON in a file. Several processes may read and
// replace the file at the same time: a reader gets a whole value, never a part.
//
// It does not lock the file. A process that reads a value, changes it and writes
// it back needs a lock of its own.
package statefile

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// maxSize is the size of the largest file that Read accepts.
const maxSize = 1 << 20

// Read parses the file at path into v. If there is no such file, the error wraps
// [io/fs.ErrNotExist] and v is unchanged. After another error v may hold a part of
// the value. A file that is not a regular one, or is larger than 1 MiB, is an
// error. The errors name the file.
func Read(path string, v any) error {
	// Without O_NONBLOCK, opening a named pipe would block.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err // names the file
	}
	defer file.Close()
	switch info, err := file.Stat(); {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("read %s: not a regular file; remove it", path)
	case info.Size() > maxSize:
		return fmt.Errorf("read %s: %d bytes, more than %d; remove it", path, info.Size(), maxSize)
	}
	body, err := io.ReadAll(io.LimitReader(file, maxSize))
	if err != nil {
		return err
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
	return renameio.WriteFile(path, append(body, '\n'), 0o640, renameio.WithTempDir(dir))
}
