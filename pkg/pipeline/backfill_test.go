package pipeline_test

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/pipeline/replaytest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// read returns the items of saved responses.
func read(t *testing.T, bodies ...[]byte) iter.Seq2[saved.Item, error] {
	readers := make([]io.Reader, len(bodies))
	for i, b := range bodies {
		readers[i] = bytes.NewReader(b)
	}
	return saved.Read(t.Context(), []string{"-"}, io.MultiReader(readers...))
}

// TestBackfillReplay checks that a backfill of the recorded polls stores the
// same as collecting them one after another, which TestReplay does.
func TestBackfillReplay(t *testing.T) {
	t.Parallel()
	replaytest.Run(t, testBackfillReplay)
}

func testBackfillReplay(t *testing.T, polls []replaytest.Poll) {
	bodies := make([][]byte, len(polls))
	for i, poll := range polls {
		bodies[i] = poll.Body
	}
	model := replaytest.NewModel(polls...)
	s, clock := memstore.New(), newClock()
	for range 2 { // the second backfill adds nothing
		_, err := pipeline.BackfillSaved(t.Context(), options(s, clock), read(t, bodies...), nil)
		if _, partial := errors.AsType[*pipeline.PartialError](err); partial != (len(model.Rejected) > 0) || err != nil && !partial {
			t.Fatal(err)
		}
	}
	model.Check(t, s)
}

// events returns n events with ids from id on, ten for each day.
func events(id int64, n int) [][]byte {
	items := make([][]byte, n)
	for i := range items {
		items[i] = polisentest.Event(id+int64(i), polisentest.Newest.AddDate(0, 0, -i/10%300))
	}
	return items
}

func TestBackfillDamage(t *testing.T) {
	s, clock := memstore.New(), newClock()
	items := events(1, 3)
	text := slices.Concat([]byte("["), items[0], []byte(`,{"id":"x"},`), items[1], []byte(`,{"id":7,"datetime":`), []byte("\xff\n["), items[2], []byte("]"))
	for range 2 {
		o := options(s, clock)
		r, err := pipeline.BackfillSaved(t.Context(), o, read(t, text), nil)
		if _, partial := errors.AsType[*pipeline.PartialError](err); !partial || !strings.Contains(err.Error(), "standard input at byte ") {
			t.Fatalf("error %v", err)
		}
		if warnings := texts(r.Warnings, slog.LevelWarn); !strings.Contains(warnings, "id is not an integer") || len(r.Warnings) != 2 {
			t.Errorf("warnings %q", warnings)
		}
	}
	c := archivetest.Read(t, s)
	if len(c.Events) != 3 || len(c.Rejected) != 2 || len(c.Problems) > 0 {
		t.Errorf("%d events, rejected %v, problems %q", len(c.Events), c.Rejected, c.Problems)
	}
}

// TestBackfillCopy backfills from a copy of an archive whose lines have been indented.
// It checks that the backfill skips the metadata, and stores the rejected items as
// rejected again, without a warning.
func TestBackfillCopy(t *testing.T) {
	dir := t.TempDir()
	from, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	clock := newClock()
	items := append(events(1, 30), []byte(`{"id":null,"n":[1.0," a"]}`), polisentest.Event(7, polisentest.Newest, polisentest.Summary("other")))
	if _, err := pipeline.Collect(t.Context(), options(from, clock), respondWith(clock, polisentest.Response(items...))); err == nil {
		t.Fatal("no item was rejected")
	}
	a, to := archivetest.Read(t, from), memstore.New()
	indentLines(t, dir)
	r, err := pipeline.BackfillSaved(t.Context(), options(to, clock), saved.Read(t.Context(), []string{dir}, nil), nil)
	if err != nil || r.Counts.New != 30 || r.Counts.Revised != 1 || r.Counts.Rejected != 1 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	b := archivetest.Read(t, to)
	if !cmp.Equal(a.Events, b.Events) || !cmp.Equal(a.Revisions, b.Revisions) || !cmp.Equal(a.Rejected, b.Rejected) || len(b.Problems) > 0 {
		t.Errorf("the copy differs; problems %q", b.Problems)
	}
}

// TestRejectedCopy collects items that are rejected for their size, depth and number, and
// backfills from the response and from a copy of the archive: nothing is stored again,
// and the copy of the copy is the same.
func TestRejectedCopy(t *testing.T) {
	dir := t.TempDir()
	from, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("å", polisen.MaxItem/2)
	items := [][]byte{
		polisentest.Event(1, polisentest.Newest),
		polisentest.Event(2, polisentest.Newest, polisentest.Summary(text)),
		[]byte(`"` + text[:len(text)-2] + `"`),
		[]byte(`{"a":[{"b":"` + text + `"},{"id":3}],"c":"}"}`),
		[]byte(strings.Repeat("[", 65) + strings.Repeat("]", 65)),
		[]byte(strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000)),
		[]byte(strings.Repeat("[", 65) + strings.Repeat(`"",`, polisen.MaxItem/4) + "1" + strings.Repeat("]", 65)),
	}
	clock, body := newClock(), slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]"))
	r, err := pipeline.Collect(t.Context(), options(from, clock), respondWith(clock, body))
	if r.Counts.New != 1 || r.Counts.Rejected != 6 {
		t.Fatalf("%+v, %v", r.Counts, err)
	}
	r, err = pipeline.BackfillSaved(t.Context(), options(from, clock), read(t, body), nil)
	if r.Counts.New != 0 || r.Counts.Rejected != 0 || r.Counts.AlreadySeen != 7 {
		t.Errorf("the response as saved input: %+v, %v", r.Counts, err)
	}
	to := memstore.New()
	r, err = pipeline.BackfillSaved(t.Context(), options(to, clock), saved.Read(t.Context(), []string{dir}, nil), nil)
	if err != nil || r.Counts.New != 1 || r.Counts.Rejected != 6 {
		t.Errorf("the copy: %+v, %v", r.Counts, err)
	}
	a, b := archivetest.Read(t, from), archivetest.Read(t, to)
	if !cmp.Equal(a.Events, b.Events) || !cmp.Equal(a.Rejected, b.Rejected) || len(b.Problems) > 0 {
		t.Errorf("the copy differs; problems %.300q", b.Problems)
	}
}

// TestBackfillCompact copies archives of random versions on random dates, lets them grow, and
// copies them again. It checks that the copies have the same versions of each event in the
// same order, in fewer objects, and that no copy warns about the order.
func TestBackfillCompact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(archivetest.Size(4, 20)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { testBackfillCompact(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func testBackfillCompact(t *testing.T, random *rand.Rand) {
	clock := newClock()
	from, to := memstore.New(), memstore.New()
	collect := func(items ...[]byte) {
		t.Helper()
		clock.Advance(time.Duration(random.IntN(3000)) * time.Second)
		if _, err := pipeline.Collect(t.Context(), options(from, clock), respondWith(clock, polisentest.Response(items...))); err != nil {
			if _, partial := errors.AsType[*pipeline.PartialError](err); !partial {
				t.Fatal(err)
			}
		}
	}
	copyAgain := func() {
		t.Helper()
		dir := t.TempDir()
		for name, body := range storetest.Objects(t, from) {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, body, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		inputs := []string{filepath.Join(dir, "events"), filepath.Join(dir, "revisions")}
		if _, err := os.Stat(inputs[1]); err != nil || random.IntN(2) == 0 {
			inputs = []string{dir}
		}
		r, err := pipeline.BackfillSaved(t.Context(), options(to, clock), saved.Read(t.Context(), inputs, nil), nil)
		if err != nil || len(r.Warnings) > 0 {
			t.Fatalf("%v, warnings %+v", err, r.Warnings)
		}
		if diff := cmp.Diff(orderedVersions(t, from), orderedVersions(t, to)); diff != "" {
			t.Fatalf("the copy differs (-archive +copy):\n%s", diff)
		}
		if c := archivetest.Read(t, to); len(c.Problems) > 0 {
			t.Fatalf("problems of the copy: %q", c.Problems)
		}
	}

	const ids = 20
	oftenCopied := random.IntN(2) == 0
	first := map[int64]int{} // the dates of first versions
	for run := range 12 {
		var items [][]byte
		for range 1 + random.IntN(8) {
			id, day := 1+random.Int64N(ids), random.IntN(30)
			if _, known := first[id]; !known {
				first[id] = day
			}
			items = append(items, archivetest.Item(id, day, fmt.Sprint("run ", run, " version ", random.IntN(2))))
		}
		collect(items...)
		if oftenCopied && random.IntN(3) == 0 {
			copyAgain()
		}
	}
	// The document no longer lists the events above.
	for id := int64(1000); id < 2200; id += 300 {
		collect(archivetest.Items(id, 300, random.IntN(30))...)
	}
	copyAgain()
	for run := range 3 { // lookups find a version that is dated beside another one
		for _, id := range slices.Sorted(maps.Keys(first)) {
			if day := first[id]; random.IntN(3) == 0 {
				collect(archivetest.Item(id, day+random.IntN(3)-1, fmt.Sprint("late run ", run)))
			}
		}
		collect(archivetest.Items(5000+int64(run)*100, 3, random.IntN(30))...)
		copyAgain()
	}
	// A copy that is made often has about as many commits as the archive.
	before, after := len(storetest.Objects(t, from)), len(storetest.Objects(t, to))
	if after >= before && !oftenCopied {
		t.Errorf("the copy has %d objects, the archive %d", after, before)
	}
}

// orderedVersions returns the lines of each event in the order of its versions.
func orderedVersions(t *testing.T, s store.Reader) map[int64][]string {
	t.Helper()
	type object struct {
		archive.Name
		body []byte
	}
	var objects []object
	for name, body := range storetest.Objects(t, s) {
		if parsed, ok := archive.ParseName(name); ok && parsed.Kind != archive.Rejected {
			objects = append(objects, object{parsed, body})
		}
	}
	slices.SortFunc(objects, func(a, b object) int {
		return stdcmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), stdcmp.Compare(a.Timestamp, b.Timestamp), a.Date.Compare(b.Date))
	})
	versions := make(map[int64][]string)
	for _, o := range objects {
		for _, line := range archive.Lines(o.body) {
			l, reason := archive.ParseLine(o.Kind, line)
			if reason != "" {
				t.Fatalf("%s: %s", o.Name, reason)
			}
			versions[l.ID] = append(versions[l.ID], string(line))
		}
	}
	return versions
}

// indentLines indents each line of the data objects in a folder.
func indentLines(t *testing.T, dir string) {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*", "*.jsonl"))
	if err != nil || len(objects) < 3 {
		t.Fatal(objects, err)
	}
	for _, object := range objects {
		content, err := os.ReadFile(object)
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		for _, line := range archive.Lines(content) {
			if err := json.Indent(&indented, line, "", "  "); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
		}
		if err := os.WriteFile(object, indented.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackfillBrackets checks that a backfill reports missing delimiters, although
// there is no item to reject.
func TestBackfillBrackets(t *testing.T) {
	s, clock := memstore.New(), newClock()
	items := events(1, 4)
	text := slices.Concat([]byte("["), items[0], []byte(" "), items[1], []byte("]\n["), items[2], []byte(" "), items[3], []byte("]"))
	r, err := pipeline.BackfillSaved(t.Context(), options(s, clock), read(t, text), nil)
	if _, partial := errors.AsType[*pipeline.PartialError](err); !partial || len(r.Warnings) != 2 || r.Counts.Rejected != 0 || r.Counts.New != 4 {
		t.Errorf("%+v, warnings %v, %v", r.Counts, r.Warnings, err)
	}
}

// TestBackfillFaults breaks each store call of a backfill with several commits,
// repeats the backfill without faults, and checks that each event is stored once.
func TestBackfillFaults(t *testing.T) {
	t.Parallel()
	var items [][]byte
	for i := range 2100 { // three days only, to keep the calls few
		items = append(items, archivetest.Item(int64(i+1), i%3, "first"))
	}
	body := polisentest.Response(items...)
	backfill := func(s store.Store) error {
		_, err := pipeline.BackfillSaved(t.Context(), options(s, newClock()), read(t, body), nil)
		if err != nil && !errors.Is(err, pipeline.ErrStore) {
			t.Errorf("%v, want an error of the store", err)
		}
		return err
	}
	counted := storetest.NewFaults(memstore.New(), nil)
	if err := backfill(counted); err != nil {
		t.Fatal(err)
	}
	if calls := len(counted.Calls()); calls < 8 {
		t.Fatalf("only %d calls: no two commits", calls)
	}
	model := archivetest.NewModel(items...)
	storetest.FaultAtEveryCall(t, memstore.New(), backfill, func(s store.Store, f *storetest.Faults) {
		if err := backfill(s); err != nil {
			t.Fatal(err)
		}
		f.Release()
		model.Check(t, s)
	})
}

// TestBackfillBesideCollects runs a backfill beside four series of collects of
// the same days.
func TestBackfillBesideCollects(t *testing.T) {
	s := memstore.New()
	items := events(1, 3000)
	var wg sync.WaitGroup
	for i := range 4 {
		o, clock := options(s, newClock()), newClock()
		wg.Go(func() {
			for j := range 6 {
				from := (i*700 + j*400) % 2500
				run := o
				run.Report.RunID = fmt.Sprint("collect-", i, "-", j)
				_, err := pipeline.Collect(t.Context(), run, respondWith(clock, polisentest.Response(items[from:from+500]...)))
				if err != nil {
					t.Errorf("collect %d: %v", i, err)
				}
			}
		})
	}
	o := options(s, newClock())
	wg.Go(func() {
		if _, err := pipeline.BackfillSaved(t.Context(), o, read(t, polisentest.Response(items...)), nil); err != nil {
			t.Errorf("backfill: %v", err)
		}
	})
	wg.Wait()
	if c := archivetest.Read(t, s); len(c.Events) != 3000 || len(c.Problems) > 0 {
		t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
	}
}

// dayAPI is a Source that answers queries for days and hours.
type dayAPI struct {
	clock      *retrytest.Clock
	items      map[string][][]byte // by hour, such as "2026-01-31 09"
	queries    []string
	fail       string // the DateTime of the query that fails
	notFound   string // the DateTime of the query that gets a 404
	mismatched string // the DateTime of the query that gets a mismatched response, once
}

func (a *dayAPI) Fetch(_ context.Context, q polisen.Query) (*polisen.Response, error) {
	a.queries = append(a.queries, q.DateTime)
	if q.DateTime == a.fail {
		return &polisen.Response{Calls: 1}, errors.New("down")
	}
	if q.DateTime == a.notFound {
		return &polisen.Response{Calls: 1}, &polisen.StatusError{Status: 404}
	}
	if q.DateTime == a.mismatched {
		a.mismatched = ""
		return a.Fetch(context.Background(), polisen.Query{DateTime: "2025-12"})
	}
	var items [][]byte
	for _, when := range slices.Sorted(maps.Keys(a.items)) {
		if strings.HasPrefix(when, q.DateTime) {
			items = append(items, a.items[when]...)
		}
	}
	r, err := respondWith(a.clock, polisentest.Response(items[:min(len(items), polisen.FullResponse)]...))(context.Background())
	return r, err
}

// newDayAPI returns a dayAPI with a number of events in each hour.
func newDayAPI(clock *retrytest.Clock, events map[string]int) *dayAPI {
	api := &dayAPI{clock: clock, items: make(map[string][][]byte)}
	id := int64(0)
	for hour, n := range events {
		when, _ := time.Parse("2006-01-02 15", hour)
		for range n {
			id++
			api.items[hour] = append(api.items[hour], polisentest.Event(id, when))
		}
	}
	return api
}

// openDoneDays returns the done days of a backfill.
func openDoneDays(t *testing.T, stateDir string, resume bool) *pipeline.DoneDays {
	t.Helper()
	done, err := pipeline.OpenDoneDays(stateDir, "test", resume)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestBackfillDays(t *testing.T) {
	s, clock := memstore.New(), newClock() // 2 January 2026, the evening
	api := newDayAPI(clock, map[string]int{"2025-12-30 05": 3, "2025-12-31 04": 300, "2025-12-31 22": 260, "2026-01-01 10": 520, "2026-01-02 09": 1})
	dir := t.TempDir()
	days := func(resume bool) pipeline.Days {
		done := openDoneDays(t, dir, resume)
		return pipeline.Days{From: archive.Date{Year: 2025, Month: 12, Day: 30}, To: archive.Date{Year: 2026, Month: 1, Day: 2}, Source: api, Done: done}
	}
	api.fail = "2026-01-01 11"
	if _, err := pipeline.BackfillDays(t.Context(), options(s, clock), days(false)); !errors.Is(err, pipeline.ErrAPI) || !strings.Contains(err.Error(), "2026-01-01") {
		t.Fatalf("error %v", err)
	}
	if len(api.queries) != 1+25+13 || api.queries[2] != "2025-12-31 00" || api.queries[25] != "2025-12-31 23" {
		t.Errorf("%d calls: %q", len(api.queries), api.queries)
	}
	api.queries, api.fail = nil, ""
	r, err := pipeline.BackfillDays(t.Context(), options(s, clock), days(true))
	if _, partial := errors.AsType[*pipeline.PartialError](err); !partial || !strings.Contains(err.Error(), "1 full hour: the API shows at most 500 events") ||
		len(r.Warnings) != 1 || !strings.Contains(texts(r.Warnings, slog.LevelWarn), "hour 10 of 2026-01-01 is full") {
		t.Errorf("warnings %v, error %v", r.Warnings, err)
	}
	if len(api.queries) != 25+1 || api.queries[0] != "2026-01-01" || api.queries[25] != "2026-01-02" {
		t.Errorf("queries with resume: %q", api.queries)
	}
	api.queries = nil
	if _, err := pipeline.BackfillDays(t.Context(), options(s, clock), days(true)); err != nil || len(api.queries) != 1 || api.queries[0] != "2026-01-02" {
		t.Errorf("want a query for the day that is not over: %q, %v", api.queries, err)
	}
	c := archivetest.Read(t, s)
	if want := 3 + 560 + 500 + 1; len(c.Events) != want || len(c.Problems) > 0 {
		t.Errorf("%d events, want %d; problems %q", len(c.Events), want, c.Problems)
	}
}

// TestBackfillMismatchedDay checks that a mismatched response to the query for a
// day, or for an hour of it, is stored, but that the day is not done.
func TestBackfillMismatchedDay(t *testing.T) {
	for _, test := range []struct {
		mismatched string
		calls      int
	}{{"2026-01-01", 1 + 1}, {"2026-01-01 07", 1 + 25}} {
		t.Run(test.mismatched, func(t *testing.T) {
			s, clock := memstore.New(), newClock()
			api := newDayAPI(clock, map[string]int{"2025-12-30 05": 3, "2025-12-28 04": 300, "2025-12-29 22": 260, "2026-01-01 10": 300, "2026-01-01 11": 200})
			api.mismatched = test.mismatched
			dir := t.TempDir()
			backfill := func(resume bool) (mismatched []string, err error) {
				done := openDoneDays(t, dir, resume)
				days := pipeline.Days{
					From: archive.Date{Year: 2025, Month: 12, Day: 31}, To: archive.Date{Year: 2026, Month: 1, Day: 1}, Source: api, Done: done,
					OnDay: func(d pipeline.Day) {
						if d.Mismatched {
							mismatched = append(mismatched, d.Date.String())
						}
					},
				}
				clock.Advance(24 * time.Hour)
				_, err = pipeline.BackfillDays(t.Context(), options(s, clock), days)
				return mismatched, err
			}
			mismatched, err := backfill(false)
			partial, ok := errors.AsType[*pipeline.PartialError](err)
			if !ok || len(partial.Reasons) != 1 || !strings.Contains(err.Error(), "for 1 of 2 days (first: 2026-01-01)") || !slices.Equal(mismatched, []string{"2026-01-01"}) {
				t.Errorf("error %v, mismatched days %q", err, mismatched)
			}
			if n := len(archivetest.Read(t, s).Events); n < 500 || len(api.queries)-1 != test.calls {
				t.Errorf("%d events are stored after %q", n, api.queries)
			}
			api.queries = nil
			if mismatched, err := backfill(true); err != nil || len(mismatched) > 0 || len(api.queries) != 25 || api.queries[0] != "2026-01-01" {
				t.Errorf("with resume: queries %q, error %v, mismatched days %q", api.queries, err, mismatched)
			}
			if c := archivetest.Read(t, s); len(c.Events) != 1000 || len(c.Problems) > 0 {
				t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
			}
		})
	}
}

// TestBackfillEmptyDay checks that an empty response makes a backfill partial only for
// a day that must have events.
func TestBackfillEmptyDay(t *testing.T) {
	clock := newClock() // 2 January 2026, the evening
	day := func(text string) archive.Date {
		d, err := archive.ParseDate(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, test := range map[string]struct {
		served, from string
		query        polisen.Query
		partial      bool
	}{
		"in the middle":            {served: "2025-08-02", from: "2026-01-01", partial: true},
		"the first day":            {served: "2026-01-01", from: "2026-01-01", partial: true},
		"before":                   {served: "2026-01-02", from: "2026-01-01"},
		"today, which is not over": {served: "2025-08-02", from: "2026-01-02"},
		"of one place":             {served: "2025-08-02", from: "2026-01-01", query: polisen.Query{Locations: []string{"Arjeplog"}}},
		"of one type":              {served: "2025-08-02", from: "2026-01-01", query: polisen.Query{Types: []string{"Rån"}}},
	} {
		t.Run(name, func(t *testing.T) {
			done := openDoneDays(t, t.TempDir(), false)
			days := pipeline.Days{
				From: day(test.from), To: day(test.from), ServedFrom: day(test.served), Query: test.query,
				Source: &dayAPI{clock: clock}, Done: done,
			}
			_, err := pipeline.BackfillDays(t.Context(), options(memstore.New(), clock), days)
			if _, isPartial := errors.AsType[*pipeline.PartialError](err); isPartial != test.partial || !isPartial && err != nil {
				t.Errorf("error %v; want partial: %v", err, test.partial)
			}
			if over := test.from < "2026-01-02"; done.Has(days.From) != (over && !test.partial) {
				t.Errorf("day done: %v", done.Has(days.From))
			}
		})
	}
}

// TestBackfillMismatchedHour checks that a full day is not done if the response for an
// hour has the events of another hour, or none.
func TestBackfillMismatchedHour(t *testing.T) {
	for _, instead := range []string{"2026-01-01 04", "2026-01-01 03"} {
		s, clock := memstore.New(), newClock()
		api := newDayAPI(clock, map[string]int{"2026-01-01 04": 400, "2026-01-01 10": 400})
		done := openDoneDays(t, t.TempDir(), false)
		day := archive.Date{Year: 2026, Month: 1, Day: 1}
		source := mismatching{api, "2026-01-01 10", instead}
		_, err := pipeline.BackfillDays(t.Context(), options(s, clock), pipeline.Days{From: day, To: day, Source: source, Done: done})
		if _, partial := errors.AsType[*pipeline.PartialError](err); !partial || done.Has(day) {
			t.Errorf("hour 10 answered as %s: error %v, day done: %v", instead, err, done.Has(day))
		}
	}
}

// TestBackfillHourNotFound checks that a backfill passes over an hour whose query answers
// 404. It fetches all other hours, and the day is not done.
func TestBackfillHourNotFound(t *testing.T) {
	s, clock := memstore.New(), newClock()
	api := newDayAPI(clock, map[string]int{"2026-01-01 04": 10, "2026-01-01 10": 400, "2026-01-01 23": 400})
	api.notFound = "2026-01-01 04"
	done := openDoneDays(t, t.TempDir(), false)
	day := archive.Date{Year: 2026, Month: 1, Day: 1}
	r, err := pipeline.BackfillDays(t.Context(), options(s, clock), pipeline.Days{From: day, To: day, Source: api, Done: done})
	partial, ok := errors.AsType[*pipeline.PartialError](err)
	if !ok || len(partial.Reasons) != 1 || !strings.Contains(err.Error(), "404 for 1 of 1 days") || done.Has(day) {
		t.Errorf("error %v, day done: %v", err, done.Has(day))
	}
	if got := texts(r.Warnings, slog.LevelWarn); !strings.Contains(got, "2026-01-01 04 is passed over") || len(r.Warnings) != 1 {
		t.Errorf("warnings %q", got)
	}
	if c := archivetest.Read(t, s); len(api.queries) != 25 || len(c.Events) < 800 || len(c.Problems) > 0 {
		t.Errorf("%d queries, %d events, problems %q", len(api.queries), len(c.Events), c.Problems)
	}
}

// mismatching is a dayAPI that answers one query with the response to another.
type mismatching struct {
	*dayAPI
	query, instead string
}

func (a mismatching) Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error) {
	if q.DateTime == a.query {
		q.DateTime = a.instead
	}
	return a.dayAPI.Fetch(ctx, q)
}

func TestBackfillCancelled(t *testing.T) {
	s, clock := memstore.New(), newClock()
	ctx, cancel := context.WithCancel(t.Context())
	body := polisentest.Response(events(1, 5000)...)
	r, err := pipeline.BackfillSaved(ctx, options(s, clock), read(t, body), func(pipeline.Progress) { cancel() })
	if !errors.Is(err, context.Canceled) || r.Counts.New == 0 || r.Counts.New == 5000 {
		t.Errorf("%d new, error %v", r.Counts.New, err)
	}
	if c := archivetest.Read(t, s); len(c.Events) != r.Counts.New || len(c.Problems) > 0 {
		t.Errorf("%d events are stored, %d reported; problems %q", len(c.Events), r.Counts.New, c.Problems)
	}
}

// TestPhases checks that the phases in the report are those of the last successful fetch,
// also if a later one fails, and when its response was complete.
func TestPhases(t *testing.T) {
	clock := newClock()
	o := options(memstore.New(), clock)
	done := openDoneDays(t, t.TempDir(), false)
	fetches := 0
	source := sourceFunc(func(context.Context) (*polisen.Response, error) {
		fetches++
		clock.Advance(time.Minute)
		if fetches == 3 {
			return &polisen.Response{Calls: 2, Waited: time.Second}, errors.New("down")
		}
		n := time.Duration(fetches) * time.Millisecond
		r := &polisen.Response{Calls: 1, FetchedAt: clock.Now(), Timings: polisen.Timings{DNS: n, Connect: 2 * n, TLS: 3 * n, Wait: 4 * n, Transfer: 5 * n}}
		clock.Advance(time.Minute)
		return r, nil
	})
	day := archive.Date{Year: 2026, Month: 1, Day: 1}
	days := pipeline.Days{From: day, To: archive.Date{Year: 2026, Month: 1, Day: 5}, Source: source, Done: done}
	r, err := pipeline.BackfillDays(t.Context(), o, days)
	if !errors.Is(err, pipeline.ErrAPI) || fetches != 3 {
		t.Fatalf("%d fetches, error %v", fetches, err)
	}
	ms := func(n time.Duration) report.Seconds { return report.Seconds(n * time.Millisecond) }
	want := report.API{Calls: 4, Waited: ms(1000), DNS: ms(2), Connect: ms(4), TLS: ms(6), Wait: ms(8), Transfer: ms(10), Received: report.Seconds(3 * time.Minute)}
	if diff := cmp.Diff(want, r.API); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBackfillOlderVersions checks that a backfill warns if it stores versions of events
// that the archive had before, since they may be older, and not if all versions of an
// event are from its own input.
func TestBackfillOlderVersions(t *testing.T) {
	version := func(id int64, text string) []byte {
		return polisentest.Event(id, polisentest.Newest, polisentest.Summary(text))
	}
	s, clock := memstore.New(), newClock()
	for _, run := range []struct {
		name     string
		input    [][]byte
		warnings string
	}{
		{"both versions in their order", [][]byte{version(1, "old"), version(1, "new"), version(2, "new"), version(3, "new")}, ""},
		{"the same again", [][]byte{version(1, "old"), version(2, "new")}, ""},
		{"older versions", [][]byte{version(2, "old"), version(3, "old"), version(4, "old"), version(4, "new")}, "2 other versions of events that the archive already had: stored as later versions"},
		{"the older versions again", [][]byte{version(2, "old"), version(3, "old")}, ""},
		{"one older version", [][]byte{version(4, "oldest")}, "1 other version of events that the archive already had: "},
	} {
		r, err := pipeline.BackfillSaved(t.Context(), options(s, clock), read(t, polisentest.Response(run.input...)), nil)
		got := texts(r.Warnings, slog.LevelWarn)
		if err != nil || !strings.HasPrefix(got, run.warnings) || run.warnings == "" && got != "" {
			t.Errorf("%s: warnings %q, error %v; want the warning %q", run.name, got, err, run.warnings)
		}
		if run.warnings != "" && !strings.Contains(got, "import older copies into an empty archive first") {
			t.Errorf("%s: the warning %q does not say what to do", run.name, got)
		}
	}
	if c := archivetest.Read(t, s); len(c.Events) != 4 || len(c.Problems) > 0 {
		t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
	}
}

// TestUnreadableInput checks that the error about files that cannot be read does not say that
// something was rejected.
func TestUnreadableInput(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		items := func(yield func(saved.Item, error) bool) {
			if yield(saved.Item{File: "a"}, errors.New("read a: permission denied")) && damaged {
				yield(saved.Item{File: "b", Piece: polisen.Piece{Raw: []byte(`{"id":1}`)}}, nil)
			}
		}
		_, err := pipeline.BackfillSaved(t.Context(), options(memstore.New(), newClock()), items, nil)
		if err == nil || !strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "rejected/") != damaged {
			t.Errorf("with a damaged item %t: %v", damaged, err)
		}
	}
}
