package verify_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// fillWithDuplicates fills s as a collector without lookups may have: each of
// its runs stores some events again, one of them changed.
func fillWithDuplicates(t *testing.T, s store.Store) {
	t.Helper()
	for run := range 4 {
		contents := make(map[string]string)
		add := func(id int64, day int, text string) {
			name := fmt.Sprintf("events/2026/01/%02d/events-%d.jsonl", day, 1767301200+1800*run)
			contents[name] += line(id, day, text)
		}
		add(int64(10+run), 1, "first")
		add(int64(20+run), 2, "first")
		add(1, 1, "first")
		add(2, 2, fmt.Sprint("version ", run/2))
		if run > 0 { // the object of its first copy has a duplicate of event 1 too
			add(4, 1, "first")
		}
		if run > 1 {
			add(3, 3, "first")
		}
		for name, body := range contents {
			storetest.MustPut(t, s, name, body)
		}
	}
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids": [23, 22, 21, 20, 13], "last_updated": "2026-01-02T21:00:00Z", "total_tracked": 5}`)
}

// scenario is an archive to repair.
type scenario struct {
	fill func(t *testing.T, s store.Store)
	// pending has lines that are only in the document.
	pending string
}

func scenarios() map[string]scenario {
	pending := line(30, 2, "first")
	return map[string]scenario{
		"duplicates": {fill: fillWithDuplicates},
		"missing document": {fill: func(t *testing.T, s store.Store) {
			fillWithDuplicates(t, s)
			storetest.MustDelete(t, s, archive.DocumentName)
		}},
		"damaged document": {fill: func(t *testing.T, s store.Store) {
			fillWithDuplicates(t, s)
			storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids": [24,`)
		}},
		"another program's object in place of a pending one": {pending: pending, fill: func(t *testing.T, s store.Store) {
			fillWithDuplicates(t, s)
			const name = "events/2026/01/02/events-1767387600.jsonl"
			storetest.MustPut(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[99,30,23,22,21,20,13,12,11,10,3,2,1],"last_updated":"2026-01-02T21:00:00Z","total_tracked":13,"version":1,`+
				`"commit":{"id":"x","sequence":3,"timestamp":1767387600},"complete_above":0,"pending":[{"name":%q,"content":%q}]}`, name, pending))
			storetest.MustPut(t, s, name, line(31, 2, "first"))
		}},
		// A collector whose clock is behind has stored the event of a commit that
		// another run is about to store.
		"duplicate of a pending object": {pending: pending, fill: func(t *testing.T, s store.Store) {
			fillWithDuplicates(t, s)
			timestamp := now.Unix() - 30
			storetest.MustPut(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[30,23,22,21,20,13,12,11,10,3,2,1],"last_updated":%q,"total_tracked":12,"version":1,`+
				`"commit":{"id":"x","sequence":3,"timestamp":%d},"complete_above":0,"pending":[{"name":"events/2026/01/02/events-%[2]d.jsonl","content":%[3]q}]}`,
				now.Add(-30*time.Second).Format(time.RFC3339), timestamp, pending))
			storetest.MustPut(t, s, fmt.Sprintf("events/2026/01/02/events-%d.jsonl", timestamp-60), pending+line(31, 2, "first"))
		}},
	}
}

// prepare returns the store of the scenario, and the content that it must keep.
func (sc scenario) prepare(t *testing.T) (store.Store, content) {
	t.Helper()
	s := memstore.New()
	sc.fill(t, s)
	c := lines(t, s)
	for _, raw := range archive.Lines([]byte(sc.pending)) {
		c.add(archive.Events, raw)
	}
	return s, c
}

// poll is the response of a run beside a repair: stored events, a new version of
// one, and new events, one of them older than the listed ones.
var poll = archive.Batch{
	Events: []polisen.Event{
		event(1, 1, "first"), event(2, 2, "version 1"), event(24, 2, "first"), event(10, 1, "second"),
		event(3, 3, "first"), event(40, 2, "first"), event(5, 1, "first"),
	},
	ObservedAt: now, Current: true,
}

// otherPoll is the response of another run.
var otherPoll = archive.Batch{Events: []polisen.Event{event(50, 2, "first"), event(1, 1, "first")}, ObservedAt: now, Current: true}

// collect stores a batch as a run does.
func collect(s store.Store, b archive.Batch, at time.Time) error {
	o := writerOptions()
	o.Now = func() time.Time { return at }
	w := archive.NewWriter(s, o)
	_, err := w.Add(context.Background(), b)
	if err == nil {
		err = w.Flush(context.Background())
	}
	return err
}

// content is the set of different lines of an archive; see lines.
type content map[string]bool

// with returns the content after a run has stored the batch.
func (c content) with(b archive.Batch) content {
	c = maps.Clone(c)
	for _, e := range b.Events {
		c.add(archive.Events, e.Raw)
	}
	return c
}

// checkKept checks that s has all of the content.
func (c content) checkKept(t *testing.T, s store.Reader) {
	t.Helper()
	got := lines(t, s)
	for l := range c {
		if !got[l] {
			t.Fatalf("lost %s", l)
		}
	}
}

// check checks that s has the content and nothing else, each version once.
func (c content) check(t *testing.T, s store.Store) {
	t.Helper()
	c.checkKept(t, s)
	for l := range lines(t, s) {
		if !c[l] {
			t.Fatalf("unexpected %s", l)
		}
	}
	if got := archivetest.Read(t, s); len(got.Problems) > 0 {
		t.Fatalf("problems:\n%s", strings.Join(got.Problems, "\n"))
	}
	o := options()
	o.Now = func() time.Time { return later }
	if r, err := verify.Audit(t.Context(), s, o); err != nil || len(r.Findings) > 0 {
		t.Fatalf("audit: %v: %v", err, r)
	}
}

// later is a time at which no run that was active now is active any more.
var later = now.Add(time.Hour)

func repairDuplicates(s store.Store) error {
	_, err := repair(s, true)
	return err
}

// TestFaultAtEveryCall fails each call of a repair in each way. No line is ever
// lost. After a run and a second repair each version is stored once.
func TestFaultAtEveryCall(t *testing.T) {
	for name, sc := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prepared, want := sc.prepare(t)
			s := storetest.Clone(t, prepared)
			mustRepair(t, s, true)
			want.check(t, s)
			storetest.FaultAtEveryCall(t, prepared, repairDuplicates, func(s store.Store, f *storetest.Faults) {
				if !strings.HasPrefix(name, "another program's") { // there only the document may have a line
					want.checkKept(t, s)
				}
				if err := collect(s, poll, later); err != nil {
					t.Fatalf("collect: %v", err)
				}
				if _, err := repairAt(s, true, later); err != nil {
					t.Fatalf("second repair: %v", err)
				}
				f.Release()
				want.with(poll).check(t, s)
			})
		})
	}
}

// TestOthersAtEveryCall lets other runs and repairs happen just before each call
// of a repair, and just before each call of a run.
func TestOthersAtEveryCall(t *testing.T) {
	collectPoll := func(s store.Store) error { return collect(s, poll, now) }
	collectOther := func(s store.Store) error { return collect(s, otherPoll, now) }
	inOrder := func(first, second func(store.Store) error) func(store.Store) error {
		return func(s store.Store) error {
			if err := first(s); err != nil {
				return err
			}
			return second(s)
		}
	}
	for name, sc := range scenarios() {
		for _, tt := range []struct {
			name      string
			op, other func(store.Store) error
			stored    []archive.Batch
		}{
			{"a run in a repair", repairDuplicates, collectPoll, []archive.Batch{poll}},
			{"a repair in a run", collectPoll, repairDuplicates, []archive.Batch{poll}},
			{"a repair in a repair", repairDuplicates, repairDuplicates, nil},
			{"a run and a repair in a run", collectPoll, inOrder(collectOther, repairDuplicates), []archive.Batch{poll, otherPoll}},
			{"a repair and a run in a repair", repairDuplicates, inOrder(repairDuplicates, collectPoll), []archive.Batch{poll}},
		} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				prepared, want := sc.prepare(t)
				for _, b := range tt.stored {
					want = want.with(b)
				}
				storetest.OtherAtEveryCall(t, prepared, tt.op, tt.other, func(s store.Store) {
					repeated := func(problem string) bool { return strings.Contains(problem, "times") }
					if c := archivetest.Read(t, s); slices.ContainsFunc(c.Problems, repeated) {
						t.Fatalf("duplicates:\n%s", strings.Join(c.Problems, "\n"))
					}
					want.checkKept(t, s)
					mustRepair(t, s, true)
					want.check(t, s)
				})
			})
		}
	}
}
