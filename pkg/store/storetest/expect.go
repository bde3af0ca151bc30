package storetest

import (
	"errors"
	"testing"

	"polisen-events-collector/pkg/store"
)

// put puts an object and returns its ETag. An error ends the test.
func put(t *testing.T, s store.Store, name, body string, cond store.Cond) store.ETag {
	t.Helper()
	etag, err := s.Put(t.Context(), name, []byte(body), cond)
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

// attrsOf returns the attributes of an object with this content.
func attrsOf(name, body string, etag store.ETag) store.Attrs {
	return store.Attrs{Name: name, Size: int64(len(body)), ETag: etag, MD5: store.MD5([]byte(body))}
}

// wantOnly checks that err wraps want and no other error of package store, or that
// both are nil. A Put may wrap store.ErrTooLarge too.
func wantOnly(t *testing.T, err, want error) {
	t.Helper()
	if (err == nil) != (want == nil) {
		t.Errorf("error is %v, want %v", err, want)
	}
	for _, sentinel := range []error{store.ErrNotExist, store.ErrPrecondition, store.ErrAccess, store.ErrInvalid, store.ErrDamaged} {
		if got := errors.Is(err, sentinel); got != (sentinel == want) {
			t.Errorf("errors.Is(err, %q) = %v for: %v", sentinel, got, err)
		}
	}
}

// wantState checks that the object has this content and ETag.
func wantState(t *testing.T, s store.Store, name, body string, etag store.ETag) {
	t.Helper()
	o, err := s.Get(t.Context(), name)
	if err != nil || string(o.Body) != body || o.ETag != etag {
		t.Errorf("%s holds %.40q with ETag %q, %v; want %.40q with %q", name, o.Body, o.ETag, err, body, etag)
	}
}

// wantNone checks that Get, Stat and List do not find the object.
func wantNone(t *testing.T, s store.Store, name string) {
	t.Helper()
	_, err := s.Get(t.Context(), name)
	wantOnly(t, err, store.ErrNotExist)
	_, err = s.Stat(t.Context(), name)
	wantOnly(t, err, store.ErrNotExist)
	if got, err := Names(t.Context(), s, name); len(got) > 0 || err != nil {
		t.Errorf("List yields %q, %v", got, err)
	}
}
