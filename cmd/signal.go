package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// caughtSignal is the cause (context.Cause) of a context that a signal cancelled.
type caughtSignal struct{ syscall.Signal }

func (s caughtSignal) Error() string {
	if s.Signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// Is makes errors.Is match [context.Canceled], so that code that checks for a
// cancelled context recognises the signal.
func (caughtSignal) Is(target error) bool { return target == context.Canceled }

// code returns the exit code that shells report if the signal kills a process.
func (s caughtSignal) code() code { return 128 + code(s.Signal) }

// withSignals returns a context that the first SIGINT or SIGTERM cancels. After
// that, signals have their default effect, so a second one kills the process.
// (signal.NotifyContext would not tell which signal came.)
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals) // before cancel, so that no second signal is lost
			cancel(caughtSignal{sig.(syscall.Signal)})
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// caught returns the signal that cancelled ctx, if a signal did.
func caught(ctx context.Context) (caughtSignal, bool) {
	return errors.AsType[caughtSignal](context.Cause(ctx))
}
