package dirstore_test

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

// TestDanglingLink checks that a link to a folder that does not exist, as if its disk is not
// mounted, is no access rather than a failure that may pass.
func TestDanglingLink(t *testing.T) {
	root := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "not mounted"), root); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, root).Put(t.Context(), "a/b", []byte("x"), store.IfAbsent())
	if !errors.Is(err, store.ErrAccess) || !strings.Contains(err.Error(), "link is neither a folder nor a link to one that exists: check the folder's owner, mode and mount") {
		t.Errorf("Put: %v", err)
	}
}

// TestFolderIsLink checks that each call says what to do if events/ is a link to a folder on
// another disk, and that no other folder is read or written.
func TestFolderIsLink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(outside, "2026"), 0o700), os.Symlink(outside, filepath.Join(dir, "events"))); err != nil {
		t.Fatal(err)
	}
	s, ctx := open(t, dir), t.Context()
	const name = "events/2026/a"
	for what, call := range map[string]func() error{
		"get":  func() error { _, err := s.Get(ctx, name); return err },
		"stat": func() error { _, err := s.Stat(ctx, name); return err },
		"put":  func() error { _, err := s.Put(ctx, name, []byte("x"), store.IfAbsent()); return err },
		"list": func() (last error) {
			for _, err := range s.List(ctx, "events/2026/") {
				last = err
			}
			return last
		},
	} {
		if err := call(); !errors.Is(err, store.ErrAccess) || !strings.Contains(err.Error(), "is a link out of "+dir+": replace the link with the folder itself") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(outside, "2026")); err != nil || len(entries) > 0 {
		t.Errorf("entries outside: %v, %v", entries, err)
	}
}

// TestString checks that --store accepts the address of a folder with any name.
func TestString(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a b%41$c#d")
	text := open(t, root).String()
	u, err := url.Parse(text)
	if err != nil || u.Path != root || address.CheckLiteral(text) != nil {
		t.Errorf("String() = %q of %q: %v", text, root, err)
	}
}

// Reading a store whose folder is missing creates nothing. The first write
// creates the folder and its parents.
func TestFirstWriteCreatesFolder(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "data", "archive")
	s, ctx := open(t, root), t.Context()
	if got := s.String(); got != "file://"+root {
		t.Errorf("String() = %q", got)
	}
	_, getErr := s.Get(ctx, "a/b")
	_, statErr := s.Stat(ctx, "a/b")
	for _, err := range []error{getErr, statErr} {
		if !errors.Is(err, store.ErrNotExist) {
			t.Errorf("error in a missing folder is %v, want ErrNotExist", err)
		}
	}
	if got, err := storetest.Names(ctx, s, ""); len(got) > 0 || err != nil {
		t.Errorf("List yields %q, %v", got, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := storetest.Names(cancelled, s, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("List with a cancelled context: %v", err)
	}
	if got := files(t, base); len(got) > 0 {
		t.Errorf("reading created %q", got)
	}
	for _, mask := range []int{0o022, 0o077} {
		defer syscall.Umask(syscall.Umask(mask))
		put(t, s, map[int]string{0o022: "a/b", 0o077: "c/d"}[mask], "x", store.IfAbsent())
	}
	want := []string{
		"drwx------ data/archive/c", "-rw------- data/archive/c/d", // umask 077
		"-rw-r----- data/archive/a/b", "drwxr-x--- data", "drwxr-x--- data/archive", "drwxr-x--- data/archive/a",
	}
	got := files(t, base)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the writes created %q, want %q", got, want)
	}
}

// Files and folders that root creates belong to the owner of the folder that they are in.
// Otherwise a command of root would lock the user of the archive out.
func TestRootKeepsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can create files of other users")
	}
	for _, owner := range []int{0, 12345} {
		base := t.TempDir()
		if err := os.Chown(base, owner, owner); err != nil {
			t.Fatal(err)
		}
		s := open(t, filepath.Join(base, "data", "archive"))
		etag := put(t, s, "events/2026/a", "1", store.IfAbsent())
		put(t, s, "events/2026/a", "2", store.IfMatch(etag))
		put(t, s, "events/2026/b", "3", store.Always())
		seen := 0
		err := filepath.WalkDir(base, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			seen++
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			if got := info.Sys().(*syscall.Stat_t); int(got.Uid) != owner || int(got.Gid) != owner {
				t.Errorf("%s belongs to %d:%d, want %d", path, got.Uid, got.Gid, owner)
			}
			return nil
		})
		if err != nil || seen != 7 {
			t.Errorf("%d files and folders, want 7: %v", seen, err)
		}
	}
}

// A path that cannot be used as a folder is an error, not an empty store.
func TestUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, filepath.Join(file, "below")} {
		_, err := dirstore.Open(root)
		wantError(t, err, store.ErrAccess, root, "not a directory", "choose another folder")
	}
	// Nobody can create a folder in /proc, not even root.
	s := open(t, "/proc/archive")
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Get: %v", err)
	}
	_, err := s.Put(t.Context(), "a", nil, store.IfAbsent())
	wantError(t, err, store.ErrAccess, "/proc/archive/a", "no such file or directory", "choose another folder")
}

// An object's name cannot be the folder of another object, and no part of it
// can be longer than the file system allows.
func TestNamesTheFileSystemRejects(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	etag := put(t, s, "file", "1", store.IfAbsent())
	put(t, s, "folder/x", "2", store.IfAbsent())
	for _, name := range []string{"file/x", "file/x/y", "folder", strings.Repeat("x", 300), strings.Repeat("x", 300) + "/y"} {
		for _, cond := range []store.Cond{store.IfAbsent(), store.Always(), store.IfMatch(etag)} {
			_, err := s.Put(ctx, name, nil, cond)
			wantError(t, err, store.ErrInvalid)
		}
		_, getErr := s.Get(ctx, name)
		_, statErr := s.Stat(ctx, name)
		for _, err := range []error{getErr, statErr} {
			wantError(t, err, store.ErrNotExist)
		}
		if got, err := storetest.Names(ctx, s, name+"/y/"); len(got) > 0 || err != nil {
			t.Errorf("List yields %q, %v", got, err)
		}
	}
	if got, err := storetest.Names(ctx, s, ""); err != nil || !slices.Equal(got, []string{"file", "folder/x"}) {
		t.Errorf("List yields %q, %v", got, err)
	}
}

func TestLinksCannotLeaveTheFolder(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	s, ctx := open(t, root), t.Context()
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(root, "out")), os.Symlink(secret, filepath.Join(root, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"out/secret", "out/new", "out/new/x", "link"} {
		if o, err := s.Get(ctx, name); err == nil {
			t.Errorf("Get(%s) gave %q", name, o.Body)
		}
		if _, err := s.Put(ctx, name, []byte("x"), store.IfAbsent()); err == nil {
			t.Errorf("Put(%s) succeeded", name)
		}
	}
	for _, prefix := range []string{"", "o", "out/", "out/s"} {
		if got, err := storetest.Names(ctx, s, prefix); len(got) > 0 || err == nil {
			t.Errorf("List(%s) yields %q, %v; want an error", prefix, got, err)
		}
	}
	if got := files(t, outside); !slices.Equal(got, []string{"-rw------- secret"}) {
		t.Errorf("the folder outside holds %q", got)
	}
	put(t, s, "link", "replaced", store.Always()) // replaces the link, not the file outside
	if body, err := os.ReadFile(secret); string(body) != "secret" {
		t.Errorf("the file outside holds %q, %v", body, err)
	}
}

// A named pipe is an error, and opening it does not block. Only a listing whose
// prefix includes the pipe has the error, and it has all objects beside it.
func TestNamedPipe(t *testing.T) {
	root := t.TempDir()
	s, ctx := open(t, root), t.Context()
	put(t, s, "events/2026/01/05/a", "", store.IfAbsent())
	put(t, s, "events/2026/01/04/a", "", store.IfAbsent())
	if err := syscall.Mkfifo(filepath.Join(root, "events/2026/01/04/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(ctx, "events/2026/01/04/pipe")
	wantError(t, err, nil, "not a regular file or folder")
	_, err = storetest.Names(ctx, s, "events/2026/01/04/pipe/")
	wantError(t, err, nil, "not a regular file or folder")
	_, err = storetest.Names(ctx, s, "events/2026/01/0")
	wantError(t, err, nil, "events/2026/01/04/pipe", "not a regular file or folder")
	var all []string
	for a, err := range s.List(ctx, "events/") {
		if all = append(all, a.Name); err != nil {
			wantError(t, err, nil, "events/2026/01/04/pipe", "not a regular file or folder")
		}
	}
	if want := []string{"events/2026/01/04/a", "events/2026/01/04/pipe", "events/2026/01/05/a"}; !slices.Equal(all, want) {
		t.Errorf("List yields %q, want %q", all, want)
	}
	for _, prefix := range []string{"events/2026/01/05", "events/2026/01/05/", "events/2026/01/04/a"} {
		if got, err := storetest.Names(ctx, s, prefix); len(got) != 1 || err != nil {
			t.Errorf("List(%s) yields %q, %v", prefix, got, err)
		}
	}
}

// Files whose names begin with a dot are not objects. Temporary files of killed
// writers are removed by the first write to their folder; reading does not.
func TestDotFiles(t *testing.T) {
	root := t.TempDir()
	temps := []string{filepath.Join(root, ".tmp-A"), filepath.Join(root, "b", ".tmp-B"), filepath.Join(root, "b", "c", ".tmp-C"), filepath.Join(root, "other", ".tmp-D")}
	if err := errors.Join(os.MkdirAll(filepath.Join(root, ".git"), 0o700),
		os.MkdirAll(filepath.Join(root, "b", "c"), 0o700), os.Mkdir(filepath.Join(root, "other"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, file := range append(temps, filepath.Join(root, ".git", "x"), filepath.Join(root, ".hidden")) {
		if err := os.WriteFile(file, []byte("incomplete"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, root)
	for _, prefix := range []string{"", ".", ".tmp-", "b/", ".git/"} {
		if got, err := storetest.Names(t.Context(), s, prefix); len(got) > 0 || err != nil {
			t.Errorf("List(%s) yields %q, %v", prefix, got, err)
		}
	}
	for _, temp := range temps {
		if _, err := os.Stat(temp); err != nil {
			t.Errorf("reading removed a file: %v", err)
		}
	}
	put(t, s, "b/c/d", "", store.IfAbsent())
	got := files(t, root)
	want := []string{"drwx------ .git", "-rw------- .git/x", "-rw------- .hidden", "drwx------ b", "drwx------ b/c", "-rw-r----- b/c/d", "drwx------ other", "-rw------- other/.tmp-D"}
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

// An object larger than store.MaxObject is an error of each call that would read it.
// The file is sparse: it takes no space.
func TestTooLarge(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	file := filepath.Join(root, "large")
	etag := put(t, s, "large", "", store.IfAbsent())
	for _, size := range []int64{store.MaxObject + 1, 1 << 40} {
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		_, getErr := s.Get(t.Context(), "large")
		_, statErr := s.Stat(t.Context(), "large")
		_, putErr := s.Put(t.Context(), "large", nil, store.IfMatch(etag))
		for _, err := range []error{getErr, statErr, putErr} {
			wantError(t, err, nil, file, "larger than 96 MiB")
			if !errors.Is(err, store.ErrTooLarge) {
				t.Errorf("%v does not wrap ErrTooLarge", err)
			}
		}
		if all, err := storetest.Names(t.Context(), s, ""); len(all) != 1 || err != nil {
			t.Errorf("List yields %q, %v", all, err)
		}
	}
	put(t, s, "large", "replaced", store.Always())
	if err := os.Truncate(file, store.MaxObject); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Get(t.Context(), "large"); err != nil || o.Size != store.MaxObject {
		t.Errorf("an object of the largest size: %d bytes, %v", o.Size, err)
	}
}

// TestFileIsChanged checks that a Put with IfMatch notices each change of the file.
func TestFileIsChanged(t *testing.T) {
	rewrite := func(file, content string) error { return os.WriteFile(file, []byte(content), 0o600) }
	// Keeps the file's time, so that it does not show the change.
	sameTime := func(file string, change func() error) error {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		return errors.Join(change(), os.Chtimes(file, info.ModTime(), info.ModTime()))
	}
	for name, change := range map[string]func(t *testing.T, root, file string) error{
		"by another process": func(t *testing.T, root, file string) error {
			return sameTime(file, func() error {
				put(t, open(t, root), "a", "six", store.Always())
				return nil
			})
		},
		"twice by another process": func(t *testing.T, root, file string) error {
			return sameTime(file, func() error {
				other := open(t, root)
				put(t, other, "a", "six", store.Always())
				put(t, other, "a", "ten", store.Always())
				return nil
			})
		},
		"in place": func(t *testing.T, root, file string) error {
			return sameTime(file, func() error { return rewrite(file, "edited") })
		},
		"in place, of the same size": func(t *testing.T, root, file string) error {
			return sameTime(file, func() error { return rewrite(file, "owt") })
		},
		"removed": func(t *testing.T, root, file string) error { return os.Remove(file) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root)
			one := put(t, s, "a", "one", store.IfAbsent())
			two := put(t, s, "a", "two", store.IfMatch(one))
			if err := change(t, root, filepath.Join(root, "a")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), "a", []byte("lost update"), store.IfMatch(two)); !errors.Is(err, store.ErrPrecondition) {
				t.Errorf("Put returns %v, want ErrPrecondition", err)
			}
		})
	}
}

// While another process has locked an object, a write that replaces it waits
// until its context ends; while another process has locked a folder, a write that
// creates an object in it does. Other writes do not wait.
func TestLock(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	etag := put(t, s, "folder/a", "1", store.IfAbsent())
	folder := filepath.Join(root, "folder")
	file := filepath.Join(folder, "a")
	for _, tt := range []struct {
		name   string
		conds  []store.Cond
		locked string   // the file or folder
		free   string   // the name of an object that a write can create meanwhile
		words  []string // of the error
	}{
		{"folder/a", []store.Cond{store.IfMatch(etag), store.Always()}, file, "folder/beside", []string{file, "keep the file"}},
		{"folder/b", []store.Cond{store.IfAbsent(), store.Always()}, folder, "other/b", []string{folder, "has locked the folder", "end it"}},
	} {
		other := flock.New(tt.locked, flock.SetFlag(os.O_RDONLY))
		if err := other.Lock(); err != nil {
			t.Fatal(err)
		}
		put(t, s, tt.free, "created", store.IfAbsent())
		for _, cond := range tt.conds {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := s.Put(ctx, tt.name, []byte("2"), cond)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: while another process holds the lock: %v", tt.name, err)
			}
			wantError(t, err, nil, append(tt.words, "process "+strconv.Itoa(os.Getpid()))...)
		}
		if err := other.Unlock(); err != nil {
			t.Fatal(err)
		}
		put(t, s, tt.name, "2", tt.conds[0])
	}
}

func open(t testing.TB, root string) *dirstore.Store {
	t.Helper()
	s, err := dirstore.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s store.Store, name, body string, cond store.Cond) store.ETag {
	t.Helper()
	etag, err := s.Put(t.Context(), name, []byte(body), cond)
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

// files returns the mode and the relative path of each file and folder below dir.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		all = append(all, info.Mode().String()+" "+rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantError checks that err wraps the store's error want and no other of them,
// that its text contains the words, and that it is one line. A nil want means
// that err wraps none of them.
func wantError(t *testing.T, err, want error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, sentinel := range []error{store.ErrNotExist, store.ErrPrecondition, store.ErrAccess, store.ErrInvalid} {
		if got := errors.Is(err, sentinel); got != (sentinel == want) {
			t.Errorf("errors.Is(err, %q) = %v for: %v", sentinel, got, err)
		}
	}
	for _, word := range append(words, "") {
		if !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want one line with %q, got: %v", word, err)
		}
	}
}
