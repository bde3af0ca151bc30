package polisen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/retry"
)

func small(*http.Request) polisentest.Answer { return polisentest.Answer{Body: polisentest.Body(1)} }

// newLedgerWorld is a world whose API gives short answers.
func newLedgerWorld(t *testing.T) *world {
	w := newWorld(t, nil)
	w.api.Default = small
	return w
}

func (w *world) fetch(t *testing.T, within time.Duration) (*polisen.Response, error) {
	t.Helper()
	return w.client.Fetch(w.deadline(t, within), polisen.Query{})
}

func (w *world) mustFetch(t *testing.T) {
	t.Helper()
	if _, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Fatal(err)
	}
}

// file is the ledger of the world's API, a file for each host.
func (w *world) file() string {
	host := strings.TrimSuffix(strings.TrimPrefix(w.options.URL, "http://"), "/api/events")
	return filepath.Join(w.options.StateDir, "api-calls-"+strings.Replace(host, ":", "_", 1)+".json")
}

// ledger is the file's format.
type ledger struct {
	Calls    []time.Time          `json:"calls"`
	UnderWay time.Time            `json:"under_way,omitzero"`
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

// seed has the ledger say that calls were made so long before now.
func (w *world) seed(t *testing.T, ago ...time.Duration) {
	t.Helper()
	calls := []time.Time{}
	for _, d := range ago {
		calls = append(calls, w.clock.Now().Add(-d))
	}
	text, err := json.Marshal(ledger{Calls: calls})
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

// recorded returns how long before now the ledger's calls are.
func (w *world) recorded(t *testing.T) []time.Duration {
	t.Helper()
	var ago []time.Duration
	for _, call := range w.ledger(t).Calls {
		ago = append(ago, w.clock.Now().Sub(call).Round(time.Millisecond))
	}
	return ago
}

func (w *world) ledger(t *testing.T) (l ledger) {
	t.Helper()
	text, err := os.ReadFile(w.file())
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// spaced returns n times, the last one last before now and each the step
// before the next.
func spaced(n int, last, step time.Duration) []time.Duration {
	ago := make([]time.Duration, n)
	for i := range ago {
		ago[i] = last + time.Duration(n-1-i)*step
	}
	return ago
}

func TestCallRules(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, tt := range []struct {
		name   string
		calls  []time.Duration // made so long ago
		within time.Duration
		wait   time.Duration
		rule   string // that refuses the call, or made it wait
	}{
		{"no call yet", nil, 5 * m, 0, ""},
		{"a call ten seconds ago", []time.Duration{10 * s}, 5 * m, 0, ""},
		{"a call nine seconds ago", []time.Duration{9 * s}, 5 * m, 1 * s, "at least 10s between calls"},
		{"a call just now", []time.Duration{0}, 5 * m, 10 * s, "at least 10s between calls"},
		{"a call just now, and no time", []time.Duration{0}, 9 * s, -1, "at least 10s between calls"},
		{"another's turn is first", []time.Duration{0, -10 * s}, 5 * m, 20 * s, "at least 10s between calls"},
		{"59 calls this hour", spaced(59, 20*s, 10*s), 5 * m, 0, ""},
		{"60 calls this hour, the first nearly an hour ago", spaced(60, 30*s, 60*s), 5 * m, 30 * s, "at most 60 calls an hour"},
		{"60 calls this hour, and no time", spaced(60, 20*s, 10*s), 5 * m, -1, "at most 60 calls an hour"},
		{"60 calls, the first an hour ago", spaced(60, h-59*10*s, 10*s), 5 * m, 0, ""},
		{"1439 calls this day", spaced(1439, m, m), 5 * m, 0, ""},
		{"1440 calls this day, the first nearly a day ago", spaced(1440, 60*s, 60*s-15*time.Millisecond), 5 * m, 21585 * time.Millisecond, "at most 1440 calls a day"},
		{"1440 calls this day, and no time", spaced(1440, h, 50*s), 5 * m, -1, "at most 1440 calls a day"},
		{"a clock set back by half an hour", []time.Duration{-30 * m}, 5 * m, -1, "at least 10s between calls"},
		{"a clock set back by a day after one call", []time.Duration{-24 * h}, 5 * m, 10 * s, "at least 10s between calls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newLedgerWorld(t)
			w.seed(t, tt.calls...)
			started := w.clock.Now()
			before := w.recorded(t)
			r, err := w.fetch(t, tt.within)
			refused, isRefused := errors.AsType[*polisen.RefusedError](err)
			switch {
			case tt.wait < 0:
				if !isRefused || !errors.Is(err, polisen.ErrRefused) || refused.Rule != tt.rule {
					t.Fatalf("got %v, want it refused for %q", err, tt.rule)
				}
				if next := refused.Next.Local().Format(time.RFC3339); !refused.Next.After(started.Add(tt.within)) ||
					!strings.Contains(err.Error(), next) || !strings.Contains(err.Error(), tt.rule) {
					t.Errorf("message %q with the next call at %s", err, next)
				}
				if diff := cmp.Diff(before, w.recorded(t)); diff != "" || len(w.api.Calls()) != 0 || len(w.clock.Sleeps()) != 0 {
					t.Errorf("%d calls, slept %v; ledger (-before +after):\n%s", len(w.api.Calls()), w.clock.Sleeps(), diff)
				}
			case err != nil || r.Waited.Round(time.Millisecond) != tt.wait || r.Waited != w.clock.Slept():
				t.Errorf("waited %v, slept %v, %v; want a wait of %v", r.Waited, w.clock.Slept(), err, tt.wait)
			case tt.wait > 0 && (len(w.waits) != 1 || !strings.HasSuffix(w.waits[0], tt.rule)):
				t.Errorf("told of %q, want one wait for %q", w.waits, tt.rule)
			default:
				if after := w.recorded(t); after[len(after)-1] != 0 {
					t.Errorf("the call is not in the ledger: %v", after)
				}
			}
		})
	}
}

// TestClockSetBackAfterManyCalls has a ledger full of calls in the future.
func TestClockSetBackAfterManyCalls(t *testing.T) {
	w := newLedgerWorld(t)
	for range 60 {
		w.mustFetch(t)
	}
	w.clock.Advance(-24 * time.Hour)
	// A run has died beside, so that a call counts as made just now already.
	l := w.ledger(t)
	at := l.Calls[0].Add(-time.Minute).UTC().Format(time.RFC3339Nano)
	calls, err := json.Marshal(append([]time.Time{l.Calls[0].Add(-time.Minute)}, l.Calls[1:]...))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, fmt.Sprintf(`{"calls":%s,"under_way":%q}`, calls, at))
	for _, c := range []*polisen.Client{w.client, newClient(t, w.options)} {
		_, err := c.Fetch(w.deadline(t, time.Minute), polisen.Query{})
		if refused, ok := errors.AsType[*polisen.RefusedError](err); !ok || refused.Rule != "at most 60 calls an hour" {
			t.Fatalf("got %v; want it refused by the hour", err)
		}
	}
	if n := len(w.recorded(t)); n != 61 { // the one that died, and that of the client's own memory
		t.Errorf("%d calls in the ledger", n)
	}
	w.clock.Advance(time.Hour)
	if r, err := w.fetch(t, time.Minute); err != nil || r.Waited != 0 {
		t.Errorf("an hour later: waited %v, %v", r.Waited, err)
	}
}

func TestCallRulesOverManyCalls(t *testing.T) {
	w := newLedgerWorld(t)
	start := w.clock.Now()
	for range 130 {
		w.mustFetch(t)
	}
	if b := w.api.Breaches(); len(b) > 0 {
		t.Errorf("broke the API's rules: %q", b)
	}
	calls := w.api.Calls()
	for i, want := range map[int]time.Duration{1: 10 * time.Second, 59: 590 * time.Second, 60: time.Hour, 120: 2 * time.Hour} {
		if got := calls[i].Time.Sub(start); got != want {
			t.Errorf("call %d after %v, want %v: neither sooner nor later than the rules ask for", i+1, got, want)
		}
	}
}

// TestGoroutinesShareALedger has clients of their own, as processes would have,
// and some that share one. The clock is real: time goes on during a call.
func TestGoroutinesShareALedger(t *testing.T) {
	const interval = 20 * time.Millisecond
	w := newWorld(t, func(o *polisen.Options) { o.MinInterval, o.Clock, o.OnWait = interval, nil, nil })
	w.api.Now, w.api.Default, w.api.MinInterval = nil, small, interval
	var all sync.WaitGroup
	for i := range 6 {
		c := newClient(t, w.options)
		fetch := func() {
			if _, err := c.Fetch(t.Context(), polisen.Query{}); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		}
		all.Go(fetch)
		all.Go(func() { fetch(); fetch() })
	}
	all.Wait()
	if n, b := len(w.api.Calls()), w.api.Breaches(); n != 18 || len(b) > 0 {
		t.Errorf("%d calls, which broke the API's rules: %q", n, b)
	}
}

func TestRetriesAreCalls(t *testing.T) {
	w := newLedgerWorld(t)
	w.seed(t, spaced(58, 20*time.Second, 10*time.Second)...)
	w.api.Script(polisentest.Status(503), polisentest.Status(502))
	r, err := w.fetch(t, 5*time.Minute)
	if e, ok := errors.AsType[*polisen.StatusError](err); !ok || e.Status != 502 || errors.Is(err, polisen.ErrRefused) {
		t.Errorf("%v; want the failure of the call that was made", err)
	}
	if r.Calls != 2 || len(w.api.Calls()) != 2 || !strings.Contains(err.Error(), "at most 60 calls an hour") || strings.Count(err.Error(), "refused") != 1 {
		t.Errorf("%d calls, %v; want the third refused, once", r.Calls, err)
	}
	if want := []time.Duration{10 * time.Second, 20 * time.Second}; !slices.Equal(w.clock.Sleeps(), want) {
		t.Errorf("slept %v, want %v", w.clock.Sleeps(), want)
	}
}

// TestLeaveRoom has a long run beside which short ones come.
func TestLeaveRoom(t *testing.T) {
	w := newLedgerWorld(t)
	start := w.clock.Now()
	options := w.options
	options.LeaveRoom = true
	long := newClient(t, options)
	if pace := long.Pace(51); pace != time.Hour {
		t.Errorf("51 calls take %v, want an hour", pace)
	}
	// Whenever it waits long, another run comes in the middle of that.
	others := 0
	w.clock.OnSleep(func(d time.Duration) {
		if d < time.Minute {
			return
		}
		others++
		if r, err := w.fetch(t, time.Minute); err != nil || r.Waited > 10*time.Second {
			t.Errorf("beside a long run: waited %v, %v", r.Waited, err)
		}
	})
	for range 150 {
		if _, err := long.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	if took := w.clock.Now().Sub(start); took < 2*time.Hour || others < 2 {
		t.Errorf("150 calls took %v, with %d others beside", took, others)
	}
	if b := w.api.Breaches(); len(b) > 0 {
		t.Errorf("broke the API's rules: %q", b)
	}
	perHour := 0
	for _, call := range w.api.Calls() {
		if call.Time.Before(start.Add(time.Hour)) {
			perHour++
		}
	}
	if perHour > 51 {
		t.Errorf("%d calls in the first hour, with one of another run; want no more than 50 beside it", perHour)
	}
}

func TestOversleptTurn(t *testing.T) {
	w := newLedgerWorld(t)
	w.seed(t, 4*time.Second)
	other := newClient(t, w.options)
	// While one client waits for its turn the machine sleeps for a minute, and
	// then another makes a call.
	w.clock.OnSleep(func(time.Duration) {
		w.clock.OnSleep(nil)
		w.clock.Advance(time.Minute)
		if _, err := other.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Error(err)
		}
	})
	w.mustFetch(t)
	if b := w.api.Breaches(); len(b) > 0 {
		t.Errorf("broke the API's rules: %q", b)
	}
	if diff := cmp.Diff([]time.Duration{6 * time.Second, 4 * time.Second}, w.clock.Sleeps()); diff != "" {
		t.Errorf("sleeps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{74 * time.Second, 10 * time.Second, 0}, w.recorded(t)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestSlowCallDelaysTheNext(t *testing.T) {
	w := newLedgerWorld(t)
	w.api.Default = func(r *http.Request) polisentest.Answer {
		if at := w.ledger(t).UnderWay; !at.Equal(w.clock.Now()) {
			t.Errorf("the ledger has the call of %v under way; it began at %v", at, w.clock.Now())
		}
		w.clock.Advance(4 * time.Second) // on its way to the API, say
		return small(r)
	}
	w.mustFetch(t)
	w.mustFetch(t)
	if at := w.ledger(t).UnderWay; !at.IsZero() {
		t.Errorf("after the call the ledger has that of %v under way", at)
	}
	if got := w.clock.Sleeps(); len(got) != 1 || got[0] != 10*time.Second {
		t.Errorf("slept %v; want 10s from the first call's arrival, not from its turn", got)
	}
}

// TestCallOfADeadRun has a run that died while its call was under way: nobody
// knows when the API got that call.
func TestCallOfADeadRun(t *testing.T) {
	w := newLedgerWorld(t)
	at := w.clock.Now().Add(-9 * time.Second).UTC().Format(time.RFC3339Nano)
	w.write(t, fmt.Sprintf(`{"calls":[%q],"under_way":%q}`, at, at))
	w.mustFetch(t)
	w.mustFetch(t)
	if diff := cmp.Diff([]time.Duration{10 * time.Second, 10 * time.Second}, w.clock.Sleeps()); diff != "" {
		t.Errorf("sleeps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{20 * time.Second, 10 * time.Second, 0}, w.recorded(t)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestCancelledWaitGivesTheTurnBack(t *testing.T) {
	w := newLedgerWorld(t)
	w.seed(t, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	w.clock.OnSleep(func(time.Duration) {
		if diff := cmp.Diff([]time.Duration{0, -10 * time.Second}, w.recorded(t)); diff != "" {
			t.Errorf("ledger while waiting (-want +got):\n%s", diff)
		}
		cancel(stop)
	})
	r, err := w.client.Fetch(ctx, polisen.Query{})
	if !errors.Is(err, stop) || r.Calls != 0 || len(w.api.Calls()) != 0 {
		t.Errorf("%d calls, %v; want none, and the cause", r.Calls, err)
	}
	if diff := cmp.Diff([]time.Duration{0}, w.recorded(t)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestNotFoundIsRemembered(t *testing.T) {
	w := newLedgerWorld(t)
	w.api.Script(polisentest.Status(404))
	found := w.clock.Now()
	_, err := w.client.Fetch(t.Context(), polisen.Query{DateTime: "2018-03"})
	if e, ok := errors.AsType[*polisen.StatusError](err); !ok || e.Status != 404 || errors.Is(err, polisen.ErrRefused) {
		t.Fatalf("got %v, want the 404", err)
	}
	w.clock.Advance(48 * time.Hour)
	for _, c := range []*polisen.Client{w.client, newClient(t, w.options)} {
		_, err := c.Fetch(t.Context(), polisen.Query{})
		if !errors.Is(err, polisen.ErrNotFoundRemembered) || !errors.Is(err, polisen.ErrRefused) {
			t.Fatalf("got %v, want it refused", err)
		}
		for _, part := range []string{found.Format(time.RFC3339), w.options.URL, "--retry-not-found"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("message %q lacks %q", err, part)
			}
		}
	}
	elsewhere := w.options
	elsewhere.URL += "/v2"
	if _, err := newClient(t, elsewhere).Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Errorf("another resource: %v", err)
	}
	if n, b := len(w.api.Calls()), w.api.Breaches(); n != 2 || len(b) > 0 {
		t.Errorf("%d calls, which broke the API's rules: %q", n, b)
	}

	insist := w.options
	insist.RetryNotFound = true
	w.api.Script(polisentest.Status(404))
	if _, err := newClient(t, insist).Fetch(t.Context(), polisen.Query{}); errors.Is(err, polisen.ErrRefused) || err == nil {
		t.Errorf("insisting on a call: %v, want the 404", err)
	}
	if _, err := w.client.Fetch(t.Context(), polisen.Query{}); !errors.Is(err, polisen.ErrNotFoundRemembered) {
		t.Errorf("after another 404: %v, want it refused", err)
	}
	if _, err := newClient(t, insist).Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Errorf("insisting on a call: %v", err)
	}
	if _, err := newClient(t, w.options).Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Errorf("found again: %v", err)
	}
}

// TestRetryAfterIsRemembered has runs that come while the API still wants a
// pause.
func TestRetryAfterIsRemembered(t *testing.T) {
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
			w := newLedgerWorld(t)
			w.api.Script(polisentest.RetryAfter(429, tt.asked))
			if _, err := w.fetch(t, time.Minute); !errors.Is(err, retry.ErrNoTime) {
				t.Fatalf("got %v, want no time for another try", err)
			}
			end := w.clock.Now().Add(tt.pause)
			w.clock.Advance(tt.pause - h)
			for _, c := range []*polisen.Client{w.client, newClient(t, w.options)} {
				_, err := c.Fetch(w.deadline(t, time.Minute), polisen.Query{})
				refused, ok := errors.AsType[*polisen.RefusedError](err)
				if !ok || !refused.Next.Equal(end) || !strings.Contains(refused.Rule, "Retry-After") {
					t.Errorf("an hour before the end: %v; want it refused until %v", err, end)
				}
			}
			other := newClient(t, w.options)
			if r, err := other.Fetch(t.Context(), polisen.Query{}); err != nil || r.Waited != h {
				t.Errorf("with time to wait: waited %v, %v", r.Waited, err)
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

// TestPauseAndClock: a pause is a day at most, whatever becomes of the clock.
func TestPauseAndClock(t *testing.T) {
	w := newLedgerWorld(t)
	w.api.Script(polisentest.RetryAfter(429, "7200"))
	if _, err := w.fetch(t, time.Minute); !errors.Is(err, retry.ErrNoTime) {
		t.Fatalf("got %v, want no time for another try", err)
	}
	w.clock.Advance(-365 * 24 * time.Hour)
	if r, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil || r.Waited != 24*time.Hour {
		t.Errorf("a year earlier: waited %v, %v; want a day", r.Waited, err)
	}
}

// TestRetryAfterOfSuccess: there is nothing to try again.
func TestRetryAfterOfSuccess(t *testing.T) {
	w := newLedgerWorld(t)
	w.api.Script(polisentest.Answer{Body: polisentest.Body(1), Header: http.Header{"Retry-After": {"3600"}}})
	w.mustFetch(t)
	w.mustFetch(t)
	if got := w.clock.Slept(); got != 10*time.Second {
		t.Errorf("slept %v, want 10s", got)
	}
}

// TestDamagedLedger has a file that holds nobody knows how many calls: at most
// as many as an hour may have.
func TestDamagedLedger(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", "{}", "null and void", `{"calls":null}`, `{"calls":["yesterday"]}`, `{"calls":"none"}`, `{"calls":[]} {}`,
	} {
		w := newLedgerWorld(t)
		for range 60 {
			w.mustFetch(t)
		}
		w.write(t, text)
		for range 2 { // the second run finds a whole ledger
			w.client = newClient(t, w.options)
			_, err := w.fetch(t, 59*time.Minute)
			refused, ok := errors.AsType[*polisen.RefusedError](err)
			if !ok || refused.Rule != "at most 60 calls an hour" {
				t.Errorf("%q: %v, want it refused", text, err)
			}
		}
		if len(w.warnings) != 1 || !strings.Contains(w.warnings[0], "as if 60 calls had just been made") || !strings.Contains(w.warnings[0], w.file()) {
			t.Errorf("%q: warnings %q", text, w.warnings)
		}
		w.mustFetch(t)
		if b := w.api.Breaches(); len(b) > 0 || w.clock.Slept().Round(time.Second) != 59*10*time.Second+time.Hour {
			t.Errorf("%q: slept %v; broke the API's rules: %q", text, w.clock.Slept(), b)
		}
	}
}

func TestUnusableStateFolder(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *world) error{
		"a file is in its way": func(t *testing.T, w *world) error {
			if err := os.Remove(w.options.StateDir); err != nil {
				return err
			}
			return os.WriteFile(w.options.StateDir, nil, 0o600)
		},
		"the lock cannot be": func(t *testing.T, w *world) error {
			return os.Mkdir(strings.TrimSuffix(w.file(), "json")+"lock", 0o700)
		},
		"the file cannot be": func(t *testing.T, w *world) error {
			return os.MkdirAll(filepath.Join(w.file(), "x"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLedgerWorld(t)
			if err := spoil(t, w); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				w.mustFetch(t)
			}
			w.api.Script(polisentest.Status(404))
			_, err := w.client.Fetch(t.Context(), polisen.Query{})
			_, again := w.client.Fetch(t.Context(), polisen.Query{})
			if err == nil || !errors.Is(again, polisen.ErrNotFoundRemembered) {
				t.Errorf("%v, then %v; want the 404 remembered", err, again)
			}
			if n, b := len(w.api.Calls()), w.api.Breaches(); n != 4 || len(b) > 0 {
				t.Errorf("%d calls, which broke the API's rules: %q", n, b)
			}
			limited := slices.DeleteFunc(w.warnings, func(s string) bool { return !strings.Contains(s, "within this run only") })
			if len(limited) != 1 || !strings.Contains(limited[0], w.options.StateDir) {
				t.Errorf("warnings %q; want one of the folder", w.warnings)
			}
		})
	}
}

// TestLedgerWithoutItsLock can be read and not written, as by another user than
// the one whose runs it is of: what it says holds all the same.
func TestLedgerWithoutItsLock(t *testing.T) {
	w := newLedgerWorld(t)
	w.seed(t, 4*time.Second)
	lock := strings.TrimSuffix(w.file(), "json") + "lock"
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	w.mustFetch(t)
	if got := w.clock.Slept(); got != 6*time.Second {
		t.Errorf("slept %v, want 6s", got)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	w.api.Script(polisentest.Status(404))
	if _, err := newClient(t, w.options).Fetch(t.Context(), polisen.Query{}); err == nil {
		t.Fatal("no error from a 404")
	}
	if err := errors.Join(os.Remove(lock), os.Mkdir(lock, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t, w.options).Fetch(t.Context(), polisen.Query{}); !errors.Is(err, polisen.ErrNotFoundRemembered) {
		t.Errorf("after a 404: %v, want it remembered", err)
	}
}

func TestLedgerFile(t *testing.T) {
	w := newLedgerWorld(t)
	w.options.StateDir = filepath.Join(w.options.StateDir, "new", "state")
	w.client = newClient(t, w.options)
	w.mustFetch(t)
	w.mustFetch(t)
	second := w.clock.Now().UTC()
	text, err := os.ReadFile(w.file())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("{\n  \"calls\": [\n    %q,\n    %q\n  ]\n}\n",
		second.Add(-10*time.Second).Format(time.RFC3339Nano), second.Format(time.RFC3339Nano))
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	for path, most := range map[string]os.FileMode{w.file(): 0o640, strings.TrimSuffix(w.file(), "json") + "lock": 0o640, w.options.StateDir: 0o750} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^most != 0 {
			t.Errorf("%s: %v, %v; want at most %v", path, info.Mode(), err, most)
		}
	}
	w.clock.Advance(25 * time.Hour)
	w.mustFetch(t)
	if got := w.recorded(t); len(got) != 1 {
		t.Errorf("a day later: %v; want the last call alone", got)
	}
}
