// Package ociclient changes how clients of the OCI SDK make calls: a call is one
// HTTP request, it ends with its context or its time limit, and its key always
// matches its token. Errors are one line with the service's response. SDK.md
// lists the traps of the SDK that this avoids.
//
// The package knows no operations of a service. Callers decide which calls to
// repeat.
package ociclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/transport"
)

// DefaultRetry returns a policy of five attempts with about eight seconds of delay between
// them.
func DefaultRetry() retry.Policy {
	return retry.Policy{Attempts: 5, Base: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.5}
}

// Domain is the domain in the addresses that the SDK makes for a region that it does not
// know.
const Domain = "oraclecloud.com"

// Options configures a client.
type Options struct {
	// Endpoint replaces the region's address, for example by
	// http://127.0.0.1:8080. Plain http works for loopback hosts only. If it is
	// empty, the address stays.
	Endpoint string
	// Transport sends the requests; nil means a new [NewTransport].
	Transport http.RoundTripper
}

// NewTransport returns a transport for many parallel calls to one service. It
// keeps their connections for reuse and does not decompress bodies, so that a
// body matches its checksum.
func NewTransport() *http.Transport {
	t := transport.New()
	t.MaxIdleConnsPerHost = t.MaxIdleConns // all calls go to one host
	t.DisableCompression = true
	return t
}

// Configure makes client send one request per call, signed with keys. After it,
// make all calls through [Try]; other calls fail. The error says that the endpoint
// is not valid.
//
// If keys has a method RealmDomain, as the credentials of package ociauth, its result
// replaces the domain of an address in a region that the SDK does not know.
//
// It turns off the SDK's retries, which ignore Retry-After, and its circuit
// breaker, which fails calls without sending them
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/retry.go,
// circuit_breaker.go). A PUT does not wait for "100 Continue", and a redirect
// is an error.
func Configure(client *common.BaseClient, keys common.KeyProvider, o Options) error {
	if o.Endpoint != "" {
		if err := checkEndpoint(o.Endpoint); err != nil {
			return err
		}
		client.Host = o.Endpoint
	} else if realm, ok := keys.(interface{ RealmDomain() string }); ok && realm.RealmDomain() != "" {
		client.Host = strings.TrimSuffix(client.Host, Domain) + realm.RealmDomain()
	}
	noRetry := common.NoRetryPolicy()
	client.Configuration.RetryPolicy = &noRetry
	client.Configuration.CircuitBreaker = nil
	client.Interceptor = func(r *http.Request) error {
		r.Header.Del("Expect")
		return nil
	}
	sender := o.Transport
	if sender == nil {
		sender = NewTransport()
	}
	d := NewDispatcher(sender)
	d.keys = keys
	client.HTTPClient, client.Signer = d, noSigner{}
	return nil
}

// checkEndpoint returns an error unless endpoint is a web URL without path and
// query.
func checkEndpoint(endpoint string) error {
	u, err := address.ParseHTTP(endpoint)
	if err != nil {
		return fmt.Errorf("service endpoint: %w", err)
	}
	if u.Path != "" || u.RawQuery != "" {
		return errors.New("service endpoint: the URL must not have a path or a query")
	}
	return nil
}

// attemptKey is the key of a context value: the context with which the Dispatcher
// sends a request. The SDK gets a context that never ends. If the SDK's context
// ended during a request, there would be a data race: a goroutine of common.Retry
// writes the response while common.Retry returns it
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/retry.go).
type attemptKey struct{}

var errTimeout = errors.New("no complete response within the time limit")

// Try makes one attempt: it calls op, and cancels the requests of op after
// timeout. op makes its SDK calls with the context that it gets, and reads their
// bodies before it returns. The error is an [*Error], or context.Cause(ctx) if
// ctx is done.
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

// Dispatcher is the HTTP client of an SDK client. It sends each request with the
// context of its [Try], and returns an [*Error] for any response that is not a
// success.
type Dispatcher struct {
	transport http.RoundTripper
	keys      common.KeyProvider // nil if it does not sign requests
}

// NewDispatcher returns a dispatcher that sends requests through sender without
// signing them.
func NewDispatcher(sender http.RoundTripper) *Dispatcher {
	return &Dispatcher{transport: sender}
}

// Do sends r, whose context must come from [Try].
func (d *Dispatcher) Do(r *http.Request) (*http.Response, error) {
	attempt, ok := r.Context().Value(attemptKey{}).(context.Context)
	if !ok {
		return nil, errors.New("the call was not made through ociclient.Try")
	}
	r = r.WithContext(attempt)
	if d.keys != nil {
		if err := sign(r, d.keys); err != nil {
			return nil, err
		}
	}
	// Without an http.Client: a redirected request would still have the signature for
	// the first host, and the client's error for an unreadable Location shows it.
	resp, err := d.transport.RoundTrip(r)
	if err != nil {
		return nil, text.HideQuoted(transport.Explain(err), secrets(r)...)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, readError(resp, secrets(r))
	}
	return resp, nil
}
