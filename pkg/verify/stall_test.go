package verify_test

import (
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestStalledRun: a run stalls before each of its PUTs of data objects. Meanwhile
// other runs heal and commit, another program stores the same events under other
// names, and repairs remove the duplicates, even all lines of the run's objects. When
// the run continues, after eleven minutes or with a clock that is days off, it stores
// nothing twice.
func TestStalledRun(t *testing.T) {
	b := archive.Batch{
		Events:     []polisen.Event{event(1, 1, "first"), event(1, 1, "second"), event(2, 2, "first")},
		Rejected:   []polisen.Rejected{{Reason: "no id", Raw: []byte("1")}},
		ObservedAt: now, Current: true,
	}
	for name, later := range map[string]time.Time{
		"eleven minutes": now.Add(11 * time.Minute), "clock days ahead": now.AddDate(0, 0, 3), "clock days behind": now.AddDate(0, 0, -3),
	} {
		for _, commits := range []int{0, 2} { // of other runs
			t.Run(name, func(t *testing.T) {
				s := memstore.New()
				if err := collect(s, archive.Batch{Events: []polisen.Event{event(9, 3, "first")}, ObservedAt: now}, now); err != nil {
					t.Fatal(err)
				}
				stalled, id := map[string]bool{}, int64(10)
				others := func() {
					if err := collect(s, archive.Batch{}, later); err != nil { // heals
						t.Error(err)
					}
					for range commits {
						later = later.Add(11 * time.Minute)
						id++
						if err := collect(s, archive.Batch{Events: []polisen.Event{event(id, 3, "first")}, ObservedAt: now}, later); err != nil {
							t.Error(err)
						}
					}
					objects := storetest.Objects(t, s)
					for name, body := range objects {
						if n, ok := archive.ParseName(name); ok {
							n.Timestamp = 1
							if _, copied := objects[n.String()]; !copied {
								storetest.MustPut(t, s, n.String(), string(body))
							}
						}
					}
					if _, err := repairAt(s, true, later.Add(11*time.Minute)); err != nil {
						t.Error(err)
					}
				}
				f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
					if _, ok := archive.ParseName(c.Name); ok && c.Method == storetest.Put && !stalled[c.Name] {
						stalled[c.Name] = true
						others()
					}
					return storetest.Fault{}
				})
				if err := collect(f, b, now); err != nil || len(stalled) != 4 {
					t.Fatalf("%v; stalled before %v", err, stalled)
				}
				stored := (&history{T: t, store: s}).stored()
				for key, n := range stored {
					if n != 1 {
						t.Errorf("%s is stored %d times", key, n)
					}
				}
				for _, key := range keysOf(b) {
					if stored[key] == 0 {
						t.Errorf("lost %s", key)
					}
				}
				for range 2 { // later runs do not store the lines of the changed objects again
					sequence := document(t, s).Commit.Sequence
					if err := collect(s, b, later); err != nil || document(t, s).Commit.Sequence != sequence {
						t.Errorf("a later run commits: %v", err)
					}
				}
				if r, err := repairAt(s, true, later.Add(time.Hour)); err != nil || !r.OK || len(r.Actions) > 0 {
					t.Errorf("%v: %v: %v", err, r.Actions, r.Findings)
				}
			})
		}
	}
}

func document(t *testing.T, s store.Reader) *archive.Document {
	t.Helper()
	o, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	d, err := archive.ParseDocument(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRepairOfTheLastCommit: after a repair has removed duplicates from objects of the
// last commit, the document has no pending objects, so no run takes them for changed ones.
// It also has none of the fields that only an older release knows.
func TestRepairOfTheLastCommit(t *testing.T) {
	s := load(t, "testdata/duplicate_pending.txtar").store
	o, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(o.Body), `"complete_above"`, `"superseded":[{"name":"events/2026/01/01/events-1767301200.jsonl","etag":""}],"complete_above"`, 1)
	storetest.MustPut(t, s, archive.DocumentName, old)
	mustRepair(t, s, true)
	if pending := document(t, s).Pending; len(pending) > 0 {
		t.Errorf("pending objects %v", pending)
	}
	if o, err := s.Get(t.Context(), archive.DocumentName); err != nil || strings.Contains(string(o.Body), "superseded") {
		t.Errorf("document %s, %v", o.Body, err)
	}
}

// TestPendingIsNoCopy: a repair removes no line whose copy is in a pending object that
// is not stored yet. A run commits such a copy between the repair's heal and its audit,
// because the line is where lookups do not find it.
func TestPendingIsNoCopy(t *testing.T) {
	s := memstore.New()
	const misplaced = "events/2026/01/09/events-1767301200.jsonl"
	if err := collect(s, archive.Batch{Events: []polisen.Event{event(9, 3, "first")}, ObservedAt: now}, now); err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, misplaced, line(4, 2, "first"))
	if _, err := repair(s, false); err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.DocumentName, strings.Replace(strings.Replace(string(storetest.Objects(t, s)[archive.DocumentName]), "9,4]", "9]", 1), `"total_tracked":2`, `"total_tracked":1`, 1))
	reads, removed := 0, false
	f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
		switch {
		case c.Method == storetest.Get && c.Name == archive.DocumentName:
			if reads++; reads == 2 {
				w := archive.NewWriter(s, writerOptions())
				if o, err := w.Add(t.Context(), archive.Batch{Events: []polisen.Event{event(4, 2, "first")}, ObservedAt: now}); err != nil || o.New != 1 {
					t.Errorf("%+v, %v", o, err)
				}
			}
		case c.Method == storetest.Put && c.Name == misplaced:
			removed = true
			if stored := (&history{T: t, store: s}).stored(); stored[keyOf(archive.Events, event(4, 2, "first").Raw)] != 2 {
				t.Error("the copy is not stored yet")
			}
		}
		return storetest.Fault{}
	})
	if r := mustRepair(t, f, true); !removed || r.ByCheck[verify.WrongPartition] > 0 {
		t.Errorf("removed %v; %v", removed, r.Findings)
	}
}
