package archive_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

const (
	oldName     = "events/2026/01/01/events-1767250000.jsonl"
	deletedName = "events/2026/01/01/events-1767250001.jsonl"
)

// repairable returns an archive of three listed events and two objects with
// duplicates, and the repair that moves the other event of these objects to a new
// object.
func repairable(t *testing.T) (*memstore.Store, archive.Repair) {
	t.Helper()
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 1, "first")))
	storetest.MustPut(t, s, oldName, string(archivetest.Event(1, 0, "first").Raw)+"\n"+string(archivetest.Event(4, 0, "first").Raw)+"\n")
	storetest.MustPut(t, s, deletedName, string(archivetest.Event(1, 0, "first").Raw)+"\n")
	above := int64(2)
	r := archive.Repair{
		BasedOn: etag(t, s, archive.DocumentName),
		Document: archive.Document{
			SeenIDs: []int64{4, 3}, CompleteAbove: &above,
			Fingerprints: map[int64]archive.Versions{4: {archivetest.Event(4, 0, "first").Fingerprint}},
			Superseded:   []archive.Superseded{{oldName, etag(t, s, oldName)}, {deletedName, etag(t, s, deletedName)}},
		},
		Lines: map[archive.Partition][][]byte{
			{Kind: archive.Events, Date: archive.Date{Year: 2026, Month: 1, Day: 1}}: {archivetest.Event(4, 0, "first").Raw},
		},
	}
	return s, r
}

func etag(t *testing.T, s store.Reader, name string) store.ETag {
	t.Helper()
	a, err := s.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a.ETag
}

// checkRepaired checks the archive after the repair and the deletions.
func checkRepaired(t *testing.T, s store.Reader) {
	t.Helper()
	d := document(t, s)
	if d.Commit.Sequence != 2 || !slices.Equal(d.SeenIDs, []int64{4, 3}) || d.TotalTracked != 2 || *d.CompleteAbove != 2 || len(d.Pending) != 1 {
		t.Errorf("document %+v, commit %+v", d, d.Commit)
	}
	m := newModel()
	m.add(current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 1, "first"), archivetest.Event(4, 0, "first")))
	m.Check(t, s)
}

func TestRepair(t *testing.T) {
	s, r := repairable(t)
	w := archive.NewWriter(s, options())
	objects, damagedCopy, err := w.CommitRepair(t.Context(), r)
	if err != nil || len(objects) != 1 || objects[0].Lines != 1 || damagedCopy != "" {
		t.Fatalf("objects %v, copied to %q, error %v", objects, damagedCopy, err)
	}
	deleted, err := w.DeleteSuperseded(t.Context())
	slices.Sort(deleted)
	if err != nil || !slices.Equal(deleted, []string{oldName, deletedName}) {
		t.Errorf("deleted %v, error %v", deleted, err)
	}
	checkRepaired(t, s)
}

// TestSupersededOutlastsCommits checks that other runs copy the list of superseded
// objects, so that any later repair can delete them.
func TestSupersededOutlastsCommits(t *testing.T) {
	s, r := repairable(t)
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(5, 0, "first"), archivetest.Event(4, 0, "first")))
	mustRun(t, s, current(archivetest.Event(6, 0, "first")))
	w := archive.NewWriter(s, options())
	if err := w.Open(t.Context()); err != nil || !slices.Equal(w.Document().Superseded, r.Document.Superseded) {
		t.Errorf("superseded %v, error %v", w.Document().Superseded, err)
	}
	storetest.MustPut(t, s, deletedName, string(archivetest.Event(7, 0, "first").Raw)+"\n") // in another state now
	if deleted, err := w.DeleteSuperseded(t.Context()); err != nil || !slices.Equal(deleted, []string{oldName}) {
		t.Errorf("deleted %v, error %v", deleted, err)
	}
	m := newModel()
	m.add(current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 1, "first"), archivetest.Event(4, 0, "first"),
		archivetest.Event(5, 0, "first"), archivetest.Event(6, 0, "first"), archivetest.Event(7, 0, "first")))
	m.Check(t, s)
}

// TestRepairFaultAtEveryCall makes each call of a repair fail in each way, and
// checks that a second run completes the repair.
func TestRepairFaultAtEveryCall(t *testing.T) {
	repair := func(s store.Store, r archive.Repair) error {
		w := archive.NewWriter(s, options())
		_, _, err := w.CommitRepair(t.Context(), r)
		if err == nil {
			_, err = w.DeleteSuperseded(t.Context())
		}
		return err
	}
	s, r := repairable(t)
	counted := storetest.NewFaults(s, nil)
	if err := repair(counted, r); err != nil {
		t.Fatal(err)
	}
	for k := range len(counted.Calls()) {
		for name, fault := range map[string]storetest.Fault{
			"fail before": storetest.FailBefore(), "fail after": storetest.FailAfter(), "late by one": storetest.Late(1),
			"late by two": storetest.Late(2), "very late": storetest.Late(0), "crash": storetest.CrashAfter(),
		} {
			s, r := repairable(t)
			broken := storetest.NewFaults(s, storetest.At(k+1, fault))
			if err := repair(broken, r); err != nil && !errors.Is(err, storetest.ErrFault) && !errors.Is(err, storetest.ErrCrashed) {
				t.Fatalf("call %d, %s: %v", k+1, name, err)
			}
			w := archive.NewWriter(s, options())
			if err := w.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w.Document().Commit.Sequence == 1 {
				if _, _, err := w.CommitRepair(t.Context(), r); err != nil {
					t.Fatalf("call %d, %s: second run: %v", k+1, name, err)
				}
			}
			if _, err := w.DeleteSuperseded(t.Context()); err != nil {
				t.Fatalf("call %d, %s: delete: %v", k+1, name, err)
			}
			broken.Release()
			checkRepaired(t, s)
		}
	}
}

// TestRepairUnknownOutcome checks that a repair succeeds if the reply to its commit
// is lost.
func TestRepairUnknownOutcome(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"no effect": storetest.FailBefore(), "reply lost": storetest.FailAfter(),
		"effect before the next read": storetest.Late(1), "effect after the next read": storetest.Late(2),
	} {
		s, r := repairable(t)
		failed := false
		f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && c.Name == archive.DocumentName && !failed {
				failed = true
				return fault
			}
			return storetest.Fault{}
		})
		w := archive.NewWriter(f, options())
		_, _, err := w.CommitRepair(t.Context(), r)
		if err == nil {
			_, err = w.DeleteSuperseded(t.Context())
		}
		if err != nil || !failed {
			t.Errorf("%s: %v", name, err)
		}
		checkRepaired(t, s)
	}
}

// TestRepairWithNameTaken checks that no repair replaces a document as long as some
// lines are stored only in that document.
func TestRepairWithNameTaken(t *testing.T) {
	m := newModel()
	s := nameTaken(t, m, current(archivetest.Events(10, 3, 2)...))
	d := document(t, s)
	r := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{
		SeenIDs: d.SeenIDs, CompleteAbove: d.CompleteAbove, Fingerprints: d.Fingerprints,
	}}
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("error %v, want the repair refused", err)
	}
	mustRun(t, s, archive.Batch{})
	m.Check(t, s)
}

// TestRepairConflict checks that a repair has no effect if another run has committed
// before it.
func TestRepairConflict(t *testing.T) {
	for _, when := range []string{"before", "at the commit", "after a failed request"} {
		s, r := repairable(t)
		other := func() { mustRun(t, s, current(archivetest.Event(9, 0, "first"))) }
		w := archive.NewWriter(storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && c.Name == archive.DocumentName && when != "before" {
				other()
				if when == "after a failed request" {
					return storetest.FailBefore()
				}
			}
			return storetest.Fault{}
		}), options())
		if when == "before" {
			other()
		}
		if _, _, err := w.CommitRepair(t.Context(), r); !errors.Is(err, store.ErrPrecondition) {
			t.Errorf("%s: error %v", when, err)
		}
		if d := document(t, s); d.Commit.Sequence != 2 || !slices.Contains(d.SeenIDs, 9) || d.Superseded != nil {
			t.Errorf("%s: document %+v", when, d)
		}
	}
}

func TestRepairDryRunAndDamagedDocument(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, archive.DocumentName, "{")
	r := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{CompleteAbove: new(int64)}}
	o := options()
	o.DryRun = true
	f := storetest.NewFaults(s, nil)
	if _, _, err := archive.NewWriter(f, o).CommitRepair(t.Context(), r); err != nil || len(f.Calls()) != 1 {
		t.Errorf("a dry run calls %v, error %v", f.Calls(), err)
	}
	_, damagedCopy, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r)
	if err != nil || !strings.HasPrefix(damagedCopy, "metadata/last_seen.corrupt-") {
		t.Fatalf("copied to %q, error %v", damagedCopy, err)
	}
	if object, err := s.Get(t.Context(), damagedCopy); err != nil || string(object.Body) != "{" {
		t.Errorf("copy %q, %v", object.Body, err)
	}
	if d := document(t, s); d.SeenIDs == nil || len(d.SeenIDs) > 0 || *d.CompleteAbove != 0 {
		t.Errorf("document %+v", d)
	}
}

// TestMayStillBeWritten checks which objects can still be put by a run that has read
// an earlier document.
func TestMayStillBeWritten(t *testing.T) {
	clock := start
	o := options()
	o.Now = func() time.Time { return clock }
	s := memstore.New()
	name := func(stamp time.Time) archive.Name { return archive.Name{Timestamp: stamp.Unix()} }
	var commits []time.Time
	for i, wait := range []time.Duration{0, time.Hour, time.Minute, time.Minute} {
		clock = clock.Add(wait)
		commits = append(commits, clock)
		if _, err := archive.NewWriter(s, o).Add(t.Context(), current(archivetest.Event(int64(i+1), 0, "first"))); err != nil {
			t.Fatal(err)
		}
	}
	d := document(t, s)
	for _, tt := range []struct {
		name string
		n    archive.Name
		at   time.Time
		want bool
	}{
		{"last commit", name(commits[3]), clock, true},
		{"last commit, an hour later", name(commits[3]), clock.Add(time.Hour), true},
		{"commit two minutes ago", name(commits[1]), clock, true},
		{"commit before it, whose document was current until then", name(commits[0]), clock, true},
		{"commit one minute ago, an hour later", name(commits[2]), clock.Add(time.Hour), false},
		{"object with an earlier timestamp", name(commits[0].Add(-time.Second)), clock, false},
		{"object with a later timestamp", name(commits[3].Add(time.Second)), clock, false},
	} {
		if got := d.MayStillBeWritten(tt.n, tt.at); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if new(archive.Document).MayStillBeWritten(name(start), start) {
		t.Error("an archive without a document has objects that may still be written")
	}
}
