// Package ocitest is a fake of the OCI Object Storage service: an http.Handler
// that keeps one namespace's objects in memory, checks what the service checks
// (signatures, clocks, conditions, lengths, checksums), and fails on demand.
//
// It emulates the few operations that the store uses and refuses everything
// else, so that a request the store should not make is seen.
package ocitest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Service is the fake. Its fields are set before the first request.
type Service struct {
	// Verifier knows the callers, and the service's clock.
	*ociauthtest.Verifier
	Namespace string
	// Latency, if not nil, is how long each request takes before it is served.
	Latency func(*http.Request) time.Duration

	mu      sync.Mutex
	buckets map[string]bucket
	faults  []*Fault
	log     []Request
}

// Request is a line of the service's log.
type Request struct {
	Method string
	// Path is the path as it was sent, with its query.
	Path   string
	Header http.Header
	// Status is what was answered; 0 if the connection was cut.
	Status int
	// Denied says why the signature was refused.
	Denied error
}

// String returns the request as in "PUT 412".
func (r Request) String() string { return fmt.Sprintf("%s %d", r.Method, r.Status) }

// New returns a service of the namespace with these empty buckets. Callers
// become known by Trust.
func New(namespace string, buckets ...string) *Service {
	s := &Service{Verifier: new(ociauthtest.Verifier), Namespace: namespace, buckets: map[string]bucket{}}
	for _, name := range buckets {
		s.buckets[name] = bucket{}
	}
	return s
}

// Requests returns the log of all requests so far, in the order of their
// answers.
func (s *Service) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// ResetLog forgets the log.
func (s *Service) ResetLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// answer is a response before it is sent.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

func failure(status int, code, message string) answer {
	return answer{
		status: status,
		header: map[string]string{"Content-Type": "application/json"},
		body:   ociauthtest.ErrorBody(code, message),
	}
}

// maxBody is larger than any object the store writes or reads.
const maxBody = 128 << 20

// ServeHTTP answers a request to the service.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client has gone, or sends without end
	}
	entry := Request{Method: r.Method, Path: r.RequestURI, Header: r.Header.Clone()}
	fault := s.strike(r)
	delay := fault.Delay
	if s.Latency != nil {
		delay += s.Latency(r)
	}
	if gone := !wait(r, delay); gone && !fault.Late {
		s.record(entry)
		return
	}

	var a answer
	if !fault.fails() || fault.AfterEffect {
		if entry.Denied = s.Check(r, body, ociauthtest.SignedHead); entry.Denied != nil {
			a = failure(http.StatusUnauthorized, "NotAuthenticated", ociauthtest.NotAuthenticated)
		} else {
			a = s.serve(r, body)
		}
	}
	if fault.Status != 0 {
		a = failure(fault.Status, fault.Code, "a scripted fault")
		a.header["Retry-After"] = fault.RetryAfter
	}
	if !fault.Reset {
		entry.Status = a.status
	}
	s.record(entry) // before the client can know
	if fault.Reset {
		panic(http.ErrAbortHandler) // cuts the connection
	}
	s.send(w, a, fault.Truncate)
}

func (s *Service) record(entry Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, entry)
}

func (s *Service) send(w http.ResponseWriter, a answer, truncate bool) {
	s.Answer(w.Header())
	for name, value := range a.header {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	if a.status == http.StatusNoContent {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if truncate {
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(a.body)
}

// wait lets d pass and reports whether the client has stayed. It waits even if
// the client has gone, so that what follows comes late.
func wait(r *http.Request, d time.Duration) bool {
	time.Sleep(d)
	return r.Context().Err() == nil
}
