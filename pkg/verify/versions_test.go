package verify_test

import (
	"bytes"
	"fmt"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestManyVersionsOfOneEvent checks that the time of an audit is proportional to the
// number of versions of one event. With copies, one object under events/ and one under
// revisions/ also hold all of them.
func TestManyVersionsOfOneEvent(t *testing.T) {
	for name, copies := range map[string]bool{"versions": false, "copies": true} {
		t.Run(name, func(t *testing.T) {
			lineartest.Check(t, 16_000, func(n int) func() {
				events := make([]polisen.Event, n)
				var all bytes.Buffer
				for i := range events {
					events[i] = event(1, 1, fmt.Sprint("version ", i))
					all.Write(append(events[i].Raw, '\n'))
				}
				s := memstore.New()
				if err := collect(s, archive.Batch{Events: events}, now); err != nil {
					t.Fatal(err)
				}
				for _, kind := range []archive.Kind{archive.Events, archive.Revisions} {
					name := archive.Name{Partition: archive.Partition{Kind: kind, Date: archive.DateOf(events[0].Time)}, Timestamp: 9_000_000_000}
					if copies {
						storetest.MustPut(t, s, name.String(), all.String())
					}
				}
				return func() {
					if r := mustAudit(t, s); r.OK == copies || r.Checked.Events != 1 {
						t.Fatalf("%d events, ok %t", r.Checked.Events, r.OK)
					}
				}
			})
		})
	}
}
