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
	// that call the API from this host must use the same folder. The limiter
	// creates it if it is missing.
	Dir string
	// Host is the host that is called, with a port if the limits hold for each
	// port. It is part of the file's name: api-calls-<host>.json.
	Host string
	// Interval is the shortest time between two calls; zero means [MinInterval].
	// A shorter interval is for a fake API in tests: it also lifts the hourly
	// and daily limits.
	Interval time.Duration
	// LeaveRoom is for runs that make many calls. It adds a tenth to Interval,
	// so that a limiter without LeaveRoom that waits at the same time calls
	// first, and it lowers the hourly limit to 50 and the daily one to 1200.
	LeaveRoom bool
	// RetryNotFound allows calls to an address that answered 404 before.
	RetryNotFound bool
	// OnWarning is called once for each kind of problem with the file. It may be
	// nil.
	OnWarning func(text string)
	// Clock is the clock to use; nil means the machine's.
	Clock retry.Clock
}

// Limiter decides when a call may be made. All processes share a file that lists
// the calls of the last day.
//
// [Limiter.Wait] locks the file and [Call.Done] unlocks it, so calls do not
// overlap, and the limits hold for the times at which the API receives them.
// Wait reserves nothing: it sleeps without the lock, and then locks the file and
// checks the limits again. If it cannot use the file it warns, and the limits
// then hold for this Limiter only.
//
// A Limiter is safe for concurrent use.
type Limiter struct {
	options Options
	limits  []limit
	path    string

	mutex       chan struct{} // holds a value while locked: a mutex that a context can interrupt
	memory      state         // the calls of this Limiter, in case the file is lost or unusable
	assumedFull bool          // the file was unreadable, so memory holds an assumed hour of calls
	warned      bool          // warnUnshared has warned
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

// Call is a call that [Limiter.Wait] allowed. Wait allows no other call, in any
// process, until Done.
type Call struct {
	state *lockedState
	url   string
	at    time.Time // when Wait allowed it
}

// Wait waits until the limits allow a call to url. The caller then makes the call
// without delay and calls [Call.Done] when it has the answer. Before each sleep
// Wait calls onWait, unless it is nil, with the length of the sleep and its
// reason.
//
// The error wraps
//   - [ErrNotFound], if url answered 404 before;
//   - [ErrExceeded], if ctx's deadline comes before the next call is allowed; the
//     error is a [*LimitError] if that time is known;
//   - ctx's cause, if ctx ends first.
func (l *Limiter) Wait(ctx context.Context, url string, onWait func(d time.Duration, reason string)) (*Call, error) {
	for {
		s, err := l.lockState(ctx)
		if err != nil {
			return nil, err
		}
		now := l.now()
		if since, ok := s.NotFound[url]; ok && !l.options.RetryNotFound {
			s.close()
			return nil, fmt.Errorf("%w: %s at %s; the API's rules make a 404 permanent; use --retry-not-found to call it again",
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

// Done ends the call and allows the next one. The status is the HTTP status of the
// answer; zero if there was none. The retryAfter is the delay from the answer's
// Retry-After header. Done ignores it if the status is 200, and caps it at a day.
//
// The interval to the next call starts at Done, since the API may have received
// this call just before.
func (c *Call) Done(status int, retryAfter time.Duration) {
	s, now := c.state, c.state.limiter.now()
	s.UnderWay = time.Time{}
	s.remove(c.at)
	for _, to := range []*state{&s.state, &s.limiter.memory} {
		to.add(now)
		if retryAfter > 0 && status != http.StatusOK {
			to.NotBefore = now.Add(min(retryAfter, maxPause))
		}
		switch status {
		case http.StatusNotFound:
			to.addNotFound(c.url, now)
		case http.StatusOK:
			delete(to.NotFound, c.url)
		}
	}
	s.close()
}

// Delay returns the shortest time until the last of n calls is allowed, if no other
// process makes calls meanwhile. It does not wait for the file's lock.
func (l *Limiter) Delay(n int) time.Duration {
	now := l.now()
	s, _ := readState(l.path) // Wait warns about an unreadable file
	s.expire(now)
	at := now
	for range n {
		at, _ = s.next(l.limits, at)
		s.add(at)
	}
	return at.Sub(now)
}

// now returns the time in UTC, without the monotonic clock, as in the file.
func (l *Limiter) now() time.Time { return l.options.Clock.Now().Round(0).UTC() }
