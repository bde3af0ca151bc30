package polisen

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"polisen-events-collector/pkg/retry"
)

// maxSnippet bounds what is read of an answer that is no success.
const maxSnippet = 4 << 10

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

// snippet shows the beginning of the body of an answer that is no success.
func snippet(body io.Reader) string {
	text, _ := readBody(io.LimitReader(body, maxSnippet))
	return describe(text)
}
