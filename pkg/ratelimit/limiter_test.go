package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

// world is a limiter, a fake API that reports calls beyond the limits, and the
// clock of both.
type world struct {
	api      *polisentest.API
	url      string
	clock    *retrytest.Clock
	options  ratelimit.Options
	limiter  *ratelimit.Limiter
	waits    []string // the reasons that onWait got
	warnings []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	// The clock is a day ahead, so that no deadline set by it passes during the test.
	clock := retrytest.NewClock(time.Now().Add(24 * time.Hour))
	w := &world{api: &polisentest.API{Now: clock.Now, Default: empty}, clock: clock}
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.options = ratelimit.Options{
		Dir: t.TempDir(), Host: "api", Clock: clock,
		OnWarning: func(text string) { w.warnings = append(w.warnings, text) },
	}
	w.limiter = ratelimit.New(w.options)
	return w
}

func empty(*http.Request) polisentest.Answer { return polisentest.Answer{Body: []byte("[]")} }

// get waits for l, calls url, and passes the answer's status to Done.
func get(ctx context.Context, l *ratelimit.Limiter, url string, onWait func(time.Duration, string)) (waited time.Duration, err error) {
	call, err := l.Wait(ctx, url, func(d time.Duration, reason string) {
		waited += d
		if onWait != nil {
			onWait(d, reason)
		}
	})
	if err != nil {
		return waited, err
	}
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return waited, err
	}
	req.Header.Set("User-Agent", "ratelimit_test")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		call.Done(ratelimit.Answer{})
		return waited, err
	}
	call.Done(ratelimit.Answer{Status: answer.StatusCode, RetryAfter: retry.ParseAfter(answer.Header, time.Time{})})
	return waited, answer.Body.Close()
}

// call calls the API as soon as l allows it.
func (w *world) call(ctx context.Context, l *ratelimit.Limiter) (waited time.Duration, err error) {
	return get(ctx, l, w.url, func(_ time.Duration, reason string) { w.waits = append(w.waits, reason) })
}

func (w *world) mustCall(t *testing.T) {
	t.Helper()
	if _, err := w.call(t.Context(), w.limiter); err != nil {
		t.Fatal(err)
	}
}

func (w *world) checkCalls(t *testing.T, want int) {
	t.Helper()
	if n, b := len(w.api.Calls()), w.api.Breaches(); n != want || len(b) > 0 {
		t.Errorf("%d calls, want %d; breaches: %q", n, want, b)
	}
}

func (w *world) deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithDeadline(t.Context(), w.clock.Now().Add(d))
	t.Cleanup(cancel)
	return ctx
}

func (w *world) file() string { return filepath.Join(w.options.Dir, "api-calls-api.json") }
func (w *world) lock() string { return filepath.Join(w.options.Dir, "api-calls-api.lock") }

// file is the format of the limiter's file.
type file struct {
	Clock    json.RawMessage      `json:"clock,omitempty"`
	Calls    []call               `json:"calls"`
	UnderWay time.Time            `json:"under_way,omitzero"`
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

// call is a call in the file.
type call struct {
	At   time.Time `json:"at"`
	Wall time.Time `json:"wall,omitzero"`
}

// seed writes a file with calls of the given ages.
func (w *world) seed(t *testing.T, ago ...time.Duration) {
	t.Helper()
	calls := []call{}
	for _, d := range ago {
		calls = append(calls, call{At: w.clock.Now().Add(-d)})
	}
	text, err := json.Marshal(file{Calls: calls})
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, string(text))
}

func (w *world) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(w.file(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *testing.T) (f file) {
	t.Helper()
	text, err := os.ReadFile(w.file())
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// recorded returns the ages of the calls in the file.
func (w *world) recorded(t *testing.T) []time.Duration {
	t.Helper()
	var ago []time.Duration
	for _, call := range w.read(t).Calls {
		ago = append(ago, w.clock.Now().Sub(call.At).Round(time.Millisecond))
	}
	return ago
}

// spaced returns n ages that end with last. Each is step less than the one before.
func spaced(n int, last, step time.Duration) []time.Duration {
	ago := make([]time.Duration, n)
	for i := range ago {
		ago[i] = last + time.Duration(n-1-i)*step
	}
	return ago
}

func TestLimits(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, tt := range []struct {
		name   string
		calls  []time.Duration // ages of the calls in the file
		within time.Duration   // until the deadline
		wait   time.Duration   // -1: ErrExceeded
		rule   string          // the limit that forbids or delays the call
	}{
		{"no call yet", nil, 5 * m, 0, ""},
		{"a call ten seconds ago", []time.Duration{10 * s}, 5 * m, 0, ""},
		{"a call nine seconds ago", []time.Duration{9 * s}, 5 * m, 1 * s, "at least 10s between calls"},
		{"a call just now", []time.Duration{0}, 5 * m, 10 * s, "at least 10s between calls"},
		{"a call just now, and no time", []time.Duration{0}, 9 * s, -1, "at least 10s between calls"},
		{"59 calls this hour", spaced(59, 20*s, 10*s), 5 * m, 0, ""},
		{"60 calls this hour, the first nearly an hour ago", spaced(60, 30*s, 60*s), 5 * m, 30 * s, "at most 60 calls an hour"},
		{"60 calls this hour, and no time", spaced(60, 20*s, 10*s), 5 * m, -1, "at most 60 calls an hour"},
		{"60 calls, the first an hour ago", spaced(60, h-59*10*s, 10*s), 5 * m, 0, ""},
		{"1439 calls this day", spaced(1439, m, m), 5 * m, 0, ""},
		{"1440 calls this day, the first nearly a day ago", spaced(1440, 60*s, 60*s-15*time.Millisecond), 5 * m, 21585 * time.Millisecond, "at most 1440 calls a day"},
		{"1440 calls this day, and no time", spaced(1440, h, 50*s), 5 * m, -1, "at most 1440 calls a day"},
		{"the clock was set back by half an hour after a call", []time.Duration{-30 * m}, 5 * m, 10 * s, "at least 10s between calls"},
		{"the clock was set back by a day after a call", []time.Duration{-24 * h}, 5 * m, 10 * s, "at least 10s between calls"},
		{"the clock was set back after two calls, and no time", []time.Duration{0, -10 * s}, 9 * s, -1, "at least 10s between calls"},
		{"the clock was set back by half an hour after 60 calls", spaced(60, -30*m, 10*s), 59 * m, -1, "at most 60 calls an hour"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.seed(t, tt.calls...)
			started := w.clock.Now()
			waited, err := w.call(w.deadline(t, tt.within), w.limiter)
			exceeded, isExceeded := errors.AsType[*ratelimit.LimitError](err)
			switch {
			case tt.wait < 0:
				if !isExceeded || !errors.Is(err, ratelimit.ErrExceeded) || exceeded.Rule != tt.rule {
					t.Fatalf("got %v, want ErrExceeded by %q", err, tt.rule)
				}
				if next := exceeded.Next.Local().Format(time.RFC3339); !exceeded.Next.After(started.Add(tt.within)) ||
					!strings.Contains(err.Error(), next) || !strings.Contains(err.Error(), tt.rule) {
					t.Errorf("message %q with the next call at %s", err, next)
				}
				if n := len(w.recorded(t)); n != len(tt.calls) || len(w.api.Calls()) != 0 || len(w.clock.Sleeps()) != 0 {
					t.Errorf("%d calls, slept %v, %d calls in the file, want %d", len(w.api.Calls()), w.clock.Sleeps(), n, len(tt.calls))
				}
			case err != nil || waited.Round(time.Millisecond) != tt.wait || waited != w.clock.Slept():
				t.Errorf("waited %v, slept %v, %v; want a wait of %v", waited, w.clock.Slept(), err, tt.wait)
			case tt.wait > 0 && !slices.Equal(w.waits, []string{tt.rule}):
				t.Errorf("reasons %q, want one wait for %q", w.waits, tt.rule)
			default:
				if after := w.recorded(t); after[len(after)-1] != 0 {
					t.Errorf("the call is not in the file: %v", after)
				}
			}
		})
	}
}

// TestClockSetBackAfterManyCalls checks that 60 calls with times in the future
// delay the next call by an hour, and not by more.
func TestClockSetBackAfterManyCalls(t *testing.T) {
	w := newWorld(t)
	for range 60 {
		w.mustCall(t)
	}
	w.clock.Advance(-24 * time.Hour)
	// A process died during the first call, so that call counts as made now.
	f := w.read(t)
	f.Calls[0].At = f.Calls[0].At.Add(-time.Minute)
	f.UnderWay = f.Calls[0].At
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, string(text))
	for _, l := range []*ratelimit.Limiter{w.limiter, ratelimit.New(w.options)} {
		_, err := w.call(w.deadline(t, time.Minute), l)
		if exceeded, ok := errors.AsType[*ratelimit.LimitError](err); !ok || exceeded.Rule != "at most 60 calls an hour" {
			t.Fatalf("got %v; want ErrExceeded by the hourly limit", err)
		}
	}
	if n := len(w.recorded(t)); n != 61 { // that of the dead process, and 60 in the limiter's memory
		t.Errorf("%d calls in the file", n)
	}
	w.clock.Advance(time.Hour)
	if waited, err := w.call(w.deadline(t, time.Minute), w.limiter); err != nil || waited != 0 {
		t.Errorf("an hour later: waited %v, %v", waited, err)
	}
}

func TestLimitsOverManyCalls(t *testing.T) {
	w := newWorld(t)
	start := w.clock.Now()
	for range 130 {
		w.mustCall(t)
	}
	w.checkCalls(t, 130)
	calls := w.api.Calls()
	for i, want := range map[int]time.Duration{1: 10 * time.Second, 59: 590 * time.Second, 60: time.Hour, 120: 2 * time.Hour} {
		if got := calls[i].Time.Sub(start); got != want {
			t.Errorf("call %d after %v, want %v, the earliest time that the limits allow", i+1, got, want)
		}
	}
}

// TestGoroutinesShareTheLimits runs several limiters with one file, as processes
// do, and uses each from several goroutines. The clock is the machine's.
func TestGoroutinesShareTheLimits(t *testing.T) {
	const interval = 20 * time.Millisecond
	w := newWorld(t)
	w.options.Interval, w.options.Clock = interval, nil
	w.api.Now, w.api.MinInterval = nil, interval
	var all sync.WaitGroup
	for i := range 6 {
		l := ratelimit.New(w.options)
		call := func() {
			if _, err := get(t.Context(), l, w.url, nil); err != nil {
				t.Errorf("limiter %d: %v", i, err)
			}
		}
		all.Go(call)
		all.Go(func() { call(); call() })
	}
	all.Wait()
	w.checkCalls(t, 18)
}

// wallClock hides the boot time, which a synctest bubble does not replace.
type wallClock struct{ retry.Clock }

// TestSimultaneousWaiters checks that limiters which wait for the same time call
// one after another, an interval apart.
func TestSimultaneousWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		start := time.Now()
		var mu sync.Mutex
		var calls []time.Duration
		var all sync.WaitGroup
		for range 4 {
			l := ratelimit.New(ratelimit.Options{Dir: dir, Host: "api", Clock: wallClock{retry.System}})
			all.Go(func() {
				call, err := l.Wait(t.Context(), "url", nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				calls = append(calls, time.Since(start).Round(time.Second))
				mu.Unlock()
				call.Done(ratelimit.Answer{Status: 200})
			})
		}
		all.Wait()
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}; !slices.Equal(calls, want) {
			t.Errorf("calls after %v, want %v", calls, want)
		}
	})
}

// TestCollectGoesBeforeBackfill checks that a collect calls before a backfill, which
// leaves room, even if the backfill began to wait first.
func TestCollectGoesBeforeBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		collect := ratelimit.New(ratelimit.Options{Dir: dir, Host: "api", Clock: wallClock{retry.System}})
		backfill := ratelimit.New(ratelimit.Options{Dir: dir, Host: "api", LeaveRoom: true, Clock: wallClock{retry.System}})
		wait := func(l *ratelimit.Limiter) time.Time {
			call, err := l.Wait(t.Context(), "url", nil)
			if err != nil {
				t.Error(err)
				return time.Time{}
			}
			at := time.Now()
			time.Sleep(300 * time.Millisecond) // the time of the call, during which others cannot lock the file
			call.Done(ratelimit.Answer{Status: 200})
			return at
		}
		for round := range 15 { // several, since without LeaveRoom chance would decide the order
			wait(backfill)
			ended := time.Now()
			var backfillAt, collectAt time.Time
			var both sync.WaitGroup
			both.Go(func() { backfillAt = wait(backfill) })
			time.Sleep(5 * time.Second)
			both.Go(func() { collectAt = wait(collect) })
			both.Wait()
			if got := collectAt.Sub(ended); got.Round(100*time.Millisecond) != 10*time.Second {
				t.Errorf("round %d: the collect called after %v, want 10s, the same as without a backfill", round, got)
			}
			if got := backfillAt.Sub(collectAt); got.Round(100*time.Millisecond) != 11300*time.Millisecond {
				t.Errorf("round %d: the backfill called %v after the collect, want 11.3s", round, got)
			}
			time.Sleep(time.Hour) // the hourly limit is not part of this test
		}
	})
}

// TestLeaveRoom checks that short runs hardly wait while a run with LeaveRoom makes
// many calls.
func TestLeaveRoom(t *testing.T) {
	w := newWorld(t)
	start := w.clock.Now()
	options := w.options
	options.LeaveRoom = true
	long := ratelimit.New(options)
	if d := long.Delay(51); d != time.Hour {
		t.Errorf("51 calls take %v, want an hour", d)
	}
	// Another run starts in the middle of each long wait.
	others := 0
	w.clock.OnSleep(func(d time.Duration) {
		if d < time.Minute {
			return
		}
		others++
		if waited, err := w.call(w.deadline(t, time.Minute), w.limiter); err != nil || waited > 10*time.Second {
			t.Errorf("beside a long run: waited %v, %v", waited, err)
		}
	})
	for range 150 {
		if _, err := w.call(t.Context(), long); err != nil {
			t.Fatal(err)
		}
	}
	if took := w.clock.Now().Sub(start); took < 2*time.Hour || others < 2 {
		t.Errorf("150 calls took %v, with %d other runs", took, others)
	}
	w.checkCalls(t, 150+others)
	perHour := 0
	for _, call := range w.api.Calls() {
		if call.Time.Before(start.Add(time.Hour)) {
			perHour++
		}
	}
	if perHour > 51 {
		t.Errorf("%d calls in the first hour; want at most 50 by the long run, and one by another", perHour)
	}
}

// TestOversleptWait checks that a limiter checks the limits again after its sleep.
func TestOversleptWait(t *testing.T) {
	w := newWorld(t)
	w.seed(t, 4*time.Second)
	other := ratelimit.New(w.options)
	// While the limiter waits, the machine is suspended for a minute, and then
	// another limiter makes a call.
	w.clock.OnSleep(func(time.Duration) {
		w.clock.OnSleep(nil)
		w.clock.Advance(time.Minute)
		if _, err := w.call(t.Context(), other); err != nil {
			t.Error(err)
		}
	})
	w.mustCall(t)
	w.checkCalls(t, 2)
	if diff := cmp.Diff([]time.Duration{6 * time.Second, 4 * time.Second}, w.clock.Sleeps()); diff != "" {
		t.Errorf("sleeps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{74 * time.Second, 10 * time.Second, 0}, w.recorded(t)); diff != "" {
		t.Errorf("calls in the file (-want +got):\n%s", diff)
	}
}

func TestSlowCallDelaysTheNext(t *testing.T) {
	w := newWorld(t)
	w.api.Default = func(r *http.Request) polisentest.Answer {
		if at := w.read(t).UnderWay; !at.Equal(w.clock.Now()) {
			t.Errorf("under_way is %v during a call that began at %v", at, w.clock.Now())
		}
		w.clock.Advance(4 * time.Second) // perhaps the request took this long to reach the API
		return empty(r)
	}
	w.mustCall(t)
	w.mustCall(t)
	if at := w.read(t).UnderWay; !at.IsZero() {
		t.Errorf("under_way is still %v after the call", at)
	}
	if got := w.clock.Sleeps(); len(got) != 1 || got[0] != 10*time.Second {
		t.Errorf("slept %v; want 10s from the end of the first call, not from its start", got)
	}
}

// TestCallOfADeadProcess checks that the call of a process that died during it
// counts as made when the next process takes the lock, since the time at which the
// API received it is unknown.
func TestCallOfADeadProcess(t *testing.T) {
	w := newWorld(t)
	at := w.clock.Now().Add(-9 * time.Second).UTC().Format(time.RFC3339Nano)
	w.write(t, fmt.Sprintf(`{"calls":[{"at":%q}],"under_way":%q}`, at, at))
	w.mustCall(t)
	w.mustCall(t)
	if diff := cmp.Diff([]time.Duration{10 * time.Second, 10 * time.Second}, w.clock.Sleeps()); diff != "" {
		t.Errorf("sleeps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{20 * time.Second, 10 * time.Second, 0}, w.recorded(t)); diff != "" {
		t.Errorf("calls in the file (-want +got):\n%s", diff)
	}
}

// TestCancelledWait checks that a wait reserves nothing, so that a cancelled one
// delays nobody.
func TestCancelledWait(t *testing.T) {
	w := newWorld(t)
	w.seed(t, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	w.clock.OnSleep(func(time.Duration) {
		if diff := cmp.Diff([]time.Duration{0}, w.recorded(t)); diff != "" {
			t.Errorf("calls in the file during the wait (-want +got):\n%s", diff)
		}
		cancel(stop)
	})
	if _, err := w.call(ctx, w.limiter); !errors.Is(err, stop) || len(w.api.Calls()) != 0 {
		t.Errorf("%d calls, %v; want none, and the cause", len(w.api.Calls()), err)
	}
	if diff := cmp.Diff([]time.Duration{0}, w.recorded(t)); diff != "" {
		t.Errorf("calls in the file (-want +got):\n%s", diff)
	}
}

func TestNotFoundIsPermanent(t *testing.T) {
	w := newWorld(t)
	w.api.Script(polisentest.Status(404))
	found := w.clock.Now()
	w.mustCall(t)
	w.clock.Advance(48 * time.Hour)
	for _, l := range []*ratelimit.Limiter{w.limiter, ratelimit.New(w.options)} {
		_, err := w.call(t.Context(), l)
		if !errors.Is(err, ratelimit.ErrNotFound) || !errors.Is(err, ratelimit.ErrExceeded) {
			t.Fatalf("got %v, want ErrNotFound", err)
		}
		for _, part := range []string{found.Format(time.RFC3339), w.url, "--retry-not-found"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("message %q lacks %q", err, part)
			}
		}
	}
	if _, err := get(t.Context(), ratelimit.New(w.options), w.url+"/v2", nil); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.checkCalls(t, 2)

	retrying := w.options
	retrying.RetryNotFound = true
	w.api.Script(polisentest.Status(404))
	if _, err := w.call(t.Context(), ratelimit.New(retrying)); err != nil {
		t.Errorf("with RetryNotFound: %v", err)
	}
	if _, err := w.call(t.Context(), w.limiter); !errors.Is(err, ratelimit.ErrNotFound) {
		t.Errorf("after another 404: %v, want ErrNotFound", err)
	}
	if _, err := w.call(t.Context(), ratelimit.New(retrying)); err != nil {
		t.Errorf("with RetryNotFound: %v", err)
	}
	if _, err := w.call(t.Context(), ratelimit.New(w.options)); err != nil {
		t.Errorf("after a 200: %v", err)
	}
}

// TestRetryAfterIsKept checks that runs which start during a pause that the API asked
// for make no call before its end.
func TestRetryAfterIsKept(t *testing.T) {
	const h = time.Hour
	for _, tt := range []struct {
		name  string
		asked string
		pause time.Duration
	}{
		{"two hours", "7200", 2 * h},
		{"more than a day", "1000000", 24 * h},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.api.Script(polisentest.RetryAfter(429, tt.asked))
			w.mustCall(t)
			end := w.clock.Now().Add(tt.pause)
			w.clock.Advance(tt.pause - h)
			for _, l := range []*ratelimit.Limiter{w.limiter, ratelimit.New(w.options)} {
				_, err := w.call(w.deadline(t, time.Minute), l)
				exceeded, ok := errors.AsType[*ratelimit.LimitError](err)
				if !ok || !exceeded.Next.Equal(end) || !strings.Contains(exceeded.Rule, "Retry-After") {
					t.Errorf("an hour before the end: %v; want ErrExceeded until %v", err, end)
				}
			}
			if waited, err := w.call(w.deadline(t, 2*h), ratelimit.New(w.options)); err != nil || waited != h {
				t.Errorf("with time to wait: waited %v, %v", waited, err)
			}
			if n := len(w.api.Calls()); n != 2 {
				t.Errorf("%d calls", n)
			}
			if text, err := os.ReadFile(w.file()); err != nil || strings.Contains(string(text), "not_before") {
				t.Errorf("after the pause: %s, %v", text, err)
			}
		})
	}
}

// TestPauseAndClock checks that a pause does not become longer if the clock is set
// back.
func TestPauseAndClock(t *testing.T) {
	w := newWorld(t)
	w.api.Script(polisentest.RetryAfter(429, "7200"))
	w.mustCall(t)
	for range 2 {
		w.clock.Advance(-365 * 24 * time.Hour)
		_, err := w.call(t.Context(), w.limiter)
		if e, ok := errors.AsType[*ratelimit.LimitError](err); !ok || !e.Next.Equal(w.clock.Now().Add(2*time.Hour)) {
			t.Errorf("a year earlier: %v; want the rest of the pause, two hours", err)
		}
	}
}

// TestRetryAfterOfSuccess checks that the Retry-After header of a 200 causes no
// pause.
func TestRetryAfterOfSuccess(t *testing.T) {
	w := newWorld(t)
	w.api.Script(polisentest.Answer{Header: http.Header{"Retry-After": {"3600"}}})
	w.mustCall(t)
	w.mustCall(t)
	if got := w.clock.Slept(); got != 10*time.Second {
		t.Errorf("slept %v, want 10s", got)
	}
}

func TestDelay(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		calls int
		want  time.Duration
	}{
		{0, 0},
		{1, 0},
		{7, time.Minute},
		{60, 590 * time.Second},
		{61, time.Hour}, // when the first of them is an hour old
		{121, 2 * time.Hour},
		{1441, 24 * time.Hour}, // 60 calls an hour are 1440 a day
	} {
		if got := w.limiter.Delay(tt.calls); got != tt.want {
			t.Errorf("%d calls take %v, want %v", tt.calls, got, tt.want)
		}
	}
	w.mustCall(t)
	w.clock.Advance(4 * time.Second)
	if got := w.limiter.Delay(1); got != 6*time.Second {
		t.Errorf("4 s after a call the next takes %v, want 6s", got)
	}
	w.api.Script(polisentest.RetryAfter(429, "30"))
	w.mustCall(t)
	if got := w.limiter.Delay(2); got != 40*time.Second {
		t.Errorf("with a pause of 30 s two calls take %v, want 40s", got)
	}
}

// TestDamagedFile checks that a damaged file counts as an hour of calls, the most
// that the last hour can have had.
func TestDamagedFile(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", "{}", "null and void", `{"calls":null}`, `{"calls":["yesterday"]}`, `{"calls":"none"}`, `{"calls":[]} {}`,
	} {
		w := newWorld(t)
		for range 60 {
			w.mustCall(t)
		}
		w.write(t, text)
		for range 2 { // the second run finds a valid file
			w.limiter = ratelimit.New(w.options)
			_, err := w.call(w.deadline(t, 59*time.Minute), w.limiter)
			exceeded, ok := errors.AsType[*ratelimit.LimitError](err)
			if !ok || exceeded.Rule != "at most 60 calls an hour" {
				t.Errorf("%q: %v, want ErrExceeded", text, err)
			}
		}
		if len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "60 calls count as just made") || !strings.Contains(w.warnings[0], w.file()) {
			t.Errorf("%q: warnings %q", text, w.warnings)
		}
		w.mustCall(t)
		w.checkCalls(t, 61)
		if slept := w.clock.Slept().Round(time.Second); slept != 59*10*time.Second+time.Hour {
			t.Errorf("%q: slept %v", text, slept)
		}
	}
}

func TestUnusableFolder(t *testing.T) {
	for name, spoil := range map[string]func(w *world) error{
		"the folder is a file": func(w *world) error {
			return errors.Join(os.Remove(w.options.Dir), os.WriteFile(w.options.Dir, nil, 0o600))
		},
		"the lock is a folder": func(w *world) error { return os.Mkdir(w.lock(), 0o700) },
		"the file is a folder": func(w *world) error { return os.MkdirAll(filepath.Join(w.file(), "x"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				w.mustCall(t)
			}
			w.api.Script(polisentest.Status(404))
			w.mustCall(t)
			if _, err := w.call(t.Context(), w.limiter); !errors.Is(err, ratelimit.ErrNotFound) {
				t.Errorf("after a 404: %v, want ErrNotFound", err)
			}
			w.checkCalls(t, 4)
			unshared := slices.DeleteFunc(w.warnings, func(s string) bool { return !strings.Contains(s, "within this run only") })
			if len(unshared) != 1 || !strings.Contains(unshared[0], w.options.Dir) {
				t.Errorf("warnings %q; want one that names the folder", w.warnings)
			}
		})
	}
}

// TestReadOnlyFile checks that the calls of a file count if it can be read but not
// locked, like the file of another user.
func TestReadOnlyFile(t *testing.T) {
	w := newWorld(t)
	w.seed(t, 4*time.Second)
	if err := os.Mkdir(w.lock(), 0o700); err != nil {
		t.Fatal(err)
	}
	w.mustCall(t)
	if got := w.clock.Slept(); got != 10*time.Second { // other runs may not be in the file
		t.Errorf("slept %v, want 10s", got)
	}
	if err := os.Remove(w.lock()); err != nil {
		t.Fatal(err)
	}
	w.api.Script(polisentest.Status(404))
	if _, err := w.call(t.Context(), ratelimit.New(w.options)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(w.lock()), os.Mkdir(w.lock(), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.call(t.Context(), ratelimit.New(w.options)); !errors.Is(err, ratelimit.ErrNotFound) {
		t.Errorf("after a 404: %v, want ErrNotFound", err)
	}
}

func TestFile(t *testing.T) {
	w := newWorld(t)
	w.options.Dir = filepath.Join(w.options.Dir, "new", "state")
	w.limiter = ratelimit.New(w.options)
	w.mustCall(t)
	w.mustCall(t)
	second := w.clock.Now().UTC()
	text, err := os.ReadFile(w.file())
	if err != nil {
		t.Fatal(err)
	}
	one, two := second.Add(-10*time.Second).Format(time.RFC3339Nano), second.Format(time.RFC3339Nano)
	want := fmt.Sprintf(`{
  "clock": {
    "now": %q,
    "wall": %q
  },
  "calls": [
    {
      "at": %q,
      "wall": %q
    },
    {
      "at": %q,
      "wall": %q
    }
  ]
}
`, two, two, one, one, two, two)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	for path, most := range map[string]os.FileMode{w.file(): 0o640, w.lock(): 0o640, w.options.Dir: 0o750} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^most != 0 {
			t.Errorf("%s: %v, %v; want at most %v", path, info.Mode(), err, most)
		}
	}
	// The wall clock may be wrong, so the calls stay until there are many later ones.
	w.clock.Advance(25 * time.Hour)
	w.mustCall(t)
	if got := w.recorded(t); len(got) != 3 {
		t.Errorf("a day later: %v; want three calls", got)
	}
	w.seed(t, spaced(1500, 0, time.Minute)...)
	w.limiter = ratelimit.New(w.options)
	w.mustCall(t)
	if got := w.recorded(t); len(got) != 1440 {
		t.Errorf("%d calls; want 1440, as the daily limit counts no more", len(got))
	}
}

func TestFileName(t *testing.T) {
	for host, want := range map[string]string{
		"polisen.se": "api-calls-polisen.se.json", "POLISEN.SE": "api-calls-polisen.se.json",
		"127.0.0.1:8080": "api-calls-127.0.0.1_8080.json", "[::1]:80": "api-calls-__1_80.json",
	} {
		dir := t.TempDir()
		call, err := ratelimit.New(ratelimit.Options{Dir: dir, Host: host}).Wait(t.Context(), "url", nil)
		if err != nil {
			t.Fatal(err)
		}
		call.Done(ratelimit.Answer{Status: 200})
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Errorf("host %s: %v", host, err)
		}
	}
}

// TestUnsharedRunWaitsFirst checks that a run which does not know the calls of other
// runs waits one interval before its first call.
func TestUnsharedRunWaitsFirst(t *testing.T) {
	for name, spoil := range map[string]func(w *world) error{
		"no folder": func(w *world) error {
			return errors.Join(os.Remove(w.options.Dir), os.WriteFile(w.options.Dir, nil, 0o600))
		},
		"a lock, but no file": func(w *world) error { // the name of the temporary file is too long
			w.options.Host = strings.Repeat("h", 240)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			for range 2 { // runs
				w.limiter = ratelimit.New(w.options)
				w.mustCall(t)
				w.mustCall(t)
			}
			want := []time.Duration{10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}
			if diff := cmp.Diff(want, w.clock.Sleeps()); diff != "" {
				t.Errorf("sleeps (-want +got):\n%s", diff)
			}
			w.checkCalls(t, 4)
			if len(w.warnings) != 2 {
				t.Errorf("warnings %q, want one a run", w.warnings)
			}
		})
	}
}

// TestWarningsWithoutLock checks that other goroutines and processes can use the
// limiter during OnWarning, which may block.
func TestWarningsWithoutLock(t *testing.T) {
	w := newWorld(t)
	w.write(t, "damaged")
	warned := 0
	w.options.OnWarning = func(text string) {
		warned++
		for _, l := range []*ratelimit.Limiter{w.limiter, ratelimit.New(w.options)} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := l.Wait(ctx, "url", nil)
			cancel()
			if _, ok := errors.AsType[*ratelimit.LimitError](err); !ok {
				t.Errorf("during the warning %q: %v; want a LimitError", text, err)
			}
		}
	}
	w.limiter = ratelimit.New(w.options)
	w.mustCall(t)
	if warned != 1 {
		t.Errorf("%d warnings, want 1", warned)
	}
}

// TestWaitForTheLockEnds checks that a wait for the lock ends with the context.
func TestWaitForTheLockEnds(t *testing.T) {
	w := newWorld(t)
	call, err := w.limiter.Wait(t.Context(), "url", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer call.Done(ratelimit.Answer{})
	stop := errors.New("stopped by the test")
	for _, l := range []*ratelimit.Limiter{w.limiter, ratelimit.New(w.options)} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
		if _, err := l.Wait(ctx, "url", nil); !errors.Is(err, stop) { // the lock is not released before
			t.Errorf("%v, want the cause", err)
		}
	}
	if _, err := ratelimit.New(w.options).Wait(w.deadline(t, -48*time.Hour), "url", nil); !errors.Is(err, ratelimit.ErrExceeded) {
		t.Errorf("after the deadline: %v, want ErrExceeded", err)
	}
}

// TestRemovedLock checks that the calls of two processes count if somebody removes
// the lock file during the first one's call.
func TestRemovedLock(t *testing.T) {
	w := newWorld(t)
	first, err := w.limiter.Wait(t.Context(), "url", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(w.lock()); err != nil {
		t.Fatal(err)
	}
	if waited, err := w.call(t.Context(), ratelimit.New(w.options)); err != nil || waited != 10*time.Second {
		t.Errorf("waited %v, %v; want one interval, since the first call seems to be that of a dead process", waited, err)
	}
	w.clock.Advance(time.Second)
	first.Done(ratelimit.Answer{Status: 200})
	if diff := cmp.Diff([]time.Duration{time.Second, 0}, w.recorded(t)); diff != "" {
		t.Errorf("calls in the file (-want +got):\n%s", diff)
	}
}

// TestSpecialFile checks that a state file which cannot be read, or not soon, counts
// as a damaged one.
func TestSpecialFile(t *testing.T) {
	for name, spoil := range map[string]func(w *world) error{
		"a named pipe": func(w *world) error { return unix.Mkfifo(w.file(), 0o600) },
		"too large": func(w *world) error {
			return errors.Join(os.WriteFile(w.file(), nil, 0o600), os.Truncate(w.file(), 1<<40))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			_, err := w.call(w.deadline(t, time.Minute), w.limiter)
			if e, ok := errors.AsType[*ratelimit.LimitError](err); !ok || e.Rule != "at most 60 calls an hour" || len(w.warnings) != 1 {
				t.Errorf("%v, warnings %q; want ErrExceeded by the hourly limit, and a warning", err, w.warnings)
			}
		})
	}
}

// TestLongPause checks that a run does not wait for the end of a pause of more than
// an hour, whatever its deadline is.
func TestLongPause(t *testing.T) {
	w := newWorld(t)
	w.api.Script(polisentest.RetryAfter(429, "3601"))
	w.mustCall(t)
	end := w.clock.Now().Add(3601 * time.Second)
	for _, ctx := range []context.Context{t.Context(), w.deadline(t, time.Minute), w.deadline(t, 48*time.Hour)} {
		_, err := w.call(ctx, w.limiter)
		if e, ok := errors.AsType[*ratelimit.LimitError](err); !ok || !e.Next.Equal(end) || !errors.Is(err, ratelimit.ErrExceeded) ||
			!strings.Contains(err.Error(), "asked to wait until "+end.Local().Format(time.RFC3339)) {
			t.Errorf("got %v; want ErrExceeded that says to wait until %v", err, end)
		}
	}
	w.clock.Advance(time.Second)
	if waited, err := w.call(t.Context(), w.limiter); err != nil || waited != time.Hour {
		t.Errorf("an hour before its end: waited %v, %v", waited, err)
	}
}

// TestCallsLeft checks the numbers after calls, within and after the spans, and that
// asking for them reserves nothing.
func TestCallsLeft(t *testing.T) {
	w := newWorld(t)
	check := func(hour, day int) {
		t.Helper()
		for range 2 {
			other := ratelimit.New(w.options) // of another process
			if gotHour, gotDay, ok := other.CallsLeft(); gotHour != hour || gotDay != day || !ok {
				t.Errorf("%d an hour and %d a day, %v; want %d and %d", gotHour, gotDay, ok, hour, day)
			}
		}
	}
	check(60, 1440)
	for range 3 {
		if _, err := get(t.Context(), w.limiter, w.url, nil); err != nil {
			t.Fatal(err)
		}
	}
	check(57, 1437)
	w.clock.Advance(time.Hour)
	check(60, 1437)
	w.clock.Advance(24 * time.Hour)
	check(60, 1440)

	file := filepath.Join(w.options.Dir, "api-calls-api.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := w.limiter.CallsLeft(); ok {
		t.Error("there are numbers although the file is damaged")
	}
	w.options.Dir, w.options.Interval = t.TempDir(), time.Second
	if _, _, ok := ratelimit.New(w.options).CallsLeft(); ok {
		t.Error("there are numbers although there are no limits")
	}
}
