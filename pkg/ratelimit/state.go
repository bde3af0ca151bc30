package ratelimit

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/statefile"
)

// state is the content of the file: the calls to one host. All times are in UTC.
// Unless they say otherwise they are times of the Clock.
type state struct {
	Clock clock `json:"clock"`
	// Calls are in ascending order of At. No time occurs twice, so that a call in
	// both of two merged states counts once.
	Calls []call `json:"calls"`
	// UnderWay is the time of the call that has no answer yet; zero if there is
	// none. If a process that has just taken the lock finds it set, the process
	// that made the call has died.
	UnderWay time.Time `json:"under_way,omitzero"`
	// NotBefore is the end of the pause that the API asked for; zero if there is
	// none.
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotFound maps the addresses that answered 404 to the wall time of the answer.
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

// call is a call that was made, or that is assumed.
type call struct {
	// At is the time of the call by the state's Clock.
	At time.Time `json:"at"`
	// Wall is the time by the wall clock. It is zero if the Clock is sure to be
	// right, or if the wall clock is known to have been wrong. Otherwise the call
	// counts as made at the later of the two times.
	Wall time.Time `json:"wall,omitzero"`
}

// readState reads the file at path. The state is empty if there is no file, and
// with an error.
func readState(path string) (state, error) {
	var s state
	err := statefile.Read(path, &s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state{}, nil
	case err != nil:
		return state{}, err
	case s.Calls == nil:
		return state{}, errors.New("parse " + path + ": it lists no calls")
	}
	slices.SortFunc(s.Calls, func(a, b call) int { return a.At.Compare(b.At) })
	return s, nil
}

// set advances the clock to the time of r, and drops what no longer counts.
func (s *state) set(r reading) {
	s.advance(r)
	s.expire()
}

// expire drops calls and pauses that no longer count. Only an edited file can have
// times in the future; such calls count as made now.
func (s *state) expire() {
	now := s.Clock.Now
	calls := len(s.Calls)
	s.Calls = slices.DeleteFunc(s.Calls, func(c call) bool { return c.At.After(now) })
	s.assume(calls - len(s.Calls))
	if s.Clock.Boot != "" {
		s.Calls = slices.DeleteFunc(s.Calls, func(c call) bool { return !c.At.After(now.Add(-day)) })
	}
	// Without a boot time the age of a call is not certain. But no limit counts more
	// than the last CallsPerDay calls.
	s.Calls = slices.Delete(s.Calls, 0, max(len(s.Calls)-CallsPerDay, 0))
	switch {
	case s.NotBefore.After(now.Add(maxPause)):
		s.NotBefore = now.Add(maxPause)
	case !s.NotBefore.After(now):
		s.NotBefore = time.Time{}
	}
}

// times returns the times at which the calls count as made, in order of time.
func (s *state) times() []time.Time {
	times := make([]time.Time, len(s.Calls))
	for i, c := range s.Calls {
		times[i] = c.At
		if since := s.Clock.Wall.Sub(c.Wall); !c.Wall.IsZero() && since >= 0 && since < s.Clock.Now.Sub(c.At) {
			times[i] = s.Clock.Now.Add(-since)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// next returns the earliest time, not before from, of the next call after calls at
// the given times. It also returns the limit or pause that forbids an earlier call;
// rule is empty if at equals from.
func (s *state) next(limits []limit, times []time.Time, from time.Time) (at time.Time, rule string) {
	if s.NotBefore.After(from) {
		from, rule = s.NotBefore, pauseRule
	}
	at, byLimit := nextCall(limits, times, from)
	if byLimit != "" {
		rule = byLimit
	}
	return at, rule
}

// left returns the number of calls that the limit still allows now.
func (s *state) left(l limit) int {
	from := s.Clock.Now.Add(-l.span)
	made := 0
	for _, at := range s.times() {
		if at.After(from) {
			made++
		}
	}
	return max(l.calls-made, 0)
}

// addNow adds a call that is made now. It returns the call's At, which is a little
// earlier if there is a call at that time already.
func (s *state) addNow() time.Time {
	c := call{At: s.Clock.Now}
	if s.Clock.Boot == "" {
		c.Wall = s.Clock.Wall
	}
	for !s.add(c) {
		c.At = c.At.Add(-1)
	}
	return c.At
}

// assume adds n calls whose times are unknown, as if they had been made now.
func (s *state) assume(n int) {
	for range n {
		s.addNow()
	}
}

// add adds a call. It reports false if s has a call at that time already.
func (s *state) add(c call) bool {
	i, found := slices.BinarySearchFunc(s.Calls, c.At, func(c call, at time.Time) int { return c.At.Compare(at) })
	if !found {
		s.Calls = slices.Insert(s.Calls, i, c)
	}
	return !found
}

func (s *state) remove(at time.Time) {
	s.Calls = slices.DeleteFunc(s.Calls, func(c call) bool { return c.At.Equal(at) })
}

// notFound returns the address that answered 404, and when: url without its query, or
// url itself.
func (s *state) notFound(url string) (address string, at time.Time, ok bool) {
	for _, address := range []string{withoutQuery(url), url} {
		if at, ok := s.NotFound[address]; ok {
			return address, at, true
		}
	}
	return "", time.Time{}, false
}

// withoutQuery returns url without its query.
func withoutQuery(url string) string {
	address, _, _ := strings.Cut(url, "?")
	return address
}

func (s *state) addNotFound(url string, at time.Time) {
	if s.NotFound == nil {
		s.NotFound = make(map[string]time.Time)
	}
	s.NotFound[url] = at
}

// merge adds the calls, the pause and the 404s of other, whose clock has the same
// reading as that of s. It changes other to the clock of s. UnderWay stays.
func (s *state) merge(other *state) {
	by := s.Clock.Now.Sub(other.Clock.Now)
	for i := range other.Calls {
		other.Calls[i].At = other.Calls[i].At.Add(by)
		s.add(other.Calls[i])
	}
	if !other.NotBefore.IsZero() {
		other.NotBefore = other.NotBefore.Add(by)
	}
	if other.NotBefore.After(s.NotBefore) {
		s.NotBefore = other.NotBefore
	}
	for url, at := range other.NotFound {
		s.addNotFound(url, at)
	}
	other.Clock = s.Clock
}
