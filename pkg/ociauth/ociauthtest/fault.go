package ociauthtest

import (
	"net/http"
	"strings"
	"time"
)

// Fault is a scripted failure of a fake service. Without Status and Reset the
// service responds as usual, but late or incompletely.
type Fault struct {
	// On selects the requests that the fault applies to; nil selects all.
	On func(*http.Request) bool
	// Times is the number of requests that the fault applies to; zero means one.
	Times int
	// Delay is the time before the service handles the request. A request that the
	// client cancels during the delay has no effect, unless Late is set.
	Delay time.Duration
	Late  bool
	// Status, unless it is zero, and Code are the status and the error code of the
	// response. RetryAfter is the text of its Retry-After header.
	Status           int
	Code, RetryAfter string
	// Reset closes the connection without a response.
	Reset bool
	// AfterEffect makes a request with Status or Reset take effect first.
	AfterEffect bool
	// Truncate closes the connection in the middle of the response's body.
	Truncate bool
}

// Forever is a value for Times that no test reaches.
const Forever = 1 << 30

func (f Fault) fails() bool { return f.Status != 0 || f.Reset }

// Script adds faults. The first fault that selects a request and has Times left
// applies to it.
func (h *Handler) Script(faults ...Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fault := range faults {
		fault.Times = max(fault.Times, 1)
		h.faults = append(h.faults, &fault)
	}
}

// ClearFaults removes all faults.
func (h *Handler) ClearFaults() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// faultFor returns the fault that applies to the request, or the zero Fault.
func (h *Handler) faultFor(r *http.Request) Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fault := range h.faults {
		if fault.Times > 0 && (fault.On == nil || fault.On(r)) {
			fault.Times--
			return *fault
		}
	}
	return Fault{}
}

// On returns a function for Fault.On that selects requests by method and by a
// part of their path or query. An empty method or part selects all.
func On(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, part)
	}
}
