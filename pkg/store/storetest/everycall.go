package storetest

import (
	"errors"
	"testing"

	"polisen-events-collector/pkg/store"
)

// maxSteps limits the calls that FaultAtEveryCall and OtherAtEveryCall try. Of an
// operation with twice as many calls or more they try a sample.
const maxSteps = 60

// FaultKinds returns every kind of fault by name.
func FaultKinds() map[string]Fault {
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

// FaultAtEveryCall runs op without a fault, and then again for each of its calls
// and each kind of fault, always on a copy of prepared. After each run it calls
// check with the copy and with the Faults, whose late effects have not been
// released. An error of op must be that of the fault.
func FaultAtEveryCall(t *testing.T, prepared store.Reader, op func(store.Store) error, check func(s store.Store, f *Faults)) {
	t.Helper()
	calls := countCalls(t, prepared, op, check)
	for k := 1; k <= calls; k += max(1, calls/maxSteps) {
		for name, fault := range FaultKinds() {
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

// OtherAtEveryCall runs op again for each of its calls, always on a copy of
// prepared, and runs other just before that call. Then it calls check with the
// copy. Neither op nor other may fail.
func OtherAtEveryCall(t *testing.T, prepared store.Reader, op, other func(store.Store) error, check func(s store.Store)) {
	t.Helper()
	calls := countCalls(t, prepared, op, func(store.Store, *Faults) {})
	for k := 1; k <= calls; k += max(1, calls/maxSteps) {
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

// countCalls runs op without a fault and returns the number of its calls.
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
		t.Fatalf("only %d calls", calls)
	}
	check(s, f)
	return calls
}

// reportStep says at which call a test has failed.
func reportStep(t *testing.T, k, calls int, what string) {
	if t.Failed() {
		t.Logf("failed with this at call %d of %d: %s", k, calls, what)
	}
}
