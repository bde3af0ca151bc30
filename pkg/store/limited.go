package store

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
)

// OpenLimited returns the store that open returns, and makes its calls end in time
// even if they wait for a disk that does not respond. A call, also that of open,
// ends when its context does, or after limit if that is earlier; for List the limit
// holds for each step. The address is for the error if open does not end in time.
//
// A call that did not end in time goes on in the background. Thus a Put may take
// effect late, as it may in a bucket if the response is lost.
func OpenLimited(ctx context.Context, address string, limit time.Duration, open func() (Store, error)) (Store, error) {
	s, err := call(ctx, limit, "open "+address, func(context.Context) (Store, error) { return open() })
	if err != nil {
		return nil, err
	}
	return &limited{s, limit}, nil
}

type limited struct {
	Store
	limit time.Duration
}

// grace is the time that a call gets to end by itself once its context has
// ended. Its own error says more than the one of limited.
const grace = 50 * time.Millisecond

// wait returns the value from done. Once ctx has ended it waits only for a short
// time, and returns an error that begins with what.
func wait[T any](ctx context.Context, what string, done <-chan T) (T, error) {
	select {
	case v := <-done:
		return v, nil
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	select {
	case v := <-done:
		return v, nil
	case <-late.Done():
		var zero T
		return zero, fmt.Errorf("%s: the store does not respond: %w; check its disk", what, context.Cause(ctx))
	}
}

// withLimit returns a context that ends after limit.
func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no result within %v", limit))
}

// call calls f, and returns an error that begins with what if f does not end in
// time.
func call[T any](ctx context.Context, limit time.Duration, what string, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	ctx, cancel := withLimit(ctx, limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		v, err := f(ctx)
		done <- result{v, err}
	}()
	r, err := wait(ctx, what, done)
	if err != nil {
		return r.v, err
	}
	return r.v, r.err
}

// what names a call for errors.
func (l *limited) what(operation, object string) string {
	return fmt.Sprintf("%s %s in %s", operation, object, l)
}

// ListCall names a call of List for errors: "list", or "list PREFIX".
func ListCall(prefix string) string { return strings.TrimSuffix("list "+prefix, " ") }

// Get implements [Reader].
func (l *limited) Get(ctx context.Context, name string) (Object, error) {
	return call(ctx, l.limit, l.what("get", name), func(ctx context.Context) (Object, error) { return l.Store.Get(ctx, name) })
}

// Stat implements [Reader].
func (l *limited) Stat(ctx context.Context, name string) (Attrs, error) {
	return call(ctx, l.limit, l.what("stat", name), func(ctx context.Context) (Attrs, error) { return l.Store.Stat(ctx, name) })
}

// Put implements [Writer].
func (l *limited) Put(ctx context.Context, name string, body []byte, cond Cond) (ETag, error) {
	body = bytes.Clone(body) // the caller may change it after Put, and Put may still need it
	return call(ctx, l.limit, l.what("put", name), func(ctx context.Context) (ETag, error) { return l.Store.Put(ctx, name, body, cond) })
}

// List implements [Reader].
func (l *limited) List(ctx context.Context, prefix string) iter.Seq2[Attrs, error] {
	type step struct {
		attrs Attrs
		err   error
		end   bool
	}
	return func(yield func(Attrs, error) bool) {
		listCtx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the goroutine
		steps := make(chan step)
		go func() {
			send := func(s step) bool {
				select {
				case steps <- s:
					return true
				case <-listCtx.Done():
					return false
				}
			}
			for attrs, err := range l.Store.List(listCtx, prefix) {
				if !send(step{attrs: attrs, err: err}) {
					return
				}
			}
			send(step{end: true})
		}()
		for {
			stepCtx, stop := withLimit(ctx, l.limit)
			s, err := wait(stepCtx, ListCall(prefix)+" in "+l.String(), steps)
			stop()
			if err != nil {
				yield(Attrs{}, err)
				return
			}
			if s.end || !yield(s.attrs, s.err) {
				return
			}
		}
	}
}
