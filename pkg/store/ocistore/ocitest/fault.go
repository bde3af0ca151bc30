package ocitest

import (
	"net/http"
	"strings"
	"time"
)

// Fault is one scripted misbehaviour. With neither Status nor Reset the
// request is answered as ever, though maybe late or in part.
type Fault struct {
	// On picks the requests that are struck; nil picks all.
	On func(*http.Request) bool
	// Times is how many requests are struck; zero counts as one.
	Times int
	// Delay passes before the request is looked at. A client that gives up
	// meanwhile leaves no effect, unless Late is set.
	Delay time.Duration
	Late  bool
	// Status and Code are answered instead; RetryAfter is that header's text.
	Status           int
	Code, RetryAfter string
	// Reset cuts the connection instead of answering.
	Reset bool
	// AfterEffect lets a request that is refused or cut take effect first.
	AfterEffect bool
	// Truncate cuts the connection in the middle of the answer's body.
	Truncate bool
}

// Forever is a number of Times that no test reaches.
const Forever = 1 << 30

func (f Fault) fails() bool { return f.Status != 0 || f.Reset }

// Script adds faults. Each request is struck by the first fault that picks it
// and is not used up.
func (s *Service) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		f.Times = max(f.Times, 1)
		s.faults = append(s.faults, &f)
	}
}

// ClearFaults drops all faults that are left.
func (s *Service) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// strike returns the fault for the request; the zero Fault is none.
func (s *Service) strike(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Times > 0 && (f.On == nil || f.On(r)) {
			f.Times--
			return *f
		}
	}
	return Fault{}
}

// On picks requests by method and by a part of their object's name; both may
// be empty, which fits all.
func On(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.Contains(r.URL.Path, part)
	}
}
