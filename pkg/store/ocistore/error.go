package ocistore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

// Error is an operation that failed. It wraps the store's sentinel, if one
// fits, and the *ociclient.Error of the last try, or the context's cause.
type Error struct {
	Operation, Object string
	Store, Region     string
	Tries             int
	// Kind is the store's sentinel, or nil if the outcome is unknown.
	Kind error
	err  error
}

// Error says in one line what failed, why, and what to look at.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	if e.Object != "" {
		fmt.Fprintf(&b, " %s in", e.Object)
	}
	fmt.Fprintf(&b, " %s (%s): ", e.Store, e.Region)
	if e.Kind != nil {
		fmt.Fprintf(&b, "%v: ", e.Kind)
	}
	b.WriteString(strings.ReplaceAll(e.err.Error(), "\n", "; "))
	if e.Tries > 1 {
		fmt.Fprintf(&b, "; %d tries", e.Tries)
		if errors.Is(e.Kind, store.ErrPrecondition) {
			b.WriteString(", an earlier one may have succeeded")
		}
	}
	b.WriteString(hint(e))
	return b.String()
}

// Unwrap returns the sentinel and the last try's error.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.err}
	}
	return []error{e.Kind, e.err}
}

func hint(e *Error) string {
	answer, ok := errors.AsType[*ociclient.Error](e.err)
	if !ok || !errors.Is(e.Kind, store.ErrAccess) {
		return ""
	}
	switch answer.Status {
	case http.StatusUnauthorized:
		return ": check that the key is among the user's API keys, and this machine's clock"
	case http.StatusNotFound:
		return ": check the bucket, namespace and region, and that a policy lets these credentials manage its objects"
	}
	return ": check that a policy lets these credentials manage the bucket's objects"
}

// kind returns the store's sentinel for a failed operation.
func kind(operation string, err error) error {
	answer, ok := errors.AsType[*ociclient.Error](err)
	if !ok {
		return nil
	}
	write := operation == "put" || operation == "delete"
	switch answer.Status {
	case http.StatusNotFound:
		switch {
		case answer.Code != "ObjectNotFound":
			return store.ErrAccess // a bucket's 404 may also mean that it must not be seen
		case operation == "put": // the object that If-Match speaks of is gone
			return store.ErrPrecondition
		}
		return store.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return store.ErrAccess
	case http.StatusPreconditionFailed:
		return store.ErrPrecondition
	case http.StatusConflict:
		if write {
			return store.ErrPrecondition
		}
	}
	return nil
}

// maxDoubts is how often a 404 that is not ObjectNotFound is doubted. The
// service is known to answer BucketNotFound now and then for buckets that are
// there.
const maxDoubts = 2

func doubtful(err error) bool {
	answer, ok := errors.AsType[*ociclient.Error](err)
	return ok && answer.Status == http.StatusNotFound && answer.Code != "ObjectNotFound"
}

func transient(err error) bool {
	answer, ok := errors.AsType[*ociclient.Error](err)
	switch {
	case !ok || errors.Is(err, errTooLarge):
		return false
	case answer.Code == "UnmatchedContentMD5": // damaged on the way, and refused
		return true
	}
	return answer.Transient()
}

// call makes one call as often as it takes.
func call[T any](ctx context.Context, s *Store, operation, object string, op func(context.Context) (T, error)) (T, error) {
	tries, doubts := 0, 0
	v, err := retry.Do(ctx, s.o.Retry,
		func(err error) bool {
			if doubtful(err) {
				doubts++
				return doubts <= maxDoubts
			}
			return transient(err)
		},
		func(ctx context.Context) (T, error) {
			tries++
			return ociclient.Try(ctx, s.o.Timeout, op)
		},
		func(err error, delay time.Duration) {
			s.retries.Add(1)
			if s.o.OnRetry != nil {
				s.o.OnRetry(strings.TrimSpace(operation+" "+object), err, delay)
			}
		})
	if err == nil {
		return v, nil
	}
	e := &Error{Operation: operation, Object: object, Store: s.String(), Region: s.region, Tries: tries, err: err}
	if ctx.Err() == nil { // else a doubtful answer may stand beside ctx's cause
		e.Kind = kind(operation, err)
	}
	return v, e
}

// on makes a call about an object of the bucket, or about those with a prefix.
func on[T any](ctx context.Context, s *Store, operation, object string, op func(context.Context, target) (T, error)) (T, error) {
	var zero T
	if operation != "list" {
		if err := store.CheckName(object); err != nil {
			return zero, fmt.Errorf("%s: %w", operation, err)
		}
	}
	t, err := s.target(ctx)
	if err != nil {
		return zero, err
	}
	return call(ctx, s, operation, object, func(ctx context.Context) (T, error) { return op(ctx, t) })
}
