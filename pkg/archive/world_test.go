package archive_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
)

var start = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// event returns an event whose date is so many days after 1 January 2026. Events
// with different texts are different versions.
func event(id int64, day int, text string) polisen.Event {
	date := time.Date(2026, 1, 1, 9, 8, 7, 0, time.UTC).AddDate(0, 0, day)
	raw := fmt.Sprintf(`{"id":%d,"datetime":"%s 9:08:07 +01:00","summary":%q,"type":"R\u00e5n"}`, id, date.Format(time.DateOnly), text)
	e, rejected := polisen.ParseItem([]byte(raw))
	if rejected != nil {
		panic(rejected.Reason)
	}
	return e
}

// series returns n events of the same day with ascending ids from id.
func series(id int64, n, day int) []polisen.Event {
	events := make([]polisen.Event, n)
	for i := range events {
		events[i] = event(id+int64(i), day, "first")
	}
	return events
}

func rejected(raw string) polisen.Rejected {
	return polisen.Rejected{Reason: "id is missing", Raw: []byte(raw)}
}

// model is the expected content of an archive, computed from its batches.
type model struct {
	events    map[int64]string
	revisions map[int64][]string
	rejected  map[string]bool
}

func newModel() *model {
	return &model{map[int64]string{}, map[int64][]string{}, map[string]bool{}}
}

// add adds the items of a batch.
func (m *model) add(b archive.Batch) {
	for _, e := range b.Events {
		raw := string(e.Raw)
		first, ok := m.events[e.ID]
		switch {
		case !ok:
			m.events[e.ID] = raw
		case meaning(raw) != meaning(first) && !slices.Contains(m.revisions[e.ID], raw):
			m.revisions[e.ID] = append(m.revisions[e.ID], raw)
		}
	}
	for _, r := range b.Rejected {
		m.rejected[string(r.Raw)] = true
	}
}

// meaning returns the same text for all JSON texts with the same meaning.
func meaning(raw string) string {
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		panic(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// check compares the archive with the model.
func (m *model) check(t *testing.T, s store.Reader) {
	t.Helper()
	c := archivetest.Read(t, s)
	if len(c.Problems) > 0 {
		t.Fatalf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	events := map[int64]string{}
	for id, lines := range c.Events {
		events[id] = archivetest.Compact(t, lines[0])
	}
	if !maps.Equal(m.events, events) { // cmp.Diff is slow even without a difference
		t.Fatalf("events (-want +got):\n%s", cmp.Diff(m.events, events))
	}
	if diff := cmp.Diff(m.revisions, c.Revisions); diff != "" {
		t.Fatalf("revisions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(m.rejected)), slices.Sorted(maps.Keys(c.Rejected))); diff != "" {
		t.Fatalf("rejected (-want +got):\n%s", diff)
	}
}

func options() archive.Options {
	return archive.Options{
		RunID:     rand.Text(),
		Now:       func() time.Time { return start }, // in the same second for all runs, whose object names must still differ
		Revisions: true,
	}
}

// run stores a batch as one run.
func run(s store.Store, b archive.Batch) (archive.Outcome, error) {
	w := archive.NewWriter(s, options())
	outcome, err := w.Add(context.Background(), b)
	if err == nil {
		err = w.Flush(context.Background())
	}
	return outcome, err
}

func mustRun(t *testing.T, s store.Store, b archive.Batch) archive.Outcome {
	t.Helper()
	outcome, err := run(s, b)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return outcome
}

// put overwrites an object, as another program would.
func put(t *testing.T, s store.Store, name, body string) {
	t.Helper()
	if _, err := s.Put(context.Background(), name, []byte(body), store.Always()); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, s store.Store, name string) {
	t.Helper()
	attrs, err := s.Stat(context.Background(), name)
	if err == nil {
		err = s.Delete(context.Background(), name, attrs.ETag)
	}
	if err != nil {
		t.Fatal(err)
	}
}
