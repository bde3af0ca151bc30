package polisentest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Answer is an answer or a fault of the fake API. The zero Answer has the status 200
// and an empty body.
type Answer struct {
	Status int // zero means 200
	Header http.Header
	Body   []byte
	// Plain is true if the body is sent as it is. Otherwise the API compresses it
	// for a client that accepts gzip.
	Plain bool
	// Delay is the time between the request and the first byte of the answer.
	Delay time.Duration
	// Truncate is the number of bytes that are missing at the end of the body,
	// because the API closes the connection. Content-Length still counts them.
	Truncate int
	// Reset is true if the API closes the connection without an answer.
	Reset bool
}

// OK returns an answer with the status 200 and a response of the items.
func OK(items ...[]byte) Answer { return Answer{Body: Response(items...)} }

// Status returns an answer with a status and a short HTML page.
func Status(status int) Answer {
	page := fmt.Sprintf("<html><head><title>%d %s</title></head></html>", status, http.StatusText(status))
	return Answer{Status: status, Body: []byte(page)}
}

// RetryAfter returns an answer with a status and a Retry-After header.
func RetryAfter(status int, value string) Answer {
	a := Status(status)
	a.Header = http.Header{"Retry-After": {value}}
	return a
}

// Call is a call to the fake API.
type Call struct {
	Time   time.Time
	Path   string
	Query  string // as sent
	Header http.Header
}

// target returns the path with the query.
func (c Call) target() string {
	if c.Query == "" {
		return c.Path
	}
	return c.Path + "?" + c.Query
}

// API is a fake of the events API: an [http.Handler] that answers from a script
// and records all calls. It is safe for concurrent use.
type API struct {
	// Default returns the answer to a call after the end of the script; nil means
	// 200 with BodyAt(T, 500), where T is the time of the first call in the zone of
	// [Newest]. Use SetDefault once the API is served.
	Default func(*http.Request) Answer
	// Now returns the time of a call; nil means time.Now.
	Now func() time.Time
	// MinInterval is the shortest time between two calls that is not a breach;
	// zero means the API's ten seconds. A shorter interval also lifts the hourly
	// and daily limits.
	MinInterval time.Duration

	mu       sync.Mutex
	script   []Answer
	calls    []Call
	notFound map[string]bool // paths with queries whose 404 was sent to a client
	breaches []string
}

// Script adds answers to the end of the script. Each answers one call.
func (a *API) Script(answers ...Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.script = append(a.script, answers...)
}

// SetDefault sets Default.
func (a *API) SetDefault(answer func(*http.Request) Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Default = answer
}

// Calls returns the calls so far.
func (a *API) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// Breaches returns one line for each breach of the API's rules by the calls so far.
func (a *API) Breaches() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.breaches)
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, call := a.take(r)
	if answer.Delay > 0 {
		select {
		case <-time.After(answer.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if answer.Status == http.StatusNotFound {
		a.noteNotFound(call)
	}
	if answer.Reset {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	body := answer.Body
	if !answer.Plain && len(body) > 0 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = Gzip(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(cmp.Or(answer.Status, http.StatusOK))
	_, _ = w.Write(body[:max(len(body)-answer.Truncate, 0)])
	if answer.Truncate > 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// noteNotFound notes a call that gets a 404. Another call with the same query is a breach.
func (a *API) noteNotFound(call Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.notFound == nil {
		a.notFound = make(map[string]bool)
	}
	a.notFound[call.target()] = true
}

// take records the call and returns its answer.
func (a *API) take(r *http.Request) (Answer, Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	call := Call{Time: now(), Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone()}
	a.check(call)
	a.calls = append(a.calls, call)

	var answer Answer
	switch {
	case len(a.script) > 0:
		answer, a.script = a.script[0], a.script[1:]
	case a.Default != nil:
		answer = a.Default(r)
	default:
		answer = Answer{Body: BodyAt(a.calls[0].Time.In(Newest.Location()), 500)}
	}
	return answer, call
}

// check records the breaches of a call that is not yet in a.calls.
func (a *API) check(call Call) {
	breach := func(format string, args ...any) {
		a.breaches = append(a.breaches, fmt.Sprintf("call %d: ", len(a.calls)+1)+fmt.Sprintf(format, args...))
	}
	if agent := call.Header.Get("User-Agent"); agent == "" || strings.HasPrefix(agent, "Go-http-client") {
		breach("the User-Agent %q names no program", agent)
	}
	for _, target := range slices.Compact([]string{call.target(), call.Path}) {
		if a.notFound[target] {
			breach("%s answered 404 before", target)
		}
	}
	interval := cmp.Or(a.MinInterval, 10*time.Second)
	limits := []struct {
		calls int
		span  time.Duration
	}{{1, interval}, {60, time.Hour}, {1440, 24 * time.Hour}}
	if interval < 10*time.Second {
		limits = limits[:1]
	}
	for _, limit := range limits {
		if i := len(a.calls) - limit.calls; i >= 0 {
			if since := call.Time.Sub(a.calls[i].Time); since < limit.span {
				breach("%d calls in %v, less than %v", limit.calls+1, since, limit.span)
			}
		}
	}
}

// Gzip returns body compressed with gzip.
func Gzip(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // writing to a buffer does not fail
	}
	return b.Bytes()
}
