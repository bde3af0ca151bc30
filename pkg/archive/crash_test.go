package archive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

func current(events ...polisen.Event) archive.Batch {
	return archive.Batch{Events: events, ObservedAt: start, Current: true}
}

// scenario is a scenario of archivetest with the batch of its run.
type scenario struct {
	archivetest.Scenario
	batch archive.Batch
}

// prepare returns the archive before the run.
func (sc scenario) prepare(t *testing.T) store.Store {
	t.Helper()
	s := memstore.New()
	if sc.Earlier != nil {
		mustRun(t, s, current(archivetest.Parse(sc.Earlier...)...))
	}
	if sc.Change != nil {
		sc.Change(t, s)
	}
	return s
}

// checkCounts checks the document's numbers of stored items.
func (sc scenario) checkCounts(t *testing.T, s store.Reader) {
	t.Helper()
	var foreign [][]byte
	if sc.Name == "another program's object" {
		foreign = sc.Changed
	}
	archivetest.CheckCounts(t, s, !sc.Uncounted, foreign...)
}

func scenarios() (all []scenario) {
	few := archivetest.Items(1, 5, 0)
	unhealed := [][]byte{archivetest.Item(6, 0, "first"), archivetest.Item(7, 3, "first")}
	foreign := archivetest.Item(77, 2, "another program's")
	for _, sc := range append(archivetest.Scenarios(archivetest.Size(18, 110)), // 18 are more than the calls that a run makes at a time
		archivetest.Scenario{Name: "nothing new", Earlier: few, Items: few},
		archivetest.Scenario{
			Name: "unhealed commit", Earlier: few, Changed: unhealed,
			Change: func(t *testing.T, s store.Store) { crashAfterCommit(t, s, current(archivetest.Parse(unhealed...)...)) },
			Items:  [][]byte{archivetest.Item(7, 3, "first"), archivetest.Item(8, 3, "first")},
		},
		archivetest.Scenario{
			Name: "changed object", Earlier: few,
			Change: func(t *testing.T, s store.Store) {
				p := document(t, s).Pending[0]
				_, rest, _ := strings.Cut(string(p.Content), "\n")
				storetest.MustPut(t, s, p.Name, rest)
			},
			Items: [][]byte{archivetest.Item(1, 0, "second"), archivetest.Item(7, 3, "first")},
		},
		archivetest.Scenario{
			Name: "another program's object", Earlier: few, Changed: [][]byte{foreign},
			Change: func(t *testing.T, s store.Store) {
				storetest.MustPut(t, s, fmt.Sprintf("events/2026/01/03/events-%d.jsonl", start.Unix()+1), string(foreign)+"\n")
			},
			Items: [][]byte{archivetest.Item(6, 0, "first"), archivetest.Item(7, 2, "first")},
		},
	) {
		all = append(all, scenario{sc, current(archivetest.Parse(sc.Items...)...)})
	}
	several := archive.Batch{
		Events:     append(archivetest.Events(3, 2050, 0), archivetest.Event(9, 0, "second"), archivetest.Event(2100, 1, "first")),
		ObservedAt: start,
	}
	withRejected := current(archivetest.Event(11, 0, "first"), archivetest.Event(3, 0, "second"),
		archivetest.Event(12, 1, "first"), archivetest.Event(12, 1, "second"))
	withRejected.Rejected = []polisen.Rejected{rejected(`{"id":null}`), rejected(`"text"`)}
	return append(all,
		scenario{archivetest.Scenario{Name: "several commits", Earlier: few}, several},
		scenario{archivetest.Scenario{Name: "rejected items", Earlier: few}, withRejected})
}

// crashAfterCommit stores a batch with a run that crashes after its commit, before
// it puts its objects.
func crashAfterCommit(t *testing.T, s store.Store, b archive.Batch) {
	t.Helper()
	crashing := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.Put && strings.HasPrefix(c.Name, "events/") {
			return storetest.CrashBefore()
		}
		return storetest.Fault{}
	})
	if _, err := run(crashing, b); !errors.Is(err, storetest.ErrCrashed) {
		t.Fatalf("setup: %v", err)
	}
}

// storing returns an operation that stores a batch as one run.
func storing(b archive.Batch) func(store.Store) error {
	return func(s store.Store) error { _, err := run(s, b); return err }
}

// TestFaultAtEveryCall makes each call of a run fail in each way, lets a run
// without faults follow, and checks that no item is lost or stored twice.
func TestFaultAtEveryCall(t *testing.T) {
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			m := model{sc.Model()}
			m.add(sc.batch)
			storetest.FaultAtEveryCall(t, sc.prepare(t), storing(sc.batch), func(s store.Store, f *storetest.Faults) {
				mustRun(t, s, sc.batch)
				f.Release()
				m.Check(t, s)
				sc.checkCounts(t, s)
				if o := mustRun(t, s, sc.batch); o.New+o.Revised+o.Rejected != 0 {
					t.Fatalf("a third run stores %+v", o)
				}
			})
		})
	}
}

// TestOtherRunAtEveryCall lets another run happen as a whole just before each call
// of a run.
func TestOtherRunAtEveryCall(t *testing.T) {
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			other := sc.batch
			other.Events = append(archivetest.Events(20000, 2, 1), other.Events[:len(other.Events)/2+1]...)
			m := model{sc.Model()}
			m.add(sc.batch)
			m.add(other)
			// If the other run does not list its ids first, more ids need a lookup.
			for _, other.Current = range []bool{true, false} {
				storetest.OtherAtEveryCall(t, sc.prepare(t), storing(sc.batch), storing(other), func(s store.Store) {
					m.Check(t, s)
					sc.checkCounts(t, s)
				})
			}
		})
	}
}
