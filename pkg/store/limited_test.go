package store_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

func TestLimitedStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return limited(t, memstore.New()) })
}

const limit = time.Minute

func limited(t *testing.T, s store.Store) store.Store {
	t.Helper()
	s, err := store.OpenLimited(t.Context(), s.String(), limit, func() (store.Store, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stalled is a store that does not respond until release is closed, whatever its
// context.
type stalled struct {
	store.Store
	release chan struct{}
}

func (s stalled) Get(ctx context.Context, name string) (store.Object, error) {
	<-s.release
	return s.Store.Get(ctx, name)
}

func (s stalled) Stat(ctx context.Context, name string) (store.Attrs, error) {
	<-s.release
	return s.Store.Stat(ctx, name)
}

func (s stalled) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	<-s.release
	return s.Store.Put(context.WithoutCancel(ctx), name, body, cond)
}

func (s stalled) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		for a, err := range s.Store.List(ctx, prefix) {
			if !yield(a, err) {
				return
			}
			<-s.release
		}
	}
}

// TestStalledStore checks that each call of a store that does not respond ends with
// its context and, without a deadline, after the limit.
func TestStalledStore(t *testing.T) {
	ended := errors.New("the run has ended")
	calls := map[string]func(context.Context, store.Store, <-chan struct{}) error{
		"open mem://": func(ctx context.Context, s store.Store, release <-chan struct{}) error {
			_, err := store.OpenLimited(ctx, "mem://", limit, func() (store.Store, error) { <-release; return s, nil })
			return err
		},
		"get a in mem://": func(ctx context.Context, s store.Store, _ <-chan struct{}) error {
			_, err := s.Get(ctx, "a")
			return err
		},
		"stat a in mem://": func(ctx context.Context, s store.Store, _ <-chan struct{}) error {
			_, err := s.Stat(ctx, "a")
			return err
		},
		"put b in mem://": func(ctx context.Context, s store.Store, _ <-chan struct{}) error {
			body := []byte("right")
			_, err := s.Put(ctx, "b", body, store.IfAbsent())
			copy(body, "wrong")
			return err
		},
		"list a in mem://": func(ctx context.Context, s store.Store, _ <-chan struct{}) error {
			for _, err := range s.List(ctx, "a") {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, call := range calls {
		for _, within := range []time.Duration{time.Second, time.Hour} {
			t.Run(name+" "+within.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner := memstore.New()
					for _, object := range []string{"a", "a2"} {
						storetest.MustPut(t, inner, object, "content")
					}
					release := make(chan struct{})
					s := limited(t, stalled{inner, release})
					ctx, cancel := context.WithTimeoutCause(t.Context(), within, ended)
					defer cancel()
					start := time.Now()
					err := call(ctx, s, release)
					if took := time.Since(start); took > min(within, limit)+time.Second {
						t.Errorf("took %v", took)
					}
					if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, "mem://")) || errors.Is(err, ended) != (within < limit) {
						t.Errorf("got %v", err)
					}
					close(release)
					synctest.Wait()
					if o, err := inner.Get(t.Context(), "b"); strings.HasPrefix(name, "put") && (err != nil || string(o.Body) != "right") {
						t.Errorf("the late effect of the put: %q, %v", o.Body, err)
					}
				})
			})
		}
	}
}
