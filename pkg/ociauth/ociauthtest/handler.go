package ociauthtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Handler is the part that all fake services share: it reads requests, applies
// delays and faults, logs, and sends the responses.
type Handler struct {
	// Verifier checks signatures and has the service's clock.
	*Verifier
	// Serve returns the response to a request, given its body.
	Serve func(r *http.Request, body []byte) Response

	mu     sync.Mutex
	faults []*Fault
	log    []Request
}

// Request is an entry of a service's log.
type Request struct {
	Method string
	Path   string // as sent, with the query
	Header http.Header
	// Status is the status of the response; 0 if there was none.
	Status int
	// Denied is the reason why the signature was rejected, or nil.
	Denied error
}

// String returns the method and the status, such as "PUT 412".
func (r Request) String() string { return fmt.Sprintf("%s %d", r.Method, r.Status) }

// Response is a response of a fake service.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
	// Denied is the reason why the signature was rejected. It is only logged.
	Denied error
}

// JSON returns a response whose body is v.
func JSON(status int, v any) Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a bug in the test
	}
	return Response{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: body}
}

// ErrorResponse returns a response with the error body of OCI services
// (https://docs.oracle.com/iaas/Content/API/References/apierrors.htm).
func ErrorResponse(status int, code, message string) Response {
	return JSON(status, map[string]string{"code": code, "message": message})
}

// NotAuthenticated returns the response to a request whose signature was
// rejected. Like the real services, it does not show the reason.
func NotAuthenticated(reason error) Response {
	r := ErrorResponse(http.StatusUnauthorized, "NotAuthenticated",
		"The required information to complete authentication was not provided or was incorrect.")
	r.Denied = reason
	return r
}

// Requests returns the log of all requests, in the order of their responses.
func (h *Handler) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.log)
}

// Await waits until the log holds n requests, and returns false if it does not
// within this time.
func (h *Handler) Await(n int, within time.Duration) bool {
	for end := time.Now().Add(within); len(h.Requests()) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// ResetLog empties the log.
func (h *Handler) ResetLog() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = nil
}

// maxBody bounds the body of a request, in bytes. Objects are smaller.
const maxBody = 128 << 20

// ServeHTTP responds to a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client has closed the connection, or sends too much
	}
	entry := Request{Method: r.Method, Path: r.RequestURI, Header: r.Header.Clone()}
	fault := h.faultFor(r)
	time.Sleep(fault.Delay) // also if the client gives up, so that a late effect is late
	if r.Context().Err() != nil && !fault.Late {
		h.record(entry)
		return
	}

	var resp Response
	if !fault.fails() || fault.AfterEffect {
		resp = h.Serve(r, body)
		entry.Denied = resp.Denied
	}
	if fault.Status != 0 {
		resp = ErrorResponse(fault.Status, fault.Code, "a scripted fault")
		resp.Header["Retry-After"] = fault.RetryAfter
	}
	if !fault.Reset {
		entry.Status = resp.Status
	}
	h.record(entry) // before the client gets the response
	if fault.Reset {
		panic(http.ErrAbortHandler) // closes the connection
	}
	h.send(w, resp, fault.Truncate)
}

func (h *Handler) record(entry Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, entry)
}

func (h *Handler) send(w http.ResponseWriter, resp Response, truncate bool) {
	header := w.Header()
	header.Set("Opc-Request-Id", "test:"+rand.Text())
	header.Set("Date", h.Now().UTC().Format(http.TimeFormat))
	for name, value := range resp.Header {
		if value != "" {
			header.Set(name, value)
		}
	}
	if resp.Status == http.StatusNoContent {
		w.WriteHeader(resp.Status)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(resp.Body)))
	w.WriteHeader(resp.Status)
	if truncate {
		w.Write(resp.Body[:len(resp.Body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(resp.Body)
}
