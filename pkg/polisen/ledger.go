package polisen

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"polisen-events-collector/pkg/retry"
)

// ledger keeps the API's rules for one host, together with all processes that
// use the same state folder: a file there lists the calls of the last day and
// those that somebody waits to make.
//
// A turn is first reserved and waited for, and then taken, after another look
// at the rules, in the moment before the call. So the rules hold whatever
// becomes of reservations, and calls keep their distance even if a process
// oversleeps. Without a usable folder the ledger warns, and keeps the rules
// within the process alone.
type ledger struct {
	dir    string
	host   string // host:port for this machine
	rules  []rule
	clock  retry.Clock
	onWarn func(text string)

	busy chan struct{} // holds one token while the file or own is in use
	own  record        // the calls of this process, whatever becomes of the file

	mu     sync.Mutex
	warned []string
}

// turn waits until url may be called and takes the turn. The call is to be made
// at once; made moves the turn to the present, and is to be called when the
// request was sent and when the answer came, since the distance to the next
// call is the API's to measure.
//
// The error is a *RefusedError if the turn would come after ctx's deadline,
// ErrNotFoundRemembered if url is known not to be there, or ctx's cause. The
// turn is then given back.
func (l *ledger) turn(ctx context.Context, url string, retryNotFound bool, onWait func(time.Duration, string)) (made func(), err error) {
	var reserved time.Time
	for {
		var now, at time.Time
		var because string
		err := l.update(ctx, func(r *record) error {
			now = l.now()
			r.remove(reserved)
			if since, ok := r.NotFound[url]; ok && !retryNotFound {
				return fmt.Errorf("%w: %s answered 404 at %s; --retry-not-found calls it again",
					ErrNotFoundRemembered, url, since.Local().Format(time.RFC3339))
			}
			queue := r.Calls
			if !reserved.IsZero() { // later reservations wait for this one, not it for them
				queue = r.until(later(now, reserved))
			}
			at, because = nextCall(l.rules, queue, now)
			if deadline, ok := ctx.Deadline(); ok && at.After(deadline) {
				return &RefusedError{Next: at, Rule: because}
			}
			r.add(at)
			if at.Equal(now) {
				l.own.add(at)
			}
			return nil
		})
		if err == nil && at.Equal(now) {
			return func() {
				l.anyway(ctx, func(r *record) {
					was := at
					at = l.now()
					for _, r := range []*record{r, &l.own} {
						r.remove(was)
						r.add(at)
					}
				})
			}, nil
		}
		if err == nil {
			reserved = at
			onWait(at.Sub(now), "for its turn to call: "+because)
			err = l.clock.Sleep(ctx, at.Sub(now))
		}
		if err != nil {
			l.anyway(ctx, func(r *record) { r.remove(reserved) })
			return nil, err
		}
	}
}

// remember keeps in mind, or forgets, that url was not found.
func (l *ledger) remember(ctx context.Context, url string, notFound bool) {
	l.anyway(ctx, func(r *record) {
		for _, r := range []*record{r, &l.own} {
			delete(r.NotFound, url)
			if notFound {
				r.merge(&record{NotFound: map[string]time.Time{url: l.now()}})
			}
		}
	})
}

func (l *ledger) now() time.Time { return l.clock.Now().Round(0).UTC() }

// record is what is known of the calls of one host.
type record struct {
	// Calls made and reserved, in order of time, no two at the same.
	Calls []time.Time `json:"calls"`
	// NotFound tells when a URL was answered with 404.
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

func (r *record) add(t time.Time) {
	if i, found := slices.BinarySearchFunc(r.Calls, t, time.Time.Compare); !found {
		r.Calls = slices.Insert(r.Calls, i, t)
	}
}

func (r *record) remove(t time.Time) {
	r.Calls = slices.DeleteFunc(r.Calls, t.Equal)
}

// until returns the calls up to t.
func (r *record) until(t time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(r.Calls, t.Add(1), time.Time.Compare)
	return r.Calls[:i]
}

// merge adds what own knows.
func (r *record) merge(own *record) {
	for _, t := range own.Calls {
		r.add(t)
	}
	if r.NotFound == nil {
		r.NotFound = make(map[string]time.Time)
	}
	maps.Copy(r.NotFound, own.NotFound)
}

// prune drops calls that no rule looks at any more, and those so far ahead that
// the clock must have been set back since.
func (r *record) prune(now time.Time) {
	r.Calls = slices.DeleteFunc(r.Calls, func(t time.Time) bool {
		return !t.After(now.Add(-day)) || t.After(now.Add(time.Hour))
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
