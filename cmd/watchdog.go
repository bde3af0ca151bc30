package cmd

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"polisen-events-collector/pkg/config"
)

const (
	// grace is the time in which a run ends by itself after its time limit or a
	// signal. Together with printTime it is less than a second, since the process
	// needs some time to start and to exit.
	grace = 700 * time.Millisecond
	// callLimit is the longest time that a call of package blocking may take. It is
	// longer than folderTimeout, whose error says more.
	callLimit = 2 * time.Minute
	// printTime is the longest time in which the watchdog prints its line. Stderr may be
	// a full pipe.
	printTime = 150 * time.Millisecond
)

// watchdog ends the process if a run does not end by itself after its time limit or
// a signal, or if a call of package blocking takes longer than callLimit. The time limit
// and a signal also end the context of the run, but no context reaches a process that
// waits in a system call, such as for a stalled disk or a full pipe.
//
// It is safe to end the process anywhere, since the commit protocol needs no
// orderly exit (see PROTOCOL.md of package archive): the document is replaced as a
// whole or not at all, and the next run writes the objects that this run has
// committed but not written. The system frees the locks of the process, and a
// call to the API that was under way counts as made.
type watchdog struct {
	start time.Time // of the process
	print func(config.Format, error, code)

	callLimit time.Duration
	onCall    func(what string) // nil except in tests, where each call begins with it

	mutex     sync.Mutex
	calls     []*blockingCall // under way, the newest last
	unlimit   func()          // stops the timer of the time limit; nil without one
	limitEnd  time.Time       // when the time limit ends the process; zero without one
	signalEnd time.Time       // when a signal ends the process; zero without one
	format    config.Format   // of the line that it prints
	result    code            // the exit code of the run; exitFailure until it has ended
	finished  bool            // only the output of the run may be missing
	stopped   bool            // the watchdog does nothing any more
}

// newWatchdog returns the watchdog of a process that starts now. With print it
// prints its line.
func newWatchdog(print func(config.Format, error, code)) *watchdog {
	return &watchdog{start: time.Now(), print: print, result: exitFailure, callLimit: callLimit}
}

type watchdogKey struct{}

// watchdogOf returns the watchdog in ctx, or one that does nothing.
func watchdogOf(ctx context.Context) *watchdog {
	if w, ok := ctx.Value(watchdogKey{}).(*watchdog); ok {
		return w
	}
	return &watchdog{start: time.Now(), stopped: true}
}

// limit sets the time limit of the process; zero changes nothing.
func (w *watchdog) limit(d time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if d == 0 || w.stopped {
		return
	}
	if w.unlimit != nil {
		w.unlimit()
	}
	w.limitEnd = w.start.Add(d + grace)
	w.unlimit = w.after(time.Until(w.limitEnd), func() {
		w.exit(nil, fmt.Errorf("the run did not end within its time limit of %v (--timeout)", d), 0)
	})
}

// watch ends the process some time after a signal has cancelled ctx.
func (w *watchdog) watch(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		if sig, ok := caught(ctx); ok {
			w.mutex.Lock()
			w.signalEnd = time.Now().Add(grace)
			w.after(grace, func() { w.exit(nil, fmt.Errorf("stopped by %w", sig), sig.code()) })
			w.mutex.Unlock()
		}
	})
}

// after calls exit once d has passed, unless stop is called before. If that time comes late,
// the process did not run in between (SIGSTOP), and its run first gets the grace to end by
// itself. The callers of after and of stop hold the mutex.
func (w *watchdog) after(d time.Duration, exit func()) (stop func()) {
	due, stopped := time.Now().Add(d), false
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		w.mutex.Lock()
		late := time.Since(due) > grace
		if late && !stopped {
			due = time.Now().Add(grace)
			timer.Reset(grace)
		}
		ends := !late && !stopped
		w.mutex.Unlock()
		if ends {
			exit()
		}
	})
	return func() {
		stopped = true
		timer.Stop()
	}
}

// blockingCall is a call that no context can interrupt.
type blockingCall struct {
	what string
	kind error // nil if it is unknown
}

// begin is a [blocking.Begin]. It ends the process if the call takes longer than
// callLimit.
func (w *watchdog) begin(what string, kind error) (end func()) {
	return w.note(blockingCall{what, kind}, w.callLimit)
}

// beginUnlimited is begin without a limit, for a call that may wait for a person.
func (w *watchdog) beginUnlimited(what string, kind error) (end func()) {
	return w.note(blockingCall{what, kind}, math.MaxInt64)
}

// note notes that the call begins, and ends the process if the call takes longer than the
// limit.
func (w *watchdog) note(call blockingCall, limit time.Duration) (end func()) {
	w.mutex.Lock()
	stop := w.after(limit, func() { w.exit(&call, fmt.Errorf("a call took longer than %v", limit), 0) })
	w.calls = append(w.calls, &call)
	w.mutex.Unlock()
	if w.onCall != nil {
		w.onCall(call.what)
	}
	return func() {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		stop()
		w.calls = slices.DeleteFunc(w.calls, func(c *blockingCall) bool { return c == &call })
	}
}

// explain completes the error of a process that did not end by itself: it names the
// call, or the newest one under way if call is nil, and wraps the kind of that call.
func (w *watchdog) explain(call *blockingCall, err error) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if call == nil && len(w.calls) == 0 {
		return fmt.Errorf("%w: check the disks, pipes and terminals that it uses; the next run continues", err)
	}
	if call == nil {
		call = w.calls[len(w.calls)-1]
	}
	if call.kind != nil {
		err = fmt.Errorf("%w: %w", call.kind, err)
	}
	return fmt.Errorf("%w: it still waits to %s; check that its disk or pipe responds; the next run continues", err, call.what)
}

// end returns the time at which the time limit or a signal ends the process; zero if neither
// does.
func (w *watchdog) end() time.Time {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.limitEnd.IsZero() || !w.signalEnd.IsZero() && w.signalEnd.Before(w.limitEnd) {
		return w.signalEnd
	}
	return w.limitEnd
}

// logFormat returns the format that setFormat has set; empty if it was not called yet.
func (w *watchdog) logFormat() config.Format {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.format
}

// setFormat sets the format of the line that the watchdog prints.
func (w *watchdog) setFormat(f config.Format) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.format = f
}

// finish says that the run has ended with this exit code, and that it now prints
// its error, if there is one.
func (w *watchdog) finish(c code) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.result, w.finished = c, true
}

// stop makes the watchdog do nothing any more.
func (w *watchdog) stop() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stopped = true
	if w.unlimit != nil {
		w.unlimit()
	}
}

// exit ends the process with the code c. If c is zero, the code is that of the run if it
// has ended, and else that of the call that it waits for: the given one, or the newest if
// call is nil. It first prints err, if stderr takes it. If the run has ended, it prints
// nothing: the run prints its own error.
func (w *watchdog) exit(call *blockingCall, err error, c code) {
	w.mutex.Lock()
	stopped, finished, format := w.stopped, w.finished, w.format
	w.mutex.Unlock()
	if stopped {
		return
	}
	err = w.explain(call, err)
	if c == 0 && finished {
		c = w.result
	} else if c == 0 {
		c = exitCode(err)
	}
	if !finished {
		printed := make(chan struct{})
		go func() {
			defer close(printed)
			w.print(format, err, c)
		}()
		select {
		case <-printed:
		case <-time.After(printTime):
		}
	}
	os.Exit(int(c))
}
