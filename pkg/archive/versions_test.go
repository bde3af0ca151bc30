package archive_test

import (
	"fmt"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
)

// TestManyVersionsOfOneEvent checks that the time to store many versions of one event is
// proportional to their number. So is the time to find them all in the archive by a
// lookup, without a document.
func TestManyVersionsOfOneEvent(t *testing.T) {
	for name, stored := range map[string]bool{"new": false, "lookup": true} {
		t.Run(name, func(t *testing.T) {
			lineartest.Check(t, 16_000, func(n int) func() {
				events := make([]polisen.Event, n)
				for i := range events {
					events[i] = archivetest.Event(1, 0, fmt.Sprint("version ", i))
				}
				s := memstore.New()
				add := func(newEvents, revised int) {
					o := mustRun(t, s, archive.Batch{Events: events, ObservedAt: start, Current: true})
					if o.New != newEvents || o.Revised != revised {
						t.Fatalf("stored %d new and %d revised events", o.New, o.Revised)
					}
				}
				if !stored {
					return func() { add(1, n-1) }
				}
				add(1, n-1)
				s.Remove(archive.DocumentName)
				return func() { add(0, 0) }
			})
		})
	}
}
