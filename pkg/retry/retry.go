// Package retry repeats operations that fail temporarily. It uses
// github.com/cenkalti/backoff/v4, and adds a server's Retry-After, the context's
// deadline and a [Clock] that tests can replace.
//
// The caller decides which errors are temporary, and logs them.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy is the number of attempts of an operation, and the delays between them.
type Policy struct {
	// Attempts is the largest number of attempts, including the first. A number
	// below one counts as one.
	Attempts int
	// Base is the delay before the second attempt. Each later delay is twice the
	// previous one.
	Base time.Duration
	// Max is the longest delay; zero means no limit. The delay of a [Delayer] may
	// be longer.
	Max time.Duration
	// Jitter is the random part of a delay: 0.5 makes each delay 50 % to 150 % as
	// long, but not longer than Max. Zero makes the delays exact.
	Jitter float64
	// Clock is the clock to use; nil means [System].
	Clock Clock
}

// Delayer is an error of a server that may ask for a delay before the next attempt.
type Delayer interface {
	error
	// RetryAfter returns the delay; zero if the server asks for none.
	RetryAfter() time.Duration
}

// MaxAskedWait is the longest delay of a [Delayer] for which [Do] waits. A longer
// one ends it, since a run without a deadline must end too.
const MaxAskedWait = time.Hour

// ErrNoTime is wrapped by the error of [Do] if the next attempt would come after the
// context's deadline, or if the server asks for a delay above [MaxAskedWait].
var ErrNoTime = errors.New("no time left for another try")

// Do calls op until it succeeds, and returns its last result. The delay before an
// attempt is the one of the policy, or the one of the error if that is longer (see
// [Delayer]). Before each delay Do calls notify, unless it is nil.
//
// Do gives up after the last attempt of the policy, or if retryable returns false.
// The error is then op's. Do also gives up
//   - if the next attempt would come after ctx's deadline, or if the error asks for a
//     delay above [MaxAskedWait]: the error then wraps [ErrNoTime] too;
//   - if ctx ends during a delay: the error then wraps ctx's cause too;
//   - if ctx has ended before the first attempt: the error is ctx's cause.
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
	sleeper := &timer{ctx: ctx, clock: clock}
	attempts := uint64(max(p.Attempts, 1))

	var last error
	v, err := backoff.RetryNotifyWithTimerAndData(func() (T, error) {
		if ctx.Err() != nil { // backoff calls the operation even then
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
		next.setRequested(err)
		return v, err
	}, backoff.WithContext(backoff.WithMaxRetries(next, attempts-1), ctx), notify, sleeper)
	switch {
	case err == nil:
		return v, nil
	case next.tooLong > 0 && next.requested > MaxAskedWait:
		until := clock.Now().Add(next.requested).Local().Format(time.RFC3339)
		return v, fmt.Errorf("%w: asked to wait until %s: %w", ErrNoTime, until, err)
	case next.tooLong > 0:
		return v, fmt.Errorf("%w (next try in %v): %w", ErrNoTime, next.tooLong.Round(time.Millisecond), err)
	case last != nil && !errors.Is(err, last): // ctx ended during a delay, and backoff returns only its error
		return v, errors.Join(last, err)
	}
	return v, err
}

// maxInterval returns the longest delay of the policy.
func maxInterval(p Policy) time.Duration {
	if p.Max > 0 {
		return p.Max
	}
	return 1 << 62 // no limit: 146 years; twice as long would overflow
}

// delays is a [backoff.BackOff]. It returns the computed delay, or the one that the
// last error asks for if that is longer. It stops before a delay that would end
// after the deadline, and if the error asks for one above MaxAskedWait.
type delays struct {
	computed  backoff.BackOff
	max       time.Duration // backoff does not apply its limit to the first delay and the jitter
	ctx       context.Context
	clock     Clock
	requested time.Duration // by the last error
	tooLong   time.Duration // the delay before which it stopped; zero if there was none
}

// setRequested notes the delay that err asks for.
func (d *delays) setRequested(err error) {
	d.requested = 0
	if delayer, ok := errors.AsType[Delayer](err); ok {
		d.requested = delayer.RetryAfter()
	}
}

// Reset implements [backoff.BackOff].
func (d *delays) Reset() { d.computed.Reset() }

// NextBackOff implements [backoff.BackOff].
func (d *delays) NextBackOff() time.Duration {
	delay := max(min(d.computed.NextBackOff(), d.max), d.requested)
	deadline, ok := d.ctx.Deadline()
	if d.requested > MaxAskedWait || ok && d.clock.Now().Add(delay).After(deadline) {
		d.tooLong = delay
		return backoff.Stop
	}
	return delay
}

// timer is a [backoff.Timer] that sleeps by a Clock.
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
