// Package ocitest fakes the OCI Object Storage service: an http.Handler that
// keeps the objects of a namespace in memory. It makes the checks of the real
// service (signature, clock, condition, length, checksum) and fails by a script.
//
// It emulates only the operations that ocistore uses and rejects all other
// requests, so that a test notices them. Other clients can use these operations too,
// such as rclone and the SDK for Node.js.
package ocitest

import (
	"net/http"
	"sync"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Service is the fake service. Its fields must be set before the first request.
type Service struct {
	*ociauthtest.Handler
	Namespace string

	mu      sync.Mutex
	buckets map[string]bucket
}

// Fault is a scripted failure, see [ociauthtest.Handler.Script].
type Fault = ociauthtest.Fault

// Forever is a number of times for Fault.Times that no test reaches.
const Forever = ociauthtest.Forever

// New returns a service for the namespace with these empty buckets. It accepts
// requests that v accepts.
func New(v *ociauthtest.Verifier, namespace string, buckets ...string) *Service {
	s := &Service{Handler: &ociauthtest.Handler{Verifier: v}, Namespace: namespace, buckets: map[string]bucket{}}
	for _, name := range buckets {
		s.buckets[name] = bucket{}
	}
	s.Serve = func(r *http.Request, body []byte) ociauthtest.Response {
		if err := v.Check(r, body, ociauthtest.SignedHead); err != nil {
			return ociauthtest.NotAuthenticated(err)
		}
		return s.serve(r, body)
	}
	return s
}
