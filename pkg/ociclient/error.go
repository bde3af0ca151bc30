package ociclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/transport"
)

// Error is a failed call. Either the service responded with an error or there
// was no complete response.
type Error struct {
	// Status is the HTTP status; 0 if there was no complete response.
	Status int
	// Code and Message are the service's error
	// (https://docs.oracle.com/iaas/Content/API/References/apierrors.htm).
	// They are empty if the response had no body, as the response to HEAD, or came
	// from something else, such as a proxy.
	Code, Message string
	// RequestID is the opc-request-id, by which Oracle's support finds the call.
	RequestID string

	after    time.Duration // of the Retry-After header
	skew     time.Duration // the service's clock minus this machine's
	cause    error         // the reason why there is no response
	unsigned bool          // cause is a failure to sign the request
}

// maxErrorBody is the number of bytes that are read of an error response. The
// services' own are shorter than 1 KiB.
const maxErrorBody = 64 << 10

// readError returns the Error for a response that is not a success. It removes the
// secrets from the response, which may repeat them.
func readError(resp *http.Response, secrets []string) *Error {
	now := retry.System.Now()
	e := &Error{
		Status:    resp.StatusCode,
		RequestID: resp.Header.Get("Opc-Request-Id"),
		after:     retry.ParseAfter(resp.Header, now),
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		e.skew = date.Sub(now)
	}
	var content struct{ Code, Message string }
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err == nil && json.Unmarshal(body, &content) == nil {
		e.Code, e.Message = text.Redact(content.Code, secrets...), text.Redact(content.Message, secrets...)
	}
	e.RequestID = text.Redact(e.RequestID, secrets...)
	if resp.StatusCode < http.StatusBadRequest {
		e.Message = "the response is not from the service: check the endpoint and the proxy"
	}
	return e
}

// token and signature match the secret parts of an Authorization header
// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm). The key
// ID of a user's key is not secret.
var (
	token     = regexp.MustCompile(`keyId="ST\$([^"]*)"`)
	signature = regexp.MustCompile(`signature="([^"]*)"`)
)

// secrets returns the secret parts of a request's header.
func secrets(r *http.Request) []string {
	var all []string
	for _, part := range []*regexp.Regexp{token, signature} {
		if m := part.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// minSkew is the clock difference from which an error mentions it. The services
// reject requests whose date is more than five minutes off
// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm).
const minSkew = 4 * time.Minute

// Error returns one line: the status, the code, the message and the request id,
// or the reason why there was no response.
func (e *Error) Error() string {
	if e.cause != nil {
		return shorten(e.cause.Error())
	}
	var b strings.Builder
	if e.Code != "" {
		fmt.Fprintf(&b, "%d %s", e.Status, shorten(e.Code))
	} else {
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", shorten(e.Message))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (opc-request-id %s)", shorten(e.RequestID))
	}
	if skew := e.skew.Abs().Round(time.Second); e.Status == http.StatusUnauthorized && e.skew.Abs() >= minSkew {
		if e.skew > 0 {
			fmt.Fprintf(&b, "; this machine's clock is %v behind the service's: set it", skew)
		} else {
			fmt.Fprintf(&b, "; this machine's clock is %v ahead of the service's: set it", skew)
		}
	}
	return b.String()
}

// Unwrap returns the reason why there was no response, or nil.
func (e *Error) Unwrap() error { return e.cause }

// RetryAfter returns the delay before the next attempt that the service asked
// for, or 0.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Transient reports whether the same call may succeed later: there was no complete
// response, or it was 429 or 5xx except 501. The failed call may have taken effect
// nevertheless. A failure to sign is not transient, since the key provider makes
// its own attempts, nor is a failure to connect that [transport.IsPermanent] names.
func (e *Error) Transient() bool {
	if e.unsigned {
		return false
	}
	if e.cause != nil {
		return !transport.IsPermanent(e.cause)
	}
	return e.Status == http.StatusTooManyRequests ||
		e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented
}

// maxText is the length in bytes to which shorten cuts a text.
const maxText = 300

// shorten returns a text of the service as it can be shown: cleaned, and of at most
// maxText bytes and an ellipsis.
func shorten(s string) string { return text.Short(strings.TrimSpace(s), maxText) }
