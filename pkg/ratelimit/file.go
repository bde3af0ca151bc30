package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"polisen-events-collector/pkg/statefile"
)

// lockedState is the state of a Limiter while no other goroutine and no other
// process can use it. close ends that.
type lockedState struct {
	state
	limiter *Limiter
	flock   *flock.Flock // nil if the file cannot be locked
}

// lockState waits for the lock and reads the file. It fails only if ctx ends: the
// error wraps ctx's cause, and also [ErrExceeded] if ctx's deadline has passed. If
// it cannot lock or read the file it warns, and the state has only the calls that
// it knows.
func (l *Limiter) lockState(ctx context.Context) (*lockedState, error) {
	select {
	case l.mutex <- struct{}{}:
	case <-ctx.Done():
		return nil, lockError(ctx)
	}
	fileLock, err := l.lockFile(ctx)
	if ctx.Err() != nil {
		if fileLock != nil {
			_ = fileLock.Close()
		}
		<-l.mutex
		return nil, lockError(ctx)
	}
	if err != nil {
		l.warnUnshared(err)
	}
	now := l.now()
	s := &lockedState{limiter: l, flock: fileLock}
	s.state, err = readState(l.path)
	if err != nil && fileLock != nil && !l.assumedFull {
		l.assumedFull = true // only once, since the file may stay unreadable
		l.memory.assume(callsPerHour, now)
		l.options.OnWarning(fmt.Sprintf("cannot read the list of recent API calls, so %d calls count as just made, and the next call may have to wait an hour: %v", callsPerHour, err))
	}
	if !s.UnderWay.IsZero() { // its process died; the API may have received it at any time until now
		s.remove(s.UnderWay)
		s.add(now)
		s.UnderWay = time.Time{}
	}
	s.merge(&l.memory)
	s.expire(now)
	l.memory.expire(now)
	return s, nil
}

// lockFile waits for the lock that all processes share. It uses a file beside the
// file of calls, which each write replaces.
func (l *Limiter) lockFile(ctx context.Context) (*flock.Flock, error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o750); err != nil {
		return nil, err
	}
	const poll = 10 * time.Millisecond
	lock := flock.New(strings.TrimSuffix(l.path, ".json")+".lock", flock.SetPermissions(0o640))
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// lockError returns the error of a wait for the lock that ended with ctx.
func lockError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: another call did not end before this run's deadline: %w", ErrExceeded, context.Cause(ctx))
	}
	return fmt.Errorf("wait for another call to end: %w", context.Cause(ctx))
}

// save writes the file, unless its lock could not be taken.
func (s *lockedState) save() {
	if s.flock == nil {
		return
	}
	if s.Calls == nil {
		s.Calls = []time.Time{} // readState wants a list, not null
	}
	if err := statefile.Write(s.limiter.path, s.state); err != nil {
		s.limiter.warnUnshared(err)
	}
}

// close saves the state and unlocks it.
func (s *lockedState) close() {
	s.save()
	if s.flock != nil {
		_ = s.flock.Close() // unlocks it
	}
	<-s.limiter.mutex
}

// warnUnshared warns once that other processes do not know of this one's calls.
// The caller holds the mutex.
func (l *Limiter) warnUnshared(err error) {
	if !l.warned {
		l.warned = true
		l.options.OnWarning(fmt.Sprintf("the API's call limits hold within this run only: %v; make the state folder writable, or free space on its disk", err))
	}
}
