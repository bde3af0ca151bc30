// Package ratelimit keeps the call limits of the Swedish police's API across all
// processes of a host: 10 seconds between two calls, 60 calls an hour, 1440 calls
// a day, no second call to an address that answered 404, and the pause that a
// Retry-After header asks for
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/regler-for-oppna-data/).
//
// It makes no calls itself and does not look at responses.
package ratelimit

import (
	"errors"
	"fmt"
	"time"
)

// The limits of the API
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/regler-for-oppna-data/).
const (
	MinInterval  = 10 * time.Second // between two calls
	CallsPerHour = 60
	CallsPerDay  = 1440
)

// The limits with [Options.LeaveRoom]. They leave ten calls an hour to other runs,
// enough for two runs with all their retries.
const (
	lowerCallsPerHour = 50
	lowerCallsPerDay  = 1200
)

// maxPause is the longest pause that a Retry-After header can cause.
const maxPause = day

const day = 24 * time.Hour

// ErrExceeded is wrapped by the error of a call that the limits forbid. The call
// was not made.
var ErrExceeded = errors.New("rate limited")

// ErrNotFound is wrapped by the error of a call to an address that answered 404
// before. It wraps [ErrExceeded].
var ErrNotFound = fmt.Errorf("%w: the address answered 404 before", ErrExceeded)

// ErrQueryNotFound is wrapped by the error of a call to an address with a query that
// answered 404 before, if the same address without a query did not. It wraps
// [ErrNotFound].
var ErrQueryNotFound = fmt.Errorf("%w", ErrNotFound)

// pauseRule is the rule that forbids calls during a pause.
const pauseRule = "the API asked for a pause (Retry-After)"

// LimitError is the error of a call that is allowed only after the context's
// deadline, or after a long pause that the API asked for. It wraps [ErrExceeded].
type LimitError struct {
	Next time.Time // earliest time of the next call, in UTC
	Rule string    // the limit or pause that forbids an earlier call, for messages
}

func (e *LimitError) Error() string {
	next := e.Next.Local().Format(time.RFC3339)
	if e.Rule == pauseRule {
		return fmt.Sprintf("%v: the API asked to wait until %s (Retry-After); run again after that", ErrExceeded, next)
	}
	return fmt.Sprintf("%v: %s; the next call is allowed at %s, after the time limit of this run: run again then, or set a longer --timeout", ErrExceeded, e.Rule, next)
}

// Unwrap returns [ErrExceeded].
func (e *LimitError) Unwrap() error { return ErrExceeded }

// limit allows at most `calls` calls in any sliding window of length span.
type limit struct {
	calls int
	span  time.Duration
	rule  string // the limit in words, for messages
}

// newLimits returns the limits for calls at least interval apart. If interval is
// below [MinInterval], there is no hourly and no daily limit.
func newLimits(interval time.Duration, leaveRoom bool) []limit {
	perHour, perDay, why := CallsPerHour, CallsPerDay, ""
	fast := interval < MinInterval
	if leaveRoom {
		interval += interval / 10
		perHour, perDay, why = lowerCallsPerHour, lowerCallsPerDay, ", to leave room for other runs"
	}
	limits := []limit{{1, interval, fmt.Sprintf("at least %v between calls%s", interval, why)}}
	if fast {
		return limits
	}
	return append(limits,
		limit{perHour, time.Hour, fmt.Sprintf("at most %d calls an hour%s", perHour, why)},
		limit{perDay, day, fmt.Sprintf("at most %d calls a day%s", perDay, why)})
}

// nextCall returns the earliest time, not before from, at which all limits allow
// another call after calls, which are in order of time. It also returns the rule
// that forbids an earlier call; it is empty if at equals from.
func nextCall(limits []limit, calls []time.Time, from time.Time) (at time.Time, rule string) {
	at = from
	for _, l := range limits {
		if len(calls) < l.calls {
			continue
		}
		if free := calls[len(calls)-l.calls].Add(l.span); free.After(at) {
			at, rule = free, l.rule
		}
	}
	return at, rule
}
