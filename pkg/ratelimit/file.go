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

// lockedState is the state that no other goroutine and no other process uses
// until close.
type lockedState struct {
	state
	limiter *Limiter
	flock   *flock.Flock // nil if the file cannot be locked
}

// lock waits until it has the lock, and reads the file. The error is ctx's
// cause, and ErrExceeded if that is the deadline. If the file cannot be used it
// warns, and the state is that of this process only.
func (l *Limiter) lock(ctx context.Context) (*lockedState, error) {
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
		l.warnAlone(err)
	}
	now := l.now()
	s := &lockedState{limiter: l, flock: fileLock}
	s.state, err = readState(l.path)
	if err != nil && fileLock != nil && !l.assumedFull {
		l.assumedFull = true // once, since the file may stay unreadable
		l.memory.assume(CallsPerHour, now)
		l.options.OnWarning(fmt.Sprintf("cannot read the list of recent API calls, so %d calls count as just made: %v", CallsPerHour, err))
	}
	if !s.UnderWay.IsZero() { // the API may have got it at any time until now
		s.remove(s.UnderWay)
		s.add(now)
		s.UnderWay = time.Time{}
	}
	s.merge(&l.memory)
	s.expire(now)
	l.memory.expire(now)
	return s, nil
}

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

// lockError is the error of a wait for the lock that ctx ended.
func lockError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: another call did not end before this run's deadline: %w", ErrExceeded, context.Cause(ctx))
	}
	return fmt.Errorf("wait for another call to end: %w", context.Cause(ctx))
}

// save writes the file, if the state is locked for other processes.
func (s *lockedState) save() {
	if s.flock == nil {
		return
	}
	if s.Calls == nil {
		s.Calls = []time.Time{} // readState wants a list, not null
	}
	if err := statefile.Write(s.limiter.path, s.state); err != nil {
		s.limiter.warnAlone(err)
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

// warnAlone warns once that other processes do not know of this one's calls.
// The caller holds the lock.
func (l *Limiter) warnAlone(err error) {
	if !l.warned {
		l.warned = true
		l.options.OnWarning(fmt.Sprintf("the API's call limits hold within this run only: %v; make the state folder writable, or free space on its disk", err))
	}
}
