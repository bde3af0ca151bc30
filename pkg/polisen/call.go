package polisen

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"polisen-events-collector/pkg/retry"
)

const (
	// maxBody bounds a body without compression: 150 times the largest
	// response seen.
	maxBody = 32 << 20
	// maxSnippet bounds what is read of an answer that is no success.
	maxSnippet = 4 << 10
	// callTimeout bounds one call, from connecting to the body's last byte.
	callTimeout  = time.Minute
	maxRedirects = 3
)

var (
	errSlow     = fmt.Errorf("no whole answer within %v", callTimeout)
	errRedirect = errors.New("redirect not followed")
)

// StatusError is an answer of the API that is not 200.
type StatusError struct {
	Status int
	// Delay is what the answer's Retry-After asks for; zero if nothing.
	Delay time.Duration
	// Snippet is the beginning of the body, or its title if it is HTML,
	// quoted; may be empty.
	Snippet string
}

var _ retry.Delayer = (*StatusError)(nil)

// RetryAfter returns e.Delay.
func (e *StatusError) RetryAfter() time.Duration { return e.Delay }

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the API answered %d %s", e.Status, http.StatusText(e.Status))
	switch e.Status {
	case http.StatusForbidden:
		text += " (blocked: check the User-Agent and its contact, and do not call more often)"
	case http.StatusNotFound:
		text += " (permanent by the API's rules: check the URL)"
	case http.StatusTooManyRequests:
		text += " (too many calls: does something else on this network call the API?)"
	}
	if e.Snippet != "" {
		text += ": " + e.Snippet
	}
	return text
}

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
			return nil, fmt.Errorf("%w; the call before failed: %w", err, f.last)
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
func (f *fetch) call(ctx context.Context, u *url.URL, answered func(status int)) (next *url.URL, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errSlow)
	defer cancel()
	defer func() { // the cause says more than what the transport makes of it
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("call %s: %w", u.Host, context.Cause(ctx))
		}
	}()
	trace := &callTrace{now: f.options.Clock.Now}
	answer, err := f.send(trace.with(ctx), u)
	if err != nil {
		answered(0)
		return nil, err
	}
	answered(answer.StatusCode)
	defer answer.Body.Close()

	switch answer.StatusCode {
	case http.StatusOK:
		return nil, f.receive(answer, trace)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return redirectTarget(u, answer.Header.Get("Location"))
	}
	return nil, &StatusError{
		Status:  answer.StatusCode,
		Delay:   retry.ParseAfter(answer.Header, f.options.Clock.Now()),
		Snippet: snippet(answer),
	}
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

// receive reads the body of a successful answer.
func (f *fetch) receive(answer *http.Response, trace *callTrace) error {
	r := &f.response
	wire := &countingReader{r: answer.Body}
	body, err := readBody(wire, answer.Header.Get("Content-Encoding") == "gzip")
	r.WireBytes, r.Bytes = wire.n, int64(len(body))
	if err != nil {
		return err
	}
	r.FetchedAt = f.options.Clock.Now()
	r.Timings = trace.timings(r.FetchedAt)
	events, rejected, err := Parse(body)
	if err != nil {
		return err
	}
	if len(events)+len(rejected) == 0 && f.query.IsZero() && f.base.RawQuery == "" {
		return &BodyError{Kind: BodyNoEvents}
	}
	r.Events, r.Rejected = events, rejected
	return nil
}

// readBody reads a body to its end. Its errors are *BodyError if something came
// that is no whole body, else r's.
func readBody(r io.Reader, zipped bool) ([]byte, error) {
	if zipped {
		plain, err := gzip.NewReader(r)
		if errors.Is(err, io.EOF) {
			return nil, &BodyError{Kind: BodyEmpty}
		}
		if err != nil {
			return nil, readError(err)
		}
		r = plain
	}
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case err != nil:
		return body, readError(err)
	case len(body) > maxBody:
		return body, &BodyError{Kind: BodyTooLarge}
	}
	return body, nil
}

func readError(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &BodyError{Kind: BodyCutShort, Err: err}
	case corrupt, errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return &BodyError{Kind: BodyBadGzip, Err: err}
	}
	return fmt.Errorf("read the response: %w", err)
}

// snippet shows the beginning of the body of an answer that is no success.
func snippet(answer *http.Response) string {
	text, _ := readBody(io.LimitReader(answer.Body, maxSnippet), answer.Header.Get("Content-Encoding") == "gzip")
	return describe(text)
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

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// readSaved reads a saved response.
func (c *Client) readSaved(q Query) (*Response, error) {
	r := new(Response)
	if !q.IsZero() {
		return r, fmt.Errorf("%w: a saved response cannot be queried", ErrSettings)
	}
	err := func() error {
		file, err := os.Open(c.path)
		if err != nil {
			return err
		}
		defer file.Close()
		wire := &countingReader{r: file}
		buffered := bufio.NewReader(wire)
		magic, _ := buffered.Peek(2)
		body, err := readBody(buffered, string(magic) == "\x1f\x8b")
		if err != nil {
			return err
		}
		r.WireBytes, r.Bytes = wire.n, int64(len(body))
		r.FetchedAt = c.options.Clock.Now()
		r.Events, r.Rejected, err = Parse(body)
		if err == nil && len(r.Events)+len(r.Rejected) == 0 {
			err = &BodyError{Kind: BodyNoEvents}
		}
		return err
	}()
	if err != nil {
		return r, fmt.Errorf("read the saved response %s: %w", c.path, err)
	}
	return r, nil
}
