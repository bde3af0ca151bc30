package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// newClock returns a clock whose time is one hour after polisentest.Newest.
func newClock() *retrytest.Clock { return retrytest.NewClock(polisentest.Newest.Add(time.Hour)) }

func lastRun(t *testing.T, s store.Reader) report.Report {
	t.Helper()
	object, err := s.Get(t.Context(), archive.LastRunName)
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(object.Body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func count(f *storetest.Faults, method storetest.Method) (n int) {
	for _, c := range f.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

func TestCollect(t *testing.T) {
	s, clock := memstore.New(), newClock()
	first, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(polisen.FullResponse)))
	if err != nil || first.Counts.New != polisen.FullResponse || !first.OK || len(first.Objects) == 0 || first.Window.Hours <= 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	published := lastRun(t, s)
	if published.RunID != first.RunID || !published.OK || published.Counts != first.Counts {
		t.Errorf("published: %+v\nreturned:  %+v", published, first)
	}
	f := storetest.NewFaults(s, nil)
	second, err := pipeline.Collect(t.Context(), options(f, clock), respondWith(clock, polisentest.Body(polisen.FullResponse)))
	if err != nil || second.Counts.New != 0 || second.Counts.AlreadySeen != polisen.FullResponse {
		t.Errorf("%+v, %v", second, err)
	}
	if count(f, storetest.Get) != 2 || count(f, storetest.Put) != 1 || count(f, storetest.List) != 0 || count(f, storetest.Stat) != 0 {
		t.Errorf("with nothing new: %v", f.Calls())
	}
}

// TestFailures checks which error a failed run returns, and whether it stores
// its report.
func TestFailures(t *testing.T) {
	apiDown := errors.New("the API is down")
	rateLimited := fmt.Errorf("not now: %w", ratelimit.ErrExceeded)
	noAccess := fmt.Errorf("no such bucket: %w", store.ErrAccess)
	failing := func(err error) sourceFunc {
		return func(context.Context) (*polisen.Response, error) { return nil, err }
	}
	commitFails := func(s store.Store) store.Store {
		return storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && c.Name == archive.DocumentName {
				return storetest.FailBefore()
			}
			return storetest.Fault{}
		})
	}
	putFails := func(s store.Store) store.Store {
		return storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && strings.HasPrefix(c.Name, "events/") {
				return storetest.FailBefore()
			}
			return storetest.Fault{}
		})
	}
	for name, test := range map[string]struct {
		source    sourceFunc // nil: a good response
		wrap      func(store.Store) store.Store
		openFails error
		want      []error
		published bool
	}{
		"API down":          {source: failing(apiDown), want: []error{pipeline.ErrAPI, apiDown}, published: true},
		"rate limited":      {source: failing(rateLimited), want: []error{ratelimit.ErrExceeded}, published: true},
		"no access":         {openFails: noAccess, want: []error{store.ErrAccess}},
		"commit fails":      {wrap: commitFails, want: []error{pipeline.ErrStore, storetest.ErrFault}, published: true},
		"objects fail":      {wrap: putFails, want: []error{pipeline.ErrStore, storetest.ErrFault}, published: true},
		"API and store bad": {source: failing(apiDown), openFails: noAccess, want: []error{store.ErrAccess}},
	} {
		t.Run(name, func(t *testing.T) {
			inner, clock := memstore.New(), newClock()
			o := options(inner, clock)
			s := store.Store(inner)
			if test.wrap != nil {
				s = test.wrap(inner)
			}
			o.OpenStore = func(context.Context) (store.Store, error) { return s, test.openFails }
			if test.openFails != nil {
				o.OpenStore = func(context.Context) (store.Store, error) { return nil, test.openFails }
			}
			source := respondWith(clock, polisentest.Body(5))
			if test.source != nil {
				source = test.source
				if test.openFails != nil { // which cancels the fetch
					source = func(ctx context.Context) (*polisen.Response, error) {
						<-ctx.Done()
						return nil, context.Cause(ctx)
					}
				}
			}
			r, err := pipeline.Collect(t.Context(), o, source)
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v is not %v", err, want)
				}
			}
			if r.OK || r.ExitCode != 1 || r.Error == "" {
				t.Errorf("report %+v", r)
			}
			_, statErr := inner.Stat(t.Context(), archive.LastRunName)
			if (statErr == nil) != test.published {
				t.Errorf("published: %v", statErr)
			}
			if test.published && lastRun(t, inner).OK {
				t.Error("a failed run is published as ok")
			}
			// The next run stores what this one did not.
			if _, err := pipeline.Collect(t.Context(), options(inner, clock), respondWith(clock, polisentest.Body(5))); err != nil {
				t.Fatal(err)
			}
			if c := archivetest.Read(t, inner); len(c.Events) != 5 || len(c.Problems) > 0 {
				t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
			}
		})
	}
}

// TestAPIAndStoreFail checks that the error of the store is the one of the run if the API
// has failed before it.
func TestAPIAndStoreFail(t *testing.T) {
	noAccess := fmt.Errorf("no such bucket: %w", store.ErrAccess)
	o := options(memstore.New(), newClock())
	failed := make(chan struct{})
	o.OpenStore = func(context.Context) (store.Store, error) {
		<-failed
		time.Sleep(20 * time.Millisecond) // so that the source's error could be the first one
		return nil, noAccess
	}
	_, err := pipeline.Collect(t.Context(), o, sourceFunc(func(context.Context) (*polisen.Response, error) {
		close(failed)
		return nil, errors.New("down")
	}))
	if !errors.Is(err, store.ErrAccess) {
		t.Errorf("error %v, want ErrAccess", err)
	}
}

// unlocated is a store that cannot say where it is.
type unlocated struct {
	store.Store
	err error
}

func (u unlocated) Location(context.Context) (string, error) { return "", u.err }

// TestStoreWithoutLocation checks the error and the report of a run that cannot find out
// where its store is.
func TestStoreWithoutLocation(t *testing.T) {
	s, clock := memstore.New(), newClock()
	down := errors.New("the service of the namespace is down")
	o := options(unlocated{s, down}, clock)
	o.HostState = pipeline.NewHostState(t.TempDir())
	_, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Body(5)))
	if !errors.Is(err, down) || strings.Contains(err.Error(), "report") {
		t.Errorf("error %v, want only that of the namespace", err)
	}
	if r := lastRun(t, s); r.OK || !strings.Contains(r.Error, down.Error()) {
		t.Errorf("the report is %+v", r)
	}
}

// TestStoreFailsAtTheEnd checks that a run which can store neither its objects nor its
// report names both, and a run which cannot store its report names it once.
func TestStoreFailsAtTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		fails func(object string) bool
		names []string // in the error
	}{
		"objects and report": {func(object string) bool { return object != archive.DocumentName }, []string{"Put events/", "Put " + archive.LastRunName}},
		"report":             {func(object string) bool { return object == archive.LastRunName }, []string{"Put " + archive.LastRunName}},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			s := storetest.NewFaults(memstore.New(), func(c storetest.Call) storetest.Fault {
				if c.Method == storetest.Put && test.fails(c.Name) {
					return storetest.FailBefore()
				}
				return storetest.Fault{}
			})
			_, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(5)))
			if !errors.Is(err, pipeline.ErrStore) {
				t.Fatalf("error %v, want ErrStore", err)
			}
			for _, name := range test.names {
				if n := strings.Count(err.Error(), name); n != 1 {
					t.Errorf("%q is %d times in the error %q", name, n, err)
				}
			}
		})
	}
}

// TestHealAfterFailedFetch checks that a run whose fetch fails before the store is open
// still heals the archive after a run that was killed, and reports it.
func TestHealAfterFailedFetch(t *testing.T) {
	s, clock := memstore.New(), newClock()
	first, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(5)))
	if err != nil {
		t.Fatal(err)
	}
	name := first.Objects[0].Name
	storetest.MustDelete(t, s, name)
	storetest.MustDelete(t, s, archive.LastRunName) // which says that the object is stored
	failed := make(chan struct{})
	o := options(s, clock)
	o.OpenStore = func(context.Context) (store.Store, error) {
		<-failed
		time.Sleep(20 * time.Millisecond) // the failure must not cancel this meanwhile
		return s, nil
	}
	r, err := pipeline.Collect(t.Context(), o, sourceFunc(func(context.Context) (*polisen.Response, error) {
		close(failed)
		return nil, errors.New("down")
	}))
	if !errors.Is(err, pipeline.ErrAPI) || r.Counts.Healed != 1 || lastRun(t, s).Counts.Healed != 1 {
		t.Errorf("%d healed, %v", r.Counts.Healed, err)
	}
	if _, err := s.Stat(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// TestCancelled checks that a cancelled run ends without storing a report.
func TestCancelled(t *testing.T) {
	s, clock := memstore.New(), newClock()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := pipeline.Collect(ctx, options(s, clock), sourceFunc(func(context.Context) (*polisen.Response, error) {
		cancel()
		return nil, context.Canceled
	}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Stat(t.Context(), archive.LastRunName); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("published: %v", err)
	}
}

// TestCheck checks which warning or error the response to a second collect causes.
func TestCheck(t *testing.T) {
	at := func(id int64, days int) []byte { return polisentest.Event(id, polisentest.Newest.AddDate(0, 0, days)) }
	const pause = 12 * 24 * time.Hour
	var later [][]byte // a full response that begins after the newest event of Body
	for i := range polisen.FullResponse {
		later = append(later, polisentest.Event(int64(700_000-i), polisentest.Newest.Add(pause-time.Duration(i)*20*time.Minute)))
	}
	var mismatched [][]byte
	for i := range 60 {
		mismatched = append(mismatched, at(int64(500_000+i), -3*i))
	}
	for name, test := range map[string]struct {
		body    []byte
		error   string // part of the PartialError; empty for none
		warning string // of level Info; empty for none
	}{
		"good":       {polisentest.Response(at(polisentest.FirstID, 0), at(700_000, 1)), "", ""},
		"rejected":   {polisentest.Response(at(polisentest.FirstID, 0), []byte(`{"id":"x"}`)), "1 of 2 items rejected (first: id is not an integer", ""},
		"gap":        {polisentest.Response(later...), "polisen-events-collector backfill --from 2026-01-01 --to 2026-01-14", ""},
		"mismatched": {polisentest.Response(mismatched...), "", "mismatched response: 60 events over 168 days"},
		"older":      {polisentest.Response(at(polisentest.FirstID-1, 0), at(polisentest.FirstID-2, 0)), "", "older than the last one"},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := memstore.New(), newClock()
			if _, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(polisen.FullResponse))); err != nil {
				t.Fatal(err)
			}
			clock.Advance(30 * time.Minute)
			if name == "gap" {
				clock.Advance(pause)
			}
			r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, test.body))
			partial, _ := errors.AsType[*pipeline.PartialError](err)
			if (partial != nil) != (test.error != "") || partial != nil && !strings.Contains(err.Error(), test.error) {
				t.Errorf("error %v, want %q", err, test.error)
			}
			if err != nil && partial == nil {
				t.Errorf("error %v", err)
			}
			if warnings := texts(r.Warnings, slog.LevelInfo); (warnings != "") != (test.warning != "") || !strings.Contains(warnings, test.warning) {
				t.Errorf("warnings %q, want %q", warnings, test.warning)
			}
			if got := lastRun(t, s); got.OK != (test.error == "") || (got.Error != "") != (test.error != "") {
				t.Errorf("published: ok %v, error %q", got.OK, got.Error)
			}
			if c := archivetest.Read(t, s); len(c.Problems) > 0 {
				t.Errorf("%q", c.Problems)
			}
		})
	}
}

// TestOldResponse checks that a full response makes no gap if it is so old that the
// metadata document has dropped all its ids.
func TestOldResponse(t *testing.T) {
	s, clock := memstore.New(), newClock()
	full := func(first int64) []byte {
		var items [][]byte
		for i := range polisen.FullResponse {
			items = append(items, polisentest.Event(first+int64(i), polisentest.Newest.AddDate(0, 0, int(first/100))))
		}
		return polisentest.Response(items...)
	}
	for _, test := range []struct {
		first int64
		gaps  int
	}{{1000, 0}, {2000, 12}, {3000, 22}, {1000, 22}} {
		if now := polisentest.Newest.AddDate(0, 0, int(test.first/100)); clock.Now().Before(now) {
			clock.Advance(now.Sub(clock.Now()))
		}
		clock.Advance(30 * time.Minute)
		r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, full(test.first)))
		partial, _ := errors.AsType[*pipeline.PartialError](err)
		if (partial != nil) != (test.gaps > 0) || err != nil && partial == nil || r.Gaps.Open != test.gaps {
			t.Errorf("%d new from %d on: error %v, gaps %+v, want %d", r.Counts.New, test.first, err, r.Gaps, test.gaps)
		}
	}
}

// TestDryRun checks that a dry run writes nothing, and reports what it would
// store.
func TestDryRun(t *testing.T) {
	inner, clock := memstore.New(), newClock()
	f := storetest.NewFaults(inner, nil)
	o := options(f, clock)
	o.DryRun = true
	r, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Body(5)))
	if err != nil || r.Counts.New != 5 || len(r.Objects) == 0 || !r.DryRun || count(f, storetest.Put) > 0 {
		t.Errorf("%+v, %v, calls %v", r, err, f.Calls())
	}
}

// meeting lets a number of goroutines wait for each other.
type meeting struct {
	missing atomic.Int64
	all     chan struct{}
}

func newMeeting(n int64) *meeting {
	m := &meeting{all: make(chan struct{})}
	m.missing.Store(n)
	return m
}

// wait waits until all goroutines wait.
func (m *meeting) wait(ctx context.Context) error {
	if m.missing.Add(-1) == 0 {
		close(m.all)
	}
	select {
	case <-m.all:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// meetingStore is a store whose reads of the document and of the last run wait for each
// other and for the fetch. It counts the Puts of data objects that have not ended when
// the Put of the report begins.
type meetingStore struct {
	store.Store
	reads   *meeting
	puts    atomic.Int64 // of data objects, under way
	overlap int64
}

func (m *meetingStore) Get(ctx context.Context, name string) (store.Object, error) {
	if err := m.reads.wait(ctx); err != nil {
		return store.Object{}, err
	}
	return m.Store.Get(ctx, name)
}

func (m *meetingStore) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	switch name {
	case archive.DocumentName:
	case archive.LastRunName:
		m.overlap = m.puts.Load()
	default:
		m.puts.Add(1)
		defer m.puts.Add(-1)
		for range 10_000 { // so that a report at the same time would begin
			runtime.Gosched()
		}
	}
	return m.Store.Put(ctx, name, body, cond)
}

// TestParallel checks that a run does independent steps at the same time: it fetches,
// reads the document, and reads the last run. If it did not, meetingStore would block it
// until the deadline. The report is stored only after the objects.
func TestParallel(t *testing.T) {
	clock := newClock()
	m := &meetingStore{Store: memstore.New(), reads: newMeeting(3)}
	source := sourceFunc(func(ctx context.Context) (*polisen.Response, error) {
		if err := m.reads.wait(ctx); err != nil {
			return nil, err
		}
		return respondWith(clock, polisentest.Body(20))(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := pipeline.Collect(ctx, options(m, clock), source)
	if err != nil || r.Counts.New != 20 {
		t.Errorf("%+v, %v", r, err)
	}
	if m.overlap != 0 {
		t.Errorf("%d objects were not stored yet when the report was", m.overlap)
	}
}

// TestReportForm checks the names of fields and stages in the JSON report.
func TestReportForm(t *testing.T) {
	s, clock := memstore.New(), newClock()
	r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Body(polisen.FullResponse)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"run_id", "ok", "exit_code", "fetched", "new", "revised", "rejected", "invalid", "already_seen", "looked_up", "objects", "window",
		"from", "to", "hours", "events_per_hour", "dns_s", "connect_s", "tls_s", "wait_s", "transfer_s", "wire_bytes", "store_retries", "warnings",
	} {
		if !bytes.Contains(body, []byte(`"`+field+`":`)) {
			t.Errorf("no field %s in\n%s", field, body)
		}
	}
	for _, stage := range []string{"fetch", "credentials", archive.StageDocument, archive.StageHeal, archive.StageDedup, archive.StageCommit, archive.StagePut} {
		if !bytes.Contains(body, fmt.Appendf(nil, `"name": %q`, stage)) {
			t.Errorf("no stage %s in\n%s", stage, body)
		}
	}
}

// TestForeignObject looks an event up in an object with many lines that are no events:
// the time is proportional to their number, and the report stays small.
func TestForeignObject(t *testing.T) {
	lineartest.Check(t, 100_000, func(lines int) func() {
		s, clock := memstore.New(), newClock()
		var content bytes.Buffer
		for i := range lines {
			fmt.Fprintf(&content, "x%d\n", i)
		}
		storetest.MustPut(t, s, archive.Partition{Kind: archive.Events, Date: archive.DateOf(polisentest.Newest)}.Prefix()+"events-1.jsonl", content.String())
		return func() { lookUp(t, s, clock) }
	})
}

// lookUp collects an event whose partition in s has lines that are no events.
func lookUp(t *testing.T, s store.Store, clock *retrytest.Clock) {
	t.Helper()
	event := polisentest.Event(1, polisentest.Newest)
	r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, polisentest.Response(event)))
	if err != nil || r.Counts.New != 1 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	last, err := s.Get(t.Context(), archive.LastRunName)
	if err != nil || len(last.Body) > 64<<10 || len(r.Warnings) != 101 {
		t.Errorf("%d warnings, a report of %d bytes, %v", len(r.Warnings), len(last.Body), err)
	}
}
