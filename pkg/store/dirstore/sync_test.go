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

// syncs records what a store makes durable, and what was there at the time: a
// kill cannot show what a power cut would leave.
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

// content is what the file holds that is being synced.
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
	return "a name already"
}

// folder names the folder that is being synced, with what is in it.
func (r *syncs) folder(info os.FileInfo) string {
	what := "another folder"
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
		what = "folder of " + strings.Join(names, ", ")
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return what
}

func (r *syncs) want(what string, want ...string) {
	r.t.Helper()
	if !slices.Equal(r.all, want) {
		r.t.Errorf("%s syncs\n%q, want\n%q", what, r.all, want)
	}
	r.all = nil
}

// TestDurable: each write is durable before it is reported, and no name is
// given to content that is not.
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
	r.want("a put beside it", "file with two", "folder of c, d")
	if one, err = put("a/b/c", "new", store.IfMatch(one)); err != nil {
		t.Fatal(err)
	}
	r.want("a replacing put", "file with new", "folder of c, d")
	if err := s.Delete(t.Context(), "a/b/c", one); err != nil {
		t.Fatal(err)
	}
	r.want("a delete", "folder of d")

	// Another process may have been killed between its write and its sync.
	s, r = newSyncs(t, root)
	if _, err := put("a/b/d", "two", store.IfAbsent()); !errors.Is(err, store.ErrPrecondition) {
		t.Fatal(err)
	}
	r.want("a put of what is there", "folder of a", "folder of b", "folder of d")
	if _, err := s.Stat(t.Context(), "a/b/d"); err != nil {
		t.Fatal(err)
	}
	r.want("a look for it", "folder of d")
}

// TestSyncFails: what may not be durable is not reported as written.
func TestSyncFails(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, at := 0, 0
	s.sync = func(*os.File) error {
		if n++; n == at {
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
		fine := 0
		for at = 1; ; at++ {
			n = 0
			err := call.make()
			if n < at { // there was no sync left to fail
				break
			}
			if err == nil || errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrAccess) || errors.Is(err, store.ErrNotExist) {
				t.Errorf("%s with its sync %d failing: %v", call.name, at, err)
			}
			fine++
		}
		if fine == 0 {
			t.Errorf("%s syncs nothing", call.name)
		}
	}
}
