package dirstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"polisen-events-collector/pkg/store"
)

// TestListErrors checks which errors of a folder are those of the store as a whole.
func TestListErrors(t *testing.T) {
	for cause, wantName := range map[error]string{syscall.EIO: "a", syscall.EACCES: "a", syscall.EMFILE: "", syscall.EDQUOT: ""} {
		var got store.Attrs
		w := walk{Store: &Store{path: "/data"}, ctx: t.Context(), yield: func(attrs store.Attrs, _ error) bool {
			got = attrs
			return true
		}}
		if goesOn := w.fail("a", cause); got.Name != wantName || goesOn != (wantName != "") {
			t.Errorf("%v: the error is that of %q, want %q; the list goes on: %t", cause, got.Name, wantName, goesOn)
		}
	}
}

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
		{accessError(syscall.EIO), "put /data/a/b: input/output error: check the disk, and then the archive with verify", false},
		{accessError(syscall.ENOTDIR), "put /data/a/b: no access to the store: not a directory: check the folder's owner, mode and mount, or choose another folder", true},
		{&os.LinkError{Op: "renameat", Old: "a/.tmp-X", New: "a/b", Err: syscall.EIO}, "put /data/a/b: input/output error: check the disk, and then the archive with verify", false},
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

// TestKeepOwnerOfLinks checks that root gives away a new file, but none that has a second
// name, which may be a file of root elsewhere.
func TestKeepOwnerOfLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can create files of other users")
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]uint32{"new": 12345, "linked": 0} {
		file := filepath.Join(dir, name)
		err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chown(dir, 12345, 12345))
		if name == "linked" {
			err = errors.Join(err, os.Link(file, file+"2"))
		}
		if err != nil {
			t.Fatal(err)
		}
		created, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer created.Close()
		keepOwner(created, root)
		info, err := created.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
}
