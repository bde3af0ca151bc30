package polisen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"polisen-events-collector/pkg/retry"
)

const (
	// callTimeout bounds one call, from connecting to the body's last byte.
	callTimeout  = time.Minute
	maxRedirects = 3
)

var (
	errSlow     = fmt.Errorf("no whole answer within %v", callTimeout)
	errRedirect = errors.New("redirect not followed")
	errNotAgain = errors.New("not called again")
)

// fetch is one Fetch of a client: its tries fill in the one Response.
type fetch struct {
	*Client
	query    Query
	response Response
	last     error // of the try before this one
}

// beforeRetry tells of a failed try and counts the wait for the next.
func (f *fetch) beforeRetry(err error, d time.Duration) {
	f.last = err
	f.wait(d, "to try again: "+err.Error())
}

func (f *fetch) wait(d time.Duration, why string) {
	f.response.Waited += d
	f.options.OnWait(d, why)
}

// try makes one call, and those that redirects ask for.
func (f *fetch) try(ctx context.Context) (*Response, error) {
	u := f.target(f.query)
	for range 1 + maxRedirects {
		answered, err := f.ledger.turn(ctx, f.resource(), f.options.RetryNotFound, f.wait)
		switch {
		case err != nil && f.last != nil && ctx.Err() == nil:
			// A call was made, so this is no ErrRefused.
			return nil, fmt.Errorf("%w; %w: %v", f.last, errNotAgain, err)
		case err != nil:
			return nil, err
		}
		f.response.Calls++
		next, err := f.call(ctx, u, answered)
		if err != nil || next == nil {
			return &f.response, err
		}
		u = next
	}
	return nil, fmt.Errorf("%w: %d came in a row", errRedirect, maxRedirects+1)
}

// resource is the URL that a 404 condemns: that of the API, without a query.
func (f *fetch) resource() string {
	u := *f.base
	u.RawQuery = ""
	return u.String()
}

// target is the address that a fetch of q calls.
func (c *Client) target(q Query) *url.URL {
	u := *c.base
	if u.RawQuery != "" && !q.IsZero() {
		u.RawQuery += "&"
	}
	u.RawQuery += q.Encode()
	return &u
}

// call makes one call. It returns where to go if the answer is a redirect.
func (f *fetch) call(ctx context.Context, u *url.URL, answered func(status int, delay time.Duration)) (next *url.URL, err error) {
	run := ctx
	ctx, cancel := context.WithTimeoutCause(run, callTimeout, errSlow)
	defer cancel()
	defer func() { // the cause says more than what the transport makes of it
		_, refused := errors.AsType[*StatusError](err) // and less than this: the time was up while its body came
		if err != nil && (run.Err() != nil || ctx.Err() != nil && !refused) {
			err = fmt.Errorf("call %s: %w", u.Host, context.Cause(ctx))
		}
	}()
	trace := &callTrace{now: f.options.Clock.Now}
	answer, err := f.send(trace.with(ctx), u)
	if err != nil {
		answered(0, 0)
		return nil, err
	}
	delay := retry.ParseAfter(answer.Header, f.options.Clock.Now())
	answered(answer.StatusCode, delay)
	defer answer.Body.Close()

	switch answer.StatusCode {
	case http.StatusOK:
		return nil, f.receive(answer, trace)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return redirectTarget(u, answer.Header.Get("Location"))
	}
	return nil, &StatusError{Status: answer.StatusCode, Delay: delay, Snippet: snippet(answer)}
}

func (f *fetch) send(ctx context.Context, u *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", f.options.UserAgent)
	req.Header.Set("Accept", "application/json")
	// Set here so that the transport leaves the body, and its size, alone.
	req.Header.Set("Accept-Encoding", "gzip")
	return f.http.Do(req)
}

// redirectTarget returns where a redirect leads, if it may be followed: to the
// same host, and not from https to http.
func redirectTarget(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("%w: its target is %s", errRedirect, excerpt([]byte(location)))
	}
	if to.Host != from.Host || to.Scheme != from.Scheme && to.Scheme != "https" {
		return nil, fmt.Errorf("%w: %s is not https on %s; check the API's URL", errRedirect, excerpt([]byte(to.Redacted())), from.Host)
	}
	return to, nil
}
