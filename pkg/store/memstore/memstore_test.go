package memstore_test

import (
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
}

// The ETag numbers the write. It is not the content's hash, so equal content
// written again is another state.
func TestETagsAreUnique(t *testing.T) {
	s, seen := memstore.New(), map[store.ETag]bool{}
	for range 3 {
		for _, name := range []string{"a", "b"} {
			etag, err := s.Put(t.Context(), name, []byte("same"), store.Always())
			if err != nil || seen[etag] || string(etag) == store.MD5([]byte("same")) {
				t.Errorf("Put gave %q, %v after %v", etag, err, seen)
			}
			seen[etag] = true
		}
	}
}

// A listing shows the store as it was when the iteration began.
func TestListIsASnapshot(t *testing.T) {
	s := memstore.New()
	for _, name := range []string{"a", "b"} {
		if _, err := s.Put(t.Context(), name, nil, store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for a, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Put(t.Context(), "z"+a.Name, nil, store.IfAbsent())
		n++
	}
	if n != 2 {
		t.Errorf("List yielded %d objects, want 2", n)
	}
	if got := s.String(); got != "mem:" {
		t.Errorf("String() = %q", got)
	}
}
