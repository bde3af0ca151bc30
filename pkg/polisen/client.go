// Package polisen is the Swedish police's events API: what an event is, how a
// response is read, which queries there are, and a client that keeps the API's
// rules for calls across all processes of a host
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/).
//
// It tells what came and drops nothing. What is new, and where it is kept, is
// not its business.
package polisen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"polisen-events-collector/pkg/retry"
)

// DefaultURL is the address of the API.
const DefaultURL = "https://polisen.se/api/events"

// FullResponse is the most events that the API gives in one response.
const FullResponse = 500

// attempts is the number of calls that one Fetch makes at most, apart from
// redirects that it follows.
const attempts = 4

// ErrSettings is wrapped by the errors of options and queries that cannot work.
var ErrSettings = errors.New("cannot fetch events with these settings")

// Options say where responses come from and how to ask for them.
type Options struct {
	// URL is the API's: https, or http for a loopback host, for a stand-in of
	// the API on this machine. A file:// URL or a path names a saved response,
	// gzip or not; then nothing below matters.
	URL string
	// UserAgent names the program and, by the API's rules, whom to contact.
	UserAgent string
	// StateDir is the folder for the call ledger, which all processes on this
	// host share. It is made if it is missing.
	StateDir string
	// MinInterval is the least time between two calls, and the delay before
	// the first retry, which then doubles. Zero means LeastInterval. Less is
	// for a loopback host only, and lifts the limits an hour and a day too.
	MinInterval time.Duration
	// LeaveRoom keeps the client's calls below the API's limits an hour and a
	// day, so that other runs on this host find room. It is for runs that make
	// many calls.
	LeaveRoom bool
	// RetryNotFound calls the API although an earlier call, perhaps of another
	// process, was answered with 404.
	RetryNotFound bool
	// OnWait, if not nil, is told before each wait: for the turn to call, or
	// before a retry, why then being the failure.
	OnWait func(d time.Duration, why string)
	// OnWarning, if not nil, is told once of each trouble that does not stop a
	// fetch, such as an unwritable StateDir.
	OnWarning func(text string)
	// Clock and Transport stand in for the machine's clock and a transport
	// that speaks TLS 1.2 or later and repeats no request; nil means those.
	Clock     retry.Clock
	Transport http.RoundTripper
}

// Client fetches responses of the API, or a saved one, and keeps the API's
// rules for calls. It is safe for concurrent use.
type Client struct {
	options Options
	base    *url.URL // nil for a saved response
	path    string   // of a saved response
	http    http.Client
	ledger  *ledger
}

// NewClient checks the options, without a call. Its errors are ErrSettings.
func NewClient(o Options) (*Client, error) {
	if o.Clock == nil {
		o.Clock = retry.System
	}
	path, isFile := filePath(o.URL)
	if isFile {
		return &Client{options: o, path: path}, nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: not a URL with a host, nor a file", ErrSettings)
	}
	if o.MinInterval == 0 {
		o.MinInterval = LeastInterval
	}
	loopback := isLoopback(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%w: cannot speak %q: https is needed", ErrSettings, u.Scheme)
	case u.Scheme == "http" && !loopback:
		return nil, fmt.Errorf("%w: http to %s: https is needed", ErrSettings, u.Host)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%w: the API's URL has no user, password or fragment", ErrSettings)
	case o.MinInterval < 0, o.MinInterval < LeastInterval && !loopback:
		return nil, fmt.Errorf("%w: an interval of %v: the API's rules ask for %v between calls", ErrSettings, o.MinInterval, LeastInterval)
	case o.UserAgent == "":
		return nil, fmt.Errorf("%w: no User-Agent: the API's rules ask for one with a contact", ErrSettings)
	case o.StateDir == "":
		return nil, fmt.Errorf("%w: no state folder for the call ledger", ErrSettings)
	}
	if o.OnWait == nil {
		o.OnWait = func(time.Duration, string) {}
	}
	if o.OnWarning == nil {
		o.OnWarning = func(string) {}
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	host := strings.TrimSuffix(u.Hostname(), ".") // the same host with and without it
	if loopback {
		host = u.Host // several stand-ins may run on one machine
	}
	return &Client{
		options: o,
		base:    u,
		http: http.Client{
			Transport: o.Transport,
			// A redirect is a call, which has to wait for its turn.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		ledger: &ledger{
			path: ledgerPath(o.StateDir, host), rules: rules(o.MinInterval, o.LeaveRoom), yields: o.LeaveRoom,
			clock: o.Clock, onWarn: o.OnWarning, busy: make(chan struct{}, 1),
		},
	}, nil
}

// newTransport returns a transport that sends each request once. On a reused
// connection and over HTTP/2 (REFUSED_STREAM, GOAWAY) Go's transport repeats a
// request on its own, and such calls would be neither counted nor ten seconds
// apart.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	return t
}

// filePath returns the path that a file:// URL or a plain path names.
func filePath(text string) (path string, ok bool) {
	scheme, rest, isURL := strings.Cut(text, "://")
	switch {
	case !isURL:
		return text, text != ""
	case scheme != "file":
		return "", false
	}
	if u, err := url.Parse(text); err == nil && (u.Host == "" || u.Host == "localhost") {
		return u.Path, true
	}
	return rest, true // no such file, which is what the user is told
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Response is what a Fetch got, and what that took.
type Response struct {
	// Events and Rejected are the items, in the order of the response.
	Events   []Event
	Rejected []Rejected
	// WireBytes is the size of the body as received, Bytes its size without
	// compression.
	WireBytes, Bytes int64
	// Calls counts the calls made, with retries and redirects.
	Calls int
	// Waited is the time spent waiting for turns and between tries.
	Waited time.Duration
	// Timings are those of the call that succeeded.
	Timings Timings
	// FetchedAt is when the body had come whole.
	FetchedAt time.Time
}

// Timings are the parts of one call. A part that a call did not need, such as
// connecting anew, is zero.
type Timings struct {
	DNS, Connect, TLS time.Duration
	// Wait is from the request's last byte to the response's first, Transfer
	// from there to its last.
	Wait, Transfer time.Duration
}

// Fetch gets one response. The API is called again after connection errors, 429,
// 5xx and bodies that are no response, such as an array without events in
// answer to the zero Query: four times at most, MinInterval, twice and four
// times that apart, or later if the API says so. Every call waits for its turn
// among those of all processes on this host.
//
// The Response is never nil: with an error it holds no items, and tells of
// Calls and Waited all the same. Beside those of the last call (*StatusError,
// *BodyError, and the transport's) errors are ErrRefused if no call was made,
// ErrSettings, retry.ErrNoTime beside the last call's, and ctx's cause. A saved
// response is read once; a Query of it is ErrSettings.
func (c *Client) Fetch(ctx context.Context, q Query) (*Response, error) {
	if c.base == nil {
		return c.readSaved(q)
	}
	if err := q.check(); err != nil {
		return new(Response), err
	}
	f := &fetch{Client: c, query: q}
	policy := retry.Policy{Attempts: attempts, Base: c.options.MinInterval, Clock: c.options.Clock}
	_, err := retry.Do(ctx, policy, retryable, f.try, f.beforeRetry)
	return &f.response, err
}

// retryable reports whether a call that failed with err may be made again: if
// its failure may pass by itself, and repeating it breaks no rule of the API.
func retryable(err error) bool {
	if errors.Is(err, ErrRefused) || errors.Is(err, errNotAgain) || errors.Is(err, errRedirect) {
		return false
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		return s.Status == http.StatusTooManyRequests || s.Status >= 500
	}
	// A wrong certificate is a wrong address or an attack, not weather.
	_, wrongCert := errors.AsType[*tls.CertificateVerificationError](err)
	return !wrongCert
}
