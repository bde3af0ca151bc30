package cmd

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// scenario is a state of the archive and the response that a run then meets.
type scenario struct {
	name string
	// before are the responses that were collected, and tamper, if not nil,
	// what has happened to the archive since.
	before   [][]byte
	tamper   func(t *testing.T, s store.Store)
	response []byte
	// foreign are the events that tamper has stored.
	foreign []byte
}

// notice is an event of the day that is so many days after the first of
// January, in a version that the text tells apart.
func notice(id int64, day int, text string) []byte {
	return polisentest.Notice(id, polisentest.Newest.AddDate(0, 0, day-1), polisentest.Summary(text))
}

// series are n events of one day, from id on.
func series(id int64, n, day int) [][]byte {
	items := make([][]byte, n)
	for i := range items {
		items[i] = notice(id+int64(i), day, "first")
	}
	return items
}

func scenarios() []scenario {
	few := polisentest.Response(series(1, 5, 0)...)
	// The ids 1 to 1200 are stored and 201 to 1200 listed, so that what is
	// stored below 200 can be told by the archive alone.
	many := series(1, 1200, 0)
	for i := range 150 {
		many[i] = notice(int64(i+1), i%3, "first")
	}
	var wide [][]byte
	for day := range archivetest.Size(8, 110) {
		wide = append(wide, notice(int64(5000+day), day, "first"))
	}
	again := polisentest.Response(append(series(3, 6, 0), notice(4, 0, "second"))...)
	const python = `{"id": 7, "datetime": "2026-01-01 9:08:07 +01:00", "summary": "first"}`
	return []scenario{
		{name: "first run", response: polisentest.Response(append(series(1, 4, 0), series(5, 2, 1)...)...)},
		{name: "ordinary run", before: [][]byte{few}, response: polisentest.Response(
			notice(11, 0, "first"), notice(3, 0, "second"), notice(12, 1, "first"), notice(12, 1, "second"))},
		{name: "late ids", before: [][]byte{polisentest.Response(many...)}, response: polisentest.Response(
			notice(1300, 2, "first"), notice(1, 0, "first"), notice(2, 1, "second"), notice(-4, 1, "first"))},
		{name: "wide window", before: [][]byte{few}, response: polisentest.Response(wide...)},
		{name: "lost document", before: [][]byte{few}, response: again, tamper: func(t *testing.T, s store.Store) {
			attrs, err := s.Stat(context.Background(), archive.DocumentName)
			if err == nil {
				err = s.Delete(context.Background(), archive.DocumentName, attrs.ETag)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{name: "damaged document", before: [][]byte{few}, response: again, tamper: func(t *testing.T, s store.Store) {
			put(t, s, archive.DocumentName, []byte(`{"seen_ids": [5, 4`))
		}},
		{name: "foreign document", foreign: []byte("[" + python + "]"), tamper: func(t *testing.T, s store.Store) {
			put(t, s, "events/2026/01/01/events-1700000000.jsonl", []byte(python+"\n"))
			// It lists 9, which was never stored.
			put(t, s, archive.DocumentName, []byte(`{"seen_ids": [9, 7], "last_updated": "2026-01-01T10:00:00Z", "total_tracked": 2}`))
		}, response: polisentest.Response([]byte(python), notice(9, 0, "first"), notice(10, 0, "first"))},
	}
}

// prepare returns the archive of the scenario before the run.
func (sc scenario) prepare(t *testing.T) store.Reader {
	t.Helper()
	w := newFolder(t, "")
	for _, body := range sc.before {
		args := []string{"collect", "--store", w.settings["POLISEN_STORE"], "--api-url", writeResponse(t, body)}
		if exit, _, stderr := run(t, args); exit != 0 {
			t.Fatalf("exit code %d: %s", exit, stderr)
		}
	}
	s := memstore.New()
	copyArchive(t, w.contents(), func(name string, body []byte) { put(t, s, name, body) })
	if sc.tamper != nil {
		sc.tamper(t, s)
		// A run without a usable document takes the second for its names. That
		// it meets those of before or not must not depend on how fast we are.
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	}
	return s
}

// truth is what the archive has to hold once the run has been.
func (sc scenario) truth(t *testing.T) truth {
	t.Helper()
	shown := slices.Clone(sc.before)
	if sc.foreign != nil {
		shown = append(shown, sc.foreign)
	}
	return newTruth(t, append(shown, sc.response)...)
}

func writeResponse(t *testing.T, body []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func copyArchive(t *testing.T, from store.Reader, put func(name string, body []byte)) {
	t.Helper()
	for attrs, err := range from.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		object, err := from.Get(context.Background(), attrs.Name)
		if err != nil {
			t.Fatal(err)
		}
		put(attrs.Name, object.Body)
	}
}

// truth is the versions of each event, in the order in which responses showed
// them, worked out from the responses alone.
type truth map[int64][]string

func newTruth(t *testing.T, responses ...[]byte) truth {
	t.Helper()
	tr := truth{}
	for _, body := range responses {
		var items []json.RawMessage
		if err := json.Unmarshal(body, &items); err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			var event struct{ ID int64 }
			if err := json.Unmarshal(item, &event); err != nil {
				t.Fatal(err)
			}
			if text := archivetest.Compact(t, string(item)); !slices.Contains(tr[event.ID], text) {
				tr[event.ID] = append(tr[event.ID], text)
			}
		}
	}
	return tr
}

// check holds the archive against the truth: the first version of each event
// once and every other version once, in order.
func (tr truth) check(t *testing.T, s store.Reader) {
	t.Helper()
	if diff := cmp.Diff(tr, stored(t, s)); diff != "" {
		t.Fatalf("events and revisions (-want +got):\n%s", diff)
	}
}

// checkAnyOrder does not mind which version was first.
func (tr truth) checkAnyOrder(t *testing.T, s store.Reader) {
	t.Helper()
	want, got := maps.Clone(tr), stored(t, s)
	for _, versions := range []truth{want, got} {
		for id, texts := range versions {
			versions[id] = slices.Sorted(slices.Values(texts))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("events and revisions (-want +got):\n%s", diff)
	}
}

// stored returns the versions that the archive holds, after a look at all else
// that can be wrong with it.
func stored(t *testing.T, s store.Reader) truth {
	t.Helper()
	c := archivetest.Read(t, s)
	if len(c.Problems) > 0 {
		t.Fatalf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	tr := truth{}
	for id, lines := range c.Events {
		for _, line := range append(lines, c.Revisions[id]...) {
			tr[id] = append(tr[id], archivetest.Compact(t, line))
		}
	}
	return tr
}
