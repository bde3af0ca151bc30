package polisen

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"polisen-events-collector/pkg/retry"
)

// maxErrorBody is the number of bytes that are read of the body of an answer whose
// status is not 200.
const maxErrorBody = 4 << 10

// StatusError is the error of an answer whose status is not 200.
type StatusError struct {
	Status int
	// Delay is the delay that the Retry-After header asks for; zero if there is
	// none.
	Delay time.Duration
	// Snippet is the title of an HTML page, or the beginning of any other body,
	// quoted; it may be empty.
	Snippet string
}

var _ retry.Delayer = (*StatusError)(nil)

// RetryAfter implements [retry.Delayer].
func (e *StatusError) RetryAfter() time.Duration { return e.Delay }

// NotFound reports whether the status is 404, which is permanent by the API's rules.
func (e *StatusError) NotFound() bool { return e.Status == http.StatusNotFound }

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the API answered %d %s", e.Status, http.StatusText(e.Status))
	switch e.Status {
	case http.StatusForbidden:
		text += " (blocked: check the User-Agent and its contact, and do not call more often)"
	case http.StatusNotFound:
		text += " (permanent by the API's rules: check the API's URL)"
	case http.StatusTooManyRequests:
		text += " (too many calls: does something else on this network call the API?)"
	}
	if e.Snippet != "" {
		text += ": " + e.Snippet
	}
	return text
}

// snippet describes the body of an answer whose status is not 200.
func snippet(body io.Reader) string {
	text, _, _ := readBody(io.LimitReader(body, maxErrorBody)) // after an error the part that was read is enough
	return describe(text)
}
