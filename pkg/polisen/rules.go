package polisen

import (
	"errors"
	"fmt"
	"time"
)

// The API's rules for calls (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/regler-for-oppna-data/).
const (
	LeastInterval = 10 * time.Second
	CallsPerHour  = 60
	CallsPerDay   = 1440
)

// What a client that leaves room for others takes at most. The rest is two runs
// an hour with all their retries.
const (
	yieldingPerHour = 50
	yieldingPerDay  = 1200
)

// ErrRefused is wrapped by the errors of calls that were not made, since they
// would have broken a rule of the API.
var ErrRefused = errors.New("call refused so as to keep the API's rules")

// ErrNotFoundRemembered is wrapped by the error of a call that was not made,
// since an earlier one was answered with 404, which the API's rules make
// permanent. It is an ErrRefused too.
var ErrNotFoundRemembered = fmt.Errorf("%w: not found by an earlier call", ErrRefused)

// RefusedError tells when a refused call will be allowed. It is an ErrRefused.
type RefusedError struct {
	// Next is the earliest time of the next call.
	Next time.Time
	// Rule is the rule that the call would have broken, for people.
	Rule string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: %s; the next call is allowed at %s, after this run's deadline",
		ErrRefused, e.Rule, e.Next.Local().Format(time.RFC3339))
}

// Is makes the error an ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// rule allows at most calls calls in any span of time that long.
type rule struct {
	calls int
	span  time.Duration
	text  string
}

// rules are all the rules to keep with calls at least interval apart; with
// leaveRoom some calls an hour and a day are left to others. With less than the
// API's own interval, which only a stand-in on the same machine can take, they
// hold nothing else.
func rules(interval time.Duration, leaveRoom bool) []rule {
	least := rule{1, interval, fmt.Sprintf("at least %v between calls", interval)}
	if interval < LeastInterval {
		return []rule{least}
	}
	perHour, perDay, why := CallsPerHour, CallsPerDay, ""
	if leaveRoom {
		perHour, perDay, why = yieldingPerHour, yieldingPerDay, ", so that other runs find room"
	}
	return []rule{
		least,
		{perHour, time.Hour, fmt.Sprintf("at most %d calls an hour%s", perHour, why)},
		{perDay, day, fmt.Sprintf("at most %d calls a day%s", perDay, why)},
	}
}

const day = 24 * time.Hour

// nextCall returns the earliest time, from now on, at which a call after all
// of calls keeps the rules, and which of them made it that late. The calls are
// in order of time.
func nextCall(rules []rule, calls []time.Time, now time.Time) (at time.Time, because string) {
	at = now
	for _, r := range rules {
		if len(calls) < r.calls {
			continue
		}
		if free := calls[len(calls)-r.calls].Add(r.span); free.After(at) {
			at, because = free, r.text
		}
	}
	return at, because
}
