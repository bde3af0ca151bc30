package polisen

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxBody is the size in bytes of the largest decompressed body that is read. It is
// 150 times the size of the largest response ever recorded.
const maxBody = 32 << 20

// Response is one response of the API, with the number of calls and the time that
// it took.
type Response struct {
	// Events and Rejected are the items, in the order of the response.
	Events   []Event
	Rejected []Rejected
	// Cut is the error of a response that is cut, or that is not an array, and of which
	// Events and Rejected are the items that could be read. It is nil for a whole
	// response.
	Cut error
	// Warning says what is unusual about a response that could be read nevertheless. It
	// is empty or one line.
	Warning string
	// WireBytes is the size of the body as received, Bytes its size after
	// decompression.
	WireBytes, Bytes int64
	// FetchedAt is the time at which the body was complete.
	FetchedAt time.Time

	// Calls is the number of calls, including retries and redirects.
	Calls int
	// Waited is the time that Fetch waited for the rate limiter and before
	// retries.
	Waited time.Duration
	// Timings are the timings of the call that succeeded.
	Timings Timings
}

// Items returns the number of items.
func (r *Response) Items() int { return len(r.Events) + len(r.Rejected) }

// IsFull reports whether the response has as many items as one can have, so that the API
// may have more of them.
func (r *Response) IsFull() bool { return r.Items() >= FullResponse }

// Timings are the durations of the phases of one call. A phase that the call did
// not need is zero.
type Timings struct {
	DNS, Connect, TLS time.Duration
	// Wait is the time from the last byte of the request to the first byte of
	// the response, Transfer from there to its last byte.
	Wait, Transfer time.Duration
}

// ReadResponse reads body to its end and parses it; see [Parse]. It decompresses gzip.
// It calls now for FetchedAt when it has read the body. The Response is never nil. With
// an error it has the items that could be read. The error is a [*BodyError] if the body
// is cut or is not an array, or wraps the error of reading it.
func ReadResponse(body io.Reader, now func() time.Time) (*Response, error) {
	r := new(Response)
	return r, r.read(body, now)
}

func (r *Response) read(body io.Reader, now func() time.Time) error {
	wire := &countingReader{r: body}
	text, warning, err := readBody(wire)
	r.Warning = warning
	r.WireBytes, r.Bytes, r.FetchedAt = wire.n, int64(len(text)), now()
	var parseErr error
	r.Events, r.Rejected, parseErr = parse(text)
	if err == nil {
		err = parseErr
	}
	return err
}

// maxKept is the size in bytes of the largest body of which the items are kept while the
// API is asked again. It is 20 times the size of the largest response ever recorded.
const maxKept = 4 << 20

// receive reads the body of an answer whose status is 200. The encoding is that of its
// header, if it was not asked for.
func (f *fetch) receive(body io.Reader, encoding string, trace *callTrace) error {
	r := &f.response
	if f.kept.Bytes > maxKept {
		f.kept = Response{}
	}
	if err := r.read(body, f.options.Clock.Now); err != nil {
		if n := len(r.Rejected); n > 0 && r.Rejected[n-1].Reason == reasonTruncated {
			r.Rejected = r.Rejected[:n-1]
		}
		if len(r.Events) > 0 {
			f.kept = *r
		}
		_, damaged := errors.AsType[*BodyError](err)
		if damaged && len(r.Events) == 0 && encoding != "" {
			err = &BodyError{Kind: BodyEncoded, Excerpt: encoding}
		}
		r.Events, r.Rejected = nil, nil
		return err
	}
	r.Timings = trace.timings(r.FetchedAt)
	if r.Items() == 0 && f.query.IsZero() && f.base.RawQuery == "" {
		return &BodyError{Kind: BodyNoEvents}
	}
	return nil
}

// usualBody is more than the size of most bodies: 500 events have some 200 kB. A buffer of
// this size that doubles seven times holds more than maxBody bytes, so a body that is too
// large does not make it twice as large as that.
const usualBody = 260 << 10

// readBody reads a body to its end and decompresses it. It recognises gzip by the
// first bytes, since the Content-Encoding header may be wrong. With an error it
// returns the part that it has read. For the warning see [Response].
func readBody(from io.Reader) (body []byte, warning string, err error) {
	buffered := bufio.NewReader(from)
	r := io.Reader(buffered)
	var plain *GzipReader
	if magic, _ := buffered.Peek(len(gzipMagic)); string(magic) == gzipMagic {
		member, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, "", readError(HeaderError(err))
		}
		plain = NewGzipReader(buffered, member)
		r = plain
	}
	buffer := bytes.NewBuffer(make([]byte, 0, usualBody))
	_, err = buffer.ReadFrom(io.LimitReader(r, maxBody+1))
	body = buffer.Bytes()
	switch {
	case err != nil:
		return body, "", readError(err)
	case len(body) > maxBody:
		return body, "", &BodyError{Kind: BodyTooLarge}
	case plain != nil && plain.Trailing():
		warning = TrailingBytes
	}
	return body, warning, nil
}

// readError returns a [*BodyError] if err means that the body is damaged.
func readError(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &BodyError{Kind: BodyIncomplete, Err: err}
	case corrupt, errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return &BodyError{Kind: BodyBadGzip, Err: err}
	}
	return fmt.Errorf("read the response: %w", err)
}

// countingReader counts the bytes that it reads from r.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
