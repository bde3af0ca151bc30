package verify_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestReplay audits the archive of recorded polls, at most 400 of them, and
// finds no problems.
func TestReplay(t *testing.T) {
	t.Parallel()
	replaytest.Run(t, testReplay)
}

func testReplay(t *testing.T, polls []replaytest.Poll) {
	s, model := memstore.New(), replaytest.NewModel()
	for i, poll := range polls {
		if i%(1+len(polls)/400) > 0 {
			continue
		}
		model.AddPoll(poll)
		events, rejected, err := polisen.Parse(poll.Body)
		if err != nil {
			continue
		}
		o := writerOptions()
		o.Now = func() time.Time { return poll.Time }
		w := archive.NewWriter(s, o)
		if _, err := w.Add(t.Context(), archive.Batch{Events: events, Rejected: rejected, ObservedAt: poll.Time, Current: true}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil || !r.OK || r.Checked.Events != len(model.Events) {
		t.Fatalf("%v, want %d events: %v", err, len(model.Events), r)
	}
	t.Log(r.Summary())
}

// TestReplayWithoutLookups stores the recorded polls as a collector does that only
// remembers the 1000 highest ids, so that it stores duplicates. After a repair
// each event is stored once, verbatim and in its first version.
func TestReplayWithoutLookups(t *testing.T) {
	t.Parallel()
	replaytest.Run(t, testReplayWithoutLookups)
}

func testReplayWithoutLookups(t *testing.T, polls []replaytest.Poll) {
	s, model := memstore.New(), replaytest.NewModel(polls...)
	seen := make(map[int64]bool)
	events := make(map[string]polisen.Event) // by item: most items are in many polls, and parsing is slow
	for _, poll := range polls {
		contents := make(map[archive.Partition][]byte)
		for _, item := range poll.Items {
			e, known := events[string(item)]
			if !known {
				e, _ = polisen.ParseItem(item)
				events[string(item)] = e
			}
			if e.Time.IsZero() {
				continue // it is rejected
			}
			if !seen[e.ID] {
				to := archive.Partition{Kind: archive.Events, Date: archive.DateOf(e.Time)}
				contents[to] = append(append(contents[to], e.Raw...), '\n')
			}
			seen[e.ID] = true
		}
		for to, body := range contents {
			storetest.MustPut(t, s, archive.Name{Partition: to, Timestamp: poll.Time.Unix()}.String(), string(body))
		}
		ids := slices.Sorted(maps.Keys(seen))
		for _, id := range ids[:max(0, len(ids)-archive.MaxSeen)] {
			delete(seen, id)
		}
	}
	before := lines(t, s)
	found, err := verify.Audit(t.Context(), s, options())
	if err != nil || found.ByCheck[verify.DuplicateEvent] == 0 {
		t.Fatalf("%v: %v", err, found)
	}
	t.Log(found.ByCheck)
	r := mustRepair(t, s, true)
	t.Log(r.Summary())
	if !r.OK || r.Checked.Events != len(model.Events) {
		t.Errorf("findings after the repair: %v", r.ByCheck)
	}
	c := archivetest.Read(t, s)
	for id, want := range model.Events {
		if got := c.Events[id]; len(got) != 1 || got[0] != want {
			t.Fatalf("event %d: stored %q, first version %s", id, got, want)
		}
	}
	for id, later := range c.Revisions {
		for _, line := range later {
			if !slices.Contains(model.Revisions[id], line) {
				t.Errorf("event %d: %s is not a later version", id, line)
			}
		}
	}
	if len(c.Problems) > 0 {
		t.Errorf("problems: %q", c.Problems)
	}
	if after := lines(t, s); !maps.Equal(before, after) {
		t.Errorf("%d versions before, %d after", len(before), len(after))
	}
}
