package ociclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

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

	after time.Duration
	skew  time.Duration // the service's clock less ours
	cause error         // why there is no answer
}

// serviceError is what the SDK makes of an answer with a status of 400 or more.
type serviceError interface {
	error
	common.ServiceError
}

func newError(err error, c *call) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	se, ok := errors.AsType[serviceError](err)
	if !ok {
		return &Error{cause: err}
	}
	e := &Error{
		Status:    se.GetHTTPStatusCode(),
		Code:      se.GetCode(),
		Message:   se.GetMessage(),
		RequestID: se.GetOpcRequestID(),
	}
	if e.Code == "BadErrorResponse" { // the SDK's word for a body that is not the service's
		e.Code, e.Message = "", ""
	}
	now := time.Now()
	e.after = retry.ParseAfter(c.header, now)
	if date, err := http.ParseTime(c.header.Get("Date")); err == nil {
		e.skew = date.Sub(now)
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
// taken effect all the same.
func (e *Error) Transient() bool {
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
