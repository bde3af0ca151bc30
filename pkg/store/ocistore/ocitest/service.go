// Package ocitest is a fake of the OCI Object Storage service: an http.Handler
// that keeps one namespace's objects in memory, checks what the service checks
// (signatures, clocks, conditions, lengths, checksums), and fails on demand.
//
// It emulates the few operations that the store uses and refuses everything
// else, so that a request the store should not make is seen.
package ocitest

import (
	"net/http"
	"sync"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Service is the fake. Its fields are set before the first request.
type Service struct {
	*ociauthtest.Front
	Namespace string

	mu      sync.Mutex
	buckets map[string]bucket
}

// Fault is one scripted misbehaviour; see Script.
type Fault = ociauthtest.Fault

// Forever is a number of Times that no test reaches.
const Forever = ociauthtest.Forever

// On picks requests by method and by a part of their path; both may be empty,
// which fits all.
func On(method, part string) func(*http.Request) bool { return ociauthtest.On(method, part) }

// New returns a service of the namespace with these empty buckets. The callers
// are those that v trusts.
func New(v *ociauthtest.Verifier, namespace string, buckets ...string) *Service {
	s := &Service{Front: &ociauthtest.Front{Verifier: v}, Namespace: namespace, buckets: map[string]bucket{}}
	for _, name := range buckets {
		s.buckets[name] = bucket{}
	}
	s.Serve = func(r *http.Request, body []byte) ociauthtest.Answer {
		if err := v.Check(r, body, ociauthtest.SignedHead); err != nil {
			return ociauthtest.NotAuthenticated(err)
		}
		return s.serve(r, body)
	}
	return s
}
