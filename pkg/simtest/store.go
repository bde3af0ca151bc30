package simtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// Wrap returns a store that changes the calls of one process, to break a promise of the
// protocol on purpose.
type Wrap func(s store.Store) store.Store

var (
	errLost   = errors.New("no answer from the store") // the outcome is unknown
	errKilled = errors.New("the process was killed")
)

// maxLate is the longest time after which a call has its effect.
const maxLate = 2 * time.Hour

// fault says how a call ends. The zero fault lets it succeed.
type fault struct {
	name  string        // empty without a fault
	none  bool          // the call has no effect
	late  time.Duration // its effect comes that much later than the answer
	twice bool          // it has its effect a second time after late
	err   error         // the answer; nil for the right one
	delay time.Duration // before the effect
	wrong bool          // a Get returns half of the content, a Stat a wrong MD5
}

// newFault returns a random fault of a call of the store.
func (d *draw) newFault(method, name string) fault {
	if method != "Put" {
		n := 4
		if _, isData := archive.ParseName(name); isData && method != "List" {
			n = 5
		}
		switch d.pick(n) {
		case 4:
			return fault{name: "wrong answer", wrong: true}
		case 0:
			return fault{name: "status 503", none: true, err: errLost}
		case 1:
			return fault{name: "lost answer", err: errLost}
		case 2:
			return fault{name: "slow", delay: d.between(time.Second, 10*time.Minute)}
		default:
			return fault{name: "status 429", none: true, err: errLost}
		}
	}
	switch d.pick(9) {
	case 0:
		return fault{name: "status 503", none: true, err: errLost}
	case 1, 2:
		return fault{name: "lost answer", err: errLost}
	case 3:
		return fault{name: "late effect", late: d.between(10*time.Millisecond, maxLate), err: errLost}
	case 4:
		return fault{name: "effect twice", late: d.between(10*time.Millisecond, maxLate), twice: true}
	case 5:
		return fault{name: "lost answer, effect twice", late: d.between(10*time.Millisecond, maxLate), twice: true, err: errLost}
	case 6: // the store has repeated a request that had succeeded
		return fault{name: "412 after the effect", err: store.ErrPrecondition}
	case 7: // another write to the object was in progress
		return fault{name: "409", none: true, err: store.ErrPrecondition}
	default:
		return fault{name: "slow", delay: d.between(time.Second, 10*time.Minute)}
	}
}

// call makes a call of a process's store. op is its effect.
func call[T any](ctx context.Context, p *process, method, name string, op func() (T, error)) (T, error) {
	type reply struct {
		value T
		err   error
	}
	var zero T
	p.mu.Lock()
	key, d := p.nextCall(method, name)
	switch {
	case p.dead:
		p.mu.Unlock()
		return zero, errKilled
	case ctx.Err() != nil:
		p.mu.Unlock()
		return zero, context.Cause(ctx)
	}
	f := fault{}
	if d.chance(p.step.Trouble) {
		if f = d.newFault(method, name); p.isWithout(key, f.name) {
			f = fault{}
		}
	}
	sent := d.chance(0.5) // if the process is killed meanwhile
	done := make(chan reply, 1)
	p.after(d.between(time.Millisecond, 200*time.Millisecond)+f.delay, func() {
		if p.dead && !sent {
			return
		}
		if f.name != "" {
			p.noteFault(key, f.name)
		}
		var r reply
		effect := func() { r.value, r.err = op() }
		if f.late > 0 {
			p.after(f.late, func() { _, _ = op() })
		}
		if !f.none && (f.late == 0 || f.twice) {
			effect()
		}
		p.noteCall(p, key, r.err)
		if f.wrong && r.err == nil {
			r.value = spoil(r.value).(T)
		}
		if f.err != nil {
			r = reply{err: fmt.Errorf("%s %s: %w", method, name, f.err)}
		}
		p.after(d.between(time.Millisecond, 100*time.Millisecond), func() { done <- r })
	})
	p.mu.Unlock()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// spoil returns a wrong answer in place of a right one: half of an object, or attributes
// with a wrong MD5.
func spoil(value any) any {
	switch v := value.(type) {
	case store.Object:
		v.Body = v.Body[:len(v.Body)/2]
		v.Size, v.MD5 = int64(len(v.Body)), store.MD5(v.Body)
		return v
	case store.Attrs:
		v.MD5 = store.MD5(nil)
		return v
	}
	return value
}

// session is the store as one process uses it.
type session struct{ *process }

func (s session) String() string { return "mem:" }

func (s session) Get(ctx context.Context, name string) (store.Object, error) {
	a := s.world.archive
	return call(ctx, s.process, "Get", name, func() (store.Object, error) {
		if a.unreadable[name] {
			return store.Object{}, fmt.Errorf("get %s: %w", name, store.ErrDamaged)
		}
		return a.store.Get(context.Background(), name)
	})
}

func (s session) Stat(ctx context.Context, name string) (store.Attrs, error) {
	a := s.world.archive
	return call(ctx, s.process, "Stat", name, func() (store.Attrs, error) { return a.store.Stat(context.Background(), name) })
}

func (s session) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	a, body := s.world.archive, append([]byte(nil), body...)
	return call(ctx, s.process, "Put", name, func() (store.ETag, error) { return a.put(s.process, name, body, cond) })
}

func (s session) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	a := s.world.archive
	return func(yield func(store.Attrs, error) bool) {
		all, err := call(ctx, s.process, "List", prefix, func() (all []store.Attrs, err error) {
			for attrs := range a.store.List(context.Background(), prefix) {
				all = append(all, attrs)
			}
			return all, nil
		})
		for _, attrs := range all {
			if !yield(attrs, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Attrs{}, err)
		}
	}
}
