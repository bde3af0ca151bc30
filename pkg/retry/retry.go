// Package retry repeats operations that fail temporarily. It adds a predicate,
// the server's Retry-After, the context's deadline and an injected clock to
// github.com/cenkalti/backoff/v4.
//
// The caller decides which errors are temporary, and logs the failures.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy is the number of tries of an operation, and the delays between them.
type Policy struct {
	// Attempts is the largest number of tries, the first one included. A number
	// below one counts as one.
	Attempts int
	// Base is the delay before the second try. Each later delay is twice the
	// previous one.
	Base time.Duration
	// Max is the longest computed delay; zero means no limit. A server's
	// Retry-After may be longer.
	Max time.Duration
	// Jitter is the random part of a delay: with 0.5 it takes 50 % to 150 % of
	// the computed time. Zero makes the delays exact.
	Jitter float64
	// Clock is the clock to use; nil means [System].
	Clock Clock
}

// Delayer is an error with the delay that the server asks for before the next
// try, such as the one in a Retry-After header. Zero means that it asks for none.
type Delayer interface {
	error
	RetryAfter() time.Duration
}

// ErrNoTime is wrapped by the error of [Do] if the next try would come after the
// context's deadline.
var ErrNoTime = errors.New("no time left for another try")

// Do calls op until it succeeds, and returns op's last result. It gives up if
// retryable returns false, after the last of the policy's attempts, or if the
// next try would come after ctx's deadline; the error then wraps [ErrNoTime] too.
// The delay before a try is the policy's or the error's own (see [Delayer]),
// whichever is longer. If ctx ends during a delay, the error wraps ctx's cause
// too.
//
// Before each delay Do calls notify, unless it is nil.
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
		backoff.WithMaxElapsedTime(0), // no limit: ctx has the deadline
		backoff.WithMaxInterval(maxInterval(p)),
	)
	next := &delays{computed: exp, max: exp.MaxInterval, ctx: ctx, clock: clock}
	sleeps := &timer{ctx: ctx, clock: clock}
	attempts := uint64(max(p.Attempts, 1))

	var last error
	v, err := backoff.RetryNotifyWithTimerAndData(func() (T, error) {
		if err := ctx.Err(); err != nil { // backoff runs the operation even if ctx has ended
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
		next.setHint(err)
		return v, err
	}, backoff.WithContext(backoff.WithMaxRetries(next, attempts-1), ctx), notify, sleeps)
	switch {
	case err == nil:
		return v, nil
	case next.tooLong > 0:
		return v, fmt.Errorf("%w (next try in %v): %w", ErrNoTime, next.tooLong.Round(time.Millisecond), err)
	case last != nil && !errors.Is(err, last): // backoff returns only ctx's error if ctx ends during a delay
		return v, errors.Join(last, err)
	}
	return v, err
}

func maxInterval(p Policy) time.Duration {
	if p.Max > 0 {
		return p.Max
	}
	return 1 << 62 // no limit: 146 years; twice as long would overflow
}

// delays is a [backoff.BackOff]. It returns the computed delays, or longer ones if
// the last error asked for them, and stops if a delay ends after the deadline.
type delays struct {
	computed backoff.BackOff
	max      time.Duration // backoff does not apply its limit to the first delay and the jitter
	ctx      context.Context
	clock    Clock
	hint     time.Duration // from the last error
	tooLong  time.Duration // the delay that ends after the deadline, if that was the reason to stop
}

func (d *delays) setHint(err error) {
	d.hint = 0
	if delayer, ok := errors.AsType[Delayer](err); ok {
		d.hint = delayer.RetryAfter()
	}
}

func (d *delays) Reset() { d.computed.Reset() }

func (d *delays) NextBackOff() time.Duration {
	delay := max(min(d.computed.NextBackOff(), d.max), d.hint)
	if deadline, ok := d.ctx.Deadline(); ok && d.clock.Now().Add(delay).After(deadline) {
		d.tooLong = delay
		return backoff.Stop
	}
	return delay
}

// timer is a [backoff.Timer] that uses a Clock.
type timer struct {
	ctx   context.Context
	clock Clock
	c     chan time.Time
}

func (t *timer) Start(d time.Duration) {
	c := make(chan time.Time, 1)
	t.c = c
	go func() {
		if t.clock.Sleep(t.ctx, d) == nil {
			c <- t.clock.Now()
		}
	}()
}

func (t *timer) Stop()               {}
func (t *timer) C() <-chan time.Time { return t.c }
