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
	"polisen-events-collector/pkg/text"
)

// Error is the error of a failed call. It wraps Kind and the cause: the
// [*ociclient.Error] of the last attempt, or context.Cause if the context ended.
type Error struct {
	// Operation is the call, such as "get", and Object is its object, or the
	// prefix of a list.
	Operation, Object string
	Store, Region     string
	Attempts          int // including the first
	// Kind is the error of package store that describes the cause; nil if none
	// does, so that the outcome of a write is unknown.
	Kind  error
	creds Credentials // that signed the requests
	err   error
}

// Error returns one line with the call, the store, the cause, and advice if
// access was denied or the object is archived.
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
	b.WriteString(text.OneLine(e.err.Error()))
	switch {
	case e.Attempts > 1 && errors.Is(e.Kind, store.ErrPrecondition):
		fmt.Fprintf(&b, "; tried %d times, and an earlier attempt may have succeeded", e.Attempts)
	case e.Attempts > 1:
		fmt.Fprintf(&b, "; tried %d times", e.Attempts)
	}
	if advice := e.advice(); advice != "" {
		fmt.Fprintf(&b, ": %s", advice)
	}
	return b.String()
}

// Unwrap returns Kind, if it is not nil, and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.err}
	}
	return []error{e.Kind, e.err}
}

// notRestored is the code of a 409 for an object in the Archive tier, which cannot be read
// (https://docs.oracle.com/iaas/Content/API/References/apierrors.htm).
const notRestored = "NotRestored"

// advice returns what to check after access was denied or if the object is archived, or
// "" for other causes.
func (e *Error) advice() string {
	response, ok := errors.AsType[*ociclient.Error](e.err)
	switch {
	case !ok:
		return ""
	case response.Code == notRestored:
		return "the object is in the Archive tier: restore it; the bucket's default tier must be Standard"
	case !errors.Is(e.Kind, store.ErrAccess):
		return ""
	}
	switch response.Status {
	case http.StatusUnauthorized:
		return e.creds.SignatureAdvice()
	case http.StatusNotFound:
		return "check the bucket, namespace and region, and " + e.creds.PolicyAdvice("manage its objects")
	}
	return "check " + e.creds.PolicyAdvice("manage the bucket's objects")
}

// kindOf returns the error of package store that describes err, the last error of
// an operation, or nil if none does. For the status codes see
// https://docs.oracle.com/iaas/Content/API/References/apierrors.htm and
// https://docs.oracle.com/en-us/iaas/api/#/en/objectstorage/20160918/Object/PutObject.
func kindOf(operation string, err error) error {
	response, ok := errors.AsType[*ociclient.Error](err)
	if !ok {
		return nil
	}
	switch response.Status {
	case http.StatusNotFound:
		switch {
		case response.Code != "ObjectNotFound":
			return store.ErrAccess // the bucket is missing, or the policy hides it
		case operation == "put": // the object of If-Match is missing
			return store.ErrPrecondition
		}
		return store.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return store.ErrAccess
	case http.StatusPreconditionFailed:
		return store.ErrPrecondition
	case http.StatusConflict: // another write to the object was in progress
		if operation == "put" && response.Code != notRestored {
			return store.ErrPrecondition
		}
	}
	return nil
}

// maxMissing bounds the repeats of a call after a 404 that is not ObjectNotFound.
// In one tenancy, 3 to 16 % of the calls for an existing bucket failed with
// BucketNotFound (see SDK.md of package ociclient).
const maxMissing = 2

// isMissingBucket reports whether err is a 404 about the bucket or the namespace,
// and not about the object.
func isMissingBucket(err error) bool {
	response, ok := errors.AsType[*ociclient.Error](err)
	return ok && response.Status == http.StatusNotFound && response.Code != "ObjectNotFound"
}

// isTransient reports whether the same call may succeed later.
func isTransient(err error) bool {
	response, ok := errors.AsType[*ociclient.Error](err)
	switch {
	case !ok || errors.Is(err, store.ErrTooLarge):
		return false
	case response.Code == "UnmatchedContentMD5": // the body was damaged in transit
		return true
	}
	return response.Transient()
}

// call calls op and repeats it after errors that may pass. Its error is an
// [*Error].
func call[T any](ctx context.Context, s *Store, operation, object string, op func(context.Context) (T, error)) (T, error) {
	attempts, missing := 0, 0
	v, err := retry.Do(ctx, s.o.Retry,
		func(err error) bool {
			if isMissingBucket(err) {
				missing++
				return missing <= maxMissing
			}
			return isTransient(err)
		},
		func(ctx context.Context) (T, error) {
			attempts++
			return ociclient.Try(ctx, s.o.Timeout, op)
		},
		func(err error, delay time.Duration) {
			if s.o.OnRetry != nil {
				s.o.OnRetry(strings.TrimSpace(operation+" "+object), err, delay)
			}
		})
	if err == nil {
		return v, nil
	}
	e := &Error{Operation: operation, Object: object, Store: s.String(), Region: s.region, Attempts: attempts, creds: s.creds, err: err}
	if ctx.Err() == nil { // if ctx has ended, a 404 may have had no second attempt
		e.Kind = kindOf(operation, err)
	}
	return v, e
}

// callTarget is call for an operation on the target's objects. The object is the
// prefix if the operation is "list"; otherwise it is a name, which callTarget
// checks.
func callTarget[T any](ctx context.Context, s *Store, operation, object string, op func(context.Context, target) (T, error)) (T, error) {
	var zero T
	inBucket := s.inBucket(object)
	if operation != "list" {
		if err := store.CheckName(inBucket); err != nil {
			return zero, fmt.Errorf("%s: %w", operation, err)
		}
	}
	namespace, err := s.findNamespace(ctx)
	if err != nil {
		return zero, err
	}
	t := target{namespace, &s.o.Bucket, &inBucket}
	return call(ctx, s, operation, object, func(ctx context.Context) (T, error) { return op(ctx, t) })
}
