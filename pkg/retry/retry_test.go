package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

var (
	errBusy = errors.New("busy")
	errGone = errors.New("gone")
)

// later is an error with the delay that a server asks for.
type later time.Duration

func (l later) Error() string             { return "later" }
func (l later) RetryAfter() time.Duration { return time.Duration(l) }

func TestDo(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name    string
		policy  retry.Policy
		within  time.Duration // time until ctx's deadline; zero: none
		errs    []error       // of the first tries; later ones succeed
		sleeps  []time.Duration
		tries   int
		wantErr error // nil: success
	}{
		{name: "first try succeeds", policy: retry.Policy{Attempts: 4, Base: 10 * s}, tries: 1},
		{
			name: "delays double", policy: retry.Policy{Attempts: 4, Base: 10 * s},
			errs: []error{errBusy, errBusy, errBusy}, sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, tries: 4,
		},
		{
			name: "the first try is an attempt", policy: retry.Policy{Attempts: 2, Base: s},
			errs: []error{errBusy, errBusy, errBusy}, sleeps: []time.Duration{s}, tries: 2, wantErr: errBusy,
		},
		{name: "zero attempts count as one", policy: retry.Policy{Base: s}, errs: []error{errBusy}, tries: 1, wantErr: errBusy},
		{
			name: "max bounds the delay", policy: retry.Policy{Attempts: 4, Base: 10 * s, Max: 15 * s},
			errs: []error{errBusy, errBusy, errBusy}, sleeps: []time.Duration{10 * s, 15 * s, 15 * s}, tries: 4,
		},
		{
			name: "max bounds the first delay too", policy: retry.Policy{Attempts: 2, Base: 10 * s, Max: 5 * s},
			errs: []error{errBusy}, sleeps: []time.Duration{5 * s}, tries: 2,
		},
		{
			name: "a permanent error", policy: retry.Policy{Attempts: 4, Base: s},
			errs: []error{errBusy, errGone}, sleeps: []time.Duration{s}, tries: 2, wantErr: errGone,
		},
		{
			name: "a longer requested delay, even above max", policy: retry.Policy{Attempts: 4, Base: s, Max: 2 * s},
			errs: []error{later(7 * s), errBusy}, sleeps: []time.Duration{7 * s, 2 * s}, tries: 3,
		},
		{
			name: "a requested delay in a wrapped error", policy: retry.Policy{Attempts: 4, Base: s},
			errs: []error{fmt.Errorf("get list: %w", later(7*s))}, sleeps: []time.Duration{7 * s}, tries: 2,
		},
		{
			name: "a shorter requested delay changes nothing", policy: retry.Policy{Attempts: 4, Base: 10 * s},
			errs: []error{later(s)}, sleeps: []time.Duration{10 * s}, tries: 2,
		},
		{
			name: "no time for the third try", policy: retry.Policy{Attempts: 4, Base: 10 * s}, within: 25 * s,
			errs: []error{errBusy, errBusy, errBusy}, sleeps: []time.Duration{10 * s}, tries: 2, wantErr: retry.ErrNoTime,
		},
		{
			name: "a requested delay past the deadline", policy: retry.Policy{Attempts: 4, Base: s}, within: 60 * s,
			errs: []error{later(61 * s)}, tries: 1, wantErr: retry.ErrNoTime,
		},
		{
			name: "a requested delay of an hour, without a deadline", policy: retry.Policy{Attempts: 4, Base: s},
			errs: []error{later(3600 * s)}, sleeps: []time.Duration{3600 * s}, tries: 2,
		},
		{
			name: "a requested delay of more than an hour, without a deadline", policy: retry.Policy{Attempts: 4, Base: s},
			errs: []error{later(3601 * s)}, tries: 1, wantErr: retry.ErrNoTime,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The clock is a day ahead, so that no deadline set by it passes during the test.
			clock := retrytest.NewClock(time.Now().Add(24 * time.Hour))
			tt.policy.Clock = clock
			ctx := t.Context()
			if tt.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, clock.Now().Add(tt.within))
				defer cancel()
			}
			tries := 0
			var notified []time.Duration
			got, err := retry.Do(ctx, tt.policy, notGone, func(context.Context) (string, error) {
				tries++
				if tries <= len(tt.errs) {
					return "", tt.errs[tries-1]
				}
				return "value", nil
			}, func(err error, d time.Duration) {
				if !errors.Is(err, tt.errs[tries-1]) {
					t.Errorf("notify got %v, want %v", err, tt.errs[tries-1])
				}
				notified = append(notified, d)
			})
			if !errors.Is(err, tt.wantErr) || (err == nil) != (got == "value") {
				t.Errorf("Do() = %q, %v; want error %v", got, err, tt.wantErr)
			}
			if tt.wantErr != nil && !errors.Is(err, tt.errs[tries-1]) {
				t.Errorf("error %v does not wrap the last failure, %v", err, tt.errs[tries-1])
			}
			if after, ok := errors.AsType[later](err); ok && time.Duration(after) > retry.MaxAskedWait &&
				!strings.Contains(err.Error(), "asked to wait until "+clock.Now().Add(time.Duration(after)).Local().Format(time.RFC3339)) {
				t.Errorf("error %v does not say until when to wait", err)
			}
			if tries != tt.tries {
				t.Errorf("%d tries, want %d", tries, tt.tries)
			}
			if diff := cmp.Diff(tt.sleeps, clock.Sleeps()); diff != "" {
				t.Errorf("sleeps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.sleeps, notified); diff != "" {
				t.Errorf("delays that notify got (-want +got):\n%s", diff)
			}
		})
	}
}

func notGone(err error) bool { return !errors.Is(err, errGone) }

func TestDoCancelled(t *testing.T) {
	t.Run("during a delay", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		clock := retrytest.NewClock(time.Now())
		clock.OnSleep(func(time.Duration) { cancel() })
		tries := 0
		_, err := retry.Do(ctx, retry.Policy{Attempts: 3, Base: time.Hour, Clock: clock}, notGone,
			func(context.Context) (int, error) { tries++; return 0, errBusy }, nil)
		if tries != 1 || !errors.Is(err, errBusy) || !errors.Is(err, context.Canceled) {
			t.Errorf("after %d tries: %v; want one try, its error and the cancellation", tries, err)
		}
	})
	t.Run("before the first try", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.ErrClosedPipe)
		_, err := retry.Do(ctx, retry.Policy{Attempts: 3}, notGone,
			func(context.Context) (int, error) { t.Error("called"); return 0, nil }, nil)
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v, want the cause", err)
		}
	})
	t.Run("during a try", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		_, err := retry.Do(ctx, retry.Policy{Attempts: 3, Base: time.Hour}, notGone,
			func(context.Context) (int, error) { tries++; cancel(); return 0, errBusy }, nil)
		if tries != 1 || !errors.Is(err, errBusy) {
			t.Errorf("after %d tries: %v; want one try and its error", tries, err)
		}
	})
}

func TestDoJitter(t *testing.T) {
	clock := retrytest.NewClock(time.Now())
	policy := retry.Policy{Attempts: 51, Base: time.Second, Max: time.Second, Jitter: 0.5, Clock: clock}
	_, err := retry.Do(t.Context(), policy, notGone, func(context.Context) (int, error) { return 0, errBusy }, nil)
	if !errors.Is(err, errBusy) {
		t.Fatal(err)
	}
	differ := false
	sleeps := clock.Sleeps()
	for _, d := range sleeps {
		if d < time.Second/2 || d > time.Second {
			t.Errorf("delay %v is not within 50%% of a second, or above Max", d)
		}
		differ = differ || d != sleeps[0]
	}
	if n := len(sleeps); n != 50 || !differ {
		t.Errorf("%d delays, differing: %v", n, differ)
	}
}

func TestSystemClock(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := retry.System.Sleep(ctx, time.Millisecond); err != nil {
		t.Errorf("sleep: %v", err)
	}
	cancel(io.ErrClosedPipe)
	if err := retry.System.Sleep(ctx, time.Hour); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("sleep after cancel: %v, want the cause", err)
	}
}

func TestParseAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 19, 56, 53, 0, time.UTC)
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"Fri, 02 Jan 2026 19:58:53 GMT", 2 * time.Minute},
		{"Friday, 02-Jan-26 19:58:53 GMT", 2 * time.Minute},
		{"Fri, 02 Jan 2026 19:00:00 GMT", 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", (1 << 62) / time.Second * time.Second},
		{"9223372036854775807", (1 << 62) / time.Second * time.Second},
		{"99999999999999999999", (1 << 62) / time.Second * time.Second},
		{"-99999999999999999999", 0},
		{"99999999999999999999 s", 0},
	} {
		h := http.Header{}
		if tt.value != "" {
			h.Set("Retry-After", tt.value)
		}
		if got := retry.ParseAfter(h, now); got != tt.want {
			t.Errorf("ParseAfter(%q) = %v, want %v", tt.value, got, tt.want)
		}
	}
}

// FuzzParseAfter checks the delay for any header and time: exactly the one of a number of
// seconds, and of a date that is after the time; otherwise zero.
func FuzzParseAfter(f *testing.F) {
	for _, s := range []string{
		"", "0", "120", "-5", "+7", "007", "1.5", " 3", "1e3", "0x10", "1_000", "99999999999999999999", "-99999999999999999999", "99999999999999999999A",
		"Fri, 02 Jan 2026 19:58:53 GMT", "Friday, 02-Jan-26 19:58:53 GMT", "Fri Jan  2 19:58:53 2026", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0000 00:00:00 GMT",
	} {
		f.Add(s, int64(1767383813), int64(500))
	}
	number := regexp.MustCompile(`^[+-]?[0-9]+$`)
	const longest = 1 << 62 / time.Second
	f.Fuzz(func(t *testing.T, value string, unix, nanos int64) {
		now := time.Unix(unix%(1<<37), nanos%int64(time.Second))
		var want time.Duration
		if date, err := http.ParseTime(value); number.MatchString(value) {
			seconds, _ := new(big.Int).SetString(value, 10)
			want = longest * time.Second
			if seconds.Cmp(big.NewInt(int64(longest))) < 0 {
				want = time.Duration(max(seconds.Int64(), 0)) * time.Second
			}
			if seconds.Sign() < 0 {
				want = 0
			}
		} else if err == nil && date.After(now) {
			want = min(date.Sub(now), longest*time.Second)
		}
		if got := retry.ParseAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("ParseAfter(%q, %v) = %v, want %v", value, now, got, want)
		}
	})
}
