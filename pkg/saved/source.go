package saved

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Source reads a saved response in place of a call to the API.
type Source struct {
	Path string           // of the file, which may be compressed with gzip or zstd
	Now  func() time.Time // returns the time for FetchedAt
}

// Fetch reads the file to its end. If the file is a pipe or a terminal, Fetch stops
// when ctx ends. The Response is never nil. The error wraps
//   - [polisen.ErrSettings], if q is not the zero Query;
//   - a [*polisen.BodyError], if the file has no items, or if it is cut or is not an
//     array and has no events; with events the error is the Cut of the Response;
//   - the error of the file system, or ctx's cause.
func (s Source) Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error) {
	if !q.IsZero() {
		return new(polisen.Response), fmt.Errorf("%w: a saved response cannot answer a query", polisen.ErrSettings)
	}
	file, closeFile, err := openFile(ctx, s.Path)
	if err != nil {
		return new(polisen.Response), fileError(s.Path, err)
	}
	defer closeFile()
	r, err := s.read(file)
	if err == nil && r.Items() == 0 {
		err = &polisen.BodyError{Kind: polisen.BodyNoEvents}
	}
	if err != nil {
		err = fileError(s.Path, err)
	}
	if err != nil && len(r.Events) > 0 && ctx.Err() == nil {
		r.Cut, err = err, nil
	}
	return r, err
}

// read reads the response from file.
func (s Source) read(file io.Reader) (*polisen.Response, error) {
	size := int64(0)
	raw := bufio.NewReader(&counter{file, &size})
	content, closeContent, err := decompress(raw)
	if err != nil {
		return new(polisen.Response), err
	}
	defer closeContent()
	r, err := polisen.ReadResponse(&supportedReader{Reader: content}, s.Now)
	r.WireBytes = size
	warning, endErr := checkEnd(content)
	if warning != "" {
		r.Warning = warning
	}
	return r, cmp.Or(err, endErr)
}
