package ratelimit

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"polisen-events-collector/pkg/retry"
)

// Options are the settings of a [Limiter].
type Options struct {
	// Dir is the folder of the file that lists the recent calls. All processes
	// that call the API from this host must use the same one. The limiter
	// creates it if it is missing.
	Dir string
	// Host is the host that is called, with a port if the limits hold for each
	// port. It is part of the file's name: api-calls-<host>.json.
	Host string
	// Interval is the shortest time between two calls; zero means MinInterval.
	// A shorter one is for a fake API in tests: it lifts the hourly and daily
	// limits.
	Interval time.Duration
	// LeaveRoom is for runs of many calls. Such a limiter waits a tenth of the
	// interval longer, so that another limiter that waits calls first, and
	// stays below the hourly and daily limits (50 and 1200 calls).
	LeaveRoom bool
	// RetryNotFound allows calls to an address that answered 404 before.
	RetryNotFound bool
	// OnWarning gets each kind of trouble with the file once. It may be nil.
	OnWarning func(text string)
	// Clock is the clock to use; nil means the machine's.
	Clock retry.Clock
}

// Limiter decides when a call may be made. A file lists the calls of the last
// day for all processes.
//
// [Limiter.Wait] locks the file and [Call.Done] unlocks it, so the limits hold
// for the times at which the API gets the calls, however long a call takes. A
// waiting limiter reserves nothing. It sleeps without the lock and then reads
// the file again. If it cannot use the file it warns, and the limits hold
// within the process only.
//
// A Limiter is safe for concurrent use.
type Limiter struct {
	options Options
	limits  []limit
	path    string

	mutex       chan struct{} // holds a value while locked: a mutex that a context can interrupt
	memory      state         // the calls of this process, in case the file is lost or unusable
	assumedFull bool          // memory contains an assumed hour of calls, for an unreadable file
	warned      bool          // that the limits hold within this process only
}

// New returns a limiter. It reads no file yet.
func New(o Options) *Limiter {
	if o.Interval == 0 {
		o.Interval = MinInterval
	}
	if o.OnWarning == nil {
		o.OnWarning = func(string) {}
	}
	if o.Clock == nil {
		o.Clock = retry.System
	}
	host := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(strings.ToLower(o.Host))
	return &Limiter{
		options: o,
		limits:  newLimits(o.Interval, o.LeaveRoom),
		path:    filepath.Join(o.Dir, "api-calls-"+host+".json"),
		mutex:   make(chan struct{}, 1),
	}
}

// Call is a call that a limiter allowed. No process may make another one until
// Done.
type Call struct {
	state *lockedState
	url   string
	at    time.Time
}

// Wait waits until the limits allow a call to url. The caller then makes the
// call at once, and calls [Call.Done]. Before each wait it calls onWait, unless
// that is nil, with the time and the reason.
//
// The error wraps [ErrExceeded] if the call would come after ctx's deadline (it
// is a [*LimitError] if the next time is known), [ErrNotFound] if url answered
// 404 before, and ctx's cause if ctx ends first.
func (l *Limiter) Wait(ctx context.Context, url string, onWait func(d time.Duration, reason string)) (*Call, error) {
	for {
		s, err := l.lock(ctx)
		if err != nil {
			return nil, err
		}
		now := l.now()
		if since, ok := s.NotFound[url]; ok && !l.options.RetryNotFound {
			s.close()
			return nil, fmt.Errorf("%w: %s at %s; the API's rules make a 404 permanent, and --retry-not-found calls again",
				ErrNotFound, url, since.Local().Format(time.RFC3339))
		}
		at, rule := s.next(l.limits, now)
		if at.Equal(now) {
			s.add(now)
			s.UnderWay = now
			s.save()
			return &Call{state: s, url: url, at: now}, nil
		}
		s.close()
		if deadline, ok := ctx.Deadline(); ok && at.After(deadline) {
			return nil, &LimitError{Next: at, Rule: rule}
		}
		if onWait != nil {
			onWait(at.Sub(now), rule)
		}
		if err := l.options.Clock.Sleep(ctx, at.Sub(now)); err != nil {
			return nil, err
		}
	}
}

// Done ends the call. The status is that of the answer, zero if none came, and
// retryAfter the value of its Retry-After header, of which a day counts at most
// and nothing after a 200. The interval to the next call starts now, since the
// API may have got the call this late.
func (c *Call) Done(status int, retryAfter time.Duration) {
	s, now := c.state, c.state.limiter.now()
	s.UnderWay = time.Time{}
	s.remove(c.at)
	for _, known := range []*state{&s.state, &s.limiter.memory} {
		known.add(now)
		if retryAfter > 0 && status != http.StatusOK {
			known.NotBefore = now.Add(min(retryAfter, maxPause))
		}
		switch status {
		case http.StatusNotFound:
			known.addNotFound(c.url, now)
		case http.StatusOK:
			delete(known.NotFound, c.url)
		}
	}
	s.close()
}

// Delay returns the shortest time until the last of n calls is allowed, given
// the calls in the file so far.
func (l *Limiter) Delay(n int) time.Duration {
	now := l.now()
	s, _ := readState(l.path) // Wait warns of an unreadable file
	s.expire(now)
	at := now
	for range n {
		at, _ = s.next(l.limits, at)
		s.add(at)
	}
	return at.Sub(now)
}

func (l *Limiter) now() time.Time { return l.options.Clock.Now().Round(0).UTC() }
