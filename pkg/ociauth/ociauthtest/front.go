package ociauthtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Front is the common face of the fake services: it takes requests in, logs
// them, lets them be late or fail by the script, and sends the answers.
type Front struct {
	// Verifier knows the callers, and the services' clock.
	*Verifier
	// Serve answers a request whose body has been read.
	Serve func(r *http.Request, body []byte) Answer
	// Latency, if not nil, is how long each request takes before it is served.
	Latency func(*http.Request) time.Duration

	mu     sync.Mutex
	faults []*Fault
	log    []Request
}

// Request is a line of a service's log.
type Request struct {
	Method string
	// Path is the path as it was sent, with its query.
	Path   string
	Header http.Header
	// Status is what was answered; 0 if nothing was.
	Status int
	// Denied says why the signature was refused.
	Denied error
}

// String returns the request as in "PUT 412".
func (r Request) String() string { return fmt.Sprintf("%s %d", r.Method, r.Status) }

// Answer is a response before it is sent.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
	// Denied says why the signature was refused, for the log alone.
	Denied error
}

// JSON is an answer whose body is v.
func JSON(status int, v any) Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the fakes send nothing that has no JSON form
	}
	return Answer{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

// Failure is an answer with the body that all services' errors have.
func Failure(status int, code, message string) Answer {
	return JSON(status, map[string]string{"code": code, "message": message})
}

// NotAuthenticated is the answer to a signature that fails its check. The
// services never say why.
func NotAuthenticated(why error) Answer {
	a := Failure(http.StatusUnauthorized, "NotAuthenticated",
		"The required information to complete authentication was not provided or was incorrect.")
	a.Denied = why
	return a
}

// Requests returns the log of all requests so far, in the order of their
// answers.
func (f *Front) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Await waits until the log holds n requests, and reports whether it came to
// that in time.
func (f *Front) Await(n int, within time.Duration) bool {
	for end := time.Now().Add(within); len(f.Requests()) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// ResetLog forgets the log.
func (f *Front) ResetLog() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = nil
}

// maxBody is larger than any object that is written.
const maxBody = 128 << 20

// ServeHTTP answers a request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client has gone, or sends without end
	}
	entry := Request{Method: r.Method, Path: r.RequestURI, Header: r.Header.Clone()}
	fault := f.strike(r)
	delay := fault.Delay
	if f.Latency != nil {
		delay += f.Latency(r)
	}
	time.Sleep(delay) // to the end, so that a late effect is late
	if r.Context().Err() != nil && !fault.Late {
		f.record(entry)
		return
	}

	var a Answer
	if !fault.fails() || fault.AfterEffect {
		a = f.Serve(r, body)
		entry.Denied = a.Denied
	}
	if fault.Status != 0 {
		a = Failure(fault.Status, fault.Code, "a scripted fault")
		a.Header["Retry-After"] = fault.RetryAfter
	}
	if !fault.Reset {
		entry.Status = a.Status
	}
	f.record(entry) // before the client can know
	if fault.Reset {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	f.send(w, a, fault.Truncate)
}

func (f *Front) record(entry Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, entry)
}

func (f *Front) send(w http.ResponseWriter, a Answer, truncate bool) {
	h := w.Header()
	h.Set("Opc-Request-Id", "test:"+rand.Text())
	h.Set("Date", f.Now().UTC().Format(http.TimeFormat))
	for name, value := range a.Header {
		if value != "" {
			h.Set(name, value)
		}
	}
	if a.Status == http.StatusNoContent {
		w.WriteHeader(a.Status)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	if truncate {
		w.Write(a.Body[:len(a.Body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(a.Body)
}
