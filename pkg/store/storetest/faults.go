package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"polisen-events-collector/pkg/store"
)

var (
	// ErrFault is the error of a call with a fault other than a crash. It wraps
	// no error of package store, so the outcome of a write is unknown.
	ErrFault = errors.New("injected fault")
	// ErrCrashed is the error of the call with a crash and of all later ones.
	ErrCrashed = errors.New("injected crash")
)

// Method is the name of a method of [store.Store].
type Method string

// The methods that Faults records.
const (
	Get  Method = "Get"
	Stat Method = "Stat"
	List Method = "List"
	Put  Method = "Put"
)

// Call is a call of a store's method.
type Call struct {
	// N is the number of the call, in the order in which they began, from 1.
	N      int
	Method Method
	// Name is the object's name, or the prefix of a List.
	Name string
	// Cond is the condition of a Put.
	Cond store.Cond
}

// String returns a text such as "call 3, Put a/b".
func (c Call) String() string { return fmt.Sprintf("call %d, %s %s", c.N, c.Method, c.Name) }

// Fault says how a call fails. The zero Fault lets it succeed.
type Fault struct {
	kind  faultKind
	calls int // for late: see Late
}

type faultKind uint8

const (
	pass faultKind = iota
	failBefore
	failAfter
	late
	crashBefore
	crashAfter
)

// FailBefore makes the call fail without an effect, as if the request was lost.
func FailBefore() Fault { return Fault{kind: failBefore} }

// FailAfter makes the call fail after its effect, as if the response was lost. A
// List fails after it has yielded all objects but the last.
func FailAfter() Fault { return Fault{kind: failAfter} }

// Late makes the call fail at once and have its effect later, if its condition
// holds then. The effect happens when the calls-th call after this one begins:
// the next call sees the effect of Late(1), and only the one after sees that of
// Late(2). [Faults.Release] makes it happen earlier. The effect of Late(0) happens
// only at Release.
func Late(calls int) Fault { return Fault{kind: late, calls: calls} }

// CrashBefore is a crash of the process before the call has an effect: this call
// and all later ones do nothing and fail with ErrCrashed. Late effects of earlier
// calls still happen.
func CrashBefore() Fault { return Fault{kind: crashBefore} }

// CrashAfter is a crash after the call has had its effect.
func CrashAfter() Fault { return Fault{kind: crashAfter} }

// At returns a script for [NewFaults] that applies f to call n only.
func At(n int, f Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.N == n {
			return f
		}
		return Fault{}
	}
}

// Faults is a store whose calls fail by a script and are recorded. It stands for
// the store as one process uses it: after a crash, use the inner store, or a new
// Faults around it, as the next process.
//
// Each iteration of a List is one call, which begins when the iteration begins.
//
// Calls of several goroutines run concurrently. A call that began before a crash
// may have its effect after it.
type Faults struct {
	inner store.Store

	mu      sync.Mutex
	script  func(Call) Fault
	calls   []Call
	crashed bool
	late    []lateEffect
}

type lateEffect struct {
	due   int // number of the call before which it happens; 0 means at Release
	apply func()
}

var _ store.Store = (*Faults)(nil)

// NewFaults returns a Faults around inner. It calls script for each call
// until a crash, never from two goroutines at once. The script must not use the Faults. A nil script
// lets all calls succeed.
func NewFaults(inner store.Store, script func(Call) Fault) *Faults {
	if script == nil {
		script = func(Call) Fault { return Fault{} }
	}
	return &Faults{inner: inner, script: script}
}

// Calls returns all calls so far, including those that failed.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Release makes all late effects happen that have not happened yet, in the order
// of their calls.
func (f *Faults) Release() {
	f.mu.Lock()
	all := f.late
	f.late = nil
	f.mu.Unlock()
	for _, l := range all {
		l.apply()
	}
}

// begin records the call, makes the late effects happen that are due, and returns
// the call with its number and its fault. For a late fault it keeps the call's
// effect, apply.
func (f *Faults) begin(c Call, apply func()) (Call, Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.N = len(f.calls) + 1
	f.calls = append(f.calls, c)
	f.late = slices.DeleteFunc(f.late, func(l lateEffect) bool {
		if l.due != c.N {
			return false
		}
		l.apply()
		return true
	})
	if f.crashed {
		return c, CrashBefore()
	}
	fault := f.script(c)
	switch fault.kind {
	case late:
		l := lateEffect{apply: apply}
		if fault.calls > 0 {
			l.due = c.N + fault.calls
		}
		f.late = append(f.late, l)
	case crashBefore, crashAfter:
		f.crashed = true
	}
	return c, fault
}

// do makes a call other than List: op is the call, and apply its effect if it has
// a late fault.
func (f *Faults) do(c Call, op func() error, apply func()) error {
	c, fault := f.begin(c, apply)
	if fault.kind == pass {
		return op()
	}
	if fault.hasEffect() {
		_ = op() // the caller does not learn the result
	}
	return fault.err(c)
}

func (f Fault) hasEffect() bool { return f.kind == failAfter || f.kind == crashAfter }

func (f Fault) err(c Call) error {
	if f.kind == crashBefore || f.kind == crashAfter {
		return fmt.Errorf("%w: %v", ErrCrashed, c)
	}
	return fmt.Errorf("%w: %v", ErrFault, c)
}

// Get implements [store.Reader].
func (f *Faults) Get(ctx context.Context, name string) (o store.Object, err error) {
	err = f.do(Call{Method: Get, Name: name}, func() (err error) {
		o, err = f.inner.Get(ctx, name)
		return err
	}, func() {})
	if err != nil {
		o = store.Object{}
	}
	return o, err
}

// Stat implements [store.Reader].
func (f *Faults) Stat(ctx context.Context, name string) (a store.Attrs, err error) {
	err = f.do(Call{Method: Stat, Name: name}, func() (err error) {
		a, err = f.inner.Stat(ctx, name)
		return err
	}, func() {})
	if err != nil {
		a = store.Attrs{}
	}
	return a, err
}

// Put implements [store.Writer].
func (f *Faults) Put(ctx context.Context, name string, body []byte, cond store.Cond) (etag store.ETag, err error) {
	kept := bytes.Clone(body)
	err = f.do(Call{Method: Put, Name: name, Cond: cond}, func() (err error) {
		etag, err = f.inner.Put(ctx, name, body, cond)
		return err
	}, func() { _, _ = f.inner.Put(context.WithoutCancel(ctx), name, kept, cond) })
	if err != nil {
		etag = ""
	}
	return etag, err
}

// List implements [store.Reader].
func (f *Faults) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		c, fault := f.begin(Call{Method: List, Name: prefix}, func() {})
		if fault.kind == pass {
			f.inner.List(ctx, prefix)(yield)
			return
		}
		if fault.hasEffect() {
			// Hold the last object back, so that ignoring the error loses an
			// object.
			var held *store.Attrs
			for a, err := range f.inner.List(ctx, prefix) {
				if err != nil {
					break
				}
				if held != nil && !yield(*held, nil) {
					return
				}
				held = &a
			}
		}
		yield(store.Attrs{}, fault.err(c))
	}
}

// String implements [store.Store].
func (f *Faults) String() string { return f.inner.String() }
