package retry

import (
	"context"
	"time"
)

// Clock is a source of time. Tests use a fake one.
type Clock interface {
	Now() time.Time
	// Sleep waits for d. If ctx ends first, Sleep returns ctx's cause.
	Sleep(ctx context.Context, d time.Duration) error
}

// BootClock is a [Clock] that also knows how long ago the machine started. Nobody
// can set that time, so it is right where the time of day may be wrong.
type BootClock interface {
	Clock
	// Boot returns an id, which is different after each start of the machine, and
	// the time since that start, including the time for which the machine was
	// suspended. Without an id the time is unknown.
	Boot() (id string, up time.Duration)
}

// System is the machine's clock. On Linux it is a [BootClock].
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
