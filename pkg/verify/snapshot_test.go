package verify_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// busy counts the calls under way. A List is under way while it finds its next
// object, not while its caller looks at one.
type busy struct {
	store.Store
	now, most atomic.Int64
}

func (b *busy) begin() {
	n := b.now.Add(1)
	for {
		most := b.most.Load()
		if n <= most || b.most.CompareAndSwap(most, n) {
			break
		}
	}
	time.Sleep(100 * time.Microsecond) // lets the others come
}

func (b *busy) Get(ctx context.Context, name string) (store.Object, error) {
	b.begin()
	defer b.now.Add(-1)
	return b.Store.Get(ctx, name)
}

func (b *busy) Stat(ctx context.Context, name string) (store.Attrs, error) {
	b.begin()
	defer b.now.Add(-1)
	return b.Store.Stat(ctx, name)
}

func (b *busy) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		b.begin()
		defer b.now.Add(-1)
		for a, err := range b.Store.List(ctx, prefix) {
			b.now.Add(-1)
			more := yield(a, err)
			b.now.Add(1)
			if !more {
				return
			}
		}
	}
}

// crowd fills s with one object for each of n days, and its document.
func crowd(t *testing.T, s store.Store, n int) {
	for i := range n {
		at := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		put(t, s, archive.Name{Partition: archive.Partition{Kind: archive.Events, Date: archive.DateOf(at)}, Timestamp: at.Unix()}.String(),
			fmt.Sprintf(`{"id":%d,"datetime":"%s 10:00:00 +01:00"}`, i+1, at.Format(time.DateOnly))+"\n")
	}
	mustRepair(t, s, false)
}

// TestConcurrency: all objects are read, with as many calls at a time as there
// may be, and no more. There are more objects than the queue holds.
func TestConcurrency(t *testing.T) {
	const objects = 1500
	s := memstore.New()
	crowd(t, s, objects)
	for _, concurrency := range []int{1, 8} {
		b := &busy{Store: s}
		o := options()
		o.Concurrency = concurrency
		o.Now = func() time.Time { return now.AddDate(10, 0, 0) }
		r, err := verify.Audit(t.Context(), b, o)
		if err != nil || !r.OK || r.Checked.Events != objects || r.Checked.Objects != objects {
			t.Fatalf("concurrency %d: %v: %v", concurrency, err, r)
		}
		if most := b.most.Load(); most != int64(concurrency) {
			t.Errorf("concurrency %d: %d calls at a time", concurrency, most)
		}
	}
}

// TestDays: with bounds only the objects of the days between are read.
func TestDays(t *testing.T) {
	s := memstore.New()
	crowd(t, s, 10)
	put(t, s, "events/2026/01/02/events-1.jsonl", "{\n")
	put(t, s, "events/2026/01/09/events-1.jsonl", "{\n")
	put(t, s, "notes.txt", "names of all objects are looked at")
	day := func(n int) archive.Date { return archive.Date{Year: 2026, Month: 1, Day: n} }
	for _, tt := range []struct {
		from, to archive.Date
		events   int
		finds    []string
	}{
		{day(3), day(5), 3, []string{"foreign-object notes.txt 0"}},
		{day(3), archive.Date{}, 8, []string{"foreign-object notes.txt 0", "not-json events/2026/01/09/events-1.jsonl 1"}},
		{archive.Date{}, day(2), 2, []string{"foreign-object notes.txt 0", "not-json events/2026/01/02/events-1.jsonl 1"}},
	} {
		o := options()
		o.From, o.To = tt.from, tt.to
		f := storetest.NewFaults(s, nil)
		r, err := verify.Audit(t.Context(), f, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.finds, found(r)); diff != "" || r.Checked.Events != tt.events || !strings.Contains(r.Summary(), "only the days from") {
			t.Errorf("%v to %v: %d events, verdict %s (-want +got):\n%s", tt.from, tt.to, r.Checked.Events, r.Summary(), diff)
		}
		for _, c := range f.Calls() {
			if n, ok := archive.ParseName(c.Name); ok && (n.Date.Compare(tt.from) < 0 || tt.to != archive.Date{} && n.Date.Compare(tt.to) > 0) {
				t.Errorf("%v to %v: %v", tt.from, tt.to, c)
			}
		}
		if _, err := verify.Repair(t.Context(), s, o, verify.RepairOptions{Writer: writerOptions()}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("repair of some days: %v", err)
		}
	}
}

// TestPendingOutside: the last commit's objects are looked for whatever the
// days are, and not read.
func TestPendingOutside(t *testing.T) {
	s := memstore.New()
	crowd(t, s, 3)
	const name = "events/2026/01/09/events-5000000000.jsonl"
	put(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[],"last_updated":"2026-01-02T21:00:00Z","total_tracked":0,"version":1,`+
		`"commit":{"id":"x","sequence":3,"timestamp":5000000000},"complete_above":9,"pending":[{"name":%q,"content":"{}\n"}]}`, name))
	o := options()
	o.To = archive.Date{Year: 2026, Month: 1, Day: 2}
	for body, want := range map[string][]string{
		"":     {"pending-missing " + name + " 0"},
		"x":    {"pending-different " + name + " 0"},
		"{}\n": nil,
	} {
		if body != "" {
			put(t, s, name, body)
		}
		r, err := verify.Audit(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, found(r)); diff != "" {
			t.Errorf("with %q (-want +got):\n%s", body, diff)
		}
		if a, err := s.Stat(t.Context(), name); err == nil {
			if err := s.Delete(t.Context(), name, a.ETag); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCouldNotCheck: what cannot be read is an error and no finding, whichever
// call it is that fails.
func TestCouldNotCheck(t *testing.T) {
	s := memstore.New()
	crowd(t, s, 5)
	counted := storetest.NewFaults(s, nil)
	if _, err := verify.Audit(t.Context(), counted, options()); err != nil {
		t.Fatal(err)
	}
	for k := range len(counted.Calls()) {
		for _, fault := range []storetest.Fault{storetest.FailBefore(), storetest.FailAfter()} {
			r, err := verify.Audit(t.Context(), storetest.NewFaults(s, storetest.At(k+1, fault)), options())
			if !errors.Is(err, storetest.ErrFault) || errors.Is(err, verify.ErrFindings) || r != nil {
				t.Errorf("call %d: %v, %v", k+1, r, err)
			}
		}
	}
	put(t, s, archive.DocumentName, `{"seen_ids":[],"version":2}`)
	if _, err := verify.Audit(t.Context(), s, options()); !errors.Is(err, archive.ErrNewerFormat) {
		t.Errorf("a newer document: %v", err)
	}
	if _, err := repair(s, true); !errors.Is(err, archive.ErrNewerFormat) {
		t.Errorf("repair of a newer document: %v", err)
	}
}

// TestAuditBesideRuns: runs that commit during an audit give no findings; an
// archive that never rests cannot be audited.
func TestAuditBesideRuns(t *testing.T) {
	for _, commits := range []int{1, 3, 1000} {
		s := memstore.New()
		crowd(t, s, 5)
		done := 0
		crossed := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if done < commits && c.Method == storetest.Get && strings.HasPrefix(c.Name, "events/2026/") {
				done++
				w := archive.NewWriter(s, writerOptions())
				if _, err := w.Add(t.Context(), archive.Batch{Events: poll.Events[6:7], ObservedAt: now, Current: true}); err != nil {
					t.Error(err)
				}
				b := archive.Batch{Events: append(poll.Events[:0:0], event(int64(100+done), 2, "first")), ObservedAt: now, Current: true}
				if _, err := w.Add(t.Context(), b); err != nil || w.Flush(t.Context()) != nil {
					t.Error(err)
				}
			}
			return storetest.Fault{}
		})
		r, err := verify.Audit(t.Context(), crossed, options())
		if commits == 1000 {
			if err == nil {
				t.Error("an archive that never rests was audited")
			}
			continue
		}
		if err != nil || len(r.Findings) > 0 || r.Checked.Events != 5+commits {
			t.Errorf("%d commits: %v: %v", commits, err, r)
		}
	}
}

// TestAuditBesideRepair: an object that a repair deletes after it was listed is
// none.
func TestAuditBesideRepair(t *testing.T) {
	const name = "events/2026/01/01/events-1767301200.jsonl"
	s := load(t, "testdata/superseded_object.txtar").store
	faults := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.Get && c.Name == name {
			if err := s.Delete(t.Context(), name, "write-1"); err != nil {
				t.Error(err)
			}
		}
		return storetest.Fault{}
	})
	r, err := verify.Audit(t.Context(), faults, options())
	if err != nil || len(r.Findings) > 0 || r.Checked.Objects != 2 || r.Checked.Events != 3 {
		t.Errorf("%v: %v", err, r)
	}
}

// rotten is a store that cannot read one object as it was written.
type rotten struct {
	store.Store
	name string
}

func (r rotten) Get(ctx context.Context, name string) (store.Object, error) {
	if name == r.name {
		return store.Object{}, fmt.Errorf("get %s: %w", name, store.ErrDamaged)
	}
	return r.Store.Get(ctx, name)
}

// TestUnreadableObject: an object that has lost its content is a finding, its
// events are not taken for missing, and no repair decides anything.
func TestUnreadableObject(t *testing.T) {
	s := memstore.New()
	crowd(t, s, 3)
	const name = "events/2026/01/02/events-1767312000.jsonl"
	faults := storetest.NewFaults(rotten{s, name}, nil)
	r, err := verify.Audit(t.Context(), faults, options())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"content-damaged " + name + " 0"}, found(r)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if _, err := repair(faults, true); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("repair: %v", err)
	}
	wantReadOnly(t, faults)
}
