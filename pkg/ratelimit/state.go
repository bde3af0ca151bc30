package ratelimit

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"polisen-events-collector/pkg/statefile"
)

// state is the content of the file: the calls to one host. All times are UTC.
type state struct {
	// Calls are the times of the calls, in ascending order and each once, so
	// that merging two states counts no call twice.
	Calls []time.Time `json:"calls"`
	// UnderWay is the time of the call that has no answer yet; zero if there is
	// none. A process that holds the lock and finds it set knows that the process
	// that made the call died.
	UnderWay time.Time `json:"under_way,omitzero"`
	// NotBefore is the end of the last pause that the API asked for.
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotFound maps the addresses that answered 404 to the time of the answer.
	NotFound map[string]time.Time `json:"not_found,omitempty"`
}

// readState reads the file at path. Without a file the state is empty.
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

// next returns the earliest time of the next call, from now on, and the limit
// that decided it.
func (s *state) next(limits []limit, now time.Time) (at time.Time, rule string) {
	if s.NotBefore.After(now) {
		now, rule = s.NotBefore, "the API asked for a pause (Retry-After)"
	}
	at, byLimit := nextCall(limits, s.Calls, now)
	if byLimit != "" {
		rule = byLimit
	}
	return at, rule
}

// add reports whether no call at that time was known.
func (s *state) add(t time.Time) bool {
	i, found := slices.BinarySearchFunc(s.Calls, t, time.Time.Compare)
	if !found {
		s.Calls = slices.Insert(s.Calls, i, t)
	}
	return !found
}

func (s *state) remove(t time.Time) { s.Calls = slices.DeleteFunc(s.Calls, t.Equal) }

// assume adds n calls whose times are unknown, as if they were made now.
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

// merge adds the content of other.
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

// expire drops calls and pauses that no longer count. A call in the future shows that
// the clock was set back. Its real time is unknown, so it counts as made now.
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
