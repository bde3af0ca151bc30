package ociauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
)

// DefaultRetry is five tries within some eight seconds of waiting.
var DefaultRetry = retry.Policy{Attempts: 5, Base: 500 * time.Millisecond, Max: 10 * time.Second, Jitter: 0.5}

// callTimeout bounds one try; the answers are small.
const callTimeout = 10 * time.Second

// call makes one call as often as it takes. The operation is named in errors.
func call[T any](ctx context.Context, o Options, operation string, op func(context.Context) (T, error)) (T, error) {
	v, err := retry.Do(ctx, o.Retry,
		func(err error) bool {
			e, ok := errors.AsType[*ociclient.Error](err)
			return ok && e.Transient()
		},
		func(ctx context.Context) (T, error) { return ociclient.Try(ctx, callTimeout, op) },
		func(err error, delay time.Duration) {
			if o.OnRetry != nil {
				o.OnRetry(operation, err, delay)
			}
		})
	if err != nil {
		return v, fmt.Errorf("%s: %w", operation, err)
	}
	return v, nil
}
