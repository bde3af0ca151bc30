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
	// ErrFault is what a call fails with whose fault is not a crash. It is
	// none of the store's own errors, so a write's outcome is unknown.
	ErrFault = errors.New("injected fault")
	// ErrCrashed is what every call fails with from the crash on.
	ErrCrashed = errors.New("injected crash")
)

// Method names a method of store.Store in a Call.
type Method string

// The methods that Faults counts.
const (
	Get    Method = "Get"
	Stat   Method = "Stat"
	List   Method = "List"
	Put    Method = "Put"
	Delete Method = "Delete"
)

// Call is one call of a store's method.
type Call struct {
	// N is the call's number, counted from 1 in the order in which they began.
	N      int
	Method Method
	// Name is the object's name, or List's prefix.
	Name string
	// Cond is the condition of a Put, and IfMatch of the ETag of a Delete.
	Cond store.Cond
}

// String returns the call as in "call 3, Put a/b".
func (c Call) String() string { return fmt.Sprintf("call %d, %s %s", c.N, c.Method, c.Name) }

// Fault says how a call goes wrong. The zero Fault lets it pass.
type Fault struct {
	kind  faultKind
	calls int // of a late fault
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

// FailBefore makes the call fail without any effect: the request was lost.
func FailBefore() Fault { return Fault{kind: failBefore} }

// FailAfter makes the call fail after its effect: the answer was lost. A List
// fails once it has yielded all but its last object.
func FailAfter() Fault { return Fault{kind: failAfter} }

// Late makes the call fail at once while its effect is still on the way. It
// comes (its condition judged as of then) just before the calls-th call after
// this one, so Late(1) means before anything else happens and Late(2) after
// the next call has seen the state without it; or else when Faults.Release is
// called. With zero it waits for Release alone.
func Late(calls int) Fault { return Fault{kind: late, calls: calls} }

// CrashBefore ends the process's world before the call has an effect: this
// call and all later ones fail with ErrCrashed and do nothing. Late effects on
// the way still arrive.
func CrashBefore() Fault { return Fault{kind: crashBefore} }

// CrashAfter is CrashBefore, but the call still has its effect.
func CrashAfter() Fault { return Fault{kind: crashAfter} }

// At returns a script for NewFaults by which call n goes wrong, and no other.
func At(n int, f Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.N == n {
			return f
		}
		return Fault{}
	}
}

// Faults is a store whose calls fail by a script. It stands for one process's
// view of the store inside it, which other views may share: after a crash, a
// new Faults (or the inner store itself) plays the next process.
//
// It also records the calls, so tests can count requests. A List is one call,
// begun when the iteration begins; each iteration counts.
//
// Calls of several goroutines run at the same time, as they would without it.
// A call that began before the crash may have its effect after it.
type Faults struct {
	inner store.Store

	mu      sync.Mutex
	script  func(Call) Fault
	calls   []Call
	crashed bool
	late    []lateEffect
}

type lateEffect struct {
	due   int // number of the call that it precedes; 0 if it waits for Release
	apply func()
}

var _ store.Store = (*Faults)(nil)

// NewFaults wraps inner. The script is asked about each call in turn, never by
// two goroutines at once, and must not use the Faults itself. A nil script
// lets all calls pass.
func NewFaults(inner store.Store, script func(Call) Fault) *Faults {
	if script == nil {
		script = func(Call) Fault { return Fault{} }
	}
	return &Faults{inner: inner, script: script}
}

// Calls returns the calls so far, those that failed included.
func (f *Faults) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Release lets all late effects happen that have not come yet, in the order of
// their calls.
func (f *Faults) Release() {
	f.mu.Lock()
	all := f.late
	f.late = nil
	f.mu.Unlock()
	for _, l := range all {
		l.apply()
	}
}

// begin numbers the call, lets the late effects that precede it happen, and
// returns what the script wants. apply is the call's own effect, kept if it is
// to come late.
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

// do runs one call other than List.
func (f *Faults) do(c Call, op func() error, lateOp func()) error {
	c, fault := f.begin(c, lateOp)
	if fault.kind == pass {
		return op()
	}
	if fault.hasEffect() {
		_ = op() // whatever came of it, the caller does not hear
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

// Get implements store.Reader.
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

// Stat implements store.Reader.
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

// Put implements store.Writer.
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

// Delete implements store.Writer.
func (f *Faults) Delete(ctx context.Context, name string, etag store.ETag) error {
	return f.do(Call{Method: Delete, Name: name, Cond: store.IfMatch(etag)}, func() error {
		return f.inner.Delete(ctx, name, etag)
	}, func() { _ = f.inner.Delete(context.WithoutCancel(ctx), name, etag) })
}

// List implements store.Reader.
func (f *Faults) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		c, fault := f.begin(Call{Method: List, Name: prefix}, func() {})
		if fault.kind == pass {
			f.inner.List(ctx, prefix)(yield)
			return
		}
		if fault.hasEffect() {
			// One object is held back, so that whoever overlooks the error
			// misses something.
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

// String implements store.Store.
func (f *Faults) String() string { return f.inner.String() }
