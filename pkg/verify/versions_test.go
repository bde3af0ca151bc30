package verify_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/verify"
)

// TestManyVersionsOfOneEvent audits an archive with many versions of one event, and
// one whose versions also have copies. Eight times as many versions may take 24 times
// as long. If an audit compared all pairs, it would be 64.
func TestManyVersionsOfOneEvent(t *testing.T) {
	for _, copies := range []bool{false, true} {
		short, long := auditVersions(t, 2_000, copies), auditVersions(t, 16_000, copies)
		if r := long.Seconds() / short.Seconds(); r > 24 {
			t.Errorf("copies %t: the audit of 16000 versions took %.0f times as long as of 2000", copies, r)
		}
	}
}

// auditVersions returns how long it takes to audit an archive with n versions of one
// event, the better of two attempts. With copies, one object under events/ and one
// under revisions/ also hold all of them.
func auditVersions(t *testing.T, n int, copies bool) (took time.Duration) {
	s := memstore.New()
	events := make([]polisen.Event, n)
	var all bytes.Buffer
	for i := range events {
		events[i] = event(1, 1, fmt.Sprint("version ", i))
		all.Write(append(events[i].Raw, '\n'))
	}
	w := archive.NewWriter(s, writerOptions())
	_, err := w.Add(t.Context(), archive.Batch{Events: events})
	if err == nil {
		err = w.Flush(t.Context())
	}
	for _, kind := range []archive.Kind{archive.Events, archive.Revisions} {
		name := archive.Name{Partition: archive.Partition{Kind: kind, Date: archive.DateOf(events[0].Time)}, Timestamp: 9_000_000_000}
		if err == nil && copies {
			_, err = s.Put(t.Context(), name.String(), all.Bytes(), store.IfAbsent())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d := archivetest.CPUTime(t, func() {
			r, err := verify.Audit(t.Context(), s, options())
			if err != nil || r.OK == copies || r.Checked.Events != 1 {
				t.Fatalf("%v, %d events, ok %t", err, r.Checked.Events, r.OK)
			}
		})
		if took == 0 || d < took {
			took = d
		}
	}
	return took
}
