// Package polisen fetches and parses responses of the Swedish police's events API
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/api-over-polisens-handelser/).
// Its [Client] keeps the API's call limits.
//
// It keeps every item of a response, in order. It does not know which events are
// new, or where they are stored.
package polisen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/transport"
)

// FullResponse is the largest number of events in one response of the API.
const FullResponse = 500

// attempts is the largest number of calls of one Fetch, not counting redirects.
const attempts = 4

// ErrSettings is wrapped by the errors of invalid options and queries.
var ErrSettings = errors.New("cannot fetch events with these settings")

// Options are the settings of a [Client].
type Options struct {
	// URL is the address of the API. It must be one that [address.ParseHTTP]
	// accepts.
	URL string
	// UserAgent names the program and a contact, as the API's rules ask
	// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/regler-for-oppna-data/).
	UserAgent string
	// StateDir is the folder of the rate limiter's file. All processes on this
	// host must use the same folder. The client creates it if it is missing.
	StateDir string
	// MinInterval is the shortest time between two calls, and the delay before
	// the first retry. Zero means [ratelimit.MinInterval]. A shorter interval is
	// for a fake API in tests: it is allowed for a loopback host only, and lifts
	// the hourly and daily limits.
	MinInterval time.Duration
	// LeaveRoom is for runs that make many calls. It lets other runs on this
	// host call first; see [ratelimit.Options].
	LeaveRoom bool
	// RetryNotFound allows calls even if the API answered 404 before.
	RetryNotFound bool
	// OnWait is called before each wait with its length and its reason. It may be
	// nil.
	OnWait func(d time.Duration, reason string)
	// OnWarning is called once for each kind of problem with the state folder. It
	// may be nil.
	OnWarning func(text string)
	// Clock is the clock to use; nil means the machine's.
	Clock retry.Clock
	// Transport sends the requests. Nil means a transport that uses TLS 1.2 or
	// later and sends each request once.
	Transport http.RoundTripper
}

// Client fetches responses of the API. It keeps the API's call limits together
// with all other processes on this host. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL
	limiter *ratelimit.Limiter
}

// NewClient returns a client. It makes no call. The error wraps [ErrSettings].
func NewClient(o Options) (*Client, error) {
	u, err := address.ParseHTTP(o.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: the API's URL: %w", ErrSettings, err)
	}
	if o.MinInterval == 0 {
		o.MinInterval = ratelimit.MinInterval
	}
	loopback := address.IsLoopback(u.Hostname())
	switch {
	case o.MinInterval < 0, o.MinInterval < ratelimit.MinInterval && !loopback:
		return nil, fmt.Errorf("%w: an interval of %v: the API's rules ask for %v between calls", ErrSettings, o.MinInterval, ratelimit.MinInterval)
	case o.UserAgent == "":
		return nil, fmt.Errorf("%w: no User-Agent: the API's rules ask for one with a contact", ErrSettings)
	case o.StateDir == "":
		return nil, fmt.Errorf("%w: no state folder for the list of recent calls", ErrSettings)
	}
	if o.OnWait == nil {
		o.OnWait = func(time.Duration, string) {}
	}
	if o.Clock == nil {
		o.Clock = retry.System
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	host := strings.TrimSuffix(u.Hostname(), ".") // a name with a final dot is the same host
	if loopback {
		host = u.Host // with the port, since one machine may run several fake APIs
	}
	return &Client{
		options: o,
		base:    u,
		limiter: ratelimit.New(ratelimit.Options{
			Dir: o.StateDir, Host: host, Interval: o.MinInterval, LeaveRoom: o.LeaveRoom,
			RetryNotFound: o.RetryNotFound, OnWarning: o.OnWarning, Clock: o.Clock,
		}),
	}, nil
}

// newTransport returns a transport that sends each request once. By default Go's
// transport repeats a request on a reused connection and over HTTP/2
// (REFUSED_STREAM, GOAWAY), and the rate limiter would not count those calls.
func newTransport() *http.Transport {
	t := transport.New()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	return t
}

// URL returns the address that Fetch calls for q.
func (c *Client) URL(q Query) string { return c.target(q).String() }

// Delay returns the shortest time until the last of n calls is allowed; see
// [ratelimit.Limiter.Delay].
func (c *Client) Delay(n int) time.Duration { return c.limiter.Delay(n) }

// CallsLeft returns the numbers of calls that the hourly and the daily limit of the API
// still allow; see [ratelimit.Limiter.CallsLeft].
func (c *Client) CallsLeft() (hour, day int, ok bool) { return c.limiter.CallsLeft() }

// Fetch fetches the response to q. It waits for the rate limiter before each call.
// After a connection error, a status of 408, 425, 429 or 5xx, or a body that is cut or
// is not an array, it calls again, at most four times in all. The delays are
// MinInterval, then twice and four times as long, or longer if the API asks for it. A
// response without items is an error if the call had no query, since there are always
// newest events.
//
// If no answer is whole, but one of them held events, Fetch returns the items of the last
// such answer, with the error as Cut. They lack the last one if only a part of it was
// received, since a later response has it whole.
//
// The Response is never nil. With an error it has no items, but Calls and Waited
// are set. The error wraps
//   - [ErrSettings], if q is invalid;
//   - [ratelimit.ErrExceeded], if the limits forbid the first call;
//   - the error of the last call, which is a [*StatusError], a [*BodyError] or an
//     error of the transport; also [retry.ErrNoTime], if another call would come
//     after ctx's deadline;
//   - ctx's cause, if ctx ends.
func (c *Client) Fetch(ctx context.Context, q Query) (*Response, error) {
	if err := q.check(); err != nil {
		return new(Response), err
	}
	f := &fetch{Client: c, query: q}
	policy := retry.Policy{Attempts: attempts, Base: c.options.MinInterval, Clock: c.options.Clock}
	_, err := retry.Do(ctx, policy, retryable, f.try, f.beforeRetry)
	if err != nil && len(f.kept.Events) > 0 && ctx.Err() == nil {
		f.kept.Calls, f.kept.Waited, f.kept.Cut = f.response.Calls, f.response.Waited, err
		return &f.kept, nil
	}
	return &f.response, err
}

// retryable reports whether Fetch may call again after err: the failure may be
// temporary, and the API's rules allow another call.
func retryable(err error) bool {
	if errors.Is(err, ratelimit.ErrExceeded) || errors.Is(err, errNoRetry) || errors.Is(err, errRedirect) {
		return false
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		switch s.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return true
		}
		return s.Status >= 500
	}
	return !transport.IsPermanent(err)
}
