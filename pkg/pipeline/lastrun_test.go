package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// history returns the content of metadata/last_run.json.
func history(t *testing.T, s store.Reader) *report.LastRun {
	t.Helper()
	object, err := s.Get(t.Context(), archive.LastRunName)
	if err != nil {
		t.Fatal(err)
	}
	l, err := report.ParseLastRun(object.Body)
	if err != nil {
		t.Fatalf("%v: %s", err, object.Body)
	}
	return l
}

// collectOn returns an operation that collects the first n events on a host.
func collectOn(t *testing.T, host string, n int) func(store.Store) error {
	return func(s store.Store) error {
		_, err := runOn(t, s, newClock(), host, n)
		return err
	}
}

func runOn(t *testing.T, s store.Store, clock *retrytest.Clock, host string, n int) (report.Report, error) {
	o := options(s, clock)
	o.Report.Host = host
	return pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Response(archivetest.Items(1, n, 0)...)))
}

// successes returns the number of successes of each host.
func successes(l *report.LastRun) map[string]int {
	n := make(map[string]int)
	for _, h := range l.Hosts {
		n[h.Name] = len(h.Successes)
	}
	return n
}

// hostsOfRuns returns the hosts of the runs, newest first.
func hostsOfRuns(l *report.LastRun) (hosts []string) {
	for _, r := range l.Runs {
		hosts = append(hosts, r.Host)
	}
	return hosts
}

// mustBeTrue checks that a report which is ok, or names a commit whose objects are
// stored, is stored only if all objects of the last commit are.
func mustBeTrue(t *testing.T, s store.Reader, l *report.LastRun) {
	t.Helper()
	object, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := archive.ParseDocument(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	named := l.StoredCommit != nil && l.StoredCommit.Sequence == doc.Commit.Sequence
	if l.RunID != doc.Commit.ID && !named { // the report of another run
		return
	}
	for _, p := range doc.Pending {
		stored, err := s.Get(t.Context(), p.Name)
		if isStored := err == nil && bytes.Equal(stored.Body, p.Content); !isStored && (named || l.OK) {
			t.Errorf("%s is not stored (%v), but the report says: ok %v, stored commit %v", p.Name, err, l.OK, l.StoredCommit)
		}
	}
}

// TestReportFaults fails each call of a run in each way. The report is never ok before
// the objects are stored, no row of another host is lost, a run that returns no error is
// in the history once, and the next run stores what is missing.
func TestReportFaults(t *testing.T) {
	prepared := memstore.New()
	if err := collectOn(t, "earlier", 3)(prepared); err != nil {
		t.Fatal(err)
	}
	for name, events := range map[string]int{"new events": 5, "nothing new": 3} {
		t.Run(name, func(t *testing.T) {
			var last report.Report
			var lastErr error
			op := func(s store.Store) error {
				last, lastErr = runOn(t, s, newClock(), "this", events)
				return lastErr
			}
			storetest.FaultAtEveryCall(t, prepared, op, func(s store.Store, f *storetest.Faults) {
				l := history(t, s)
				mustBeTrue(t, s, l)
				if lastErr == nil && (!l.Has(last.RunID) || successes(l)["this"] != 1) {
					t.Errorf("the run succeeded, but the history has %v", hostsOfRuns(l))
				}
				if l.RunID == last.RunID && !l.OK && lastErr == nil {
					t.Errorf("the run succeeded, but its report says %q", l.Error)
				}
				f.Release()
				l = history(t, s)
				mustBeTrue(t, s, l)
				if n := len(slices.DeleteFunc(hostsOfRuns(l), func(h string) bool { return h != "this" })); n > 1 {
					t.Errorf("the run is %d times in the history", n)
				}
				if err := collectOn(t, "next", 5)(s); err != nil {
					t.Error(err)
				}
				if n := successes(history(t, s)); n["earlier"] != 1 || n["next"] != 1 {
					t.Errorf("successes of hosts: %v", n)
				}
				if c := archivetest.Read(t, s); len(c.Events) != 5 || len(c.Problems) > 0 {
					t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
				}
			})
		})
	}
}

// TestTwoHosts runs another host's collect before each call of a run. The history has
// both runs.
func TestTwoHosts(t *testing.T) {
	prepared := memstore.New()
	if err := collectOn(t, "earlier", 3)(prepared); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]store.Store{"first runs": memstore.New(), "later runs": prepared} {
		for _, events := range []int{3, 4} { // of the other host
			t.Run(fmt.Sprintf("%s, %d events", name, events), func(t *testing.T) {
				storetest.OtherAtEveryCall(t, s, collectOn(t, "this", 4), collectOn(t, "other", events), func(s store.Store) {
					l := history(t, s)
					if n := successes(l); n["this"] != 1 || n["other"] != 1 {
						t.Errorf("successes of hosts: %v", n)
					}
					if hosts := hostsOfRuns(l); hosts[0] != "this" || !slices.Contains(hosts, "other") {
						t.Errorf("runs of %v", hosts)
					}
					mustBeTrue(t, s, l)
					if c := archivetest.Read(t, s); len(c.Events) != 4 || len(c.Problems) > 0 {
						t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
					}
				})
			})
		}
	}
}

// TestReportGivesUp checks that a run whose report two other runs have overtaken tries no
// third time, succeeds without its row, and says so at level info.
func TestReportGivesUp(t *testing.T) {
	inner := memstore.New()
	puts := 0
	s := storetest.NewFaults(inner, func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.Put && c.Name == archive.LastRunName {
			puts++
			if err := collectOn(t, fmt.Sprint("other ", puts), 3)(inner); err != nil {
				t.Error(err)
			}
		}
		return storetest.Fault{}
	})
	r, err := runOn(t, s, newClock(), "this", 3)
	if err != nil || !strings.Contains(texts(r.Warnings, slog.LevelInfo), "its history lacks this run") || puts != 2 {
		t.Errorf("%d tries, %v, %v", puts, r.Warnings, err)
	}
	if got, want := hostsOfRuns(history(t, inner)), []string{"other 2", "other 1"}; !slices.Equal(got, want) {
		t.Errorf("runs of %v, want %v", got, want)
	}
	if _, err := runOn(t, inner, newClock(), "this", 3); err != nil || successes(history(t, inner))["this"] != 1 {
		t.Errorf("the next run: %v, %+v", err, history(t, inner).Hosts)
	}
}

// TestReportCannotBeReadAgain checks that a run which another run has overtaken ends with the
// store's error, if it cannot read the report of that run. It does not write another one.
func TestReportCannotBeReadAgain(t *testing.T) {
	inner := memstore.New()
	puts := 0
	s := storetest.NewFaults(inner, func(c storetest.Call) storetest.Fault {
		switch {
		case c.Name != archive.LastRunName:
		case c.Method == storetest.Put:
			if puts++; puts == 1 {
				if err := collectOn(t, "other", 3)(inner); err != nil {
					t.Error(err)
				}
			}
		case puts > 0:
			return storetest.FailBefore()
		}
		return storetest.Fault{}
	})
	if _, err := runOn(t, s, newClock(), "this", 3); !errors.Is(err, storetest.ErrFault) || puts != 1 {
		t.Errorf("%d tries, %v, want one and the error of the store", puts, err)
	}
}

// forbidden is a store that refuses the Puts of some objects.
type forbidden struct {
	store.Store
	prefix string
}

func (f forbidden) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if strings.HasPrefix(name, f.prefix) {
		return "", fmt.Errorf("put %s: %w", name, store.ErrAccess)
	}
	return f.Store.Put(ctx, name, body, cond)
}

// TestForbidden checks that a run which may not write data objects still stores its
// report, and that a run which may write nothing names one reason.
func TestForbidden(t *testing.T) {
	for prefix, stored := range map[string]bool{"events/": true, "": false} {
		inner := memstore.New()
		_, err := runOn(t, forbidden{inner, prefix}, newClock(), "this", 3)
		if !errors.Is(err, store.ErrAccess) || strings.Count(err.Error(), store.ErrAccess.Error()) != 1 {
			t.Errorf("%q is forbidden: %v", prefix, err)
		}
		if _, statErr := inner.Stat(t.Context(), archive.LastRunName); (statErr == nil) != stored {
			t.Errorf("%q is forbidden: the report: %v", prefix, statErr)
		} else if stored && (history(t, inner).Hosts[0].Failures != 1 || history(t, inner).StoredCommit != nil) {
			t.Errorf("%q is forbidden: %+v", prefix, history(t, inner))
		}
	}
}

// lostResponse is a store whose first Put of the report succeeds and returns an error.
type lostResponse struct {
	store.Store
	err  error
	puts int
}

func (s *lostResponse) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	etag, err := s.Store.Put(ctx, name, body, cond)
	if name == archive.LastRunName {
		if s.puts++; s.puts == 1 && err == nil {
			return "", s.err
		}
	}
	return etag, err
}

// TestReportResponseLost checks that a run finds its report in the store after the
// response was lost, or after a store that repeats requests has refused the second one.
func TestReportResponseLost(t *testing.T) {
	for name, lost := range map[string]error{"lost": errors.New("connection reset"), "repeated": store.ErrPrecondition} {
		s := &lostResponse{Store: memstore.New(), err: lost}
		r, err := runOn(t, s, newClock(), "this", 3)
		if l := history(t, s); err != nil || s.puts != 1 || l.RunID != r.RunID || len(l.Runs) != 1 {
			t.Errorf("%s: %d tries, %v, %+v", name, s.puts, err, l)
		}
	}
}

// TestDamagedLastRun checks that the history begins again if it is damaged, and goes on
// from a report without one.
func TestDamagedLastRun(t *testing.T) {
	for name, test := range map[string]struct {
		body  string
		fault error // of reading it
	}{
		"not JSON":          {body: "{"},
		"foreign":           {body: `{"version": 1, "items": []}`},
		"foreign types":     {body: `{"finished": "2026-01-01T00:00:00Z", "hosts": "many"}`},
		"too large":         {body: `{"finished": "2026-01-01T00:00:00Z", "x": "` + strings.Repeat("x", 17<<20) + `"}`},
		"no history":        {body: `{"finished": "2026-01-01T00:00:00Z", "ok": true}`},
		"empty":             {body: ""},
		"too large to read": {body: "x", fault: store.ErrTooLarge},
		"wrong checksum":    {body: "x", fault: store.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memstore.New()
			storetest.MustPut(t, inner, archive.LastRunName, test.body)
			s := store.Store(inner)
			if test.fault != nil {
				s = storetest.NewUnreadable(inner, archive.LastRunName, test.fault)
			}
			r, err := runOn(t, s, newClock(), "this", 3)
			if err != nil || len(r.Warnings) > 0 {
				t.Errorf("%v, %v", r.Warnings, err)
			}
			if l := history(t, inner); l.RunID != r.RunID || !l.OK || successes(l)["this"] != 1 || len(l.Runs) != 1 || len(l.Hosts) != 1 {
				t.Errorf("%+v", l)
			}
		})
	}
}

// TestFailuresInHistory checks the row of a host whose runs fail, and that a run which
// the rate limiter or the API stopped keeps the commit whose objects are stored.
func TestFailuresInHistory(t *testing.T) {
	s, clock := memstore.New(), newClock()
	if _, err := runOn(t, s, clock, "h", 3); err != nil {
		t.Fatal(err)
	}
	first := history(t, s)
	if first.StoredCommit == nil || first.StoredCommit.ID != first.RunID {
		t.Errorf("stored commit %+v", first.StoredCommit)
	}
	for i := range 3 {
		clock.Advance(30 * time.Minute)
		f := storetest.NewFaults(s, nil)
		o := options(f, clock)
		o.Report.Host = "h"
		_, err := pipeline.Collect(t.Context(), o, sourceFunc(func(context.Context) (*polisen.Response, error) {
			return nil, errors.New("down")
		}))
		l := history(t, s)
		h := l.Hosts[0]
		if err == nil || h.Failures != i+1 || len(h.Successes) != 1 || !h.FailingSince.Equal(newClock().Now().Add(30*time.Minute)) ||
			h.ExitCode != 1 || !strings.Contains(h.Error, "down") || *l.StoredCommit != *first.StoredCommit {
			t.Errorf("failure %d: %+v, stored commit %+v", i+1, h, l.StoredCommit)
		}
		if count(f, storetest.Get) != 2 || count(f, storetest.Put) != 1 || len(f.Calls()) != 3 {
			t.Errorf("calls of a failed run: %v", f.Calls())
		}
	}
}

// TestSavedResponse checks that a collect of a saved response has no window and no lag,
// and no row of its host.
func TestSavedResponse(t *testing.T) {
	for name, change := range map[string]func(*pipeline.Options){
		"API":      func(*pipeline.Options) {},
		"saved":    func(o *pipeline.Options) { o.Saved = true },
		"filtered": func(o *pipeline.Options) { o.Filtered = true },
	} {
		s, clock := memstore.New(), newClock()
		o := options(s, clock)
		change(&o)
		r, err := pipeline.Collect(t.Context(), o, respondWith(clock, polisentest.Body(polisen.FullResponse)))
		if err != nil || (r.Window != nil) != (name == "API") || (r.Lag != nil) != (name == "API") || r.Saved != o.Saved {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		l := history(t, s)
		if len(l.Runs) != 1 || l.Runs[0].Saved != o.Saved || (len(l.Hosts) == 0) != o.Saved {
			t.Errorf("%s: %+v, %+v", name, l.Runs, l.Hosts)
		}
	}
}

// TestLag checks the window and the lag of full responses.
func TestLag(t *testing.T) {
	items := func(step time.Duration) []byte {
		var all [][]byte
		for i := range polisen.FullResponse {
			all = append(all, polisentest.Event(int64(i), polisentest.Newest.Add(-time.Duration(i)*step)))
		}
		return polisentest.Response(all...)
	}
	s, clock := memstore.New(), newClock() // one hour after the newest event
	r, err := pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, items(20*time.Minute)))
	if err != nil || r.Window == nil || r.Lag == nil || time.Duration(*r.Lag) != time.Hour {
		t.Fatalf("%+v, %v", r, err)
	}
	from := polisentest.Newest.Add(-474 * 20 * time.Minute) // 475 events, 95 % of 500
	if w := *r.Window; !w.From.Equal(from) || !w.To.Equal(polisentest.Newest) || w.Hours != 158 || w.EventsPerHour != 3.01 {
		t.Errorf("window %+v", w)
	}
	if run := history(t, s).Runs[0]; *run.Window != report.Seconds(158*time.Hour) || *run.Lag != *r.Lag {
		t.Errorf("%+v", run)
	}
	r, err = pipeline.Collect(t.Context(), options(s, clock), respondWith(clock, items(2*time.Hour)))
	if r.Window != nil || r.Lag != nil {
		t.Errorf("a mismatched response: %+v, %v", r, err)
	}
}

// slowPut is a store whose Put of the report waits for its context to end.
type slowPut struct {
	store.Store
	begun func(ctx context.Context)
}

func (s slowPut) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if name != archive.LastRunName {
		return s.Store.Put(ctx, name, body, cond)
	}
	s.begun(ctx)
	<-ctx.Done()
	return "", context.Cause(ctx)
}

// TestCancelledReport cancels a run while it stores its report. The run ends with the
// cause.
func TestCancelledReport(t *testing.T) {
	clock := newClock()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by the test")
	s := slowPut{memstore.New(), func(context.Context) { cancel(stopped) }}
	r, err := pipeline.Collect(ctx, options(s, clock), respondWith(clock, polisentest.Body(3)))
	if !errors.Is(err, stopped) || r.Counts.New != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestReportAfterDeadline checks that a run whose time is over stores its report in the
// time that is left for it. A run that did not succeed takes at most 10 seconds of it.
func TestReportAfterDeadline(t *testing.T) {
	s, clock := memstore.New(), newClock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	o := options(s, clock)
	o.ReportTime = time.Hour
	late := sourceFunc(func(ctx context.Context) (*polisen.Response, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	o.OpenStore = func(context.Context) (store.Store, error) { return s, nil }
	if _, err := pipeline.Collect(ctx, o, late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if l := history(t, s); l.OK || !strings.Contains(l.Error, "deadline exceeded") {
		t.Errorf("%+v", l)
	}

	for name, test := range map[string]struct {
		source  sourceFunc
		atMost  time.Duration
		atLeast time.Duration
	}{
		"failed":    {func(context.Context) (*polisen.Response, error) { return nil, errors.New("down") }, 10 * time.Second, 0},
		"succeeded": {respondWith(clock, polisentest.Body(3)), 2 * time.Hour, time.Hour},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		stop, cancelCause := context.WithCancelCause(ctx)
		var left time.Duration
		o.OpenStore = func(context.Context) (store.Store, error) {
			return slowPut{memstore.New(), func(ctx context.Context) {
				deadline, _ := ctx.Deadline()
				left = time.Until(deadline)
				cancelCause(errors.New("enough"))
			}}, nil
		}
		_, _ = pipeline.Collect(stop, o, test.source)
		if left <= test.atLeast || left > test.atMost {
			t.Errorf("a run that %s has %v for its report, want more than %v and at most %v", name, left, test.atLeast, test.atMost)
		}
		cancel()
	}
}

// TestHistorySize checks that a history which is full adds little to a report, so that
// each run can read and replace it.
func TestHistorySize(t *testing.T) {
	s, clock := memstore.New(), newClock()
	for i := range report.MaxRuns + 10 {
		clock.Advance(time.Minute)
		if _, err := runOn(t, s, clock, fmt.Sprintf("host-%02d", i%(report.MaxHosts+4)), 3); err != nil {
			t.Fatal(err)
		}
	}
	object, err := s.Get(t.Context(), archive.LastRunName)
	if err != nil {
		t.Fatal(err)
	}
	if l := history(t, s); len(l.Runs) != report.MaxRuns || len(l.Hosts) != report.MaxHosts || len(object.Body) > 64<<10 || bytes.Contains(object.Body, []byte("null")) {
		t.Errorf("%d runs, %d hosts, %d bytes", len(l.Runs), len(l.Hosts), len(object.Body))
	}
}
