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
