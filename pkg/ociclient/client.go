// Package ociclient makes the clients of the OCI SDK behave: one HTTP request
// a call, cancelled when its context is, within a time limit, signed with a key
// and the token that belongs to it, and errors that say in one line what the
// service answered.
//
// It does not know any service's operations, nor how often a call is worth
// repeating: the packages that make the calls do.
package ociclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Options says how a client reaches its service.
type Options struct {
	// Endpoint replaces the region's address, such as http://127.0.0.1:8080.
	// Empty leaves it. Plain http is refused unless the host is loopback.
	Endpoint string
	// Transport carries the requests; nil means a new NewTransport.
	Transport http.RoundTripper
	// Requests counts the requests sent, if not nil.
	Requests *atomic.Int64
}

// NewTransport returns a transport fit for the object store's parallel calls:
// connections are kept for reuse, and bodies arrive as they are stored, never
// decompressed on the way.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = t.MaxIdleConns // all calls go to one host
	t.DisableCompression = true
	return t
}

// Configure makes client send one request a call, signed with keys: the SDK's
// own retries (up to 8 tries, deaf to Retry-After) and circuit breaker are off,
// PUT does not wait for a "100 Continue", and redirects are errors. Calls must
// go through Try.
func Configure(client *common.BaseClient, keys common.KeyProvider, o Options) error {
	if o.Endpoint != "" {
		if err := checkEndpoint(o.Endpoint); err != nil {
			return err
		}
		client.Host = o.Endpoint
	}
	once := common.NoRetryPolicy()
	client.Configuration.RetryPolicy = &once
	client.Configuration.CircuitBreaker = nil
	client.Interceptor = func(r *http.Request) error {
		r.Header.Del("Expect")
		return nil
	}
	transport := o.Transport
	if transport == nil {
		transport = NewTransport()
	}
	d := NewDispatcher(transport, o.Requests)
	d.keys = keys
	client.HTTPClient, client.Signer = d, unsigned{}
	return nil
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	loopback := ip.IsLoopback() || u.Hostname() == "localhost"
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback):
		return fmt.Errorf("endpoint %q: must begin with https:// (http:// is for loopback hosts only)", endpoint)
	case u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("endpoint %q: must be a scheme and a host alone", endpoint)
	}
	return nil
}

// attemptKey is where a context carries the attempt's own context to the
// dispatcher. The SDK itself must not see a context end: its watch on it races
// with the request (common.Retry writes the response while the caller, its
// context done, reads it).
type attemptKey struct{}

var errTimeout = errors.New("no complete answer in time")

// Try runs op, which makes SDK calls with the context it is given and consumes
// their bodies, and ends it after timeout. The error is an *Error, except that
// once ctx is done it wraps context.Cause(ctx).
func Try[T any](ctx context.Context, timeout time.Duration, op func(context.Context) (T, error)) (T, error) {
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := op(context.WithValue(context.WithoutCancel(ctx), attemptKey{}, attempt))
	if err == nil {
		return v, nil
	}
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return v, e
	}
	if attempt.Err() != nil {
		err = fmt.Errorf("%w (%v)", errTimeout, timeout)
	}
	return v, &Error{cause: err}
}

// Dispatcher sends requests for the SDK: under the context of their Try, and
// with an *Error in place of any response that is not a success.
type Dispatcher struct {
	client   http.Client
	requests *atomic.Int64
	keys     common.KeyProvider // signs the requests; nil sends them as they are
}

// NewDispatcher returns a dispatcher over transport, which counts the requests
// if requests is not nil. It signs none.
func NewDispatcher(transport http.RoundTripper, requests *atomic.Int64) *Dispatcher {
	// A redirected request would not be signed for where it ends up.
	none := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Dispatcher{client: http.Client{Transport: transport, CheckRedirect: none}, requests: requests}
}

// Do sends r, whose context must come from Try.
func (d *Dispatcher) Do(r *http.Request) (*http.Response, error) {
	attempt, ok := r.Context().Value(attemptKey{}).(context.Context)
	if !ok {
		return nil, errors.New("the call was not made through Try")
	}
	r = r.WithContext(attempt)
	if d.keys != nil {
		if err := sign(r, d.keys); err != nil {
			return nil, err
		}
	}
	if d.requests != nil {
		d.requests.Add(1)
	}
	resp, err := d.client.Do(r)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the operation is named elsewhere, and better than by its URL
		}
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}
