package archive

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"polisen-events-collector/pkg/polisen"
)

// TestDroppedIDsAreLookedUp checks the list of ids over any sequence of batches: it is as
// long as the limit allows, and an id that has left it is looked up, never taken for new.
func TestDroppedIDsAreLookedUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ever := make(map[int64]bool)       // the ids of all batches
		d, limit := &Document{}, int64(-1) // the limit is the highest id that has left the list
		if rapid.Bool().Draw(t, "complete") {
			above := limit
			d.CompleteAbove = &above
		}
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			first, n := 50*rapid.Int64Range(0, 60).Draw(t, "first id, by 50"), 50*rapid.Int64Range(1, 16).Draw(t, "ids, by 50")
			batch := make(map[int64]Versions)
			for id := first; id < first+n; id++ {
				batch[id], ever[id] = Versions{fmt.Sprint("version of ", id)}, true
			}
			all := maps.Clone(d.Fingerprints)
			if all == nil {
				all = make(map[int64]Versions)
			}
			maps.Copy(all, batch)
			current := rapid.Bool().Draw(t, "current")
			next := &Document{}
			d.listIDs(next, batch, current)
			checkList(t, next, all)
			for id := range all {
				_, kept := next.Fingerprints[id]
				lowest := next.SeenIDs[len(next.SeenIDs)-1]
				if _, inBatch := batch[id]; !kept && (current && inBatch || !current && id > lowest) {
					t.Fatalf("%d is not listed, although %d is; current: %t", id, lowest, current)
				}
				if !kept {
					limit = max(limit, id)
				}
			}
			switch above := next.CompleteAbove; {
			case (above == nil) != (d.CompleteAbove == nil):
				t.Fatalf("complete_above was %v and is %v", d.CompleteAbove, above)
			case above != nil && *above != limit:
				t.Fatalf("complete_above is %d, and the highest id that was dropped is %d", *above, limit)
			}
			checkStatuses(t, next, ever)
			d = next
		}
	})
}

// checkList checks that d lists as many of the ids as it may, in order and with their
// versions.
func checkList(t *rapid.T, d *Document, ids map[int64]Versions) {
	if len(d.SeenIDs) != min(len(ids), MaxSeen) || d.TotalTracked != len(d.SeenIDs) || len(d.Fingerprints) != len(d.SeenIDs) {
		t.Fatalf("%d of %d ids listed, total_tracked %d, %d fingerprints", len(d.SeenIDs), len(ids), d.TotalTracked, len(d.Fingerprints))
	}
	for i, id := range d.SeenIDs {
		if i > 0 && id >= d.SeenIDs[i-1] {
			t.Fatalf("%d is listed after %d", id, d.SeenIDs[i-1])
		}
		if !slices.Equal(d.Fingerprints[id], ids[id]) {
			t.Fatalf("%d has the versions %q, want %q", id, d.Fingerprints[id], ids[id])
		}
	}
}

// checkStatuses checks the status that a document gives to each id, given the ids of the
// archive.
func checkStatuses(t *rapid.T, d *Document, ever map[int64]bool) {
	var w Writer
	w.setDocument(d, "")
	events, statuses := make([]polisen.Event, 4000), make([]idStatus, 4000)
	for i := range events {
		events[i].ID = int64(i)
	}
	w.compareIDs(events, statuses)
	for i, status := range statuses {
		id := int64(i)
		want := idUncertain
		if _, listed := slices.BinarySearchFunc(d.SeenIDs, id, descending); listed {
			want = idStored
		} else if d.CompleteAbove != nil && id > *d.CompleteAbove {
			want = idNew
		}
		if status != want || status == idNew && ever[id] || status == idStored && !ever[id] {
			t.Fatalf("%d has the status %d, want %d; stored: %t", id, status, want, ever[id])
		}
	}
}
