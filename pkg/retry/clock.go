package retry

import (
	"context"
	"time"
)

// Clock tells the time and waits. Tests put a clock of their own in its place.
type Clock interface {
	Now() time.Time
	// Sleep waits for d, or until ctx is done and then returns its cause.
	Sleep(ctx context.Context, d time.Duration) error
}

// System is the machine's clock.
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
