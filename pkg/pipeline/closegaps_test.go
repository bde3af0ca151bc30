package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/racetest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// dayZero is the first day of the events of dense, in Swedish time.
var dayZero = time.Date(2026, 1, 5, 0, 0, 0, 0, time.FixedZone("", 3600))

// day returns a time that is some days after dayZero.
func day(n float64) time.Time { return dayZero.Add(time.Duration(n * 24 * float64(time.Hour))) }

// The pause of missedDays. The first response after it covers day 6.6 to day 9.5.
var (
	pauseBegins, pauseEnds = day(5), day(9.5)
	missedDays             = []string{"2026-01-08", "2026-01-09", "2026-01-10", "2026-01-11", "2026-01-12", "2026-01-13", "2026-01-14"}
)

// dense returns a recording of twelve days with 170 events each, so that a response
// covers three days. The polls are two hours apart, from day 4 on.
var dense = sync.OnceValue(func() *polisentest.Recording {
	const perDay, days = 170, 12
	events := make([][]byte, perDay*days)
	at := make([]time.Time, len(events))
	for i := range events {
		at[i] = dayZero.Add(time.Duration(i) * 24 * time.Hour / perDay)
		events[i] = polisentest.Event(int64(1000+i), at[i])
	}
	r := new(polisentest.Recording)
	for t := day(4); t.Before(day(days)); t = t.Add(2 * time.Hour) {
		end, _ := slices.BinarySearchFunc(at, t.Add(-20*time.Minute), time.Time.Compare)
		items := events[end-polisen.FullResponse : end]
		if t.Equal(day(4)) {
			items = events[:end] // the days before, for queries for days
		}
		r.Add(t, polisentest.Response(items[len(items)-polisen.FullResponse:]...), items)
	}
	return r
})

// afterPause returns a host that has collected before the pause of missedDays, at the
// end of the pause.
func afterPause(t *testing.T, s store.Store) *host {
	h := newHost(t, dense(), s)
	sleepUntil(pauseBegins)
	h.mustCollect()
	sleepUntil(pauseEnds)
	return h
}

// collectUntilClosed collects every half hour until no gap is left, at most n times.
func (h *host) collectUntilClosed(n int) {
	h.t.Helper()
	for range n {
		h.mustCollect()
		if len(h.document().Gaps) == 0 {
			return
		}
		time.Sleep(30 * time.Minute)
	}
	h.t.Errorf("gaps are left: %+v", h.document().Gaps)
}

// openDays returns the days of the gaps that runs may still close, and of the gaps that
// the API does not serve.
func (h *host) openDays() (open, unserved []string) {
	h.t.Helper()
	return h.document().GapDays()
}

// TestGapKilled kills the run after a pause at every call of the store. It checks that
// the next runs close the gap.
func TestGapKilled(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]storetest.Fault{"before": storetest.CrashBefore(), "after": storetest.CrashAfter()} {
		t.Run(name, func(t *testing.T) {
			for k, killed := 1, true; killed; k += racetest.Size(5, 1) {
				synctest.Test(t, func(t *testing.T) {
					s := memstore.New()
					h := afterPause(t, s)
					h.store = storetest.NewFaults(s, storetest.At(k, crash))
					_, err := h.collect()
					killed = errors.Is(err, storetest.ErrCrashed)
					if !killed {
						if _, partial := errors.AsType[*pipeline.PartialError](err); err != nil && !partial {
							t.Errorf("call %d: %v", k, err)
						}
						if k < 20 {
							t.Errorf("the run made fewer than %d calls", k)
						}
					}
					h.store = s
					time.Sleep(30 * time.Minute)
					h.collectUntilClosed(2)
					h.check(missedDays)
					if t.Failed() {
						t.Logf("killed %s call %d", name, k)
					}
				})
			}
		})
	}
}

// TestGapTwoHosts lets two hosts close the same gap at the same time.
func TestGapTwoHosts(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 300 * time.Millisecond, time.Second, 5 * time.Second, 25 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memstore.New()
				first := afterPause(t, s)
				second := newHost(t, first.recording, s)
				var both sync.WaitGroup
				both.Go(func() { first.mustCollect() })
				time.Sleep(delay)
				both.Go(func() { second.mustCollect() })
				both.Wait()
				for _, h := range []*host{first, second} {
					h.check(missedDays)
				}
				if gaps := first.document().Gaps; len(gaps) > 0 {
					t.Errorf("gaps are left: %+v", gaps)
				}
			})
		})
	}
}

// TestGapUnserved checks that a day becomes unserved if the API does not answer with its
// events, and that collects then make no more calls for it and are silent. A backfill
// that gets the whole day closes even such a gap.
func TestGapUnserved(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer func(h *host, dateTime string) polisentest.Answer
		calls  int // for one day
	}{
		"status 503": {func(*host, string) polisentest.Answer { return polisentest.Status(503) }, 12},
		"status 404": {func(*host, string) polisentest.Answer { return polisentest.Status(404) }, 1},
		"reset":      {func(*host, string) polisentest.Answer { return polisentest.Answer{Reset: true} }, 12},
		"empty":      {func(*host, string) polisentest.Answer { return polisentest.OK() }, 3},
		"newest":     {func(h *host, _ string) polisentest.Answer { return h.recording.Newest(time.Now()) }, 3},
		"another day": {func(h *host, _ string) polisentest.Answer {
			return polisentest.OK(h.recording.Events("2026-01-06", time.Now())...)
		}, 3},
		"cut": {func(h *host, d string) polisentest.Answer {
			return polisentest.Answer{Body: polisentest.Response(h.recording.Events(d, time.Now())...), Truncate: 9}
		}, 12},
		"no events": {func(*host, string) polisentest.Answer {
			return polisentest.OK([]byte(`{"id":null}`), []byte(`{"id":"a"}`))
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := afterPause(t, memstore.New())
				h.day = func(dateTime string) (polisentest.Answer, bool) { return tt.answer(h, dateTime), true }
				for range 24 {
					h.mustCollect()
					time.Sleep(30 * time.Minute)
				}
				if open, unserved := h.openDays(); len(open) > 0 || !slices.Equal(unserved, missedDays) {
					t.Errorf("open %q, unserved %q; want %q", open, unserved, missedDays)
				}
				wantAttempts := 3
				if name == "status 404" {
					wantAttempts = 1
				}
				for _, g := range h.document().Gaps {
					if g.Attempts != wantAttempts {
						t.Errorf("%d attempts for %s, want %d", g.Attempts, g.Day, wantAttempts)
					}
				}
				queries := h.queries()
				if len(queries) != tt.calls*len(missedDays) {
					t.Errorf("%d queries, want %d for each of %d days", len(queries), tt.calls, len(missedDays))
				}
				for range 4 {
					time.Sleep(time.Hour)
					r, err := h.collect()
					if err != nil || len(r.Warnings) > 0 {
						t.Errorf("error %v, warnings %+v", err, r.Warnings)
					}
				}
				if again := h.queries(); len(again) != len(queries) {
					t.Errorf("queries after the days are unserved: %q", again[len(queries):])
				}
				if b := h.api.Breaches(); len(b) > 0 {
					t.Errorf("breaches of the API's rules: %q", b)
				}
				if name == "status 404" {
					return // which is permanent
				}
				h.day = nil
				if err := h.backfill(polisen.Query{}); err != nil {
					t.Error(err)
				}
				if gaps := h.document().Gaps; len(gaps) > 0 {
					t.Errorf("gaps after a backfill: %+v", gaps)
				}
				h.check(missedDays)
			})
		})
	}
}

// backfill fetches missedDays.
func (h *host) backfill(q polisen.Query) error {
	done := openDoneDays(h.t, h.t.TempDir(), false)
	from, _ := archive.ParseDate(missedDays[0])
	to, _ := archive.ParseDate(missedDays[len(missedDays)-1])
	_, err := pipeline.BackfillDays(h.t.Context(), h.options(), pipeline.Days{From: from, To: to, Query: q, Source: h.client(true), Done: done})
	return err
}

// TestGapBackfill checks that a backfill closes the gaps of days that are over, unless its
// queries have a filter or its answers are mismatched.
func TestGapBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		o := h.options()
		o.GapSource = nil
		_, _ = pipeline.Collect(t.Context(), o, h.client(false))
		recorded := h.recording
		h.recording = new(polisentest.Recording)
		h.day = func(dateTime string) (polisentest.Answer, bool) {
			return polisentest.OK(recorded.Events(strings.Split(dateTime, "&")[0], time.Now())[:50]...), true
		}
		if err := h.backfill(polisen.Query{Types: []string{"Rån"}}); err != nil {
			t.Error(err)
		}
		if open, _ := h.openDays(); !slices.Equal(open, missedDays) {
			t.Errorf("after a backfill of one type: gaps %q, want %q", open, missedDays)
		}
		h.day = func(string) (polisentest.Answer, bool) { return recorded.Newest(time.Now()), true }
		if err := h.backfill(polisen.Query{}); err == nil {
			t.Error("no error for mismatched responses")
		}
		if d := h.document(); len(d.Gaps) != len(missedDays) || d.Gaps[0].Attempts != 1 {
			t.Errorf("after mismatched responses: %+v", d.Gaps)
		}
		h.day, h.recording = nil, recorded
		if err := h.backfill(polisen.Query{}); err != nil {
			t.Error(err)
		}
		if open, unserved := h.openDays(); len(unserved) > 0 || !slices.Equal(open, missedDays[6:]) {
			t.Errorf("after a backfill: gaps %q and %q, want %q, which is not over", open, unserved, missedDays[6:])
		}
		h.collectUntilClosed(1)
		h.check(missedDays)
	})
}

// TestGapOnlyRecorded checks that a run without Options.GapSource, and a dry run, make no
// calls for days, and that a later run closes the gap.
func TestGapOnlyRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		for _, dry := range []bool{true, false, true} {
			o := h.options()
			o.DryRun = dry
			if !dry {
				o.GapSource = nil
			}
			_, _ = pipeline.Collect(t.Context(), o, h.client(false))
			if q := h.queries(); len(q) > 0 {
				t.Fatalf("dry run %v: queries %q", dry, q)
			}
			time.Sleep(30 * time.Minute)
		}
		if open, _ := h.openDays(); !slices.Equal(open, missedDays) {
			t.Errorf("gaps %q, want %q", open, missedDays)
		}
		h.collectUntilClosed(1)
		h.check(missedDays)
	})
}

// TestGapTime checks that a run with little time closes some days and ends in time with
// its report, and that its lines say what is left.
func TestGapTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		h.timeout = 40 * time.Second
		for i, want := range []struct {
			left int
			line string
		}{
			{5, "gaps: 2 days closed with 2 new events, 5 days left; stopped at 2026-01-10: "},
			{3, "gaps: 2 days closed with 263 new events, 3 days left; stopped at 2026-01-12: "},
			{1, "gaps: 2 days closed with 0 new events, 1 day left; stopped at 2026-01-14: "},
			{0, "gaps: 1 day closed with 0 new events, 0 days left"},
		} {
			if i > 0 {
				time.Sleep(30 * time.Minute)
			}
			r := h.mustCollect()
			if open, _ := h.openDays(); len(open) != want.left {
				t.Errorf("run %d: %d days are left, want %d", i, len(open), want.left)
			}
			if info := texts(r.Warnings, slog.LevelInfo); !strings.Contains(info, want.line) {
				t.Errorf("run %d: info %q, want %q", i, info, want.line)
			}
			if last := lastRun(t, h.store); last.RunID != r.RunID {
				t.Errorf("run %d has no report", i)
			}
		}
		h.check(missedDays)
	})
}

// TestGapLeavesRoom checks that closing gaps leaves room in the limits for other runs,
// and that a run ends without an error when the limits allow no more calls.
func TestGapLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		for range 48 { // of the 50 calls an hour that leave room
			if _, err := h.client(true).Fetch(t.Context(), polisen.Query{DateTime: "2026-01-06"}); err != nil {
				t.Fatal(err)
			}
		}
		n := len(h.queries())
		h.mustCollect()
		if q := h.queries()[n:]; len(q) != 1 {
			t.Errorf("queries %q, want one", q)
		}
		if d := h.document(); d.Gaps[0].Attempts != 0 {
			t.Errorf("a call that the limits forbid counts as an attempt: %+v", d.Gaps[0])
		}
		time.Sleep(time.Hour)
		h.collectUntilClosed(1)
		h.check(missedDays)
	})
}

// TestGapCancelled checks that a run which is cancelled while it closes gaps ends at
// once, with the cause.
func TestGapCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		h.day = func(dateTime string) (polisentest.Answer, bool) {
			if dateTime == missedDays[1] {
				cancel(stop)
			}
			return polisentest.Answer{}, false
		}
		start := time.Now()
		if _, err := pipeline.Collect(ctx, h.options(), h.client(false)); !errors.Is(err, stop) {
			t.Errorf("error %v, want the cause", err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("the run took %v", took)
		}
		h.day = nil
		time.Sleep(30 * time.Minute)
		h.collectUntilClosed(1)
		h.check(missedDays)
	})
}

// fullDay answers the queries for the days of some events, with at most 500 of them for a
// day, which are the last ones. It returns false for other days.
func fullDay(events []polisen.Event, dateTime string) (polisentest.Answer, bool) {
	var items [][]byte
	isDay := false
	for _, e := range events {
		isDay = isDay || e.Time.Format(time.DateOnly) == dateTime[:len(time.DateOnly)]
		if strings.HasPrefix(e.Time.Format("2006-01-02 15"), dateTime) {
			items = append(items, e.Raw)
		}
	}
	return polisentest.OK(items[max(0, len(items)-polisen.FullResponse):]...), isDay
}

// TestGapFullDay checks that a day with 500 events or more is closed by its hours, and
// not without all of them. A run goes on with the hour at which the last one ended.
func TestGapFullDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day10 = "2026-01-10"
		h := afterPause(t, memstore.New())
		var full []polisen.Event
		for i := range 1400 {
			full = append(full, archivetest.Parse(polisentest.Event(int64(9_000_000+i), day(5).Add(time.Duration(i)*time.Minute)))...)
		}
		hours, empty := 3, -1
		h.day = func(dateTime string) (polisentest.Answer, bool) {
			answer, ok := fullDay(full, dateTime)
			hour := 0
			if _, err := fmt.Sscanf(dateTime, day10+" %d", &hour); err == nil && hour >= hours {
				return polisentest.Status(503), true
			} else if err == nil && hour == empty {
				return polisentest.OK(), true
			}
			return answer, ok
		}
		want := func(when string, attempts, nextHour int) {
			t.Helper()
			g := h.document().Gaps
			if len(g) != 5 || g[0].Day != day10 || g[0].Attempts != attempts || g[0].NextHour != nextHour || g[1].Attempts != 0 {
				t.Errorf("%s: %+v, want %d attempts and the next hour %d", when, g, attempts, nextHour)
			}
		}
		h.mustCollect()
		want("after 3 of 24 hours", 1, 3)
		hours, empty = 24, 20
		time.Sleep(time.Hour)
		h.mustCollect()
		want("after an hour without its events", 2, 20)
		empty = -1
		time.Sleep(time.Hour)
		h.timeout = 55 * time.Second
		h.mustCollect()
		want("without time for more", 2, 22)
		time.Sleep(30 * time.Minute)
		h.timeout = 288 * time.Second
		h.collectUntilClosed(2)
		c := archivetest.Read(t, h.store)
		for _, e := range full {
			if len(c.Events[e.ID]) != 1 {
				t.Fatalf("event %d of %v is stored %d times", e.ID, e.Time, len(c.Events[e.ID]))
			}
		}
		asked := make(map[string]int)
		for _, dateTime := range h.queries() {
			asked[strings.Replace(dateTime, "%20", " ", 1)]++
		}
		if asked[day10+" 02"] != 1 || asked[day10+" 19"] != 1 || asked[day10+" 21"] != 2 || asked[day10+" 23"] != 2 {
			t.Errorf("queries %v", asked)
		}
		h.check(missedDays[3:])
	})
}

// TestGapBlockedDay checks that a full day of which the API answers 404 to the first hour, or
// shows only a part of it, becomes unserved, and that the other gaps are closed, although no run
// has the time for all hours of the day.
func TestGapBlockedDay(t *testing.T) {
	for what, perMinute := range map[string]int{"404": 1, "a full hour": 10} {
		synctest.Test(t, func(t *testing.T) {
			const day10 = "2026-01-10"
			h := afterPause(t, memstore.New())
			h.timeout = 100 * time.Second
			var full []polisen.Event
			for i := range 1400 {
				full = append(full, archivetest.Parse(polisentest.Event(int64(9_000_000+i), day(5).Add(time.Duration(i/perMinute)*time.Minute)))...)
			}
			h.day = func(dateTime string) (polisentest.Answer, bool) {
				if what == "404" && dateTime == day10+" 00" {
					return polisentest.Status(404), true
				}
				return fullDay(full, dateTime)
			}
			for range 7 {
				h.mustCollect()
				time.Sleep(time.Hour)
			}
			if open, unserved := h.openDays(); len(open) > 0 || !slices.Equal(unserved, []string{day10}) {
				t.Errorf("%s: open %v, unserved %v; want only %s, which is unserved", what, open, unserved, day10)
			}
		})
	}
}

// TestGapToday lets 520 events of one day arrive after a pause of hours. Their day, which is
// not over, becomes a gap. Runs of the usual length close it, without an attempt that
// fails and without asking for hours that are still to come.
func TestGapToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, dense(), memstore.New())
		sleepUntil(day(9).Add(4 * time.Hour))
		h.mustCollect()
		sleepUntil(day(9).Add(22 * time.Hour))
		known := archivetest.Parse(h.recording.Events("2026-01-14", time.Now())...)
		for i := range 520 {
			known = append(known, archivetest.Parse(polisentest.Event(int64(9_000_000+i), time.Now().Add(-time.Duration(550-i)*20*time.Second)))...)
		}
		h.newest = func() (polisentest.Answer, bool) { return fullDay(known, "2026-01-14") }
		h.day = func(dateTime string) (polisentest.Answer, bool) { return fullDay(known, dateTime) }
		h.mustCollect()
		g := h.document().Gaps
		if len(g) != 1 || g[0].Day != "2026-01-14" || g[0].Attempts != 0 || g[0].NextHour < 20 {
			t.Errorf("after one run: %+v", g)
		}
		time.Sleep(30 * time.Minute)
		h.collectUntilClosed(1)
		c := archivetest.Read(t, h.store)
		for _, e := range known {
			if len(c.Events[e.ID]) != 1 {
				t.Fatalf("event %d of %v is stored %d times", e.ID, e.Time, len(c.Events[e.ID]))
			}
		}
		for _, dateTime := range h.queries() {
			if dateTime > "2026-01-14%2022" {
				t.Errorf("a query for %s, which is still to come", dateTime)
			}
		}
		if b := h.api.Breaches(); len(b) > 0 {
			t.Errorf("breaches of the API's rules: %q", b)
		}
	})
}

// TestGapOldAnswer checks that an answer which lacks an event that the run has just seen
// does not close the gap of its day.
func TestGapOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := afterPause(t, memstore.New())
		h.day = func(dateTime string) (polisentest.Answer, bool) {
			return polisentest.OK(h.recording.Events(dateTime, time.Now().Add(-4*time.Hour))...), true
		}
		h.mustCollect()
		today := missedDays[len(missedDays)-1]
		if g := h.document().Gaps; len(g) != 1 || g[0].Day != today || g[0].Attempts != 1 {
			t.Errorf("after an old answer for %s: %+v", today, g)
		}
		h.day = nil
		time.Sleep(time.Hour)
		h.collectUntilClosed(1)
		h.check(missedDays)
	})
}

// TestGapUnreadable checks that a collect asks for a day whose events wait only if the
// response lacks some of them, at most once an hour, and that it stores them when the
// object is readable again.
func TestGapUnreadable(t *testing.T) {
	const waiting = "2026-01-09"
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		h := newHost(t, dense(), s)
		sleepUntil(day(5.5))
		name := "events/2026/01/09/events-1700000000.jsonl"
		items := h.recording.Events(waiting, time.Now())
		storetest.MustPut(t, s, name, string(items[0])+"\n") // without a document, so that every event is looked up
		collect := func() {
			t.Helper()
			h.store = storetest.NewUnreadable(s, name, fmt.Errorf("get: %w", store.ErrAccess))
			if _, err := h.collect(); !errors.Is(err, pipeline.ErrStore) {
				t.Errorf("error %v, want one about the object", err)
			}
			h.store = s
		}
		collect()
		if g := h.document().Gaps; len(g) == 0 || g[0].Reason != archive.Unreadable {
			t.Fatalf("gaps %+v", g)
		}
		time.Sleep(time.Hour)
		collect()
		if q := h.queries(); len(q) > 0 {
			t.Errorf("queries %q, although the response has the events", q)
		}
		sleepUntil(day(7.5)) // the response no longer has all of them
		for range 5 {
			collect()
			time.Sleep(30 * time.Minute)
		}
		asked := make(map[string]int)
		for _, dateTime := range h.queries() {
			asked[dateTime]++
		}
		if asked[waiting] != 3 {
			t.Errorf("queries %v in 2 hours, want 3 for %s", asked, waiting)
		}
		if g := h.document().Gaps; len(g) == 0 || g[0].Unserved || g[0].Attempts > 0 {
			t.Errorf("gaps %+v", g)
		}
		time.Sleep(30 * time.Minute)
		h.collectUntilClosed(1)
		h.check([]string{waiting})
	})
}

// TestGapAdvice checks that the command for a pause names only days that the API still
// serves, as of the time of the run.
func TestGapAdvice(t *testing.T) {
	for _, tt := range []struct {
		days int // since the pause
		want string
	}{
		{1, "fetch them with: polisen-events-collector backfill --from 2026-01-08 --to 2026-01-14"},
		{178, "fetch them with: polisen-events-collector backfill --from 2026-01-11 --to 2026-01-14"},
		{190, "the API serves about 6 months; if you have saved responses of these days, store them with backfill --input"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := afterPause(t, memstore.New())
			o := h.options()
			o.GapSource = nil
			_, _ = pipeline.Collect(t.Context(), o, h.client(false))
			time.Sleep(time.Duration(tt.days) * 24 * time.Hour)
			o = h.options()
			o.GapSource = nil
			o.DryRun = true
			if _, err := pipeline.Collect(t.Context(), o, h.client(false)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d days after the pause: %v, want %q", tt.days, err, tt.want)
			}
		})
	}
}
