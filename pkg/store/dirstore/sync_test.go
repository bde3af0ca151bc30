package dirstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

// content returns the content of the temporary file that is being synced.
func (r *syncs) content(info os.FileInfo) string {
	text := "an object's name"
	err := filepath.Walk(r.root, func(path string, found os.FileInfo, err error) error {
		if err != nil || !os.SameFile(found, info) || !strings.HasPrefix(found.Name(), tempPrefix) {
			return err
		}
		body, err := os.ReadFile(path)
		text = string(body)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return text
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
	if _, err = put("a/b/c", "new", store.IfMatch(one)); err != nil {
		t.Fatal(err)
	}
	r.want("a replacing put", "file with new", "folder of c, d")
	if err := os.Remove(filepath.Join(root, "a/b/c")); err != nil {
		t.Fatal(err)
	}

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

// TestReadIsDurableFirst checks that a Put syncs the folders of the objects that
// were read before it, since their writers may have been killed before their own
// syncs.
func TestReadIsDurableFirst(t *testing.T) {
	root := t.TempDir()
	s, _ := newSyncs(t, root)
	for _, name := range []string{"events/1", "metadata/document"} {
		if _, err := s.Put(t.Context(), name, nil, store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	s, r := newSyncs(t, root)
	get := func(name string, want error) {
		if _, err := s.Get(t.Context(), name); !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	get("metadata/document", nil)
	get("metadata/document", nil)
	get("events/2", store.ErrNotExist)
	get("gone/1", store.ErrNotExist)
	r.want("reading")
	put := func(name string) error {
		_, err := s.Put(t.Context(), name, []byte("new"), store.IfAbsent())
		return err
	}
	if err := put("events/2"); err != nil {
		t.Fatal(err)
	}
	r.want("a put after a read", "folder of events, metadata", "folder of document", "file with new", "folder of 1, 2")
	if err := put("events/3"); err != nil {
		t.Fatal(err)
	}
	r.want("a second put", "file with new", "folder of 1, 2, 3")

	// A failed sync leaves the folder for the next put.
	get("metadata/document", nil)
	sync := s.sync
	s.sync = func(f *os.File) error { return errors.New("disk error") }
	if err := put("events/4"); err == nil {
		t.Error("a put whose first sync fails succeeds")
	}
	s.sync = sync
	if err := put("events/4"); err != nil {
		t.Fatal(err)
	}
	r.want("the put after that", "folder of document", "file with new", "folder of 1, 2, 3, 4")

	// A folder that is gone has nothing to sync.
	get("metadata/document", nil)
	if err := os.RemoveAll(filepath.Join(root, "metadata")); err != nil {
		t.Fatal(err)
	}
	if err := put("events/5"); err != nil {
		t.Fatal(err)
	}
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

// TestCannotSync checks that a file system that cannot sync folders, or files, can hold a
// store. Only for a folder EBADF and ENOENT mean that.
func TestCannotSync(t *testing.T) {
	for _, tt := range []struct {
		err          error
		file, folder bool // the sync of it may fail with this error
	}{
		{syscall.EINVAL, true, true},
		{syscall.ENOTSUP, true, true},
		{syscall.ENOSYS, true, true},
		{syscall.EBADF, false, true},
		{syscall.ENOENT, false, true},
		{syscall.EIO, false, false},
		{syscall.EACCES, false, false},
	} {
		for _, isFolder := range []bool{false, true} {
			s, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s.sync = func(f *os.File) error {
				if info, err := f.Stat(); err != nil || info.IsDir() != isFolder {
					return err
				}
				return &os.PathError{Op: "sync", Path: f.Name(), Err: tt.err}
			}
			var notes []string
			s.OnUnsynced = func(err error) { notes = append(notes, err.Error()) }
			_, err = s.Put(t.Context(), "a/b", []byte("x"), store.IfAbsent())
			if err == nil {
				_, err = s.Put(t.Context(), "a/b", []byte("y"), store.Always())
			}
			want := tt.file
			if isFolder {
				want = tt.folder
			}
			if (err == nil) != want {
				t.Errorf("folder %v, %v: %v", isFolder, tt.err, err)
			}
			if err != nil && strings.Count(err.Error(), s.path) > 1 {
				t.Errorf("folder %v, %v: the message names the store twice: %v", isFolder, tt.err, err)
			}
			if note := "sync a file or folder in " + s.path + ": " + tt.err.Error(); want != slices.Equal(notes, []string{note}) {
				t.Errorf("folder %v, %v: notes %q", isFolder, tt.err, notes)
			}
		}
	}
}

// TestSyncOfNewStoreFails checks that a disk error at the sync of the store's new folder does
// not count as a missing permission, which no later attempt could help.
func TestSyncOfNewStoreFails(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	s.sync = func(f *os.File) error { return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO} }
	_, err = s.Put(t.Context(), "a", []byte("x"), store.IfAbsent())
	if want := "put " + s.file("a") + ": create the store's folder: sync the folder: input/output error"; err == nil || err.Error() != want || errors.Is(err, store.ErrAccess) {
		t.Errorf("got %v, want %s", err, want)
	}
}
