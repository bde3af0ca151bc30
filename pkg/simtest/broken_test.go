package simtest_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/simtest"
	"polisen-events-collector/pkg/store"
)

// broken is a store that breaks one step of the commit protocol for one process.
type broken struct {
	store.Store
	onGet  func(b *broken, ctx context.Context, o store.Object)
	onPut  func(b *broken, ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error)
	onStat func(b *broken, ctx context.Context, name string) (store.Attrs, error)
	onList func(b *broken, ctx context.Context, prefix string) iter.Seq2[store.Attrs, error]

	hidesReport bool // the last report looks empty

	document *archive.Document // as it was last read
	listed   []store.Attrs     // the objects at that time
	mu       *sync.Mutex
	queue    []archive.Pending // objects that wait to be written
}

func (b *broken) Get(ctx context.Context, name string) (store.Object, error) {
	o, err := b.Store.Get(ctx, name)
	if err == nil && name == archive.LastRunName && b.hidesReport {
		o.Body = []byte("{}")
	}
	if err == nil && name == archive.DocumentName {
		b.document, _ = archive.ParseDocument(o.Body)
		if b.onGet != nil {
			b.onGet(b, ctx, o)
		}
	}
	return o, err
}

func (b *broken) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	if b.onPut == nil {
		return b.Store.Put(ctx, name, body, cond)
	}
	return b.onPut(b, ctx, name, body, cond)
}

func (b *broken) Stat(ctx context.Context, name string) (store.Attrs, error) {
	if b.onStat == nil {
		return b.Store.Stat(ctx, name)
	}
	return b.onStat(b, ctx, name)
}

func (b *broken) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	if b.onList == nil {
		return b.Store.List(ctx, prefix)
	}
	return b.onList(b, ctx, prefix)
}

// isData reports whether name is that of a data object.
func isData(name string) bool {
	_, ok := archive.ParseName(name)
	return ok
}

// breaks are stores that break the protocol, by the step that they break. A store cannot
// make a lookup leave out the neighbouring days: a mutation in scripts/mutate does.
var breaks = map[string]broken{
	"commit without a condition": {onPut: func(b *broken, ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
		if name == archive.DocumentName {
			cond = store.Always()
		}
		return b.Store.Put(ctx, name, body, cond)
	}},
	"data before the commit": {onPut: func(b *broken, ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
		if name == archive.DocumentName {
			next, _ := archive.ParseDocument(body)
			for _, p := range next.Pending {
				_, _ = b.Store.Put(ctx, p.Name, p.Content, store.IfAbsent())
			}
		}
		return b.Store.Put(ctx, name, body, cond)
	}},
	"no look at the last report": {hidesReport: true},
	"no heal": {onStat: func(b *broken, ctx context.Context, name string) (store.Attrs, error) {
		if b.document != nil {
			for _, p := range b.document.Pending {
				if p.Name == name {
					return store.Attrs{Name: name, Size: int64(len(p.Content)), ETag: "unknown", MD5: store.MD5(p.Content)}, nil
				}
			}
		}
		return b.Store.Stat(ctx, name)
	}},
	"no lookup": {onList: func(b *broken, ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
		if strings.Count(prefix, "/") > 1 {
			return func(func(store.Attrs, error) bool) {}
		}
		return b.Store.List(ctx, prefix)
	}},
	"lookup before the heal": {
		onGet: func(b *broken, ctx context.Context, _ store.Object) {
			b.listed = nil
			for attrs, err := range b.Store.List(ctx, "") {
				if err == nil {
					b.listed = append(b.listed, attrs)
				}
			}
		},
		onList: func(b *broken, ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
			if strings.Count(prefix, "/") <= 1 {
				return b.Store.List(ctx, prefix)
			}
			return func(yield func(store.Attrs, error) bool) {
				for _, attrs := range b.listed {
					if strings.HasPrefix(attrs.Name, prefix) && !yield(attrs, nil) {
						return
					}
				}
			}
		},
	},
	"report before the objects": {onPut: func(b *broken, ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if isData(name) && cond.Absent() {
			b.queue = append(b.queue, archive.Pending{Name: name, Content: body})
			return "unknown", nil
		}
		etag, err := b.Store.Put(ctx, name, body, cond)
		for _, p := range b.queue {
			_, _ = b.Store.Put(ctx, p.Name, p.Content, store.IfAbsent())
		}
		b.queue = nil
		return etag, err
	}},
}

// wrap returns a store that breaks the protocol for each process.
func (b broken) wrap(s store.Store) store.Store {
	b.Store, b.mu = s, new(sync.Mutex)
	return &b
}

// TestShrink looks for the shortest history with a violation by processes that do not heal.
// In it one run has to fail or die after its commit, and another one has to commit.
func TestShrink(t *testing.T) {
	wrap := breaks["no heal"].wrap
	plan := simtest.NewPlan(0)
	for simtest.Play(t, plan, false, wrap).Violation == "" {
		plan = simtest.NewPlan(plan.Seed + 1)
	}
	short, r := simtest.Shrink(t, plan, wrap, 100)
	if r.Violation == "" || len(short.Steps) > 3 || len(r.Faults) > 3 || len(r.Trace) == 0 {
		t.Errorf("%d of %d steps and %d faults are left: %s", len(short.Steps), len(plan.Steps), len(r.Faults), r.Violation)
	}
	if again := simtest.Play(t, short, false, wrap); again.Violation != r.Violation || again.Hash != r.Hash {
		t.Errorf("the shortest history, played again: %s", again.Violation)
	}
	t.Logf("%d of %d steps and %d faults are left: %s", len(short.Steps), len(plan.Steps), len(r.Faults), r.Violation)
}

// TestBrokenProtocol breaks each step of the commit protocol in turn, and checks that a
// history shows it.
func TestBrokenProtocol(t *testing.T) {
	const most = 300
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			for seed := range uint64(most) {
				if r := simtest.Play(t, simtest.NewPlan(seed), false, b.wrap); r.Violation != "" {
					t.Logf("noticed by history %d after %v: %s", seed, time.Since(start).Round(time.Millisecond), r.Violation)
					return
				}
			}
			t.Errorf("%d histories did not notice it", most)
		})
	}
}
