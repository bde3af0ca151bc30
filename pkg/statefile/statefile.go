// Package statefile keeps a value as JSON in a file of the state folder, which
// several processes may read and replace at once.
//
// It gives each write whole or not at all. Locking, and what the values mean,
// is the caller's business.
package statefile

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Read parses the file at path into v. If there is no such file, the error
// wraps [io/fs.ErrNotExist] and v is unchanged.
func Read(path string, v any) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err // names the path
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}

// Write replaces the file at path with v, atomically and durably: after a crash
// the file holds the old or the new value. It creates the folder, readable by
// the user and the group, if it is missing.
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
