package saved

import (
	"context"
	"fmt"
	"os"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Source reads one saved response in place of a call to the API.
type Source struct {
	Path string           // of the file, compressed with gzip or not
	Now  func() time.Time // the clock for FetchedAt
}

// Fetch reads the file. The Response is never nil. The error wraps
// [polisen.ErrSettings] if q is not zero, since a file cannot be queried,
// [*polisen.BodyError] if the file is not a whole response with events, or the
// error from the file system. A file is read to its end even if ctx ends.
func (s Source) Fetch(_ context.Context, q polisen.Query) (*polisen.Response, error) {
	if !q.IsZero() {
		return new(polisen.Response), fmt.Errorf("%w: a saved response cannot be queried", polisen.ErrSettings)
	}
	file, err := os.Open(s.Path)
	if err != nil {
		return new(polisen.Response), fileError(s.Path, err)
	}
	defer file.Close()
	r, err := polisen.ReadResponse(file, s.Now)
	if err == nil && len(r.Events)+len(r.Rejected) == 0 {
		err = &polisen.BodyError{Kind: polisen.BodyNoEvents}
	}
	if err != nil {
		return r, fileError(s.Path, err)
	}
	return r, nil
}
