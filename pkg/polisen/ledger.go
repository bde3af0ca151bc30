package polisen

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"polisen-events-collector/pkg/retry"
)

const (
	// maxAhead is how far ahead a turn may be reserved: the limit an hour puts
	// it off so far, and the limit a day farther only once that is used up.
	maxAhead = time.Hour
	// maxPause bounds what the API may ask for in Retry-After.
	maxPause = day
)

// ledger keeps the API's rules for one host, together with all processes that
// use the same state folder: a file there lists the calls of the last day and
// those that somebody waits to make.
//
// A turn is first reserved and waited for, and then taken after another look
// at the rules; one that yields is not reserved, so that nobody who comes
// meanwhile waits for it. Its holder locks out all others until the answer has
// come, so the calls keep their distance as the API measures it, whatever
// becomes of reservations and however long a process oversleeps or a call is
// under way. Without a usable folder the ledger warns, and keeps the rules
// within the process alone.
type ledger struct {
	path   string // of the file, which need not exist
	rules  []rule
	yields bool // to all others: no turn is reserved
	clock  retry.Clock
	onWarn func(text string)

	busy   chan struct{} // holds a token while somebody uses the ledger, and what follows
	own    record        // the calls of this process, whatever becomes of the file
	anew   bool          // own holds what a damaged file may have held
	warned map[string]bool
}

// turn waits until url may be called, and takes the turn: the call is to be made
// at once. No other is made before answered is called with the status of the
// answer and the delay that it asks for, or zeros if none came.
//
// The error is a *RefusedError if the turn would come after ctx's deadline,
// ErrNotFoundRemembered if url is known not to be there, or ctx's cause. The
// turn is then given back.
func (l *ledger) turn(ctx context.Context, url string, retryNotFound bool, onWait func(time.Duration, string)) (answered func(status int, delay time.Duration), err error) {
	var reserved time.Time
	for {
		page, err := l.open(ctx)
		if err != nil {
			l.giveBack(reserved)
			return nil, err
		}
		now := l.now()
		at, because, err := page.next(ctx, reserved, now)
		page.remove(reserved)
		if since, ok := page.NotFound[url]; ok && !retryNotFound {
			err = fmt.Errorf("%w: %s answered 404 at %s; --retry-not-found calls it again",
				ErrNotFoundRemembered, url, since.Local().Format(time.RFC3339))
		}
		if err == nil && at.Equal(now) {
			page.add(at)
			page.UnderWay = at
			page.save()
			return func(status int, delay time.Duration) { page.answered(at, url, status, delay) }, nil
		}
		reserved = time.Time{}
		if err == nil && !l.yields {
			reserved = at
			page.add(reserved)
		}
		page.save()
		page.close()
		if err != nil {
			return nil, err
		}
		onWait(at.Sub(now), "for its turn to call: "+because)
		if err := l.clock.Sleep(ctx, at.Sub(now)); err != nil {
			l.giveBack(reserved)
			return nil, err
		}
	}
}

// next returns when a call may be made that holds a reservation or, if that is
// zero, none yet.
func (p *page) next(ctx context.Context, reserved, now time.Time) (at time.Time, because string, err error) {
	queue := p.Calls
	if !reserved.IsZero() {
		// Later reservations wait for this one, not it for them.
		queue = slices.DeleteFunc(slices.Clone(queue), func(t time.Time) bool {
			return t.Equal(reserved) || t.After(reserved) && t.After(now)
		})
	}
	at, because = nextCall(p.ledger.rules, queue, p.earliest(now))
	if because == "" && at.After(now) {
		because = "the API asked for a pause (Retry-After)"
	}
	if deadline, ok := ctx.Deadline(); ok && at.After(deadline) {
		return at, because, &RefusedError{Next: at, Rule: because}
	}
	return at, because, nil
}

// answered ends the turn that was taken at that time: the distance to the next
// call counts from now on.
func (p *page) answered(at time.Time, url string, status int, delay time.Duration) {
	now := p.ledger.now()
	for _, r := range []*record{&p.record, &p.ledger.own} {
		r.remove(at)
		r.add(now)
		if delay > 0 && status != http.StatusOK {
			r.NotBefore = now.Add(min(delay, maxPause))
		}
		switch status {
		case http.StatusNotFound:
			r.merge(&record{NotFound: map[string]time.Time{url: now}})
		case http.StatusOK:
			delete(r.NotFound, url)
		}
	}
	p.UnderWay = time.Time{}
	p.save()
	p.close()
}

// giveBack removes a reservation that nobody waits for any more. If the ledger
// is in use for long it stays: that wastes a turn, and breaks no rule.
func (l *ledger) giveBack(reserved time.Time) {
	if reserved.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	page, err := l.open(ctx)
	if err != nil {
		return
	}
	page.remove(reserved)
	page.save()
	page.close()
}

func (l *ledger) now() time.Time { return l.clock.Now().Round(0).UTC() }

// record is what is known of the calls of one host.
type record struct {
	// Calls made and reserved, in order of time, no two at the same.
	Calls []time.Time `json:"calls"`
	// UnderWay is the call whose answer its maker waits for; zero if there is
	// none. To meet it in the file means that its maker died.
	UnderWay time.Time `json:"under_way,omitzero"`
	// NotBefore is the end of the pause that the API last asked for.
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotFound tells when a URL was answered with 404.
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

// earliest returns the earliest time, from now on, at which the API may be
// called whatever calls there were.
func (r *record) earliest(now time.Time) time.Time {
	if r.NotBefore.After(now) {
		return r.NotBefore
	}
	return now
}

// add reports whether there was no call at that time yet.
func (r *record) add(t time.Time) bool {
	i, found := slices.BinarySearchFunc(r.Calls, t, time.Time.Compare)
	if !found {
		r.Calls = slices.Insert(r.Calls, i, t)
	}
	return !found
}

func (r *record) remove(t time.Time) {
	r.Calls = slices.DeleteFunc(r.Calls, t.Equal)
}

// assume adds n calls of which nobody knows when they were made: at worst just
// now.
func (r *record) assume(n int, now time.Time) {
	for at := now; n > 0; at = at.Add(-1) {
		if r.add(at) {
			n--
		}
	}
}

// merge adds what own knows.
func (r *record) merge(own *record) {
	for _, t := range own.Calls {
		r.add(t)
	}
	if own.NotBefore.After(r.NotBefore) {
		r.NotBefore = own.NotBefore
	}
	if r.NotFound == nil {
		r.NotFound = make(map[string]time.Time)
	}
	maps.Copy(r.NotFound, own.NotFound)
}

// prune drops calls that no rule looks at any more. When those so far ahead
// that the clock must have been set back since were made nobody knows.
func (r *record) prune(now time.Time) {
	known := len(r.Calls)
	r.Calls = slices.DeleteFunc(r.Calls, func(t time.Time) bool { return t.After(now.Add(maxAhead)) })
	ahead := known - len(r.Calls)
	r.Calls = slices.DeleteFunc(r.Calls, func(t time.Time) bool { return !t.After(now.Add(-day)) })
	r.assume(ahead, now)
	if r.NotBefore.After(now.Add(maxPause)) {
		r.NotBefore = now.Add(maxPause)
	}
	if !r.NotBefore.After(now) {
		r.NotBefore = time.Time{}
	}
}
