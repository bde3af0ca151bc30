package verify_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// collectInto stores events in a folder as a run does, and returns the error of
// [archive.Writer.Unfinished].
func collectInto(t *testing.T, root string, events ...polisen.Event) error {
	t.Helper()
	s, err := dirstore.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	w := archive.NewWriter(s, writerOptions())
	_, err = w.Add(t.Context(), archive.Batch{Events: events, ObservedAt: now, Current: true})
	if err == nil {
		err = w.Flush(t.Context())
	}
	if err != nil {
		t.Fatalf("the whole run failed: %v", err)
	}
	return w.Unfinished()
}

// folderWith returns a folder with an archive of these events, and its store.
func folderWith(t *testing.T, events ...polisen.Event) (root string, s *dirstore.Store) {
	t.Helper()
	root = t.TempDir()
	s, err := dirstore.Open(root)
	if err == nil {
		err = collectInto(t, root, events...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root, s
}

// TestUnlisted puts something in a folder that is neither an object nor a readable
// folder. The events that may be there wait, the others are stored, and an audit reports
// it as a finding.
func TestUnlisted(t *testing.T) {
	const day5 = "events/2026/01/05"
	fifo := func(name string) error { return syscall.Mkfifo(name, 0o600) }
	loop := func(name string) error { return os.Symlink(filepath.Base(name), name) }
	socket := func(name string) error {
		// A path of a socket is short, and a folder of a test may be long.
		l, err := net.Listen("unix", filepath.Join(os.TempDir(), "polisen-test.sock"))
		if err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		return errors.Join(l.Close(), os.Rename(filepath.Join(os.TempDir(), "polisen-test.sock"), name))
	}
	tests := map[string]struct {
		name   string
		create func(string) error
		stored bool // event 2 of day 5 is in a readable object
	}{
		"pipe":                 {day5 + "/events-5.jsonl", fifo, true},
		"socket":               {day5 + "/events-5.jsonl", socket, true},
		"link loop":            {day5 + "/events-5.jsonl", loop, true},
		"revisions":            {"revisions/2026/01/05", fifo, true},
		"link loop as folder":  {day5, loop, false},
		"pipe as folder":       {day5, fifo, false},
		"beside the partition": {day5 + ".old", fifo, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, s := folderWith(t, event(1, 1, "first"), event(2, 5, "first"))
			file := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
			var err error
			if !tt.stored {
				err = os.RemoveAll(file(tt.name))
			}
			err = errors.Join(err, os.Remove(file(archive.DocumentName)), os.MkdirAll(filepath.Dir(file(tt.name)), 0o700), tt.create(file(tt.name)))
			if err != nil {
				t.Fatal(err)
			}
			err = collectInto(t, root, event(1, 1, "first"), event(3, 1, "first"), event(4, 5, "first"), event(6, 9, "first"))
			waits := !strings.HasSuffix(tt.name, ".old")
			if waits != (err != nil) || waits && (!strings.Contains(err.Error(), file(tt.name)) || !strings.Contains(err.Error(), "1 event waiting")) {
				t.Errorf("error %v", err)
			}
			r, err := verify.Audit(t.Context(), s, options())
			if err != nil {
				t.Fatal(err)
			}
			var checks []string
			for _, f := range r.Findings {
				if f.Severity == verify.Problem && f.Check != verify.MissingDays {
					checks = append(checks, string(f.Check)+" "+f.Object)
				}
			}
			if want := []string{"unreadable " + tt.name}; !slices.Equal(checks, want) || r.OK {
				t.Errorf("findings %q, want %q", checks, want)
			}
			if _, err := repair(s, true); err == nil || !strings.Contains(err.Error(), file(tt.name)) {
				t.Errorf("repair: %v", err)
			}
			if err := os.Remove(file(tt.name)); err != nil {
				t.Fatal(err)
			}
			if err := collectInto(t, root, event(1, 1, "first"), event(3, 1, "first"), event(4, 5, "first")); err != nil {
				t.Fatal(err)
			}
			r, err = verify.Audit(t.Context(), s, options())
			if want := map[bool]int{true: 5, false: 4}[tt.stored]; err != nil || r.Checked.Events != want || r.ByCheck[verify.DuplicateEvent] > 0 {
				t.Errorf("%d events, want %d; %v, %v", r.Checked.Events, want, r.Findings, err)
			}
		})
	}
}

// TestTopOfFolder puts files and folders into the top of an archive's folder that systems and
// users keep there. The archive stays healthy and can be repaired: the audit skips the names
// that [store.IsLitter] accepts, and the others are notices.
func TestTopOfFolder(t *testing.T) {
	root, s := folderWith(t, event(1, 1, "first"))
	file := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	for _, name := range []string{
		"lost+found/#1234", "@eaDir/x", "events/@eaDir/SYNO", "events/2026/01/01/@eaDir/events-1.jsonl", "events/2026/01/01/Thumbs.db", "events/desktop.ini",
		"Thumbs.db", ".DS_Store", "events/.DS_Store", ".stfolder/x", ".stversions/events/2026/01/01/events-1.jsonl", "._events", "System Volume Information/x",
		"notes.txt", "old/events/2026/01/01/events-1.jsonl", "old/metadata/last_seen.json",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file(name)), 0o700), os.WriteFile(file(name), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// These names are links to themselves, so not even root can read them.
	for _, name := range []string{"mnt", "events/lost+found"} {
		if err := os.Symlink(filepath.Base(name), file(name)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"foreign-object notes.txt 0", "foreign-object old/ 0", "unreadable mnt 0"}
	check := func() {
		t.Helper()
		r, err := verify.Audit(t.Context(), s, options())
		if err != nil {
			t.Fatal(err)
		}
		if got := found(r); !slices.Equal(got, want) || !r.OK || r.Notices != len(want) {
			t.Errorf("findings %q, want the notices %q; %d problems", got, want, r.Problems)
		}
	}
	check()
	if err := os.Remove(file(archive.DocumentName)); err != nil {
		t.Fatal(err)
	}
	if _, err := repair(s, false); err != nil {
		t.Errorf("repair: %v", err)
	}
	if err := collectInto(t, root, event(1, 1, "first"), event(2, 2, "first")); err != nil {
		t.Error(err)
	}
	check()
}

// TestForeignObjects checks that objects beside the archive's folders in a bucket are
// notices, one for each folder, and objects in the archive's folders are problems.
func TestForeignObjects(t *testing.T) {
	s := memstore.New()
	fillDays(t, s, 2)
	for _, name := range []string{"b/1", "b/2/x", "a", "metadata/x", "rejected/x"} {
		storetest.MustPut(t, s, name, "x")
	}
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Check, f.Object, f.Actual))
	}
	want := []string{
		"notice foreign-object a: another object", "notice foreign-object b/: 2 other objects",
		"problem foreign-object metadata/x: another object", "problem bad-name rejected/x: a name that this program does not write; the content was not checked",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings\n%q, want\n%q", got, want)
	}
}

// TestFolderInPlaceOfPending checks that a run stores everything but an object of the
// last commit whose name is a folder.
func TestFolderInPlaceOfPending(t *testing.T) {
	root, s := folderWith(t, event(1, 1, "first"), event(2, 5, "first"))
	objects, err := filepath.Glob(filepath.Join(root, "events/2026/01/05/*"))
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	if err := errors.Join(os.Remove(objects[0]), os.Mkdir(objects[0], 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := collectInto(t, root, event(3, 9, "first")); err == nil || !strings.Contains(err.Error(), objects[0]) {
			t.Errorf("error %v, want one that names the folder", err)
		}
	}
	if err := os.Remove(objects[0]); err != nil {
		t.Fatal(err)
	}
	if err := collectInto(t, root, event(3, 9, "first")); err != nil {
		t.Error(err)
	}
	if r, err := verify.Audit(t.Context(), s, options()); err != nil || r.Checked.Events != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
