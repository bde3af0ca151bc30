package dirstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/store"
)

// syncs records the files and folders that a store syncs, and their content at
// that time. It stands in for a power failure: killing a process does not show
// which writes are lost with the machine's memory.
type syncs struct {
	t    *testing.T
	root string
	all  []string
}

func newSyncs(t *testing.T, root string) (*Store, *syncs) {
	t.Helper()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	r := &syncs{t: t, root: root}
	s.sync = func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			r.all = append(r.all, r.folder(info))
		} else {
			r.all = append(r.all, "file with "+r.content(info))
		}
		return f.Sync()
	}
	return s, r
}

// content returns the content of the file that is being synced.
func (r *syncs) content(info os.FileInfo) string {
	temps, err := os.ReadDir(filepath.Join(r.root, tempFolder))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range temps {
		path := filepath.Join(r.root, tempFolder, e.Name())
		if found, err := os.Stat(path); err == nil && os.SameFile(found, info) {
			body, err := os.ReadFile(path)
			if err != nil {
				r.t.Fatal(err)
			}
			return string(body)
		}
	}
	return "an object's name"
}

// folder describes the folder that is being synced by its entries.
func (r *syncs) folder(info os.FileInfo) string {
	text := "another folder"
	err := filepath.Walk(filepath.Dir(r.root), func(path string, found os.FileInfo, err error) error {
		if err != nil || !os.SameFile(found, info) {
			return err
		}
		var names []string
		entries, err := os.ReadDir(path)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
		text = "folder of " + strings.Join(names, ", ")
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func (r *syncs) want(call string, want ...string) {
	r.t.Helper()
	if !slices.Equal(r.all, want) {
		r.t.Errorf("%s syncs\n%q, want\n%q", call, r.all, want)
	}
	r.all = nil
}

// TestDurable checks that the store syncs the content before it gives it a name,
// and the folder before a write returns.
func TestDurable(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	s, r := newSyncs(t, root)
	put := func(name, body string, cond store.Cond) (store.ETag, error) {
		return s.Put(t.Context(), name, []byte(body), cond)
	}
	one, err := put("a/b/c", "one", store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	r.want("a first put", "folder of root", "folder of a", "folder of b", "file with one", "folder of c")
	if _, err := put("a/b/d", "two", store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	r.want("a second put into the folder", "file with two", "folder of c, d")
	if one, err = put("a/b/c", "new", store.IfMatch(one)); err != nil {
		t.Fatal(err)
	}
	r.want("a replacing put", "file with new", "folder of c, d")
	if err := s.Delete(t.Context(), "a/b/c", one); err != nil {
		t.Fatal(err)
	}
	r.want("a delete", "folder of d")

	// The writer may have been killed before it synced the folder.
	s, r = newSyncs(t, root)
	if _, err := put("a/b/d", "two", store.IfAbsent()); !errors.Is(err, store.ErrPrecondition) {
		t.Fatal(err)
	}
	r.want("a put of an existing object", "folder of a", "folder of b", "folder of d")
	if _, err := s.Stat(t.Context(), "a/b/d"); err != nil {
		t.Fatal(err)
	}
	r.want("a stat", "folder of d")
}

// TestSyncFails checks that a call fails if any of its syncs fails, with an error
// that leaves the outcome unknown.
func TestSyncFails(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, failing := 0, 0
	s.sync = func(*os.File) error {
		if n++; n == failing {
			return errors.New("disk error")
		}
		return nil
	}
	etag, err := s.Put(t.Context(), "a", []byte("x"), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []struct {
		name string
		make func() error
	}{
		{"put", func() error { _, err := s.Put(t.Context(), "b/c", []byte("x"), store.IfAbsent()); return err }},
		{"replace", func() error { _, err := s.Put(t.Context(), "a", []byte("x"), store.IfMatch(etag)); return err }},
		{"stat", func() error { _, err := s.Stat(t.Context(), "a"); return err }},
		{"delete", func() error { return s.Delete(t.Context(), "a", etag) }},
	} {
		failures := 0
		for failing = 1; ; failing++ {
			n = 0
			err := call.make()
			if n < failing { // the call makes fewer syncs
				break
			}
			if err == nil || errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrAccess) || errors.Is(err, store.ErrNotExist) {
				t.Errorf("%s whose sync %d fails: %v", call.name, failing, err)
			}
			failures++
		}
		if failures == 0 {
			t.Errorf("%s syncs nothing", call.name)
		}
	}
}
