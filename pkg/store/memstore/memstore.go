// Package memstore keeps objects in memory, for tests. It is not for archives, since it
// keeps nothing after the process ends.
//
// Where [store.Store] leaves a choice, memstore takes the one that best exposes a
// wrong assumption of a caller. For example, every Put gives the object a new
// ETag, even if the content stays the same. To make calls fail, wrap a Store in
// storetest.Faults.
package memstore

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"polisen-events-collector/pkg/store"
)

// Store keeps objects in memory. Use [New] to make one.
type Store struct {
	mu      sync.Mutex
	objects map[string]store.Object
	writes  int // successful Puts; numbers the ETags
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{objects: make(map[string]store.Object)}
}

// String returns "mem:".
func (s *Store) String() string { return "mem:" }

// Get implements [store.Reader]. The caller may change the returned bytes.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	o, err := s.find(ctx, "get", name)
	o.Body = bytes.Clone(o.Body)
	return o, err
}

// Stat implements [store.Reader].
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	o, err := s.find(ctx, "stat", name)
	return o.Attrs, err
}

// find returns the stored object, whose Body callers must not change. The verb is
// the call's name in errors.
func (s *Store) find(ctx context.Context, verb, name string) (store.Object, error) {
	if err := store.CheckCall(ctx, verb, name); err != nil {
		return store.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return store.Object{}, fmt.Errorf("%s %s: %w", verb, name, store.ErrNotExist)
	}
	return o, nil
}

// List implements [store.Reader]. It yields the objects that exist when the
// iteration begins.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		s.mu.Lock()
		objects := maps.Clone(s.objects)
		s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			if ctx.Err() != nil {
				break
			}
			if strings.HasPrefix(name, prefix) && !yield(objects[name].Attrs, nil) {
				return
			}
		}
		if ctx.Err() != nil { // even if it ended after the last object
			yield(store.Attrs{}, fmt.Errorf("%s: %w", store.ListCall(prefix), context.Cause(ctx)))
		}
	}
}

// Put implements [store.Writer]. Each successful Put gives the object a new
// ETag, even if the content stays the same.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if err := store.CheckPut(ctx, name, body, cond); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.objects[name].ETag; !cond.Allows(current) {
		return "", fmt.Errorf("put %s: %w", name, store.ConditionFailed(current))
	}
	s.writes++
	attrs := store.Attrs{
		Name: name,
		Size: int64(len(body)),
		ETag: store.ETag(fmt.Sprintf("write-%d", s.writes)),
		MD5:  store.MD5(body),
	}
	s.objects[name] = store.Object{Attrs: attrs, Body: bytes.Clone(body)}
	return attrs.ETag, nil
}

// Remove deletes an object, as another program would, and reports whether it
// existed.
func (s *Store) Remove(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.objects[name]
	delete(s.objects, name)
	return ok
}
