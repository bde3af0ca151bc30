package polisentest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing/iotest"
)

// errReset is the error of a request without an answer.
var errReset = errors.New("connection reset by the fake API")

// RoundTrip implements [http.RoundTripper] without a network, for tests with the fake
// time of package synctest, which does not advance while a goroutine waits for a
// network.
func (a *API) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	aborted := a.serve(w, r)
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case aborted && !w.Flushed:
		return nil, errReset
	}
	answer := w.Result()
	if aborted {
		answer.Body = io.NopCloser(io.MultiReader(w.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return answer, nil
}

// serve calls ServeHTTP, and reports whether it aborted the answer.
func (a *API) serve(w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	a.ServeHTTP(w, r)
	return false
}
