package archive

import (
	"context"
	"errors"
	"fmt"

	"polisen-events-collector/pkg/store"
)

// ReadLastRun reads [LastRunName]. It returns the condition of a Put that replaces the
// content it has read: [store.IfAbsent] if the object is missing, and [store.Always] if it is
// too large or damaged in the store. The body is then empty. The error is the store's.
func ReadLastRun(ctx context.Context, s store.Reader) (body []byte, cond store.Cond, err error) {
	object, err := s.Get(ctx, LastRunName)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, store.IfAbsent(), nil
	case errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrDamaged): // Get returns no ETag
		return nil, store.Always(), nil
	case err != nil:
		return nil, store.Cond{}, fmt.Errorf("read %s: %w", LastRunName, err)
	}
	return object.Body, store.IfMatch(object.ETag), nil
}
