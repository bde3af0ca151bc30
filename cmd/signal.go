package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// caughtSignal is the cause of a context that a signal cancelled.
type caughtSignal struct{ syscall.Signal }

func (s caughtSignal) Error() string {
	if s.Signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// Is makes the cause a kind of context.Canceled, as causes are expected to be.
func (caughtSignal) Is(target error) bool { return target == context.Canceled }

// code is what shells report of a process that the signal killed.
func (s caughtSignal) code() code { return 128 + code(s.Signal) }

// withSignals returns a context that the first SIGINT or SIGTERM cancels. From
// then on signals have their usual effect, so that a second one kills. (The
// cause given by signal.NotifyContext does not tell which signal it was.)
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals) // first, so that no second signal is lost
			cancel(caughtSignal{sig.(syscall.Signal)})
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// caught reports which signal cancelled ctx, if one did.
func caught(ctx context.Context) (caughtSignal, bool) {
	return errors.AsType[caughtSignal](context.Cause(ctx))
}
