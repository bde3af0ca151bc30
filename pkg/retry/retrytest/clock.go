// Package retrytest has a fake clock for tests of code that waits.
package retrytest

import (
	"context"
	"slices"
	"sync"
	"time"

	"polisen-events-collector/pkg/retry"
)

// Clock is a [retry.Clock] whose time changes only by [Clock.Sleep], which returns
// at once, and [Clock.Advance]. It is safe for concurrent use. If several
// goroutines sleep at the same time, the time advances by the sum of their sleeps.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	sleeps  []time.Duration
	onSleep func(d time.Duration)
}

var _ retry.Clock = (*Clock)(nil)

// NewClock returns a clock whose time is now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep calls the function of OnSleep. It then records d and advances the time by d,
// or returns ctx's cause if ctx has ended.
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

// Advance changes the time by d, which may be negative, without a sleep.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Sleeps returns the durations of all sleeps so far, in order.
func (c *Clock) Sleeps() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sleeps)
}

// Slept returns the sum of all sleeps so far.
func (c *Clock) Slept() time.Duration {
	var sum time.Duration
	for _, d := range c.Sleeps() {
		sum += d
	}
	return sum
}

// OnSleep makes each later Sleep call f first; nil ends that. With it a test can
// cancel a wait, or simulate another process during it.
func (c *Clock) OnSleep(f func(d time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onSleep = f
}
