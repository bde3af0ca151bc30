package ociauthtest

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
func (f *Front) Script(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		fault.Times = max(fault.Times, 1)
		f.faults = append(f.faults, &fault)
	}
}

// ClearFaults drops all faults that are left.
func (f *Front) ClearFaults() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// strike returns the fault for the request; the zero Fault is none.
func (f *Front) strike(r *http.Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.faults {
		if fault.Times > 0 && (fault.On == nil || fault.On(r)) {
			fault.Times--
			return *fault
		}
	}
	return Fault{}
}

// On picks requests by method and by a part of their path or query; both may
// be empty, which fits all.
func On(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, part)
	}
}
