package verify_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

var now = time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)

func options() verify.Options {
	return verify.Options{Concurrency: 4, Now: func() time.Time { return now }}
}

func writerOptions() archive.Options {
	return archive.Options{RunID: rand.Text(), Now: func() time.Time { return now }, Revisions: true}
}

// event returns an event of a day in January 2026.
func event(id int64, day int, text string) polisen.Event { return archivetest.Event(id, day-1, text) }

// line returns the line of an event of a day in January 2026.
func line(id int64, day int, text string) string { return string(event(id, day, text).Raw) + "\n" }

// lines returns the lines of an archive, those with the same content once.
func lines(t *testing.T, s store.Reader) content {
	t.Helper()
	all := make(content)
	for name, body := range storetest.Objects(t, s) {
		if n, ok := archive.ParseName(name); ok {
			for _, raw := range archive.Lines(body) {
				all.add(n.Kind, raw)
			}
		}
	}
	return all
}

// add adds a line of an object of this kind.
func (c content) add(k archive.Kind, raw []byte) {
	l, reason := archive.ParseLine(k, raw)
	if reason != "" {
		c[string(raw)] = true
		return
	}
	c[fmt.Sprint("rejected: ", k == archive.Rejected, ", id: ", l.ID, ", fingerprint: ", l.Fingerprint)] = true
}

func mustAudit(t *testing.T, s store.Store) *verify.Result {
	t.Helper()
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRepair(t *testing.T, s store.Store, duplicates bool) *verify.Result {
	t.Helper()
	r, err := repair(s, duplicates)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func repair(s store.Store, duplicates bool) (*verify.Result, error) {
	return repairAt(s, duplicates, now)
}

func repairAt(s store.Store, duplicates bool, at time.Time) (*verify.Result, error) {
	o, w := options(), writerOptions()
	o.Now = func() time.Time { return at }
	w.Now = o.Now
	return verify.Repair(context.Background(), s, o, verify.RepairOptions{Duplicates: duplicates, Writer: w})
}
