package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func TestWriteReportsAnUnwritableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(file, "state.json"), 1); err == nil {
		t.Error("wrote below a file")
	}
}
