package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestFault makes the calls Put a, Get a and Put b, with a fault in the first,
// and checks the result of each and the names in the store at the end.
func TestFault(t *testing.T) {
	const ok, missing = "ok", "missing"
	tests := []struct {
		name  string
		fault storetest.Fault
		want  []string // results of the calls
		left  []string // names in the inner store, before Release
	}{
		{"none", storetest.Fault{}, []string{ok, ok, ok}, []string{"a", "b"}},
		{"before", storetest.FailBefore(), []string{"fault", missing, ok}, []string{"b"}},
		{"after", storetest.FailAfter(), []string{"fault", ok, ok}, []string{"a", "b"}},
		{"late, next", storetest.Late(1), []string{"fault", ok, ok}, []string{"a", "b"}},
		{"late, second", storetest.Late(2), []string{"fault", missing, ok}, []string{"a", "b"}},
		{"late, never", storetest.Late(0), []string{"fault", missing, ok}, []string{"b"}},
		{"crash before", storetest.CrashBefore(), []string{"crash", "crash", "crash"}, nil},
		{"crash after", storetest.CrashAfter(), []string{"crash", "crash", "crash"}, []string{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, inner := t.Context(), memstore.New()
			f := storetest.NewFaults(inner, storetest.At(1, tt.fault))
			_, err1 := f.Put(ctx, "a", []byte("1"), store.IfAbsent())
			_, err2 := f.Get(ctx, "a")
			_, err3 := f.Put(ctx, "b", nil, store.IfAbsent())
			if got := []string{outcome(err1), outcome(err2), outcome(err3)}; !slices.Equal(got, tt.want) {
				t.Errorf("calls gave %v, want %v", got, tt.want)
			}
			if got, _ := storetest.Names(ctx, inner, ""); !slices.Equal(got, tt.left) {
				t.Errorf("the store holds %v, want %v", got, tt.left)
			}
			want := []storetest.Call{
				{N: 1, Method: storetest.Put, Name: "a", Cond: store.IfAbsent()},
				{N: 2, Method: storetest.Get, Name: "a"},
				{N: 3, Method: storetest.Put, Name: "b", Cond: store.IfAbsent()},
			}
			if diff := cmp.Diff(want, f.Calls(), cmp.AllowUnexported(store.Cond{})); diff != "" {
				t.Errorf("calls recorded (-want +got):\n%s", diff)
			}
		})
	}
}

// A late effect checks its condition when it happens, and writes the body as it
// was when the call was made.
func TestLateEffect(t *testing.T) {
	ctx, inner := t.Context(), memstore.New()
	first := must(inner.Put(ctx, "doc", []byte("0"), store.IfAbsent()))
	body := []byte("late")
	f := storetest.NewFaults(inner, func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.Put {
			return storetest.Late(0)
		}
		return storetest.Fault{}
	})
	cancelled, cancel := context.WithCancel(ctx)
	_, err := f.Put(cancelled, "doc", body, store.IfMatch(first))
	if outcome(err) != "fault" {
		t.Fatalf("late Put: %v", err)
	}
	cancel() // has no influence on the late effect
	clear(body)
	if _, err := f.Put(ctx, "doc", []byte("loser"), store.IfMatch(first)); outcome(err) != "fault" {
		t.Fatalf("second late Put: %v", err)
	}
	f.Release()
	doc := must(inner.Get(ctx, "doc"))
	if string(doc.Body) != "late" {
		t.Errorf("after Release the object is %q, want the first late write", doc.Body)
	}
}

// A late effect still happens after the process that caused it has crashed.
func TestLateEffectOutlivesCrash(t *testing.T) {
	ctx, inner := t.Context(), memstore.New()
	f := storetest.NewFaults(inner, func(c storetest.Call) storetest.Fault {
		return []storetest.Fault{storetest.Late(0), storetest.CrashBefore()}[c.N-1]
	})
	for range 3 {
		_, _ = f.Put(ctx, "a", nil, store.IfAbsent())
	}
	if _, err := inner.Stat(ctx, "a"); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("before Release: %v", err)
	}
	f.Release()
	if _, err := inner.Stat(ctx, "a"); err != nil {
		t.Fatalf("after Release: %v", err)
	}
}

func TestFaultyList(t *testing.T) {
	ctx, inner := t.Context(), memstore.New()
	for _, name := range []string{"a", "b", "c"} {
		_ = must(inner.Put(ctx, name, nil, store.IfAbsent()))
	}
	tests := []struct {
		fault storetest.Fault
		want  []string
		end   string
	}{
		{storetest.Fault{}, []string{"a", "b", "c"}, "ok"},
		{storetest.FailBefore(), nil, "fault"},
		{storetest.FailAfter(), []string{"a", "b"}, "fault"},
		{storetest.Late(1), nil, "fault"},
		{storetest.CrashBefore(), nil, "crash"},
		{storetest.CrashAfter(), []string{"a", "b"}, "crash"},
	}
	for _, tt := range tests {
		f := storetest.NewFaults(inner, storetest.At(1, tt.fault))
		seq := f.List(ctx, "")
		if n := len(f.Calls()); n != 0 {
			t.Errorf("%+v: %d calls before the iteration", tt.fault, n)
		}
		var got []string
		var end error
		for a, err := range seq {
			if end = err; err == nil {
				got = append(got, a.Name)
			}
		}
		if !slices.Equal(got, tt.want) || outcome(end) != tt.end {
			t.Errorf("%+v: yielded %v, %v; want %v, %s", tt.fault, got, end, tt.want, tt.end)
		}
		if n := len(f.Calls()); n != 1 {
			t.Errorf("%+v: %d calls after the iteration, want 1", tt.fault, n)
		}
		for range f.List(ctx, "") { // stopping early must not panic
			break
		}
	}
}

// Concurrent calls have different numbers, and no call that begins after a crash
// has an effect.
func TestFaultsConcurrently(t *testing.T) {
	ctx, inner := t.Context(), memstore.New()
	f := storetest.NewFaults(inner, storetest.At(50, storetest.CrashAfter()))
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { _, _ = f.Put(ctx, fmt.Sprintf("%03d", i), nil, store.IfAbsent()) })
	}
	wg.Wait()
	for i, c := range f.Calls() {
		_, err := inner.Stat(ctx, c.Name)
		if c.N != i+1 || (err == nil) != (c.N <= 50) {
			t.Errorf("call %d has number %d and left %v", i+1, c.N, err)
		}
	}
}

// outcome returns a short name for err.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, storetest.ErrFault):
		return "fault"
	case errors.Is(err, storetest.ErrCrashed):
		return "crash"
	case errors.Is(err, store.ErrNotExist):
		return "missing"
	}
	return err.Error()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
