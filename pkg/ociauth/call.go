package ociauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
)

// callTimeout bounds one attempt of a call. All responses are small.
const callTimeout = 10 * time.Second

// call calls op and repeats it after transient failures. Its errors begin with the
// operation, and say how often it was tried.
func call[T any](ctx context.Context, o Options, operation string, op func(context.Context) (T, error)) (T, error) {
	tries := 0
	v, err := retry.Do(ctx, o.Retry,
		func(err error) bool {
			e, ok := errors.AsType[*ociclient.Error](err)
			return ok && e.Transient()
		},
		func(ctx context.Context) (T, error) {
			tries++
			return ociclient.Try(ctx, callTimeout, op)
		},
		func(err error, delay time.Duration) {
			if o.OnRetry != nil {
				o.OnRetry(operation, err, delay)
			}
		})
	switch {
	case err != nil && tries > 1:
		return v, fmt.Errorf("%s: %w; tried %d times", operation, err, tries)
	case err != nil:
		return v, fmt.Errorf("%s: %w", operation, err)
	}
	return v, nil
}
