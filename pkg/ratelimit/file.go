package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/filelock"
	"polisen-events-collector/pkg/statefile"
)

// lockedState is the state of a Limiter while no other goroutine and no other
// process can use it. close ends that.
type lockedState struct {
	state
	ctx     context.Context // for package blocking only
	limiter *Limiter
	file    *filelock.Lock // nil if the file cannot be locked
}

// lockState waits for the lock and reads the file. It fails only if ctx ends: the
// error wraps ctx's cause, and also [ErrExceeded] if ctx's deadline has passed. If
// it cannot lock or read the file it warns, and the state has only the calls that
// it knows.
func (l *Limiter) lockState(ctx context.Context) (*lockedState, error) {
	select {
	case l.mutex <- struct{}{}:
	case <-ctx.Done():
		return nil, lockError(ctx, context.Cause(ctx))
	}
	file, err := l.lockFile(ctx)
	if ctx.Err() != nil {
		if file != nil {
			file.Release()
		}
		<-l.mutex
		if cause := context.Cause(ctx); !errors.Is(err, cause) {
			err = cause
		}
		return nil, lockError(ctx, err)
	}
	now := read(l.options.Clock)
	l.memory.set(now)
	if err != nil {
		l.noteUnshared(err)
	}
	s := &lockedState{limiter: l, file: file, ctx: ctx}
	s.state, err = s.read()
	s.set(now)
	if err != nil && file != nil && !l.assumedFull {
		l.assumedFull = true // only once, since the file may stay unreadable
		l.memory.assume(CallsPerHour)
		l.warn("cannot read the list of recent API calls, so %d calls count as just made, and the next call may have to wait an hour: %v", CallsPerHour, err)
	}
	if !s.UnderWay.IsZero() { // its process died; the API may have received it at any time until now
		s.remove(s.UnderWay)
		s.addNow()
		s.UnderWay = time.Time{}
	}
	s.merge(&l.memory)
	return s, nil
}

// read reads the file.
func (s *lockedState) read() (state, error) {
	defer blocking.Call(s.ctx, "read "+s.limiter.path)()
	return readState(s.limiter.path)
}

// lockFile waits for the lock that all processes share. It uses a file beside the
// file of calls, which each write replaces.
func (l *Limiter) lockFile(ctx context.Context) (*filelock.Lock, error) {
	end := blocking.Call(ctx, "create "+filepath.Dir(l.path))
	err := os.MkdirAll(filepath.Dir(l.path), 0o750)
	end()
	if err != nil {
		return nil, err
	}
	return filelock.Create(ctx, strings.TrimSuffix(l.path, ".json")+".lock")
}

// lockError returns the error of a wait for the lock that ended with ctx. It wraps
// err, which wraps ctx's cause and may say which process holds the lock.
func lockError(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: another call did not end before this run's deadline: %w", ErrExceeded, err)
	}
	return fmt.Errorf("wait for another call to end: %w", err)
}

// save writes the file, unless its lock could not be taken. It reports whether
// other processes can read the state now.
func (s *lockedState) save() bool {
	if s.file == nil {
		return false
	}
	if s.Calls == nil {
		s.Calls = []call{} // readState wants a list, not null
	}
	defer blocking.Call(s.ctx, "write "+s.limiter.path)()
	if err := statefile.Write(s.limiter.path, s.state); err != nil {
		s.limiter.noteUnshared(err)
		return false
	}
	return true
}

// close saves the state, unlocks it, and then calls OnWarning.
func (s *lockedState) close() {
	s.save()
	if s.file != nil {
		s.file.Release()
	}
	l := s.limiter
	warnings := l.warnings
	l.warnings = nil
	<-l.mutex
	for _, text := range warnings {
		l.options.OnWarning(text)
	}
}

// noteUnshared notes, once, that other processes do not know of this one's calls,
// and this one not of theirs. The caller holds the mutex.
func (l *Limiter) noteUnshared(err error) {
	if !l.unshared {
		l.unshared = true
		l.memory.assume(1)
		l.warn("the API's call limits hold within this run only: %v; %s", err, statefile.Advice(err))
	}
}

// warn keeps a warning until close has released the lock, since OnWarning may block.
// The caller holds the mutex.
func (l *Limiter) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}
