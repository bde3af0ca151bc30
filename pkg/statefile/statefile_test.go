package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReadReturnsWhatWriteWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "folder", "state.json")
	got := []int{7}
	if err := Read(path, &got); !errors.Is(err, fs.ErrNotExist) || len(got) != 1 {
		t.Errorf("read a missing file: %v, %v; want fs.ErrNotExist and no change", got, err)
	}
	for _, want := range [][]int{{1, 2, 3}, {4}} {
		if err := Write(path, want); err != nil {
			t.Fatal(err)
		}
		if err := Read(path, &got); err != nil || len(got) != len(want) || got[0] != want[0] {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v), want only the file", entries, err)
	}
}

// TestAbandonedFiles checks that a write removes the temporary files of processes that were
// killed long ago, and no other files.
func TestAbandonedFiles(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"state":  func(path string) error { return Write(path, 1) },
		"public": func(path string) error { return WritePublic(path, []byte("1")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ages := map[string]time.Duration{
				".state.json123": abandoned + time.Minute, ".state.json45": abandoned - time.Minute,
				".state.json": 2 * abandoned, ".state.json6.old": 2 * abandoned, ".state.jsonx": 2 * abandoned,
				".other.json7": 2 * abandoned, "state.json8": 2 * abandoned,
			}
			for name, age := range ages {
				file := filepath.Join(dir, name)
				at := time.Now().Add(-age)
				if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, at, at)); err != nil {
					t.Fatal(err)
				}
			}
			if err := write(filepath.Join(dir, "state.json")); err != nil {
				t.Fatal(err)
			}
			for name := range ages {
				_, err := os.Lstat(filepath.Join(dir, name))
				if removed := errors.Is(err, fs.ErrNotExist); removed != (name == ".state.json123") {
					t.Errorf("%s is removed: %v", name, removed)
				}
			}
		})
	}
}

func TestReadNamesADamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("[1,"), 0o600); err != nil {
		t.Fatal(err)
	}
	var v []int
	if err := Read(path, &v); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
}

// TestReadOfSpecialFiles checks that Read does not block, and reads no large file.
func TestReadOfSpecialFiles(t *testing.T) {
	for name, create := range map[string]func(path string) error{
		"a named pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a folder":     func(path string) error { return os.Mkdir(path, 0o700) },
		"a large file": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, MaxSize+1))
		},
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := create(path); err != nil {
			t.Fatal(err)
		}
		var v []int
		if err := Read(path, &v); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: got %v, want an error that names %s", name, err, path)
		}
	}
}

func TestWriteReportsAnUnwritableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(file, "state.json"), 1); err == nil {
		t.Error("wrote below a file")
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	largest := write("largest", MaxSize)
	if body, err := ReadFile(largest); err != nil || len(body) != MaxSize {
		t.Errorf("largest file: %d bytes, %v", len(body), err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(largest, link); err != nil {
		t.Fatal(err)
	}
	if body, err := ReadFile(link); err != nil || len(body) != MaxSize {
		t.Errorf("link to a file: %d bytes, %v", len(body), err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe:                          "not a regular file",
		dir:                           "is a directory",
		"/dev/null":                   "not a regular file",
		write("larger", MaxSize+1):    "larger than 1 MiB",
		filepath.Join(dir, "missing"): "no such file",
	} {
		_, err := ReadFile(path)
		var pathError *fs.PathError
		if !errors.As(err, &pathError) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one with %q", path, err, want)
		}
	}
}

// TestWritePublic checks that everybody may read the file whatever the umask and the
// mode of the file that it replaces, and that no other file appears beside it. A check
// before changes nothing.
func TestWritePublic(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "public")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link, filepath.Join(dir, "new")} {
		old, _ := os.ReadFile(name)
		if err := CheckPublic(name); err != nil {
			t.Error(err)
		}
		if body, _ := os.ReadFile(name); string(body) != string(old) {
			t.Errorf("the check changed %s to %q", name, body)
		}
		if err := WritePublic(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(name)
		info, statErr := os.Stat(name)
		if err != nil || statErr != nil || string(body) != name || info.Mode() != 0o644 {
			t.Errorf("%s: %q, %v, %v, %v", name, body, info.Mode(), err, statErr)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

// TestWritePublicReplacesFilesOnly checks that pipes and folders stay, as /dev/null has
// to for root.
func TestWritePublicReplacesFilesOnly(t *testing.T) {
	pipe, folder := filepath.Join(t.TempDir(), "pipe"), t.TempDir()
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(folder, "missing", "file")
	for path, message := range map[string]string{pipe: pipe + ": is not", folder: folder + ": is not", missing: "create a file in " + filepath.Dir(missing)} {
		before, _ := os.Stat(path)
		if err := WritePublic(path, nil); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %s", path, err, message)
		}
		if err := CheckPublic(path); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("check %s: %v, want %s", path, err, message)
		}
		if after, _ := os.Stat(path); before != nil && (after == nil || after.Mode() != before.Mode()) {
			t.Errorf("%s was replaced", path)
		}
	}
}

// TestWriteReplacesLinks checks that Write replaces a link and leaves the file to which it
// leads as it is.
func TestWriteReplacesLinks(t *testing.T) {
	target, link := filepath.Join(t.TempDir(), "target"), filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.WriteFile(target, []byte("mine"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, 1); err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(target); err != nil || string(body) != "mine" {
		t.Errorf("the target of the link holds %q, %v", body, err)
	}
	if info, err := os.Lstat(link); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link is still there: %v, %v", info, err)
	}
}

func TestAdvice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	belowFile := Write(filepath.Join(file, "state.json"), 1)
	for err, want := range map[error]string{
		belowFile: "correct that, or choose another state folder",
		&fs.PathError{Op: "open", Path: file, Err: syscall.EACCES}:  "make the state folder writable",
		&fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC}: "free some space on the disk of the state folder",
		&fs.PathError{Op: "write", Path: file, Err: syscall.EDQUOT}: "free some space on the disk of the state folder",
	} {
		if got := Advice(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
