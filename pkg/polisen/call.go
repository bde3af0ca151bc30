package polisen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/transport"
)

// callTimeout is the longest time of one call, from connecting to the last byte of
// the body.
const callTimeout = time.Minute

// maxRedirects is the largest number of redirects that a try follows.
const maxRedirects = 3

var (
	errSlow     = fmt.Errorf("no complete response within %v", callTimeout)
	errRedirect = errors.New("redirect not followed")
	errNoRetry  = errors.New("no retry") // the limits forbid another call
)

// fetch is the state of one [Client.Fetch].
type fetch struct {
	*Client
	query    Query
	response Response // of all tries
	kept     Response // of the last cut answer that held an event
	lastErr  error    // of the previous try
}

// beforeRetry is called before the delay d that follows a failed try.
func (f *fetch) beforeRetry(err error, d time.Duration) {
	f.lastErr = err
	f.onWait(d, "before a retry: "+err.Error())
}

// onWait is called before each wait.
func (f *fetch) onWait(d time.Duration, reason string) {
	f.response.Waited += d
	f.options.OnWait(d, reason)
}

// try makes one call and follows redirects. A 404 counts for the address of the first
// call.
func (f *fetch) try(ctx context.Context) (*Response, error) {
	u := f.target(f.query)
	var called, shown []string
	for range 1 + maxRedirects {
		called, shown = append(called, u.String()), append(shown, shownURL(u))
		allowed, err := f.limiter.Wait(ctx, called[0], f.onWait)
		switch {
		case err != nil && f.lastErr != nil && ctx.Err() == nil:
			// The error does not wrap err, but only contains its message, since
			// ErrExceeded would mean that Fetch made no call.
			return nil, fmt.Errorf("%w; %w: %v", f.lastErr, errNoRetry, err)
		case err != nil:
			return nil, err
		}
		f.response.Calls++
		next, err := f.call(ctx, u, allowed)
		if err != nil || next == nil {
			return &f.response, err
		}
		u = next
		if slices.Contains(called, u.String()) {
			return nil, fmt.Errorf("%w: the redirects form a loop: %s, %s; check the API's URL", errRedirect, strings.Join(shown, ", "), shownURL(u))
		}
	}
	return nil, fmt.Errorf("%w: %d redirects in a row: %s, %s; check the API's URL", errRedirect, maxRedirects+1, strings.Join(shown, ", "), shownURL(u))
}

// target returns the API's URL with the query q added.
func (c *Client) target(q Query) *url.URL {
	u := *c.base
	if u.RawQuery != "" && !q.IsZero() {
		u.RawQuery += "&"
	}
	u.RawQuery += q.Encode()
	return &u
}

// call makes one call. If the answer is a redirect, it returns the next address.
func (f *fetch) call(ctx context.Context, u *url.URL, allowed *ratelimit.Call) (next *url.URL, err error) {
	callCtx, cancel := context.WithTimeoutCause(ctx, callTimeout, errSlow)
	defer cancel()
	defer func() {
		if err == nil {
			return
		}
		// A context's cause explains more than the transport's error. But a
		// StatusError explains more than the timeout of reading its body.
		_, hasStatus := errors.AsType[*StatusError](err)
		if ctx.Err() != nil || callCtx.Err() != nil && !hasStatus {
			err = context.Cause(callCtx)
		}
		if f.base.RawQuery != "" {
			hideText(err)
		}
		err = fmt.Errorf("call %s: %w", u.Host, err)
		if body, ok := errors.AsType[*BodyError](err); ok && body.Kind == BodyHTML {
			err = fmt.Errorf("%w; check the API's URL, and whether a proxy answers in its place", err)
		}
	}()
	trace := &callTrace{now: f.options.Clock.Now}
	answer, err := f.send(trace.withHooks(callCtx), u)
	if err != nil {
		allowed.Done(ratelimit.Answer{})
		return nil, err
	}
	retryAfter := retry.ParseAfter(answer.Header, f.options.Clock.Now())
	date, _ := http.ParseTime(answer.Header.Get("Date")) // zero without a valid date
	allowed.Done(ratelimit.Answer{Status: answer.StatusCode, RetryAfter: retryAfter, Date: date})
	defer answer.Body.Close()

	switch answer.StatusCode {
	case http.StatusOK:
		return nil, f.receive(answer.Body, unaskedEncoding(answer.Header), trace)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return redirectTarget(u, answer.Header.Get("Location"))
	}
	failed := &StatusError{Status: answer.StatusCode, Delay: retryAfter}
	if unaskedEncoding(answer.Header) == "" {
		failed.Snippet = snippet(answer.Body)
	}
	return nil, failed
}

// hideText removes the text of an answer from err. The answer may repeat the query of the
// API's URL, which may hold a token.
func hideText(err error) {
	if status, ok := errors.AsType[*StatusError](err); ok {
		status.Snippet = ""
	}
	if body, ok := errors.AsType[*BodyError](err); ok && body.Kind != BodyEncoded {
		body.Excerpt = ""
	}
}

// unaskedEncoding returns the encoding of an answer's body as one line, if the request
// did not ask for it. Otherwise it returns the empty string.
func unaskedEncoding(h http.Header) string {
	encoding := strings.Join(h.Values("Content-Encoding"), ", ")
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "gzip", "x-gzip", "identity":
		return ""
	}
	return text.Short(encoding, 40)
}

// send sends the request. It returns the answer when its header has arrived.
func (f *fetch) send(ctx context.Context, u *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", f.options.UserAgent)
	req.Header.Set("Accept", "application/json")
	// Because of this header the transport does not decompress the body, so that
	// WireBytes can be counted.
	req.Header.Set("Accept-Encoding", "gzip")
	// Without an http.Client: Fetch follows redirects itself, since each is a call for
	// the rate limiter, and the client's error for an unreadable Location shows it.
	answer, err := f.options.Transport.RoundTrip(req)
	if err != nil {
		return nil, text.HideQuoted(transport.Explain(err))
	}
	return answer, nil
}

// redirectTarget returns the address that a redirect leads to. The error wraps
// errRedirect if it is on another host or port, or leads from https to http. A name in
// other letters, with a final dot or with the default port is the same host.
func redirectTarget(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" || location == "" {
		return nil, fmt.Errorf("%w: its target is not a web address; check the API's URL", errRedirect)
	}
	switch {
	case canonicalHost(to) != canonicalHost(from):
		return nil, fmt.Errorf("%w: it leads to %s, which is not on %s; check the API's URL", errRedirect, shownURL(to), from.Host)
	case to.Scheme != from.Scheme && to.Scheme != "https":
		return nil, fmt.Errorf("%w: it leads from https to %s; check the API's URL", errRedirect, shownURL(to))
	case to.Scheme == from.Scheme:
		to.Host = from.Host
	}
	return to, nil
}

// canonicalHost returns the host of u in lower case, without a final dot, and its port,
// unless that is the default of the scheme.
func canonicalHost(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	return net.JoinHostPort(host, port)
}

// shownURL returns u for a message, without the user and the query, which may hold a
// password.
func shownURL(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return excerpt([]byte(shown.String()))
}
