package storetest

import (
	"errors"
	"testing"

	"polisen-events-collector/pkg/racetest"
	"polisen-events-collector/pkg/store"
)

// FaultAtEveryCall runs op without a fault, and then once for each of its calls
// and each kind of fault, always on a copy of prepared. Of the calls of a long operation
// it tries only a part (see step). After each run it calls check with the copy and with
// the Faults, whose late effects have not happened yet unless they were due. op may
// return the error of the fault, and no other.
func FaultAtEveryCall(t *testing.T, prepared store.Reader, op func(store.Store) error, check func(s store.Store, f *Faults)) {
	t.Helper()
	calls := countCalls(t, prepared, op, check)
	for k := 1; k <= calls; k += step(calls) {
		for name, fault := range faultKinds() {
			func() {
				defer reportStep(t, k, calls, name)
				s := Clone(t, prepared)
				f := NewFaults(s, At(k, fault))
				if err := op(f); err != nil && !errors.Is(err, ErrFault) && !errors.Is(err, ErrCrashed) {
					t.Fatal(err)
				}
				check(s, f)
			}()
		}
	}
}

// OtherAtEveryCall runs op once for each of its calls, always on a copy of
// prepared, and runs other just before that call. Then it calls check with the
// copy. Neither op nor other may fail. Like FaultAtEveryCall, it tries only a part
// of the calls of a long operation.
func OtherAtEveryCall(t *testing.T, prepared store.Reader, op, other func(store.Store) error, check func(s store.Store)) {
	t.Helper()
	calls := countCalls(t, prepared, op, func(store.Store, *Faults) {})
	for k := 1; k <= calls; k += step(calls) {
		func() {
			defer reportStep(t, k, calls, "other operation")
			s := Clone(t, prepared)
			interrupted := NewFaults(s, func(c Call) Fault {
				if c.N == k {
					if err := other(s); err != nil {
						t.Errorf("the other operation: %v", err)
					}
				}
				return Fault{}
			})
			if err := op(interrupted); err != nil {
				t.Fatal(err)
			}
			check(s)
		}()
	}
}

// step returns the distance between the calls that FaultAtEveryCall and OtherAtEveryCall
// try. They try all calls of an operation of fewer than 120 calls, every second one of
// longer operations, and so on. With the race detector they try 4 to 7 calls.
func step(calls int) int { return max(1, calls/racetest.Size(4, 60)) }

// faultKinds returns faults of every kind by name.
func faultKinds() map[string]Fault {
	return map[string]Fault{
		"fail before":  FailBefore(),
		"fail after":   FailAfter(),
		"late by one":  Late(1),
		"late by two":  Late(2),
		"late by four": Late(4),
		"very late":    Late(0),
		"crash before": CrashBefore(),
		"crash after":  CrashAfter(),
	}
}

// countCalls runs op without a fault, calls check, and returns the number of op's
// calls, which must be two or more.
func countCalls(t *testing.T, prepared store.Reader, op func(store.Store) error, check func(store.Store, *Faults)) int {
	t.Helper()
	defer reportStep(t, 0, 0, "no fault")
	s := Clone(t, prepared)
	f := NewFaults(s, nil)
	if err := op(f); err != nil {
		t.Fatal(err)
	}
	calls := len(f.Calls())
	if calls < 2 {
		t.Fatalf("the operation made %d calls, want 2 or more", calls)
	}
	check(s, f)
	return calls
}

// reportStep logs the step of a test that has failed: its call k and the fault or
// the other operation there.
func reportStep(t *testing.T, k, calls int, step string) {
	if t.Failed() {
		t.Logf("failed at call %d of %d with: %s", k, calls, step)
	}
}
