package cmd

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestStopBeforeLateTimer stops a timer of the watchdog that has fired late, as after
// SIGSTOP, but whose function still waits for the mutex: it must not set the timer again.
func TestStopBeforeLateTimer(t *testing.T) {
	t.Parallel()
	var exited atomic.Bool
	w := newWatchdog(nil)
	w.mutex.Lock()
	stop := w.after(time.Millisecond, func() { exited.Store(true) })
	time.Sleep(grace + 50*time.Millisecond)
	stop()
	w.mutex.Unlock()
	time.Sleep(grace + 100*time.Millisecond)
	if exited.Load() {
		t.Error("the process ended after stop")
	}
}

// TestWatchdogNamesTheCall checks that a call which took too long is named, even if another
// one has begun since, and the newest call in other cases.
func TestWatchdogNamesTheCall(t *testing.T) {
	w := newWatchdog(nil)
	old := &blockingCall{what: "read the first file"}
	w.calls = []*blockingCall{old, {what: "read the second file"}}
	for call, want := range map[*blockingCall]string{old: "first", nil: "second"} {
		if err := w.explain(call, errors.New("too late")); !strings.Contains(err.Error(), "it still waits to read the "+want+" file") {
			t.Errorf("%v, want the %s file", err, want)
		}
	}
}

// TestEarlierEnd checks that a time limit which is set after a signal, as when the settings
// are read, does not hide that the signal ends the process earlier.
func TestEarlierEnd(t *testing.T) {
	w := newWatchdog(nil)
	defer w.stop()
	if !w.end().IsZero() {
		t.Errorf("without a limit or a signal: %v", w.end())
	}
	w.signalEnd = w.start.Add(grace)
	if !w.end().Equal(w.signalEnd) {
		t.Errorf("only a signal: %v, want %v", w.end(), w.signalEnd)
	}
	w.limit(time.Hour)
	if !w.end().Equal(w.signalEnd) {
		t.Errorf("a signal and a limit: %v, want %v", w.end(), w.signalEnd)
	}
	w.signalEnd = time.Time{}
	if !w.end().Equal(w.start.Add(time.Hour + grace)) {
		t.Errorf("only a limit: %v", w.end())
	}
}
