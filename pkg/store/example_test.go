package store_test

import (
	"context"
	"errors"
	"fmt"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// Of two writers that have read the same state of an object, only the first can
// replace it.
func ExampleIfMatch() {
	ctx, s := context.Background(), memstore.New()
	etag, err := s.Put(ctx, "counter", []byte("1"), store.IfAbsent())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, writer := range []string{"first", "second"} {
		_, err := s.Put(ctx, "counter", []byte("2"), store.IfMatch(etag))
		fmt.Println(writer, "writer lost:", errors.Is(err, store.ErrPrecondition))
	}
	// Output:
	// first writer lost: false
	// second writer lost: true
}
