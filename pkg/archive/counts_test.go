package archive_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// wantCounts checks the numbers of stored items in the document.
func wantCounts(t *testing.T, s store.Reader, want map[string]archive.Counts) {
	t.Helper()
	if diff := cmp.Diff(want, document(t, s).Stored); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestCounts checks the numbers of stored items, by their own months, after runs with
// items of several months, of which some are stored already.
func TestCounts(t *testing.T) {
	s := memstore.New()
	b := current(
		archivetest.Event(1, 0, "first"), archivetest.Event(2, 30, "first"), archivetest.Event(3, 31, "first"),
		archivetest.Event(3, 30, "second"), // a later version, of another month
		archivetest.Event(4, -1, "first"), archivetest.Event(1, 0, "first"),
	)
	b.Rejected = []polisen.Rejected{rejected(`{"first":null}`), rejected(`"text"`), rejected(`"text"`)}
	b.ObservedAt = at(31, 23) // in Sweden it is February
	mustRunAt(t, s, b.ObservedAt, b)
	want := map[string]archive.Counts{
		"2025-12": {Events: 1}, "2026-01": {Events: 2, Revisions: 1, Rejected: 2}, "2026-02": {Events: 1},
	}
	wantCounts(t, s, want)

	b.Events = append(b.Events, archivetest.Event(2, 30, "second"), archivetest.Event(5, 31, "first"))
	b.Rejected = append(b.Rejected, rejected(`"other"`))
	b.ObservedAt = at(32, 1)
	mustRunAt(t, s, b.ObservedAt, b)
	mustRunAt(t, s, b.ObservedAt, b)
	want = map[string]archive.Counts{
		"2025-12": {Events: 1}, "2026-01": {Events: 2, Revisions: 2, Rejected: 2}, "2026-02": {Events: 2, Rejected: 1},
	}
	wantCounts(t, s, want)
	archivetest.CheckCounts(t, s, true)
}

// TestCountsStay checks that the numbers of stored items stay the same when lines are
// stored again after an edit, when an object goes and comes back, and when duplicates
// are removed.
func TestCountsStay(t *testing.T) {
	b := edited()
	want := map[string]archive.Counts{"2026-01": {Events: 4, Revisions: 2, Rejected: 2}}
	for _, e := range edits() {
		for _, kind := range []archive.Kind{archive.Events, archive.Revisions, archive.Rejected} {
			t.Run(e.name+"/"+string(kind), func(t *testing.T) {
				s := memstore.New()
				mustRun(t, s, b)
				e.apply(t, s, pendingName(t, s, kind))
				mustRun(t, s, b)
				wantCounts(t, s, want)
			})
		}
	}
	t.Run("restored", func(t *testing.T) {
		s := memstore.New()
		mustRun(t, s, b)
		mustRun(t, s, current(append(archivetest.Events(9, 1, 5), b.Events...)...))
		object, err := s.Get(t.Context(), "events/2026/01/01/events-1767355200.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		storetest.MustDelete(t, s, object.Name)
		mustRun(t, s, b)
		storetest.MustPut(t, s, object.Name, string(object.Body))
		mustRun(t, s, b)
		wantCounts(t, s, map[string]archive.Counts{"2026-01": {Events: 5, Revisions: 2, Rejected: 2}})
		archivetest.CheckCounts(t, s, true)
	})
	t.Run("repair of duplicates", func(t *testing.T) {
		s, r := repairable(t)
		before := document(t, s).Stored
		if err := complete(t.Context(), s, archive.NewWriter(s, options()), r); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, s, before)
	})
}

// TestCountsUnknown checks that a document that was rebuilt, or that another program
// or an older release wrote, has no counts, until a repair sets them.
func TestCountsUnknown(t *testing.T) {
	stored := string(archivetest.Item(1, 0, "first")) + "\n"
	observed := `{"reason":"id is missing","observed_at":"2026-01-01T12:00:00Z","raw":[]}` + "\n"
	for name, objects := range map[string]map[string]string{
		"published format": {archive.DocumentName: `{"seen_ids":[1],"last_updated":"2026-01-01T12:00:00Z","total_tracked":1}`},
		"version 1":        {archive.DocumentName: `{"seen_ids":[1],"last_updated":"2026-01-01T12:00:00Z","total_tracked":1,"version":1,"complete_above":0}`},
		"damaged document": {archive.DocumentName: `{"seen_ids":[1`},
		"events":           {"events/2026/01/01/events-1700000000.jsonl": stored},
		"revisions":        {"revisions/2026/01/01/revisions-1700000000.jsonl": stored},
		"rejected items":   {"rejected/2026/01/01/rejected-1700000000.jsonl": observed},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			for name, body := range objects {
				storetest.MustPut(t, s, name, body)
			}
			for i := range int64(2) {
				mustRun(t, s, current(archivetest.Event(2+i, 0, "first")))
				wantCounts(t, s, nil)
			}
			d := document(t, s)
			want := map[string]archive.Counts{"2026-01": {Events: 3}}
			r := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), Document: archive.Document{
				SeenIDs: d.SeenIDs, CompleteAbove: d.CompleteAbove, Fingerprints: d.Fingerprints, Stored: want,
			}}
			if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wantCounts(t, s, want)
			mustRun(t, s, current(archivetest.Event(5, 0, "first")))
			wantCounts(t, s, map[string]archive.Counts{"2026-01": {Events: 4}})
		})
	}
	t.Run("new archive", func(t *testing.T) {
		s := memstore.New()
		mustRun(t, s, current())
		wantCounts(t, s, map[string]archive.Counts{})
	})
}

// TestForgotten checks that an event which a repair has found nowhere is not counted a
// second time when a run stores it once more, and that its id is then no longer forgotten.
func TestForgotten(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Events(1, 3, 0)...))
	setField(t, s, "forgotten", "[12,11,10]")
	want := map[string]archive.Counts{"2026-01": {Events: 3}}
	steps := []struct {
		events    []polisen.Event
		forgotten []int64
		counted   int
	}{
		{archivetest.Events(9, 1, 0), []int64{12, 11, 10}, 4},
		{[]polisen.Event{archivetest.Event(11, 0, "first"), archivetest.Event(11, 0, "second")}, []int64{12, 10}, 4},
		{archivetest.Events(10, 4, 0), nil, 5},
		{archivetest.Events(14, 1, 0), nil, 6},
	}
	for i, step := range steps {
		mustRun(t, s, current(step.events...))
		want["2026-01"] = archive.Counts{Events: step.counted, Revisions: min(i, 1)}
		wantCounts(t, s, want)
		if diff := cmp.Diff(step.forgotten, document(t, s).Forgotten); diff != "" {
			t.Errorf("forgotten ids (-want +got):\n%s", diff)
		}
	}
}
