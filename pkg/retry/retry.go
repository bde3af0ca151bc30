// Package retry repeats an operation that may fail for a while: policies over
// github.com/cenkalti/backoff/v4 with a predicate, the server's Retry-After,
// the context's deadline and an injected clock.
//
// It does not know what is worth repeating (the caller's predicate does), and
// it never logs: the caller's notify function hears of each failed try.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy says how often and how long apart an operation is tried.
type Policy struct {
	// Attempts is the number of tries in all, the first included. Less than
	// one counts as one.
	Attempts int
	// Base is the delay before the second try; each later delay is twice the
	// one before.
	Base time.Duration
	// Max bounds a computed delay; zero means no bound. A server's Retry-After
	// is bounded by the context's deadline alone.
	Max time.Duration
	// Jitter is the part of a delay that is drawn at random: 0.5 gives 50 % to
	// 150 % of it. Zero keeps delays exact, as a minimum between calls needs.
	Jitter float64
	// Clock tells the time and sleeps; nil means System.
	Clock Clock
}

// Delayer is an error that carries the server's wish for the least time until
// the next try, such as an HTTP Retry-After header. Zero means no wish.
type Delayer interface {
	error
	RetryAfter() time.Duration
}

// ErrNoTime is wrapped around the last error of an operation whose next try
// would come only after the context's deadline, so that Do gave up early.
var ErrNoTime = errors.New("no time left for another try")

// Do calls op until it succeeds, retryable says no, the policy's attempts are
// used up, or the delay before the next try would pass ctx's deadline (the
// error then wraps ErrNoTime beside op's). The delay is the longer of the
// policy's and the error's own (see Delayer). A cancelled ctx ends the wait at
// once; op's own error is returned then, joined with ctx's.
//
// notify, if not nil, is told of each failure that is followed by another try.
func Do[T any](ctx context.Context, p Policy, retryable func(error) bool,
	op func(context.Context) (T, error), notify func(err error, delay time.Duration),
) (T, error) {
	clock := p.Clock
	if clock == nil {
		clock = System
	}
	exp := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.Base),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(p.Jitter),
		backoff.WithMaxElapsedTime(0), // the context's deadline is the only bound on time
		backoff.WithMaxInterval(maxInterval(p)),
	)
	delays := &hinted{next: exp, most: exp.MaxInterval, ctx: ctx, clock: clock}
	timer := &sleeper{ctx: ctx, clock: clock}
	attempts := uint64(max(p.Attempts, 1))

	var last error
	v, err := backoff.RetryNotifyWithTimerAndData(func() (T, error) {
		if err := ctx.Err(); err != nil { // backoff always runs the operation once more
			var zero T
			return zero, backoff.Permanent(errors.Join(last, context.Cause(ctx)))
		}
		v, err := op(ctx)
		last = err
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil || !retryable(err) {
			return v, backoff.Permanent(err)
		}
		delays.see(err)
		return v, err
	}, backoff.WithContext(backoff.WithMaxRetries(delays, attempts-1), ctx), notify, timer)
	switch {
	case err == nil:
		return v, nil
	case delays.late > 0:
		return v, fmt.Errorf("%w (next try in %v): %w", ErrNoTime, delays.late.Round(time.Millisecond), err)
	case last != nil && !errors.Is(err, last): // backoff answers a cancelled wait with ctx's error alone
		return v, errors.Join(last, err)
	}
	return v, err
}

func maxInterval(p Policy) time.Duration {
	if p.Max > 0 {
		return p.Max
	}
	return 1 << 62 // as good as none, and doubling cannot overflow past it
}

// hinted lengthens the delays of next by what the last error asked for, and
// stops when a delay would pass the deadline.
type hinted struct {
	next  backoff.BackOff
	most  time.Duration // backoff itself bounds neither the first delay nor the jitter
	ctx   context.Context
	clock Clock
	hint  time.Duration
	late  time.Duration // the delay that did not fit, if that was the reason to stop
}

func (h *hinted) see(err error) {
	h.hint = 0
	if d, ok := errors.AsType[Delayer](err); ok {
		h.hint = d.RetryAfter()
	}
}

func (h *hinted) Reset() { h.next.Reset() }

func (h *hinted) NextBackOff() time.Duration {
	d := max(min(h.next.NextBackOff(), h.most), h.hint)
	if deadline, ok := h.ctx.Deadline(); ok && h.clock.Now().Add(d).After(deadline) {
		h.late = d
		return backoff.Stop
	}
	return d
}

// sleeper is a backoff.Timer driven by a Clock.
type sleeper struct {
	ctx   context.Context
	clock Clock
	c     chan time.Time
}

func (s *sleeper) Start(d time.Duration) {
	c := make(chan time.Time, 1)
	s.c = c
	go func() {
		if s.clock.Sleep(s.ctx, d) == nil {
			c <- s.clock.Now()
		}
	}()
}

func (s *sleeper) Stop()               {}
func (s *sleeper) C() <-chan time.Time { return s.c }
