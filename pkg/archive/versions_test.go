package archive_test

import (
	"fmt"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
)

// TestManyVersionsOfOneEvent stores many versions of one event, and then stores them
// again without a document, so that a lookup decides on each. Eight times as many
// versions may take 24 times as much processor time. A run that compares all pairs takes
// 64 times as much.
func TestManyVersionsOfOneEvent(t *testing.T) {
	first, again := storeVersions(t, 2_000)
	firstLong, againLong := storeVersions(t, 16_000)
	if r := firstLong.Seconds() / first.Seconds(); r > 24 {
		t.Errorf("16000 new versions took %.0f times as long as 2000", r)
	}
	if r := againLong.Seconds() / again.Seconds(); r > 24 {
		t.Errorf("a lookup of 16000 versions took %.0f times as long as of 2000", r)
	}
}

// storeVersions returns how long it takes to store n versions of one event, and to
// find them in the archive. It measures the better of two attempts.
func storeVersions(t *testing.T, n int) (first, again time.Duration) {
	events := make([]polisen.Event, n)
	for i := range events {
		events[i] = archivetest.Event(1, 0, fmt.Sprint("version ", i))
	}
	for attempt := range 2 {
		s := memstore.New()
		add := func(want archive.Outcome) time.Duration {
			w := archive.NewWriter(s, archive.Options{RunID: "run", Now: func() time.Time { return start }, Revisions: true})
			return archivetest.CPUTime(t, func() {
				o, err := w.Add(t.Context(), archive.Batch{Events: events, ObservedAt: start, Current: true})
				if err == nil {
					err = w.Flush(t.Context())
				}
				if err != nil || o.New != want.New || o.Revised != want.Revised {
					t.Fatalf("stored %d new and %d revised events: %v", o.New, o.Revised, err)
				}
			})
		}
		a := add(archive.Outcome{New: 1, Revised: n - 1})
		s.Remove(archive.DocumentName)
		b := add(archive.Outcome{})
		if attempt == 0 || a < first {
			first = a
		}
		if attempt == 0 || b < again {
			again = b
		}
	}
	return first, again
}
