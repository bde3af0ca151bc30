package ratelimit

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"polisen-events-collector/pkg/statefile"
)

// state is the content of the file: the calls to one host. All times are in UTC.
type state struct {
	// Calls are the times of the calls, in ascending order. No time occurs
	// twice, so that a call in both of two merged states counts once.
	Calls []time.Time `json:"calls"`
	// UnderWay is the time of the call that has no answer yet; zero if there is
	// none. If a process that has just taken the lock finds it set, the process
	// that made the call has died.
	UnderWay time.Time `json:"under_way,omitzero"`
	// NotBefore is the end of the pause that the API asked for; zero if there is
	// none.
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotFound maps the addresses that answered 404 to the time of the answer.
	NotFound map[string]time.Time `json:"not_found,omitempty"`
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
	slices.SortFunc(s.Calls, time.Time.Compare)
	return s, nil
}

// next returns the earliest time of the next call, not before from, and the limit
// or pause that forbids an earlier call; rule is empty if at equals from.
func (s *state) next(limits []limit, from time.Time) (at time.Time, rule string) {
	if s.NotBefore.After(from) {
		from, rule = s.NotBefore, "the API asked for a pause (Retry-After)"
	}
	at, byLimit := nextCall(limits, s.Calls, from)
	if byLimit != "" {
		rule = byLimit
	}
	return at, rule
}

// add adds a call at t. It reports false if s has a call at t already.
func (s *state) add(t time.Time) bool {
	i, found := slices.BinarySearchFunc(s.Calls, t, time.Time.Compare)
	if !found {
		s.Calls = slices.Insert(s.Calls, i, t)
	}
	return !found
}

func (s *state) remove(t time.Time) { s.Calls = slices.DeleteFunc(s.Calls, t.Equal) }

// assume adds n calls whose times are unknown, as if they had been made now.
func (s *state) assume(n int, now time.Time) {
	for at := now; n > 0; at = at.Add(-1) {
		if s.add(at) {
			n--
		}
	}
}

func (s *state) addNotFound(url string, at time.Time) {
	if s.NotFound == nil {
		s.NotFound = make(map[string]time.Time)
	}
	s.NotFound[url] = at
}

// merge adds the calls, the pause and the 404s of other. UnderWay stays.
func (s *state) merge(other *state) {
	for _, t := range other.Calls {
		s.add(t)
	}
	if other.NotBefore.After(s.NotBefore) {
		s.NotBefore = other.NotBefore
	}
	for url, at := range other.NotFound {
		s.addNotFound(url, at)
	}
}

// expire drops calls older than a day and a pause that is over. A call in the future
// means that the clock was set back: its real time is unknown, so it counts as made
// now. For the same reason a pause ends after maxPause at the latest.
func (s *state) expire(now time.Time) {
	future := len(s.Calls)
	s.Calls = slices.DeleteFunc(s.Calls, func(t time.Time) bool { return t.After(now) })
	future -= len(s.Calls)
	s.Calls = slices.DeleteFunc(s.Calls, func(t time.Time) bool { return !t.After(now.Add(-day)) })
	s.assume(future, now)
	switch {
	case s.NotBefore.After(now.Add(maxPause)):
		s.NotBefore = now.Add(maxPause)
	case !s.NotBefore.After(now):
		s.NotBefore = time.Time{}
	}
}
