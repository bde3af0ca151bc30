// Package ocistore keeps objects in a bucket of OCI Object Storage.
//
// It makes the SDK's calls, repeats those that may succeed later, checks the MD5
// of what it reads, and translates the service's responses into the errors of
// package store. It does not load credentials (package ociauth does), and knows no
// archive.
package ocistore

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

// defaultTimeout leaves time for a large object over a slow line.
const defaultTimeout = time.Minute

// Options names the bucket and configures the calls.
type Options struct {
	// Namespace is the tenancy's Object Storage namespace. If it is empty, the
	// first call asks the service for it.
	Namespace string
	Bucket    string
	// Prefix begins the names of all objects in the bucket, before a slash, if it is not
	// empty. So several archives can share a bucket.
	Prefix string
	// Endpoint replaces the region's address. Plain http works for loopback hosts
	// only.
	Endpoint string
	// Timeout bounds one attempt of a call; zero means one minute.
	Timeout time.Duration
	// Retry sets the number of attempts of a call and the delays between them; the
	// zero value means [ociclient.DefaultRetry].
	Retry retry.Policy
	// OnRetry, if not nil, is called before each delay, with the operation, the
	// error of the failed attempt and the delay. Several goroutines may call it at
	// once.
	OnRetry func(operation string, err error, delay time.Duration)
	// Transport sends the requests; nil means a new [ociclient.NewTransport].
	Transport http.RoundTripper
}

// Credentials sign the requests, and know the advice for those that the service refuses.
// Package ociauth has them.
type Credentials interface {
	common.ConfigurationProvider
	// SignatureAdvice returns what to check after a 401.
	SignatureAdvice() string
	// PolicyAdvice returns what to check if there is no permission for an action, as
	// the continuation of "check".
	PolicyAdvice(action string) string
}

// Store keeps objects in a bucket. Use [Open] to make one.
type Store struct {
	o         Options
	creds     Credentials
	region    string
	client    objectstorage.ObjectStorageClient
	namespace atomic.Pointer[string] // nil until it is known
}

var _ store.Store = (*Store)(nil)

// Open returns the store of a bucket. It makes no request, so a wrong bucket or
// key shows only at the first call. The error wraps store.ErrInvalid if the
// bucket's name is empty.
func Open(creds Credentials, o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, fmt.Errorf("open bucket: %w: the bucket's name is empty", store.ErrInvalid)
	}
	if o.Retry == (retry.Policy{}) {
		o.Retry = ociclient.DefaultRetry()
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	client, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(creds)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", o.Bucket, err)
	}
	s := &Store{o: o, creds: creds, client: client}
	s.region, _ = creds.Region() // the constructor has checked it
	if o.Namespace != "" {
		s.namespace.Store(&o.Namespace)
	}
	err = ociclient.Configure(&s.client.BaseClient, creds, ociclient.Options{
		Endpoint: o.Endpoint, Transport: o.Transport,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", o.Bucket, err)
	}
	return s, nil
}

// String returns oci://namespace/bucket, with /prefix if there is one. The namespace is
// empty until it is known.
func (s *Store) String() string {
	return strings.TrimSuffix("oci://"+deref(s.namespace.Load())+"/"+s.o.Bucket+"/"+s.o.Prefix, "/")
}

// Location returns the address of the bucket with the endpoint of the service, such as
// "oci://namespace/bucket at https://objectstorage.eu-stockholm-1.oraclecloud.com": the
// address alone may name a bucket in each region. If the namespace is not known, it
// asks the service for it.
func (s *Store) Location(ctx context.Context) (string, error) {
	if _, err := s.findNamespace(ctx); err != nil {
		return "", err
	}
	return s.String() + " at " + s.client.Endpoint(), nil
}

// target says which object a request is about, as the SDK takes it: object is the name in
// the bucket, or the prefix in the bucket of a list.
type target struct{ namespace, bucket, object *string }

// inBucket returns the name in the bucket of an object, or the prefix in the bucket of a
// list.
func (s *Store) inBucket(name string) string {
	if s.o.Prefix == "" {
		return name
	}
	return s.o.Prefix + "/" + name
}

// findNamespace returns the namespace. If it is not known, findNamespace asks the
// service for it; concurrent callers may all ask.
func (s *Store) findNamespace(ctx context.Context) (*string, error) {
	p := s.namespace.Load()
	if p == nil {
		namespace, err := call(ctx, s, "look up the namespace of", "", func(ctx context.Context) (string, error) {
			resp, err := s.client.GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
			if err != nil {
				return "", err
			}
			return deref(resp.Value), nil
		})
		if err != nil {
			return nil, err
		}
		p = &namespace
		s.namespace.Store(p)
	}
	return p, nil
}

// deref returns *p, or the zero value if p is nil. In the SDK's responses, nil
// stands for a missing header or field.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
