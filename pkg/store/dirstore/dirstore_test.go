package dirstore_test

import (
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}
func open(t testing.TB, root string) *dirstore.Store {
	t.Helper()
	s, err := dirstore.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
