package storetest

import (
	"context"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// Objects returns the content of all objects by name.
func Objects(t testing.TB, from store.Reader) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for attrs, err := range from.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		object, err := from.Get(context.Background(), attrs.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[attrs.Name] = object.Body
	}
	return all
}

// Names returns the names that List yields up to its first error.
func Names(ctx context.Context, r store.Reader, prefix string) ([]string, error) {
	var all []string
	for a, err := range r.List(ctx, prefix) {
		if err != nil {
			return all, err
		}
		all = append(all, a.Name)
	}
	return all, nil
}

// Clone returns a store in memory with the same objects as from. Their ETags
// differ.
func Clone(t testing.TB, from store.Reader) store.Store {
	t.Helper()
	to := memstore.New()
	for name, body := range Objects(t, from) {
		MustPut(t, to, name, string(body))
	}
	return to
}

// MustPut writes an object, whether or not it exists, as another program would.
func MustPut(t testing.TB, s store.Store, name, body string) {
	t.Helper()
	if _, err := s.Put(context.Background(), name, []byte(body), store.Always()); err != nil {
		t.Fatal(err)
	}
}

// MustDelete deletes an object of a store in memory, which must exist, as another
// program would.
func MustDelete(t testing.TB, s store.Store, name string) {
	t.Helper()
	if !s.(*memstore.Store).Remove(name) {
		t.Fatalf("there is no %s to delete", name)
	}
}
