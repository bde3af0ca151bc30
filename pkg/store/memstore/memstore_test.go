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

// Writing the same content again gives a new ETag, which is not a hash.
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

// A listing yields the objects that exist when the iteration begins.
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
