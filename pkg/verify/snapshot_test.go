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

// busy counts concurrent calls. A List counts while it finds its next object, not
// while its caller handles one.
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
	time.Sleep(100 * time.Microsecond) // so that other calls begin
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

// fillDays fills s with one object for each of n days, and the document.
func fillDays(t *testing.T, s store.Store, n int) {
	t.Helper()
	for i := range n {
		at := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		storetest.MustPut(t, s, archive.Name{Partition: archive.Partition{Kind: archive.Events, Date: archive.DateOf(at)}, Timestamp: at.Unix()}.String(),
			fmt.Sprintf(`{"id":%d,"datetime":"%s 10:00:00 +01:00"}`, i+1, at.Format(time.DateOnly))+"\n")
	}
	mustRepair(t, s, false)
}

// TestConcurrency: an audit reads all objects, with as many concurrent calls as
// allowed and no more.
func TestConcurrency(t *testing.T) {
	const objects = 1500
	s := memstore.New()
	fillDays(t, s, objects)
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
			t.Errorf("concurrency %d: %d concurrent calls", concurrency, most)
		}
	}
}

// listFirst is a store whose objects can be read only after a whole list.
type listFirst struct {
	store.Store
	listed chan struct{}
}

func (l listFirst) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		for a, err := range l.Store.List(ctx, prefix) {
			if !yield(a, err) {
				return
			}
		}
		close(l.listed)
	}
}

func (l listFirst) Get(ctx context.Context, name string) (store.Object, error) {
	if strings.HasPrefix(name, archive.Events.Prefix()) {
		select {
		case <-l.listed:
		case <-ctx.Done():
			return store.Object{}, context.Cause(ctx)
		}
	}
	return l.Store.Get(ctx, name)
}

// TestProgress: an audit reports each object, and the number of all objects does not have to
// wait for those that are being read.
func TestProgress(t *testing.T) {
	const objects = 500
	s := memstore.New()
	fillDays(t, s, objects)
	if _, err := verify.Repair(t.Context(), s, options(), verify.RepairOptions{Counts: true, Writer: writerOptions()}); err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for name, body := range storetest.Objects(t, s) {
		if strings.HasPrefix(name, archive.Events.Prefix()) {
			size += int64(len(body))
		}
	}
	for _, concurrency := range []int{1, 4} {
		var last verify.Progress
		o := options()
		o.Concurrency = concurrency
		o.OnProgress = func(p verify.Progress) {
			if p.Objects < last.Objects || p.Objects > last.Objects+1 || p.Bytes < last.Bytes || p.Listed != objects {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := verify.Audit(ctx, listFirst{s, make(chan struct{})}, o); err != nil {
			t.Fatal(err)
		}
		if want := (verify.Progress{Objects: objects, Bytes: size, Listed: objects, Complete: true, Lines: objects, Counted: objects}); last != want {
			t.Errorf("concurrency %d: at the end %+v, want %+v", concurrency, last, want)
		}
	}
}

// TestDays: with From and To an audit reads only the objects of those days.
func TestDays(t *testing.T) {
	s := memstore.New()
	fillDays(t, s, 10)
	storetest.MustPut(t, s, "events/2026/01/02/events-1.jsonl", "{\n")
	storetest.MustPut(t, s, "events/2026/01/09/events-1.jsonl", "{\n")
	storetest.MustPut(t, s, "notes.txt", "an audit checks the names of all objects")
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
			t.Errorf("%v to %v: %d events, summary %s (-want +got):\n%s", tt.from, tt.to, r.Checked.Events, r.Summary(), diff)
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

// TestPendingOutside: an audit checks that the objects of the last commit are
// stored, also those of other days, and does not read them.
func TestPendingOutside(t *testing.T) {
	s := memstore.New()
	fillDays(t, s, 3)
	const name = "events/2026/01/09/events-5000000000.jsonl"
	storetest.MustPut(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[],"last_updated":"2026-01-02T21:00:00Z","total_tracked":0,"version":1,`+
		`"commit":{"id":"x","sequence":3,"timestamp":5000000000},"complete_above":9,"pending":[{"name":%q,"content":"{}\n"}]}`, name))
	o := options()
	o.To = archive.Date{Year: 2026, Month: 1, Day: 2}
	for body, want := range map[string][]string{
		"":     {"pending-missing " + name + " 0"},
		"x":    {"pending-different " + name + " 0"},
		"{}\n": nil,
	} {
		if body != "" {
			storetest.MustPut(t, s, name, body)
		}
		r, err := verify.Audit(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, found(r)); diff != "" {
			t.Errorf("with %q (-want +got):\n%s", body, diff)
		}
		if body != "" {
			storetest.MustDelete(t, s, name)
		}
	}
}

// TestStoreError: a failed store call is an error, not a finding.
func TestStoreError(t *testing.T) {
	s := memstore.New()
	fillDays(t, s, 5)
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
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"version":3}`)
	if _, err := verify.Audit(t.Context(), s, options()); !errors.Is(err, archive.ErrNewerFormat) {
		t.Errorf("a newer document: %v", err)
	}
	if _, err := repair(s, true); !errors.Is(err, archive.ErrNewerFormat) {
		t.Errorf("repair of a newer document: %v", err)
	}
}

// TestAuditBesideRuns: runs that commit during an audit cause no findings. An audit
// fails if runs never stop committing.
func TestAuditBesideRuns(t *testing.T) {
	for _, commits := range []int{1, 3, 1000} {
		s := memstore.New()
		fillDays(t, s, 5)
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
				t.Error("no error, although runs never stopped committing")
			}
			continue
		}
		if err != nil || len(r.Findings) > 0 || r.Checked.Events != 5+commits {
			t.Errorf("%d commits: %v: %v", commits, err, r)
		}
	}
}

// TestAuditBesideRepair: an audit reads an object as a repair has rewritten it after
// the list, or does not report an object that was deleted then.
func TestAuditBesideRepair(t *testing.T) {
	const name = "events/2026/01/01/events-1767301300.jsonl"
	for what, change := range map[string]func(store.Store){
		"repaired": func(s store.Store) { mustRepair(t, s, true) },
		"deleted":  func(s store.Store) { storetest.MustDelete(t, s, name) },
	} {
		s := load(t, "testdata/leftover_objects.txtar").store
		changed := false
		faults := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Get && strings.HasPrefix(c.Name, archive.Events.Prefix()) && !changed {
				changed = true
				change(s)
			}
			return storetest.Fault{}
		})
		o := options()
		o.Concurrency = 1 // so that the change comes before the first object is read
		r, err := verify.Audit(t.Context(), faults, o)
		if err != nil || r.ByCheck[verify.ContentDamaged] > 0 || r.Checked.Events != 4 || (len(r.Findings) > 0) != (what == "deleted") {
			t.Errorf("%s: %v: %v", what, err, r)
		}
	}
}

// TestUnreadableObject: an object with damaged content is a finding. The audit does
// not report its events as missing, and a repair changes nothing.
func TestUnreadableObject(t *testing.T) {
	s := memstore.New()
	fillDays(t, s, 3)
	const name = "events/2026/01/02/events-1767312000.jsonl"
	for _, unreadable := range []error{store.ErrDamaged, store.ErrAccess, store.ErrTooLarge, nil} { // with nil, half of the content is read
		faults := storetest.NewFaults(storetest.NewUnreadable(s, name, unreadable), nil)
		r, err := verify.Audit(t.Context(), faults, options())
		if err != nil {
			t.Fatal(err)
		}
		check, cause := verify.Unreadable, unreadable
		if unreadable == nil || unreadable == store.ErrDamaged {
			check, cause = verify.ContentDamaged, store.ErrDamaged
		}
		if diff := cmp.Diff([]string{string(check) + " " + name + " 0"}, found(r)); diff != "" {
			t.Errorf("%v: findings (-want +got):\n%s", unreadable, diff)
		}
		if _, err := repair(faults, true); !errors.Is(err, cause) {
			t.Errorf("%v: repair: %v", unreadable, err)
		}
		wantReadOnly(t, faults)
	}
}
