// Package ratelimit keeps the call limits of the Swedish police's open data
// across all processes of a host: 10 seconds between two calls, 60 calls an
// hour, 1440 calls a day, no second call to an address that answered 404, and
// the pause that a Retry-After header asks for
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/regler-for-oppna-data/).
//
// It makes no calls itself and knows nothing of their content.
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

// The lower limits of [Options.LeaveRoom]. The difference is enough for two
// runs an hour with all their retries.
const (
	roomyCallsPerHour = 50
	roomyCallsPerDay  = 1200
)

const day = 24 * time.Hour

// maxPause is the longest pause that a Retry-After header can cause.
const maxPause = day

// ErrExceeded is wrapped by the errors of calls that the limits forbid. Such a
// call was not made.
var ErrExceeded = errors.New("rate limited")

// ErrNotFound is wrapped by the error of a call to an address that answered 404
// before. It wraps [ErrExceeded].
var ErrNotFound = fmt.Errorf("%w: the address answered 404 before", ErrExceeded)

// LimitError is the error of a call that the limits allow only after the
// deadline. It wraps [ErrExceeded].
type LimitError struct {
	Next time.Time // earliest time of the next call
	Rule string    // the limit, for messages
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%v: %s; the next call is allowed at %s, after this run's deadline",
		ErrExceeded, e.Rule, e.Next.Local().Format(time.RFC3339))
}

// Unwrap returns [ErrExceeded].
func (e *LimitError) Unwrap() error { return ErrExceeded }

// limit allows at most calls calls in any sliding window of length span.
type limit struct {
	calls int
	span  time.Duration
	text  string // for messages
}

// newLimits returns the limits for calls at least interval apart. An interval
// below [MinInterval] is for a fake API in tests; it lifts the hourly and daily
// limits.
func newLimits(interval time.Duration, leaveRoom bool) []limit {
	perHour, perDay, reason := CallsPerHour, CallsPerDay, ""
	fast := interval < MinInterval
	if leaveRoom {
		interval += interval / 10
		perHour, perDay, reason = roomyCallsPerHour, roomyCallsPerDay, ", to leave room for other runs"
	}
	limits := []limit{{1, interval, fmt.Sprintf("at least %v between calls%s", interval, reason)}}
	if fast {
		return limits
	}
	return append(limits,
		limit{perHour, time.Hour, fmt.Sprintf("at most %d calls an hour%s", perHour, reason)},
		limit{perDay, day, fmt.Sprintf("at most %d calls a day%s", perDay, reason)})
}

// nextCall returns the earliest time, from now on, at which all limits allow a
// call after the earlier calls, and the limit that decided it; rule is empty if
// none did. The calls are in order of time.
func nextCall(limits []limit, calls []time.Time, now time.Time) (at time.Time, rule string) {
	at = now
	for _, l := range limits {
		if len(calls) < l.calls {
			continue
		}
		if free := calls[len(calls)-l.calls].Add(l.span); free.After(at) {
			at, rule = free, l.text
		}
	}
	return at, rule
}
