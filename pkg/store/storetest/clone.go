package storetest

import (
	"context"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// Clone returns a memstore with the names and contents of from. ETags differ.
func Clone(t testing.TB, from store.Reader) store.Store {
	t.Helper()
	to := memstore.New()
	for attrs, err := range from.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		object, err := from.Get(context.Background(), attrs.Name)
		if err == nil {
			_, err = to.Put(context.Background(), attrs.Name, object.Body, store.Always())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
