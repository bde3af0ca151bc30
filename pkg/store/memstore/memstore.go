// Package memstore keeps objects in memory, for tests. It is the strictest of
// the stores: whatever the contract lets a store refuse, it refuses, and what
// the contract leaves open (what an ETag looks like, whether writing the same
// content again gives a new one) it does in the way that catches assumptions.
//
// It keeps nothing beyond the process and makes nothing fail: faults are
// storetest's business.
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

// Store is a store.Store in memory. New makes one.
type Store struct {
	mu      sync.Mutex
	objects map[string]store.Object
	writes  int // successful Puts so far; numbers the ETags
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{objects: make(map[string]store.Object)}
}

// String returns "mem:".
func (s *Store) String() string { return "mem:" }

// Get implements store.Reader. The caller owns the returned bytes.
func (s *Store) Get(ctx context.Context, name string) (store.Object, error) {
	o, err := s.find(ctx, name)
	if err != nil {
		return store.Object{}, fmt.Errorf("get %s: %w", name, err)
	}
	o.Body = bytes.Clone(o.Body)
	return o, nil
}

// Stat implements store.Reader.
func (s *Store) Stat(ctx context.Context, name string) (store.Attrs, error) {
	o, err := s.find(ctx, name)
	if err != nil {
		return store.Attrs{}, fmt.Errorf("stat %s: %w", name, err)
	}
	return o.Attrs, nil
}

// List implements store.Reader. It yields the objects as they were when the
// iteration began.
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
		if ctx.Err() != nil { // even after the last object
			yield(store.Attrs{}, fmt.Errorf("list %s: %w", prefix, context.Cause(ctx)))
		}
	}
}

// Put implements store.Writer. Every Put that succeeds gives a new ETag, even
// one that writes the same content again.
func (s *Store) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	etag, err := s.put(ctx, name, body, cond)
	if err != nil {
		return "", fmt.Errorf("put %s: %w", name, err)
	}
	return etag, nil
}

func (s *Store) put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if err := admit(ctx, name); err != nil {
		return "", err
	}
	if !cond.Valid() {
		return "", fmt.Errorf("%w: no condition", store.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.objects[name].ETag; !cond.Allows(current) {
		return "", fmt.Errorf("%w: its ETag is %q", store.ErrPrecondition, current)
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

// Delete implements store.Writer.
func (s *Store) Delete(ctx context.Context, name string, etag store.ETag) error {
	if err := s.remove(ctx, name, etag); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, name string, etag store.ETag) error {
	if err := admit(ctx, name); err != nil {
		return err
	}
	if etag == "" {
		return fmt.Errorf("%w: no ETag", store.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return store.ErrNotExist
	}
	if o.ETag != etag {
		return fmt.Errorf("%w: its ETag is %q", store.ErrPrecondition, o.ETag)
	}
	delete(s.objects, name)
	return nil
}

// find returns the object itself, whose Body is the store's own.
func (s *Store) find(ctx context.Context, name string) (store.Object, error) {
	if err := admit(ctx, name); err != nil {
		return store.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return store.Object{}, store.ErrNotExist
	}
	return o, nil
}

// admit checks what every call about one object needs.
func admit(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
