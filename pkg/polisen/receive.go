package polisen

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// maxBody bounds a body without compression: 150 times the largest response
// seen.
const maxBody = 32 << 20

// receive reads the body of a successful answer.
func (f *fetch) receive(answer *http.Response, trace *callTrace) error {
	r := &f.response
	wire := &countingReader{r: answer.Body}
	body, err := readBody(wire)
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

// readBody reads a body, gzip or not, to its end. It goes by the content, which
// no header can be wrong about. Its errors are *BodyError if something came that
// is no whole body, else r's.
func readBody(from io.Reader) ([]byte, error) {
	buffered := bufio.NewReader(from)
	r := io.Reader(buffered)
	if magic, _ := buffered.Peek(2); string(magic) == "\x1f\x8b" { // RFC 1952, 2.3.1; no JSON begins so
		plain, err := gzip.NewReader(r)
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
		body, err := readBody(wire)
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
