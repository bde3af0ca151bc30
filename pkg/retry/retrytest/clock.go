// Package retrytest has a clock for tests of things that wait: its time moves
// only when somebody sleeps or the test says so, and it never really waits.
package retrytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"polisen-events-collector/pkg/retry"
)

// Clock is a retry.Clock whose Sleep moves the time on and returns at once. It
// is safe for concurrent use; goroutines that sleep at the same time each move
// the time on.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	sleeps  []time.Duration
	onSleep func(d time.Duration)
}

var _ retry.Clock = (*Clock)(nil)

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is the start time, and all that was slept and advanced since.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep records d and moves the time on by it. When ctx is done, before or by
// the OnSleep function, it does neither and returns ctx's cause.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	onSleep := c.onSleep
	c.mu.Unlock()
	if onSleep != nil {
		onSleep(d)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sleeps = append(c.sleeps, d)
	c.now = c.now.Add(max(d, 0))
	return nil
}

// Advance moves the time by d, back if d is negative, without a sleep.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Sleeps returns the lengths of all sleeps so far, in order.
func (c *Clock) Sleeps() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sleeps)
}

// Slept is the sum of all sleeps so far.
func (c *Clock) Slept() time.Duration {
	var sum time.Duration
	for _, d := range c.Sleeps() {
		sum += d
	}
	return sum
}

// OnSleep has f called at the start of each later Sleep, for a test that
// cancels, or lets another process act, in the middle of a wait.
func (c *Clock) OnSleep(f func(d time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onSleep = f
}
