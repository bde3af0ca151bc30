package archive_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

const (
	oldName  = "events/2026/01/01/events-1767250000.jsonl"
	goneName = "events/2026/01/01/events-1767250001.jsonl"
)

// amendable is an archive of three listed events, beside two objects with
// doubles, and the amendment that takes these into a new object.
func amendable(t *testing.T) (*memstore.Store, archive.Repair) {
	t.Helper()
	s := memstore.New()
	mustRun(t, s, current(event(1, 0, "first"), event(2, 1, "first"), event(3, 1, "first")))
	put(t, s, oldName, string(event(1, 0, "first").Raw)+"\n"+string(event(4, 0, "first").Raw)+"\n")
	put(t, s, goneName, string(event(1, 0, "first").Raw)+"\n")
	above := int64(2)
	a := archive.Repair{
		BasedOn: etag(t, s, archive.DocumentName),
		Document: archive.Document{
			SeenIDs: []int64{4, 3}, CompleteAbove: &above,
			Fingerprints: map[int64]archive.Versions{4: {event(4, 0, "first").Fingerprint}},
			Superseded:   []archive.Superseded{{oldName, etag(t, s, oldName)}, {goneName, etag(t, s, goneName)}},
		},
		Lines: map[archive.Partition][][]byte{
			{Kind: archive.Events, Date: archive.Date{Year: 2026, Month: 1, Day: 1}}: {event(4, 0, "first").Raw},
		},
	}
	return s, a
}

func etag(t *testing.T, s store.Reader, name string) store.ETag {
	t.Helper()
	a, err := s.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a.ETag
}

// wantAmended looks at the archive after the amendment and all that follows it.
func wantAmended(t *testing.T, s store.Reader) {
	t.Helper()
	d := document(t, s)
	if d.Commit.Sequence != 2 || !slices.Equal(d.SeenIDs, []int64{4, 3}) || d.TotalTracked != 2 || *d.CompleteAbove != 2 || len(d.Pending) != 1 {
		t.Errorf("document %+v, commit %+v", d, d.Commit)
	}
	tr := newTruth()
	tr.show(current(event(1, 0, "first"), event(2, 1, "first"), event(3, 1, "first"), event(4, 0, "first")))
	tr.check(t, s)
}

func TestAmend(t *testing.T) {
	s, a := amendable(t)
	w := archive.NewWriter(s, options())
	objects, keptAs, err := w.CommitRepair(t.Context(), a)
	if err != nil || len(objects) != 1 || objects[0].Lines != 1 || keptAs != "" {
		t.Fatalf("objects %v, kept as %q, error %v", objects, keptAs, err)
	}
	removed, err := w.DeleteSuperseded(t.Context())
	slices.Sort(removed)
	if err != nil || !slices.Equal(removed, []string{oldName, goneName}) {
		t.Errorf("removed %v, error %v", removed, err)
	}
	wantAmended(t, s)
}

// TestSupersededOutlastsCommits: other runs hand the list on, whoever comes to
// delete by it.
func TestSupersededOutlastsCommits(t *testing.T) {
	s, a := amendable(t)
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	mustRun(t, s, current(event(1, 0, "first"), event(5, 0, "first"), event(4, 0, "first")))
	mustRun(t, s, current(event(6, 0, "first")))
	w := archive.NewWriter(s, options())
	if err := w.Open(t.Context()); err != nil || !slices.Equal(w.Document().Superseded, a.Document.Superseded) {
		t.Errorf("superseded %v, error %v", w.Document().Superseded, err)
	}
	put(t, s, goneName, string(event(7, 0, "first").Raw)+"\n") // now another object
	if removed, err := w.DeleteSuperseded(t.Context()); err != nil || !slices.Equal(removed, []string{oldName}) {
		t.Errorf("removed %v, error %v", removed, err)
	}
	tr := newTruth()
	tr.show(current(event(1, 0, "first"), event(2, 1, "first"), event(3, 1, "first"), event(4, 0, "first"),
		event(5, 0, "first"), event(6, 0, "first"), event(7, 0, "first")))
	tr.check(t, s)
}

// TestAmendAtEveryFault makes each call of an amendment go wrong; done again by
// whoever looks at the archive anew, it happens once.
func TestAmendAtEveryFault(t *testing.T) {
	amend := func(s store.Store, a archive.Repair) error {
		w := archive.NewWriter(s, options())
		_, _, err := w.CommitRepair(t.Context(), a)
		if err == nil {
			_, err = w.DeleteSuperseded(t.Context())
		}
		return err
	}
	s, a := amendable(t)
	counted := storetest.NewFaults(s, nil)
	if err := amend(counted, a); err != nil {
		t.Fatal(err)
	}
	for k := range len(counted.Calls()) {
		for name, fault := range map[string]storetest.Fault{
			"fail before": storetest.FailBefore(), "fail after": storetest.FailAfter(), "late by one": storetest.Late(1),
			"late by two": storetest.Late(2), "very late": storetest.Late(0), "crash": storetest.CrashAfter(),
		} {
			s, a := amendable(t)
			broken := storetest.NewFaults(s, storetest.At(k+1, fault))
			if err := amend(broken, a); err != nil && !errors.Is(err, storetest.ErrFault) && !errors.Is(err, storetest.ErrCrashed) {
				t.Fatalf("call %d, %s: %v", k+1, name, err)
			}
			w := archive.NewWriter(s, options())
			if err := w.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w.Document().Commit.Sequence == 1 {
				if _, _, err := w.CommitRepair(t.Context(), a); err != nil {
					t.Fatalf("call %d, %s: again: %v", k+1, name, err)
				}
			}
			if _, err := w.DeleteSuperseded(t.Context()); err != nil {
				t.Fatalf("call %d, %s: remove: %v", k+1, name, err)
			}
			broken.Release()
			wantAmended(t, s)
		}
	}
}

// TestAmendUnknownOutcome: a lost answer is no failure.
func TestAmendUnknownOutcome(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"no effect": storetest.FailBefore(), "answer lost": storetest.FailAfter(),
		"effect before the reading": storetest.Late(1), "effect after the reading": storetest.Late(2),
	} {
		s, a := amendable(t)
		failed := false
		f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && c.Name == archive.DocumentName && !failed {
				failed = true
				return fault
			}
			return storetest.Fault{}
		})
		w := archive.NewWriter(f, options())
		_, _, err := w.CommitRepair(t.Context(), a)
		if err == nil {
			_, err = w.DeleteSuperseded(t.Context())
		}
		if err != nil || !failed {
			t.Errorf("%s: %v", name, err)
		}
		wantAmended(t, s)
	}
}

// TestAmendBesideStranger: as long as lines of the last commit stand in the
// document alone, no amendment takes its place.
func TestAmendBesideStranger(t *testing.T) {
	tr := newTruth()
	s := unflushed(t, tr, current(series(10, 3, 2)...))
	d := document(t, s)
	a := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{
		SeenIDs: d.SeenIDs, CompleteAbove: d.CompleteAbove, Fingerprints: d.Fingerprints,
	}}
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), a); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("error %v, want the amendment refused", err)
	}
	mustRun(t, s, archive.Batch{})
	tr.check(t, s)
}

// TestAmendLost: another run's commit, at whatever time, leaves the amendment
// without effect.
func TestAmendLost(t *testing.T) {
	for _, when := range []string{"before", "at the commit", "after a lost request"} {
		s, a := amendable(t)
		other := func() { mustRun(t, s, current(event(9, 0, "first"))) }
		w := archive.NewWriter(storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && c.Name == archive.DocumentName && when != "before" {
				other()
				if when == "after a lost request" {
					return storetest.FailBefore()
				}
			}
			return storetest.Fault{}
		}), options())
		if when == "before" {
			other()
		}
		if _, _, err := w.CommitRepair(t.Context(), a); !errors.Is(err, store.ErrPrecondition) {
			t.Errorf("%s: error %v", when, err)
		}
		if d := document(t, s); d.Commit.Sequence != 2 || !slices.Contains(d.SeenIDs, 9) || d.Superseded != nil {
			t.Errorf("%s: document %+v", when, d)
		}
	}
}

func TestAmendDryRunAndDamage(t *testing.T) {
	s := memstore.New()
	put(t, s, archive.DocumentName, "{")
	a := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{CompleteAbove: new(int64)}}
	o := options()
	o.DryRun = true
	f := storetest.NewFaults(s, nil)
	if _, _, err := archive.NewWriter(f, o).CommitRepair(t.Context(), a); err != nil || len(f.Calls()) != 1 {
		t.Errorf("a dry run makes %v, error %v", f.Calls(), err)
	}
	_, keptAs, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), a)
	if err != nil || !strings.HasPrefix(keptAs, "metadata/last_seen.corrupt-") {
		t.Fatalf("kept as %q, error %v", keptAs, err)
	}
	if object, err := s.Get(t.Context(), keptAs); err != nil || string(object.Body) != "{" {
		t.Errorf("kept %q, %v", object.Body, err)
	}
	if d := document(t, s); d.SeenIDs == nil || len(d.SeenIDs) > 0 || *d.CompleteAbove != 0 {
		t.Errorf("document %+v", d)
	}
}

// TestUnsettled: an object may yet be put by whoever read a document that was
// current not long ago.
func TestUnsettled(t *testing.T) {
	clock := start
	o := options()
	o.Now = func() time.Time { return clock }
	s := memstore.New()
	name := func(stamp time.Time) archive.Name { return archive.Name{Timestamp: stamp.Unix()} }
	var commits []time.Time
	for i, wait := range []time.Duration{0, time.Hour, time.Minute, time.Minute} {
		clock = clock.Add(wait)
		commits = append(commits, clock)
		if _, err := archive.NewWriter(s, o).Add(t.Context(), current(event(int64(i+1), 0, "first"))); err != nil {
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
		{"the last commit's", name(commits[3]), clock, true},
		{"the last commit's, an hour later", name(commits[3]), clock.Add(time.Hour), true},
		{"one of two minutes ago", name(commits[1]), clock, true},
		{"the one before, which was current till then", name(commits[0]), clock, true},
		{"the same, an hour later", name(commits[2]), clock.Add(time.Hour), false},
		{"an older object", name(commits[0].Add(-time.Second)), clock, false},
		{"an object with a later name", name(commits[3].Add(time.Second)), clock, false},
	} {
		if got := d.MayStillBeWritten(tt.n, tt.at); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if new(archive.Document).MayStillBeWritten(name(start), start) {
		t.Error("no run reads a document that is none")
	}
}
