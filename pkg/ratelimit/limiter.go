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
	// OnWarning is called once for each kind of problem with the file, while the
	// limiter holds no lock. It may be nil.
	OnWarning func(text string)
	// Clock is the clock to use; nil means the machine's. With a
	// [retry.BootClock] the limits hold even if its time of day is wrong.
	Clock retry.Clock
}

// Limiter decides when a call may be made. All processes share a file that lists
// the recent calls.
//
// [Limiter.Wait] locks the file and [Call.Done] unlocks it, so calls do not
// overlap, and the limits hold for the times at which the API receives them.
// Wait reserves nothing: it sleeps without the lock, and then locks the file and
// checks the limits again. If it cannot use the file it warns, and waits one
// interval, since another process may have just made a call. The limits then hold
// for this Limiter only.
//
// On Linux the limits hold even if the wall clock is wrong. A wrong clock does not
// delay calls. After a restart of the machine, the time that it was off counts only
// when the API has answered again. Until then a limit may delay a call by up to its
// span: an hour for the hourly limit.
//
// Other systems have the wall clock alone, and the limiter notices an error when
// that clock goes back. A run whose clock is ahead may call too early. The next run
// with the right clock counts all calls again, if the clock was right for a day
// before the error. A limit may then delay a call by up to twice its span.
//
// A Limiter is safe for concurrent use.
type Limiter struct {
	options Options
	limits  []limit
	path    string

	mutex       chan struct{} // holds a value while locked: a mutex that a context can interrupt
	memory      state         // the calls of this Limiter, in case the file is lost or unusable
	assumedFull bool          // the file was unreadable, so memory holds an assumed hour of calls
	unshared    bool          // the file cannot be locked or written, so memory holds an assumed call
	warnings    []string      // for OnWarning, after the lock is released
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
//   - [ErrNotFound], if url answered 404 before, or the same address without its query;
//     also [ErrQueryNotFound], if only url did; the text has no query;
//   - [ErrExceeded], if ctx's deadline comes before the next call is allowed, or if
//     the API asked for a pause of which more than [retry.MaxAskedWait] is left; the
//     error is a [*LimitError] if the time of the next call is known;
//   - ctx's cause, if ctx ends first.
func (l *Limiter) Wait(ctx context.Context, url string, onWait func(d time.Duration, reason string)) (*Call, error) {
	for {
		s, err := l.lockState(ctx)
		if err != nil {
			return nil, err
		}
		if u, since, ok := s.notFound(url); ok && !l.options.RetryNotFound {
			s.close()
			// The message leaves out the query, which may hold a password.
			sentinel, shown := ErrNotFound, withoutQuery(u)
			if u != shown {
				sentinel, shown = ErrQueryNotFound, shown+" with this query"
			}
			return nil, fmt.Errorf("%w: %s at %s; the API's rules make a 404 permanent; collect and backfill call it again with --retry-not-found",
				sentinel, shown, since.Local().Format(time.RFC3339))
		}
		now := s.Clock.Now
		at, rule := s.next(l.limits, s.times(), now)
		if at.Equal(now) {
			wasUnshared := l.unshared
			s.UnderWay = s.addNow()
			if s.save() || wasUnshared {
				return &Call{state: s, url: url, at: s.UnderWay}, nil
			}
			s.remove(s.UnderWay)
			s.UnderWay = time.Time{}
			s.close()
			continue // save has noted that the calls of other processes are unknown: wait one interval
		}
		wait, next := at.Sub(now), s.Clock.Wall.Add(at.Sub(now))
		longPause := s.NotBefore.Sub(now) > retry.MaxAskedWait
		s.close()
		if longPause {
			return nil, &LimitError{Next: next, Rule: pauseRule}
		}
		if deadline, ok := ctx.Deadline(); ok && wait > deadline.Sub(l.options.Clock.Now()) {
			return nil, &LimitError{Next: next, Rule: rule}
		}
		if onWait != nil {
			onWait(wait, rule)
		}
		if err := l.options.Clock.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Answer is the part of an answer that the limits depend on. The zero Answer means
// that there was none.
type Answer struct {
	Status int // the HTTP status
	// RetryAfter is the delay from the Retry-After header. It is ignored if the
	// status is 200, and capped at a day.
	RetryAfter time.Duration
	// Date is the time from the Date header; zero if there is none.
	Date time.Time
}

// Done ends the call and allows the next one. The interval to the next call starts
// at Done, since the API may have received this call just before.
func (c *Call) Done(answer Answer) {
	s, memory := c.state, &c.state.limiter.memory
	if inFile, err := s.read(); err == nil && s.file != nil && inFile.Calls != nil {
		s.state = inFile // it has changed if somebody removed the lock file during the call
	}
	now := read(s.limiter.options.Clock)
	s.set(now)
	memory.set(now)
	s.merge(memory)
	for _, to := range []*state{&s.state, memory} {
		to.answered(c.at, answer.Date)
		to.remove(c.at)
		to.addNow()
		if answer.RetryAfter > 0 && answer.Status != http.StatusOK {
			to.NotBefore = to.Clock.Now.Add(min(answer.RetryAfter, maxPause))
		}
		switch answer.Status {
		case http.StatusNotFound:
			to.addNotFound(c.url, now.wall)
		case http.StatusOK:
			delete(to.NotFound, c.url)
			delete(to.NotFound, withoutQuery(c.url))
		}
	}
	if s.UnderWay.Equal(c.at) {
		s.UnderWay = time.Time{}
	}
	s.close()
}

// Delay returns the shortest time until the last of n calls is allowed, if no other
// process makes calls meanwhile. It does not wait for the file's lock.
func (l *Limiter) Delay(n int) time.Duration {
	s, _ := readState(l.path) // Wait warns about an unreadable file
	s.set(read(l.options.Clock))
	at, times := s.Clock.Now, s.times()
	for range n {
		at, _ = s.next(l.limits, times, at)
		times = append(times, at)
	}
	return at.Sub(s.Clock.Now)
}

// CallsLeft returns the numbers of calls that the hourly and the daily limit still allow
// at this moment, if no call is made meanwhile. It reserves nothing and does not wait
// for the file's lock. ok is false if the limiter has no such limits, or if the file
// cannot be read.
func (l *Limiter) CallsLeft() (perHour, perDay int, ok bool) {
	s, err := readState(l.path)
	if err != nil || l.options.Interval < MinInterval {
		return 0, 0, false
	}
	s.set(read(l.options.Clock))
	return s.left(limit{calls: CallsPerHour, span: time.Hour}), s.left(limit{calls: CallsPerDay, span: day}), true
}
