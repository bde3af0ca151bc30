// Package ocistore keeps objects in a bucket of OCI Object Storage.
//
// It makes the SDK's calls, repeats those worth repeating, checks what comes
// back, and puts the service's answers into the store's terms. Where its
// credentials come from, and what the objects mean, is not its business.
package ocistore

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

// DefaultRetry is five tries within some eight seconds of waiting.
var DefaultRetry = retry.Policy{Attempts: 5, Base: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.5}

// defaultTimeout is long enough for the largest object over a slow line.
const defaultTimeout = time.Minute

// Options says which bucket, and how to reach it.
type Options struct {
	// Namespace is the tenancy's Object Storage namespace. Empty means that
	// the service is asked for it at the first use.
	Namespace string
	Bucket    string
	// Endpoint replaces the region's address; plain http for loopback only.
	Endpoint string
	// Timeout bounds one try with its transfer; zero means a minute.
	Timeout time.Duration
	// Retry says how often and how long apart a call is tried. The zero policy
	// means DefaultRetry.
	Retry retry.Policy
	// OnRetry, if not nil, is told of each failed try that is followed by
	// another. It may be called by several goroutines at once.
	OnRetry func(operation string, err error, delay time.Duration)
	// Transport carries the requests; nil means one of the store's own.
	Transport http.RoundTripper
}

// Store is a bucket.
type Store struct {
	o         Options
	region    string
	client    objectstorage.ObjectStorageClient
	namespace atomic.Pointer[string] // nil until it is known
	requests  atomic.Int64
	retries   atomic.Int64
}

var _ store.Store = (*Store)(nil)

// Open returns the store of a bucket. It makes no request: a wrong bucket or
// key is found out at the first use.
func Open(creds common.ConfigurationProvider, o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, fmt.Errorf("open bucket: %w: no name", store.ErrInvalid)
	}
	if o.Retry == (retry.Policy{}) {
		o.Retry = DefaultRetry
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	client, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(creds)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", o.Bucket, err)
	}
	s := &Store{o: o, client: client}
	s.region, _ = creds.Region() // checked by the constructor
	if o.Namespace != "" {
		s.namespace.Store(&o.Namespace)
	}
	err = ociclient.Configure(&s.client.BaseClient, creds, ociclient.Options{
		Endpoint: o.Endpoint, Transport: o.Transport, Requests: &s.requests,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", o.Bucket, err)
	}
	return s, nil
}

// String names the bucket as the user does. The namespace is missing until the
// service has been asked for it.
func (s *Store) String() string {
	namespace := ""
	if p := s.namespace.Load(); p != nil {
		namespace = *p
	}
	return "oci://" + namespace + "/" + s.o.Bucket
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Requests int // HTTP requests sent
	Retries  int // tries after the first
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	return Stats{Requests: int(s.requests.Load()), Retries: int(s.retries.Load())}
}

// target is what each request names.
type target struct{ namespace, bucket *string }

// target returns the namespace, asked for if need be, and the bucket. Racing
// callers may ask more than once; the answers are the same.
func (s *Store) target(ctx context.Context) (target, error) {
	p := s.namespace.Load()
	if p == nil {
		got, err := call(ctx, s, "look up the namespace of", "", func(ctx context.Context) (string, error) {
			resp, err := s.client.GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
			if err != nil {
				return "", err
			}
			return value(resp.Value), nil
		})
		if err != nil {
			return target{}, err
		}
		p = &got
		s.namespace.Store(p)
	}
	return target{p, &s.o.Bucket}, nil
}

// value is what p points to; the zero value if it is nil, as the SDK has it
// for a header that is missing.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
