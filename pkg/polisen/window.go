package polisen

import (
	"slices"
	"time"
)

// MaxWindow is the length of the longest window of a response to the query for the
// newest events. In 99.9 % of the recorded polls it is 5 to 10 days. A response with
// a longer one is mismatched: the answer to another query.
const MaxWindow = 30 * 24 * time.Hour

// Window is the time span of the events of a response, without the oldest 5 % of
// them. Single events that are much older than the others would stretch it, and say
// nothing about the time from which the response has all events. Events with a time after
// the fetch are left out too, since their times are wrong.
type Window struct {
	From time.Time // time of the oldest event, after the oldest 5 % are left out
	To   time.Time // time of the newest event
}

// NewWindow returns the window of the events of a response that was fetched at this time.
// They may be in any order. If all of them have a time after the fetch, the clock of this
// host is wrong, and none is left out for that. NewWindow returns false if there are no
// events.
func NewWindow(events []Event, fetched time.Time) (Window, bool) {
	if len(events) == 0 {
		return Window{}, false
	}
	times := make([]time.Time, len(events))
	for i, e := range events {
		times[i] = e.Time
	}
	slices.SortFunc(times, time.Time.Compare)
	if past, _ := slices.BinarySearchFunc(times, fetched.Add(1), time.Time.Compare); past > 0 {
		times = times[:past]
	}
	return Window{From: times[len(times)/20], To: times[len(times)-1]}, true
}

// Length returns the duration from the window's start to its end.
func (w Window) Length() time.Duration { return w.To.Sub(w.From) }

// Days returns the length in days of 24 hours.
func (w Window) Days() float64 { return w.Length().Hours() / 24 }
