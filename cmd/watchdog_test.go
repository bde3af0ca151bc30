package cmd

import (
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
