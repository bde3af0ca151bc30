package archive_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

const (
	oldName   = "events/2026/01/01/events-1767250000.jsonl"
	otherName = "events/2026/01/01/events-1767250001.jsonl"
)

// repairable returns an archive of three listed events and two objects with
// duplicates, and the repair that stores a later version in one of them under
// revisions/.
func repairable(t *testing.T) (*memstore.Store, archive.Repair) {
	t.Helper()
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 1, "first")))
	storetest.MustPut(t, s, oldName, string(archivetest.Event(1, 0, "first").Raw)+"\n"+string(archivetest.Event(4, 0, "first").Raw)+"\n")
	storetest.MustPut(t, s, otherName, string(archivetest.Event(1, 0, "second").Raw)+"\n")
	above := int64(2)
	r := archive.Repair{
		BasedOn: etag(t, s, archive.DocumentName),
		Document: archive.Document{
			SeenIDs: []int64{4, 3}, CompleteAbove: &above,
			Fingerprints: map[int64]archive.Versions{4: {archivetest.Event(4, 0, "first").Fingerprint}},
		},
		Lines: map[archive.Partition][][]byte{
			{Kind: archive.Revisions, Date: archive.Date{Year: 2026, Month: 1, Day: 1}}: {archivetest.Event(1, 0, "second").Raw},
		},
	}
	return s, r
}

// complete is the whole repair of a repairable archive: it commits, and then
// removes the duplicates.
func complete(ctx context.Context, s store.Store, w *archive.Writer, r archive.Repair) error {
	_, _, err := w.CommitRepair(ctx, r)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err == nil {
		err = removeDuplicates(ctx, s)
	}
	return err
}

// removeDuplicates is the second step of the repair. It may be done again.
func removeDuplicates(ctx context.Context, s store.Store) error {
	for name, line := range map[string]string{oldName: string(archivetest.Event(1, 0, "first").Raw), otherName: string(archivetest.Event(1, 0, "second").Raw)} {
		object, err := s.Get(ctx, name)
		if err == nil && strings.HasPrefix(string(object.Body), line) {
			err = archive.RemoveLines(ctx, s, object.Attrs, []int{1})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func etag(t *testing.T, s store.Reader, name string) store.ETag {
	t.Helper()
	return attrs(t, s, name).ETag
}

func attrs(t *testing.T, s store.Reader, name string) store.Attrs {
	t.Helper()
	a, err := s.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// checkRepaired checks the archive after the repair.
func checkRepaired(t *testing.T, s store.Reader) {
	t.Helper()
	d := document(t, s)
	if d.Commit.Sequence != 2 || !slices.Equal(d.SeenIDs, []int64{4, 3}) || d.TotalTracked != 2 || *d.CompleteAbove != 2 || len(d.Pending) != 1 {
		t.Errorf("document %+v, commit %+v", d, d.Commit)
	}
	m := newModel()
	m.add(current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 1, "first"), archivetest.Event(4, 0, "first"),
		archivetest.Event(1, 0, "second")))
	m.Check(t, s)
	if object, err := s.Get(t.Context(), otherName); err != nil || len(object.Body) > 0 {
		t.Errorf("object without lines: %q, %v", object.Body, err)
	}
}

func TestRepair(t *testing.T) {
	s, r := repairable(t)
	w := archive.NewWriter(s, options())
	objects, damagedCopy, err := w.CommitRepair(t.Context(), r)
	if err != nil || len(objects) != 1 || objects[0].Lines != 1 || damagedCopy != "" {
		t.Fatalf("objects %v, copied to %q, error %v", objects, damagedCopy, err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := removeDuplicates(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	checkRepaired(t, s)
}

// TestRemoveLines checks that an object keeps its other lines as they are, and that
// nothing happens if it has changed.
func TestRemoveLines(t *testing.T) {
	const content = "a\r\n\n\xff\nb\nc"
	for _, tt := range []struct {
		remove []int
		want   string
	}{
		{nil, content},
		{[]int{2}, "a\r\n\xff\nb\nc"},
		{[]int{1, 3, 5}, "\nb\n"},
		{[]int{1, 2, 3, 4, 5}, ""},
	} {
		s := memstore.New()
		storetest.MustPut(t, s, oldName, content)
		if err := archive.RemoveLines(t.Context(), s, attrs(t, s, oldName), tt.remove); err != nil {
			t.Fatal(err)
		}
		if object, err := s.Get(t.Context(), oldName); err != nil || string(object.Body) != tt.want {
			t.Errorf("without %v: %q, %v", tt.remove, object.Body, err)
		}
	}
	for _, method := range []storetest.Method{storetest.Get, storetest.Put} { // the object changes before this call
		s := memstore.New()
		storetest.MustPut(t, s, oldName, content)
		before := attrs(t, s, oldName)
		f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == method {
				storetest.MustPut(t, s, oldName, "changed\n")
			}
			return storetest.Fault{}
		})
		if err := archive.RemoveLines(t.Context(), f, before, []int{1}); !errors.Is(err, store.ErrPrecondition) {
			t.Errorf("changed before %s: %v", method, err)
		}
		if object, err := s.Get(t.Context(), oldName); err != nil || string(object.Body) != "changed\n" {
			t.Errorf("changed before %s: %q, %v", method, object.Body, err)
		}
	}
	if err := archive.RemoveLines(t.Context(), memstore.New(), store.Attrs{Name: oldName, ETag: "x"}, []int{1}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("no object: %v", err)
	}
	// The object has other content only while RemoveLines reads it. In a folder its ETag
	// is then the same as before.
	s := memstore.New()
	storetest.MustPut(t, s, oldName, content)
	before := attrs(t, s, oldName)
	if err := archive.RemoveLines(t.Context(), otherContent{s}, before, []int{1}); !errors.Is(err, store.ErrPrecondition) || attrs(t, s, oldName) != before {
		t.Errorf("changed and changed back: %v", err)
	}
	half := storetest.NewUnreadable(s, oldName, nil)
	if err := archive.RemoveLines(t.Context(), half, before, []int{1}); !errors.Is(err, store.ErrPrecondition) || attrs(t, s, oldName) != before {
		t.Errorf("half of the object was read: %v", err)
	}
}

// otherContent is a store of which each Get returns an object with other content and
// its ETag.
type otherContent struct{ store.Store }

func (s otherContent) Get(_ context.Context, name string) (store.Object, error) {
	body := []byte("other\n")
	return store.Object{Attrs: store.Attrs{Name: name, ETag: "other", Size: int64(len(body)), MD5: store.MD5(body)}, Body: body}, nil
}

// TestRepairFaultAtEveryCall makes each call of a repair fail in each way, and
// checks that a second run completes the repair.
func TestRepairFaultAtEveryCall(t *testing.T) {
	repair := func(s store.Store, r archive.Repair) error {
		return complete(t.Context(), s, archive.NewWriter(s, options()), r)
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
			if err := w.Flush(t.Context()); err != nil {
				t.Fatalf("call %d, %s: second run: %v", k+1, name, err)
			}
			if err := removeDuplicates(t.Context(), s); err != nil {
				t.Fatalf("call %d, %s: remove duplicates: %v", k+1, name, err)
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
		if err := complete(t.Context(), f, archive.NewWriter(f, options()), r); err != nil || !failed {
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
		if d := document(t, s); d.Commit.Sequence != 2 || !slices.Contains(d.SeenIDs, 9) {
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
	if _, _, err := archive.NewWriter(f, o).CommitRepair(t.Context(), r); err != nil || len(f.Calls()) != 2 { // both documents are read
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
