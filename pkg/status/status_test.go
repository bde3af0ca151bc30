package status_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/text"
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

// world is a store that records its calls.
type world struct {
	t *testing.T
	*storetest.Faults
}

func newWorld(t *testing.T) world {
	return world{t, storetest.NewFaults(memstore.New(), func(storetest.Call) storetest.Fault { return storetest.Fault{} })}
}

func (w world) put(name, body string) {
	w.t.Helper()
	storetest.MustPut(w.t, w, name, body)
}

func (w world) putDocument(d archive.Document) {
	w.t.Helper()
	body, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(archive.DocumentName, string(body))
}

func (w world) String() string { return "mem:" }

// allowReadsOnly fails the test if it writes to the store from now on.
func (w world) allowReadsOnly() {
	before := len(w.Calls())
	w.t.Cleanup(func() {
		calls := w.Calls()[before:]
		for _, c := range calls {
			if c.Method != "Get" && c.Method != "Stat" && c.Method != "List" {
				w.t.Errorf("%v: want only reads", c)
			}
		}
		if len(calls) == 0 {
			w.t.Error("no calls were recorded")
		}
	})
}

// document reads the document of a store that allows only reads.
func (w world) document() *status.Document {
	w.t.Helper()
	w.allowReadsOnly()
	d, err := status.ReadDocument(w.t.Context(), w)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func line(id int64, at time.Time, fields ...polisentest.Field) string {
	return string(polisentest.Event(id, at, fields...)) + "\n"
}

func versions(lines ...string) (v archive.Versions) {
	for _, l := range lines {
		v = append(v, archivetest.Parse([]byte(l))[0].Fingerprint)
	}
	return v
}

func written(t *testing.T, write func(w *strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSummary(t *testing.T) {
	above, covered := int64(9), day2.Add(-time.Hour)
	full := archive.Document{
		SeenIDs: []int64{12, 11, 10}, LastUpdated: day2, TotalTracked: 3, Version: 2, CompleteAbove: &above,
		Commit:       &archive.Commit{ID: "RUN", Sequence: 7, Timestamp: day2.Unix()},
		CoveredUntil: &covered,
		Gaps:         []archive.Gap{{Day: "2025-12-20", Unserved: true}, {Day: "2025-12-22"}, {Day: "2025-12-23"}},
		Stored:       map[string]archive.Counts{"2025-12": {Events: 1, Revisions: 2}, "2026-01": {Events: 10, Rejected: 1}},
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
		missing bool // Err returns ErrNotFound
	}{
		"all fields": {
			doc: &full,
			objects: map[string]string{
				object1: line(10, day1),
				object2: line(11, day2),
				archive.LastRunName: `{"finished":"2026-01-02T23:30:00Z","ok":true,"host":"a","hosts":[{"name":"a","last_run":"2026-01-02T23:30:00Z"},` +
					`{"name":"b","last_run":"2026-01-02T22:00:00Z","failures":2,"exit_code":4,"error":"bad\u001b[2J"}],"counts":{"fetched":500,"new":3,"revised":1,"already_seen":496},` +
					`"window":{"from":"2025-12-26T00:00:00Z","to":"2026-01-02T12:00:00Z","hours":180}}`,
			},
			want: `store           mem:
listed ids      3 of at most 1,000
highest id      12
lowest id       10
complete above  9: every stored id above it is listed
last updated    2026-01-02 13:00:00 CET (12:00:00 UTC), 12 hours ago
covered until   2026-01-02 12:00:00 CET (11:00:00 UTC), 13 hours ago
gaps            2 days, 2025-12-22 to 2025-12-23, whose events may be missing; collects fetch them
gaps            1 day, 2025-12-20 to 2025-12-20, that the API does not serve
stored          11 events, 2 revisions, 1 rejected item
commit          number 7, by run RUN; format version 2
pending         3 objects of the last commit, 4 lines: 1 stored, 2 not
                events/2026/01/02/events-1767355200.jsonl, 2 lines: different
                revisions/2026/01/02/revisions-1767355200.jsonl, 1 line: missing
last run        2026-01-03 00:30:00 CET (2026-01-02 23:30:00 UTC), 30 minutes ago on a: ok
                500 fetched: 3 new, 1 revised, 0 rejected, 496 already seen
                its events cover 7.5 days, from 2025-12-26 01:00:00 CET (00:00:00 UTC) to 2026-01-02 13:00:00 CET (12:00:00 UTC)
host            a, last run 30 minutes ago: ok
host            b, last run 2 hours ago: 2 failures since the last success, the last with exit code 4: bad\x1b[2J
`,
		},
		"the published format, a failed run": {
			objects: map[string]string{
				archive.DocumentName: `{"seen_ids":[1,2],"last_updated":"2026-01-03T01:00:00Z","total_tracked":2}`,
				archive.LastRunName:  `{"finished":"2025-12-31T00:00:00Z","exit_code":4,"error":"bad\u001b[2J\nanswer"}`,
			},
			want: `store           mem:
listed ids      2 of at most 1,000
highest id      2
lowest id       1
complete above  unknown: unlisted ids may be stored too, so runs look them up in the archive
last updated    2026-01-03 02:00:00 CET (01:00:00 UTC), 1 hour in the future
covered until   2026-01-03 02:00:00 CET (01:00:00 UTC), 1 hour in the future
gaps            none
stored          unknown: verify --repair counts the items
commit          none: another program wrote the document
pending         none
last run        2025-12-31 01:00:00 CET (00:00:00 UTC), 3.0 days ago: failed with exit code 4: bad\x1b[2J\nanswer
                0 fetched: 0 new, 0 revised, 0 rejected, 0 already seen
`,
		},
		"a partial run": {
			objects: map[string]string{archive.LastRunName: `{"finished":"2026-01-02T23:30:00Z","exit_code":3,"error":"1 item was rejected"}`},
			want: `store     mem:
document  missing
last run  2026-01-03 00:30:00 CET (2026-01-02 23:30:00 UTC), 30 minutes ago: ended with exit code 3: 1 item was rejected
          0 fetched: 0 new, 0 revised, 0 rejected, 0 already seen
`,
			missing: true,
		},
		"empty store": {
			want: `store     mem:
document  missing
last run  none: there is no metadata/last_run.json
`,
			missing: true,
		},
		"damaged": {
			objects: map[string]string{archive.DocumentName: `{"seen_ids":null}`, archive.LastRunName: "x"},
			want: `store     mem:
document  damaged: parse metadata/last_seen.json: it has no seen_ids; the next collect saves a copy and rebuilds it
last run  metadata/last_run.json is damaged; the next collect replaces it
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
			d := w.document()
			s, err := d.Summarize(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			if got := written(t, func(b *strings.Builder) error { return s.Text(b, time.FixedZone("CET", 3600), text.Style{}) }); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := d.Err(); errors.Is(err, status.ErrNotFound) != tt.missing {
				t.Errorf("got the error %v; want ErrNotFound: %v", err, tt.missing)
			}
		})
	}
}

// TestSummaryOfMissingDocument checks that the summary says nothing of a document that is
// missing, although the last report has a backup of one.
func TestSummaryOfMissingDocument(t *testing.T) {
	w := newWorld(t)
	w.put(archive.LastRunName, `{"finished":"2026-01-02T23:30:00Z","document_backup":{"timestamp":1,"covered_until":"2026-01-01T00:00:00Z","gaps":[{"day":"2025-12-22","reason":"missed","since":"2026-01-01T00:00:00Z"}]}}`)
	s, err := w.document().Summarize(t.Context(), now)
	if err != nil || s.CoveredUntil != nil || len(s.OpenGaps) > 0 {
		t.Errorf("covered until %v, gaps %v, error %v", s.CoveredUntil, s.OpenGaps, err)
	}
}

// TestSummaryOnTerminal compares a summary that is wrapped and has colours.
func TestSummaryOnTerminal(t *testing.T) {
	w := newWorld(t)
	w.put(object1, line(10, day1))
	w.putDocument(archive.Document{
		SeenIDs: []int64{10}, LastUpdated: day2, Pending: []archive.Pending{{Name: object1, Content: archive.Text(line(10, day1))}},
		Gaps: []archive.Gap{{Day: "2025-12-22"}},
	})
	w.put(archive.LastRunName, `{"finished":"2026-01-02T23:30:00Z","exit_code":4,"error":"bad\u001b[2J","hosts":[{"name":"a","last_run":"2026-01-02T23:30:00Z"}]}`)
	s, err := w.document().Summarize(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	const (
		red, green, end = "\x1b[31m", "\x1b[32m", "\x1b[0m"
		want            = `store           mem:
listed ids      1 of at most 1,000
highest id      10
lowest id       10
complete above  unknown: unlisted ids may be stored too, so
                runs look them up in the archive
last updated    2026-01-02 12:00:00 UTC, 12 hours ago
covered until   2026-01-02 12:00:00 UTC, 12 hours ago
gaps            ` + red + `1 day, 2025-12-22 to 2025-12-22, whose
                events may be missing; collects fetch them` + end + `
stored          unknown: verify --repair counts the items
commit          none: another program wrote the document
pending         ` + green + `1 object of the last commit, 1 line: all
                stored` + end + `
last run        ` + red + `2026-01-02 23:30:00 UTC, 30 minutes ago:
                failed with exit code 4: bad\x1b[2J` + end + `
                0 fetched: 0 new, 0 revised, 0 rejected, 0
                already seen
host            ` + green + `a, last run 30 minutes ago: ok` + end + `
`
	)
	got := written(t, func(b *strings.Builder) error { return s.Text(b, time.UTC, text.Style{Width: 60, Colour: true}) })
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNearTheCap checks that the summary has a note from nine tenths of the maximum on.
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
		s, err := w.document().Summarize(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		got := written(t, func(b *strings.Builder) error { return s.Text(b, time.FixedZone("CET", 3600), text.Style{}) })
		if strings.Contains(got, "a full list drops") != tt.want {
			t.Errorf("%d ids: the note about a full list is there: %v, want %v\n%s", tt.n, !tt.want, tt.want, got)
		}
	}
}

func TestFind(t *testing.T) {
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
			want:   "30 listed: in seen_ids\n21 not found: searched seen_ids, which lists every stored id above 20\n",
			absent: true,
		},
		"not listed": {
			doc: &listed, ids: []int64{3, 2, 3},
			want: "3 stored: " + object1 + " line 2\n2 stored: " + object1 + " line 1\n3 stored: " + object1 + " line 2\n", lists: 1,
		},
		"an id within a longer number": {
			doc: &listed, ids: []int64{4},
			want: "4 not found: searched seen_ids and 2 objects of events/\n", absent: true, lists: 1,
		},
		"the id complete_above": {
			doc: &listed, ids: []int64{20},
			want: "20 not found: searched seen_ids and 2 objects of events/\n", absent: true, lists: 1,
		},
		"on the right date": {
			doc: &listed, ids: []int64{2}, date: &jan1,
			want: "2 stored: " + object1 + " line 1\n", lists: 1,
		},
		"on the wrong date": {
			doc: &listed, ids: []int64{2}, date: &jan2,
			want: "2 not found: searched 1 object of events/2026/01/02/\n", absent: true, lists: 1,
		},
		"listed, on the wrong date": {
			doc: &listed, ids: []int64{30}, date: &jan1,
			want: "30 not found: searched 1 object of events/2026/01/01/\n", absent: true, lists: 1,
		},
		"complete_above is unknown": {
			doc: &archive.Document{SeenIDs: []int64{}}, ids: []int64{14},
			want: "14 stored: " + object2 + " line 2\n", lists: 1,
		},
		"a cut line": {
			doc: &listed, ids: []int64{16, 14},
			want:   "16 not found: searched seen_ids and 2 objects of events/\n14 stored: " + object2 + " line 2\n",
			absent: true, lists: 1,
		},
		"no document": {
			ids: []int64{99}, want: "99 not found: searched 2 objects of events/; the document is missing\n", absent: true, lists: 1,
		},
		"only pending": {
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
			found, err := w.document().Find(t.Context(), tt.ids, tt.date)
			if err != nil {
				t.Fatal(err)
			}
			if got := written(t, func(b *strings.Builder) error { return found.Text(b) }); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			if err := found.Err(); errors.Is(err, status.ErrNotFound) != tt.absent {
				t.Errorf("got the error %v; want ErrNotFound: %v", err, tt.absent)
			}
			lists := 0
			for _, c := range w.Calls() {
				if c.Method == "List" {
					lists++
				}
			}
			if lists != tt.lists {
				t.Errorf("Find listed the store %d times, want %d", lists, tt.lists)
			}
		})
	}
}

// TestFindStopsEarly checks that Find reads the newest days first, and stops when it
// has found all ids.
func TestFindStopsEarly(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		at := day1.AddDate(0, 0, i)
		n := archive.Name{Partition: archive.Partition{Kind: archive.Events, Date: archive.DateOf(at)}, Timestamp: at.Unix()}
		w.put(n.String(), line(int64(1000+i), at))
	}
	found, err := w.document().Find(t.Context(), []int64{1199}, nil)
	if err != nil || found[0].Status != status.Stored {
		t.Fatal(found, err)
	}
	gets := 0
	for _, c := range w.Calls() {
		if c.Method == "Get" {
			gets++
		}
	}
	if gets > 100 {
		t.Errorf("Find read %d objects for an event of the newest day", gets)
	}
}

func TestCompare(t *testing.T) {
	above := int64(20)
	old, changed := line(30, day2), line(30, day2, polisentest.Summary("changed"))
	w := newWorld(t)
	w.put(object1, line(5, day1)+line(6, day1)+line(29, day1))
	w.putDocument(archive.Document{
		SeenIDs: []int64{31, 30, 29, 28}, CompleteAbove: &above, LastUpdated: day2,
		Fingerprints: map[int64]archive.Versions{31: versions(line(31, day2)), 30: versions(old)},
	})
	r := &polisen.Response{Rejected: make([]polisen.Rejected, 1)}
	for _, l := range []string{
		line(40, day2), line(31, day2), changed, old, // new, already seen, revised and again in its old version
		line(29, day1),                                                     // listed without fingerprints, so looked up
		line(28, day1),                                                     // the same, and not stored
		line(5, day2),                                                      // stored under the day before with another time
		line(5, day1), line(6, day1, polisentest.Type("x")), line(7, day1), // not listed: already seen, revised, new
	} {
		r.Events = append(r.Events, archivetest.Parse([]byte(l))[0])
	}
	w.allowReadsOnly()
	c, err := status.Compare(t.Context(), w, r)
	if err != nil {
		t.Fatal(err)
	}
	want := "10 events, 1 rejected: 3 new, 3 revised, 2 already seen\nnew: 40 28 7\nrevised: 30 6 5\n"
	if got := written(t, func(b *strings.Builder) error { return c.Text(b) }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if want := []int64{31, 29}; !slices.Equal(c.AlreadySeen, want) || c.LookedUp != 6 {
		t.Errorf("already seen %v, want %v; %d looked up, want 6", c.AlreadySeen, want, c.LookedUp)
	}
}

func TestErrors(t *testing.T) {
	t.Run("newer format", func(t *testing.T) {
		w := newWorld(t)
		w.put(archive.DocumentName, `{"seen_ids":[],"version":99}`)
		if _, err := status.ReadDocument(t.Context(), w); !errors.Is(err, archive.ErrNewerFormat) {
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
			d, err := status.ReadDocument(t.Context(), s)
			if err == nil {
				_, err = d.Summarize(t.Context(), now)
			}
			if err == nil {
				_, err = d.Find(t.Context(), []int64{3}, nil)
			}
			if _, name, _ := strings.Cut(method, " "); err == nil || errors.Is(err, status.ErrNotFound) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names %s", err, name)
			}
		})
	}
}

// TestLargeReport checks that a report larger than any that a run can write counts as
// damaged, and that it is not parsed.
func TestLargeReport(t *testing.T) {
	w := newWorld(t)
	w.putDocument(archive.Document{SeenIDs: []int64{1}})
	for size, want := range map[int]status.State{1 << 20: status.Readable, 17 << 20: status.Damaged} {
		w.put(archive.LastRunName, `{"finished":"2026-01-02T00:00:00Z","warnings":[`+strings.Repeat(`{"level":"INFO","text":"x"},`, size/28)+`{}]}`)
		d, err := status.ReadDocument(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := d.Summarize(t.Context(), now); err != nil || s.LastRunState != want {
			t.Errorf("%d MiB: %v, %v; want %s", size>>20, s, err, want)
		}
	}
}
