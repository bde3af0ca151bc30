package ociclient

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"polisen-events-collector/pkg/retry"
)

// Error is a call that failed: with the service's answer, or without one.
type Error struct {
	// Status is the answer's HTTP status; 0 if there was no complete answer.
	Status int
	// Code and Message are the service's own. Both are empty if the answer was
	// not from the service (a proxy's page) or had no body (to a HEAD).
	Code, Message string
	// RequestID is the opc-request-id by which Oracle's support finds the call.
	RequestID string

	after  time.Duration
	skew   time.Duration // the service's clock less ours
	cause  error         // why there is no answer
	unsent bool          // the request could not be signed, which is what cause is about
}

// maxErrorBody bounds what is read of an error's body; the services' own are
// below 1 KiB.
const maxErrorBody = 64 << 10

// readError makes an error of a response that is not a success.
func readError(resp *http.Response) *Error {
	now := retry.System.Now()
	e := &Error{
		Status:    resp.StatusCode,
		RequestID: resp.Header.Get("Opc-Request-Id"),
		after:     retry.ParseAfter(resp.Header, now),
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		e.skew = date.Sub(now)
	}
	var answer struct{ Code, Message string }
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err == nil && json.Unmarshal(body, &answer) == nil {
		e.Code, e.Message = answer.Code, answer.Message
	}
	if resp.StatusCode < http.StatusBadRequest {
		e.Message = "not an answer of the service: check the endpoint and the proxy"
	}
	return e
}

// minSkew is the clock difference worth telling of: the service refuses
// requests that are more than five minutes off.
const minSkew = 4 * time.Minute

// Error says what happened in one line.
func (e *Error) Error() string {
	if e.cause != nil {
		return oneLine(e.cause.Error())
	}
	var b strings.Builder
	if e.Code != "" {
		fmt.Fprintf(&b, "%d %s", e.Status, e.Code)
	} else {
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		b.WriteString(": " + oneLine(e.Message))
	}
	if e.RequestID != "" {
		b.WriteString(" (opc-request-id " + oneLine(e.RequestID) + ")")
	}
	if e.Status == http.StatusUnauthorized && e.skew.Abs() >= minSkew {
		side := "behind"
		if e.skew < 0 {
			side = "ahead of"
		}
		fmt.Fprintf(&b, "; this machine's clock is %v %s the service's: correct it", e.skew.Abs().Round(time.Second), side)
	}
	return b.String()
}

// Unwrap returns the reason why there was no answer, if so.
func (e *Error) Unwrap() error { return e.cause }

// RetryAfter returns the service's wish for the time until the next try.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Transient reports whether the call may well succeed if it is made again:
// there was no answer, or one of 429 or 5xx other than 501. The call may have
// taken effect all the same. A failure to sign is not: the keys' provider has
// tried what there is to try.
func (e *Error) Transient() bool {
	if e.unsent {
		return false
	}
	if e.cause != nil {
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](e.cause)
		return !untrusted
	}
	return e.Status == http.StatusTooManyRequests ||
		e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented
}

// oneLine makes foreign text fit for a line of a log: no control characters,
// at most 300 bytes or so.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
