package inspect_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/inspect"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

var (
	day1 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	day2 = day1.AddDate(0, 0, 1)
	now  = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
)

const (
	object1 = "events/2026/01/01/events-1767268800.jsonl"
	object2 = "events/2026/01/02/events-1767355200.jsonl"
)

// world is a store and its objects' calls.
type world struct {
	t *testing.T
	*storetest.Faults
}

func newWorld(t *testing.T) world {
	return world{t, storetest.NewFaults(memstore.New(), func(storetest.Call) storetest.Fault { return storetest.Fault{} })}
}

func (w world) put(name, body string) {
	w.t.Helper()
	if _, err := w.Put(w.t.Context(), name, []byte(body), store.Always()); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) putDocument(d archive.Document) {
	w.t.Helper()
	body, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(archive.DocumentName, string(body))
}

// open opens a view of a store of which nothing but reads are allowed.
func (w world) open() *inspect.View {
	w.t.Helper()
	before := len(w.Calls())
	w.t.Cleanup(func() {
		calls := w.Calls()[before:]
		for _, c := range calls {
			if c.Method != "Get" && c.Method != "Stat" && c.Method != "List" {
				w.t.Errorf("%v: want reads alone", c)
			}
		}
		if len(calls) == 0 {
			w.t.Error("no calls were seen")
		}
	})
	v, err := inspect.Open(w.t.Context(), w, "mem:")
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func line(id int64, at time.Time, fields ...polisentest.Field) string {
	return string(polisentest.Notice(id, at, fields...)) + "\n"
}

func event(t *testing.T, text string) polisen.Event {
	t.Helper()
	e, rejected := polisen.ParseItem([]byte(text))
	if rejected != nil {
		t.Fatal(rejected.Reason)
	}
	return e
}

func versions(t *testing.T, lines ...string) (v archive.Versions) {
	for _, l := range lines {
		v = append(v, event(t, l).Fingerprint)
	}
	return v
}

func text(t *testing.T, write func(w *strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSummary(t *testing.T) {
	above := int64(9)
	full := archive.Document{
		SeenIDs: []int64{12, 11, 10}, LastUpdated: day2, TotalTracked: 3, Version: 1, CompleteAbove: &above,
		Commit: &archive.Commit{ID: "RUN", Sequence: 7, Timestamp: day2.Unix()},
		Pending: []archive.Pending{
			{Name: object1, Content: archive.Text(line(10, day1))},
			{Name: object2, Content: archive.Text(line(11, day2) + line(12, day2))},
			{Name: "revisions/2026/01/02/revisions-1767355200.jsonl", Content: archive.Text(line(11, day2))},
		},
	}
	tests := map[string]struct {
		objects map[string]string
		doc     *archive.Document
		want    string
		missing bool // an error says so
	}{
		"all of it": {
			doc: &full,
			objects: map[string]string{
				object1: line(10, day1),
				object2: line(11, day2),
				archive.LastRunName: `{"finished":"2026-01-02T23:30:00Z","ok":true,"counts":{"fetched":500,"new":3,"revised":1,"already_seen":496},` +
					`"window":{"oldest":"2025-12-26T00:00:00Z","newest":"2026-01-02T12:00:00Z","hours":180}}`,
			},
			want: `store           mem:
tracked         3 of 1000 ids
highest id      12
lowest id       10
complete above  9: a higher id that is not listed was never seen
last updated    2026-01-02T12:00:00Z, 12h0m0s ago
commit          7 by run RUN, format 1
pending         events/2026/01/01/events-1767268800.jsonl, 1 lines: stored
pending         events/2026/01/02/events-1767355200.jsonl, 2 lines: differs
pending         revisions/2026/01/02/revisions-1767355200.jsonl, 1 lines: missing
last run        2026-01-02T23:30:00Z, 30m0s ago: ok
                500 fetched: 3 new, 1 revised, 0 rejected, 496 already seen
                window 2025-12-26T00:00:00Z to 2026-01-02T12:00:00Z, 180.00 hours
`,
		},
		"the published format, a failed run": {
			objects: map[string]string{
				archive.DocumentName: `{"seen_ids":[1,2],"last_updated":"2026-01-03T01:00:00Z","total_tracked":2}`,
				archive.LastRunName:  `{"finished":"2025-12-31T00:00:00Z","exit_code":4,"error":"bad\u001b[2J\nanswer"}`,
			},
			want: `store           mem:
tracked         2 of 1000 ids
highest id      2
lowest id       1
complete above  unknown: an id that is not listed may be stored all the same, and is looked for in the archive
last updated    2026-01-03T01:00:00Z, 1h0m0s in the future
commit          none: the document has the plain published format
pending         none
last run        2025-12-31T00:00:00Z, 3.0 days ago: failed with exit code 4: bad [2J answer
                0 fetched: 0 new, 0 revised, 0 rejected, 0 already seen
`,
		},
		"nothing": {
			want: `store     mem:
document  none yet; the first collect makes it
last run  none: there is no metadata/last_run.json
`,
			missing: true,
		},
		"damaged": {
			objects: map[string]string{archive.DocumentName: `{"seen_ids":null}`, archive.LastRunName: "x"},
			want: `store     mem:
document  damaged: read metadata/last_seen.json: it has no seen_ids; the next collect keeps it aside and rebuilds it
last run  metadata/last_run.json cannot be read
`,
			missing: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for name, body := range tt.objects {
				w.put(name, body)
			}
			if tt.doc != nil {
				w.putDocument(*tt.doc)
			}
			v := w.open()
			s, err := v.Summary(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, func(b *strings.Builder) error { return s.Text(b) }); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := v.Err(); errors.Is(err, inspect.ErrNotFound) != tt.missing {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNearTheCap(t *testing.T) {
	for _, tt := range []struct {
		n    int
		want bool
	}{{899, false}, {900, true}, {1000, true}} {
		w := newWorld(t)
		d := archive.Document{LastUpdated: day1}
		for id := range tt.n {
			d.SeenIDs = append(d.SeenIDs, int64(id))
		}
		w.putDocument(d)
		s, err := w.open().Summary(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, func(b *strings.Builder) error { return s.Text(b) })
		if strings.Contains(got, "when it is full") != tt.want {
			t.Errorf("%d ids:\n%s", tt.n, got)
		}
	}
}

func TestHas(t *testing.T) {
	jan1, _ := archive.ParseDate("2026-01-01")
	jan2, _ := archive.ParseDate("2026-01-02")
	above := int64(20)
	listed := archive.Document{SeenIDs: []int64{30}, LastUpdated: day2, CompleteAbove: &above}
	tests := map[string]struct {
		doc    *archive.Document
		ids    []int64
		date   *archive.Date
		want   string
		absent bool
		lists  int
	}{
		"listed and above": {
			doc: &listed, ids: []int64{30, 21},
			want:   "30 seen: in the list\n21 not seen: looked in the list, which is complete above 20\n",
			absent: true,
		},
		"searched": {
			doc: &listed, ids: []int64{3, 2, 3},
			want: "3 stored: " + object1 + " line 2\n2 stored: " + object1 + " line 1\n3 stored: " + object1 + " line 2\n", lists: 1,
		},
		"an id within another is not it": {
			doc: &listed, ids: []int64{4},
			want: "4 not seen: looked in the list, and 2 objects of events/\n", absent: true, lists: 1,
		},
		"complete above itself is searched": {
			doc: &listed, ids: []int64{20},
			want: "20 not seen: looked in the list, and 2 objects of events/\n", absent: true, lists: 1,
		},
		"the right date": {
			doc: &listed, ids: []int64{2}, date: &jan1,
			want: "2 stored: " + object1 + " line 1\n", lists: 1,
		},
		"the wrong date": {
			doc: &listed, ids: []int64{2}, date: &jan2,
			want: "2 not seen: looked in the list, and 1 objects of events/2026/01/02/\n", absent: true, lists: 1,
		},
		"complete above is unknown": {
			doc: &archive.Document{SeenIDs: []int64{}}, ids: []int64{14},
			want: "14 stored: " + object2 + " line 2\n", lists: 1,
		},
		"a line that is no event": {
			doc: &listed, ids: []int64{16, 14},
			want:   "16 not seen: looked in the list, and 2 objects of events/\n14 stored: " + object2 + " line 2\n",
			absent: true, lists: 1,
		},
		"no document": {
			ids: []int64{99}, want: "99 not seen: looked in 2 objects of events/ (the document is missing)\n", absent: true, lists: 1,
		},
		"pending alone": {
			doc: &archive.Document{SeenIDs: []int64{}, Pending: []archive.Pending{{Name: "events/2026/01/02/events-9.jsonl", Content: archive.Text(line(77, day2))}}},
			ids: []int64{77}, want: "77 stored: events/2026/01/02/events-9.jsonl line 1\n", lists: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(object1, line(2, day1)+line(3, day1))
			w.put(object2, `{"id":16,"datetime":"2026-01-0`+"\n"+line(14, day2)) // the first line is cut
			if tt.doc != nil {
				w.putDocument(*tt.doc)
			}
			v := w.open()
			answers, err := v.Has(t.Context(), tt.ids, tt.date)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, func(b *strings.Builder) error { return answers.Text(b) }); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			if err := answers.Err(); errors.Is(err, inspect.ErrNotFound) != tt.absent {
				t.Errorf("error %v, absent %v", err, tt.absent)
			}
			lists := 0
			for _, c := range w.Calls() {
				if c.Method == "List" {
					lists++
				}
			}
			if lists != tt.lists {
				t.Errorf("%d lists, want %d", lists, tt.lists)
			}
		})
	}
}

// TestSearchEndsEarly: newer days are read first, and the others then not.
func TestSearchEndsEarly(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		at := day1.AddDate(0, 0, i)
		n := archive.Name{Partition: archive.Partition{Kind: archive.Events, Date: archive.DateOf(at)}, Timestamp: at.Unix()}
		w.put(n.String(), line(int64(1000+i), at))
	}
	answers, err := w.open().Has(t.Context(), []int64{1199}, nil)
	if err != nil || answers[0].Status != inspect.Stored {
		t.Fatal(answers, err)
	}
	gets := 0
	for _, c := range w.Calls() {
		if c.Method == "Get" {
			gets++
		}
	}
	if gets > 100 {
		t.Errorf("%d objects were read for an event of the newest day", gets)
	}
}

func TestAgainst(t *testing.T) {
	above := int64(20)
	old, changed := line(30, day2), line(30, day2, polisentest.Summary("changed"))
	w := newWorld(t)
	w.put(object1, line(5, day1)+line(6, day1)+line(29, day1))
	w.putDocument(archive.Document{
		SeenIDs: []int64{31, 30, 29, 28}, CompleteAbove: &above, LastUpdated: day2,
		Fingerprints: map[int64]archive.Versions{31: versions(t, line(31, day2)), 30: versions(t, old)},
	})
	r := &polisen.Response{Rejected: make([]polisen.Rejected, 1)}
	for _, l := range []string{
		line(40, day2), line(31, day2), changed, old, // unseen, seen, revised and also shown as it was
		line(29, day1),                                                     // listed without fingerprints: the archive tells
		line(28, day1),                                                     // ... and here that it is not stored
		line(5, day2),                                                      // stored under another date, which no run looks at
		line(5, day1), line(6, day1, polisentest.Type("x")), line(7, day1), // not listed: seen, revised, unseen
	} {
		r.Events = append(r.Events, event(t, l))
	}
	c, err := w.open().Against(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := "10 events, 1 rejected: 4 unseen, 2 revised, 2 seen\nunseen: 40 28 7 5\nrevised: 30 6\n"
	if got := text(t, func(b *strings.Builder) error { return c.Text(b) }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if want := []int64{31, 29}; !slices.Equal(c.Seen, want) || c.LookedUp != 6 {
		t.Errorf("seen %v, want %v; %d looked up, want 6", c.Seen, want, c.LookedUp)
	}
}

func TestErrors(t *testing.T) {
	t.Run("newer format", func(t *testing.T) {
		w := newWorld(t)
		w.put(archive.DocumentName, `{"seen_ids":[],"version":99}`)
		if _, err := inspect.Open(t.Context(), w, "mem:"); !errors.Is(err, archive.ErrNewerFormat) {
			t.Errorf("error %v", err)
		}
	})
	for _, method := range []string{"Get " + archive.DocumentName, "Get " + archive.LastRunName, "Stat " + object1, "List events/", "Get " + object2} {
		t.Run(method, func(t *testing.T) {
			inner := newWorld(t)
			inner.put(object2, line(2, day2))
			inner.putDocument(archive.Document{SeenIDs: []int64{}, Pending: []archive.Pending{{Name: object1, Content: archive.Text("x\n")}}})
			s := storetest.NewFaults(inner, func(c storetest.Call) storetest.Fault {
				if string(c.Method)+" "+c.Name == method {
					return storetest.FailBefore()
				}
				return storetest.Fault{}
			})
			v, err := inspect.Open(t.Context(), s, "mem:")
			if err == nil {
				_, err = v.Summary(t.Context(), now)
			}
			if err == nil {
				_, err = v.Has(t.Context(), []int64{3}, nil)
			}
			if _, name, _ := strings.Cut(method, " "); err == nil || errors.Is(err, inspect.ErrNotFound) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names %s", err, name)
			}
		})
	}
}
