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

// scenario is a state of an archive, and the batch of a run that starts from it.
type scenario struct {
	name  string
	setup func(t *testing.T, s store.Store, m *model)
	batch archive.Batch
}

func current(events ...polisen.Event) archive.Batch {
	return archive.Batch{Events: events, ObservedAt: start, Current: true}
}

// storeBatch stores a batch and adds it to the model.
func storeBatch(t *testing.T, s store.Store, m *model, b archive.Batch) {
	t.Helper()
	m.add(b)
	mustRun(t, s, b)
}

// fillList stores the ids 1 to 1200. The document then lists 201 to 1200, so
// that ids up to 200 need a lookup.
func fillList(t *testing.T, s store.Store, m *model) {
	events := series(1, 1200, 0)
	for i := range 150 {
		events[i] = event(int64(i+1), i%3, "first")
	}
	storeBatch(t, s, m, current(events...))
}

const pythonLine = `{"id": 7, "datetime": "2026-01-01 9:08:07 +01:00", "summary": "first", "type": "Rån"}` + "\n"

func scenarios(t *testing.T) []scenario {
	wide := []polisen.Event{}
	days := archivetest.Size(18, 110) // more than the calls that a run makes at a time
	for day := range days {
		wide = append(wide, event(int64(5000+day), day, "first"))
	}
	mixed := current(event(11, 0, "first"), event(3, 0, "second"), event(12, 1, "first"), event(12, 1, "second"))
	mixed.Rejected = []polisen.Rejected{rejected(`{"id":null}`), rejected(`"text"`)}
	few := func(t *testing.T, s store.Store, m *model) { storeBatch(t, s, m, current(series(1, 5, 0)...)) }
	return []scenario{
		{"first run", func(*testing.T, store.Store, *model) {}, current(series(1, 4, 0)...)},
		{"ordinary run", few, mixed},
		{"nothing new", few, current(series(1, 5, 0)...)},
		{"ids below the list", fillList, current(event(1300, 2, "first"), event(1, 0, "first"), event(2, 1, "second"), event(-4, 1, "first"))},
		{"wide window", few, current(wide...)},
		{"lost document", func(t *testing.T, s store.Store, m *model) {
			few(t, s, m)
			remove(t, s, archive.DocumentName)
		}, current(append(series(3, 6, 0), event(4, 0, "second"))...)},
		{"damaged document", func(t *testing.T, s store.Store, m *model) {
			few(t, s, m)
			put(t, s, archive.DocumentName, `{"seen_ids": [5, 4`)
		}, current(append(series(3, 6, 0), event(4, 0, "second"))...)},
		{"another program's document", func(t *testing.T, s store.Store, m *model) {
			put(t, s, "events/2026/01/01/events-1700000000.jsonl", pythonLine)
			put(t, s, archive.DocumentName, `{"seen_ids": [9, 7], "last_updated": "2026-01-01T10:00:00Z", "total_tracked": 2}`)
			// The other program lists id 9, but has not stored it.
			m.add(archive.Batch{Events: []polisen.Event{parse(t, pythonLine)}})
		}, archive.Batch{Events: []polisen.Event{
			parse(t, strings.ReplaceAll(pythonLine, "å", `\u00e5`)), event(9, 0, "first"), event(10, 0, "first"),
		}, ObservedAt: start, Current: true}},
		{"unhealed commit", func(t *testing.T, s store.Store, m *model) {
			few(t, s, m)
			crashAfterCommit(t, s, m, current(event(6, 0, "first"), event(7, 3, "first")))
		}, current(event(7, 3, "first"), event(8, 3, "first"))},
		{"another program's object", func(t *testing.T, s store.Store, m *model) {
			few(t, s, m)
			put(t, s, fmt.Sprintf("events/2026/01/03/events-%d.jsonl", start.Unix()+1), string(event(77, 2, "another program's").Raw)+"\n")
			m.add(archive.Batch{Events: []polisen.Event{event(77, 2, "another program's")}})
		}, current(event(6, 0, "first"), event(7, 2, "first"))},
		{"several commits", few, archive.Batch{Events: append(series(3, 2050, 0), event(9, 0, "second"), event(2100, 1, "first")), ObservedAt: start}},
	}
}

// crashAfterCommit stores a batch with a run that crashes after its commit, before
// it puts its objects.
func crashAfterCommit(t *testing.T, s store.Store, m *model, b archive.Batch) {
	t.Helper()
	m.add(b)
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

func parse(t *testing.T, line string) polisen.Event {
	t.Helper()
	e, rejected := polisen.ParseItem([]byte(line))
	if rejected != nil {
		t.Fatal(rejected.Reason)
	}
	return e
}

// TestFaultAtEveryCall makes each call of a run fail in each way, lets a run
// without faults follow, and checks that no item is lost or stored twice.
func TestFaultAtEveryCall(t *testing.T) {
	faults := map[string]storetest.Fault{
		"fail before":  storetest.FailBefore(),
		"fail after":   storetest.FailAfter(),
		"late by one":  storetest.Late(1),
		"late by two":  storetest.Late(2),
		"late by four": storetest.Late(4),
		"very late":    storetest.Late(0),
		"crash before": storetest.CrashBefore(),
		"crash after":  storetest.CrashAfter(),
	}
	for _, sc := range scenarios(t) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			prepared, m := memstore.New(), newModel()
			sc.setup(t, prepared, m)
			m.add(sc.batch)

			counted := storetest.NewFaults(storetest.Clone(t, prepared), nil)
			mustRun(t, counted, sc.batch)
			m.check(t, counted)
			calls := len(counted.Calls())
			if calls < 2 {
				t.Fatalf("only %d calls", calls)
			}
			step := max(1, calls/60) // a sample of the wide window, whose many calls are alike
			for k := 1; k <= calls; k += step {
				for name, fault := range faults {
					s := storetest.Clone(t, prepared)
					broken := storetest.NewFaults(s, storetest.At(k, fault))
					if _, err := run(broken, sc.batch); err != nil &&
						!errors.Is(err, storetest.ErrFault) && !errors.Is(err, storetest.ErrCrashed) {
						t.Fatalf("call %d, %s: %v", k, name, err)
					}
					mustRun(t, s, sc.batch)
					broken.Release()
					m.check(t, s)
					if o := mustRun(t, s, sc.batch); o.New+o.Revised+o.Rejected != 0 {
						t.Fatalf("call %d, %s: a third run stores %+v", k, name, o)
					}
				}
			}
		})
	}
}

// TestOtherRunAtEveryCall lets another run happen as a whole just before each call
// of a run.
func TestOtherRunAtEveryCall(t *testing.T) {
	for _, sc := range scenarios(t) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			prepared, m := memstore.New(), newModel()
			sc.setup(t, prepared, m)
			other := sc.batch
			other.Events = append(series(20000, 2, 1), other.Events[:len(other.Events)/2+1]...)
			m.add(sc.batch)
			m.add(other)

			counted := storetest.NewFaults(storetest.Clone(t, prepared), nil)
			mustRun(t, counted, sc.batch)
			calls := len(counted.Calls())
			for k := 1; k <= calls; k += max(1, calls/60) {
				// If the other run does not list its ids first, more ids need a lookup.
				for _, other.Current = range []bool{true, false} {
					s := storetest.Clone(t, prepared)
					interrupted := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
						if c.N == k {
							mustRun(t, s, other)
						}
						return storetest.Fault{}
					})
					mustRun(t, interrupted, sc.batch)
					m.check(t, s)
				}
			}
		})
	}
}
