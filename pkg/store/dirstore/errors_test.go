package dirstore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"polisen-events-collector/pkg/store"
)

// TestCallError checks errors of a disk that a test cannot cause on every machine.
func TestCallError(t *testing.T) {
	s := &Store{path: "/data"}
	tests := []struct {
		err    error
		want   string
		access bool
	}{
		{&fs.PathError{Op: "openat", Path: "a/.tmp-X", Err: syscall.ENOSPC}, "put /data/a/b: no space left on device: free some space", false},
		{&fs.PathError{Op: "write", Path: "a/.tmp-X", Err: syscall.EDQUOT}, "put /data/a/b: disk quota exceeded: free some space", false},
		{&fs.PathError{Op: "openat", Path: "a", Err: syscall.ENFILE}, "put /data/a/b: too many open files in system: end other programs, or raise the limit (ulimit -n)", false},
		{accessError(syscall.EMFILE), "put /data/a/b: too many open files: end other programs, or raise the limit (ulimit -n)", false},
		{accessError(syscall.EDQUOT), "put /data/a/b: disk quota exceeded: free some space", false},
		{accessError(syscall.EIO), "put /data/a/b: input/output error", false},
		{accessError(syscall.ENOTDIR), "put /data/a/b: no access to the store: not a directory: check the folder's owner, mode and mount, or choose another folder", true},
		{&os.LinkError{Op: "renameat", Old: "a/.tmp-X", New: "a/b", Err: syscall.EIO}, "put /data/a/b: input/output error", false},
		{
			&fs.PathError{Op: "mkdirat", Path: "a", Err: syscall.EROFS},
			"put /data/a/b: no access to the store: read-only file system: check the folder's owner, mode and mount, or choose another folder", true,
		},
		{
			&os.LinkError{Op: "renameat", Old: "a/.tmp-X", New: "a/b", Err: syscall.EPERM},
			"put /data/a/b: no access to the store: operation not permitted: check the folder's owner, mode and mount, or choose another folder", true,
		},
	}
	for _, tt := range tests {
		got := s.callError("put", "a/b", tt.err)
		if got.Error() != tt.want || errors.Is(got, store.ErrAccess) != tt.access {
			t.Errorf("callError(%v) = %v, ErrAccess: %v; want %s, %v", tt.err, got, errors.Is(got, store.ErrAccess), tt.want, tt.access)
		}
	}
}
