package ocistore_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// TestTooLargeByHeader checks that an object whose header says that it is too large
// costs one request and no memory, although its body never comes.
func TestTooLargeByHeader(t *testing.T) {
	var requests atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Length", strconv.Itoa(store.MaxObject+1))
		w.Header().Set("ETag", "e")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer service.Close()
	s := open(t, ocitest.NewServer(t), func(o *ocistore.Options) { o.Endpoint, o.Timeout = service.URL, 5*time.Second })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.Get(t.Context(), "a")
	runtime.ReadMemStats(&after)
	if !errors.Is(err, store.ErrTooLarge) || requests.Load() != 1 {
		t.Errorf("%d requests, %v; want one and ErrTooLarge", requests.Load(), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > store.MaxObject/2 {
		t.Errorf("the call took %d bytes of memory", took)
	}
}
