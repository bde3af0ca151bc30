package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

func event(id int64, day int, text string) polisen.Event {
	raw := fmt.Sprintf(`{"id":%d,"datetime":"2026-01-%02d 9:08:07 +01:00","summary":%q}`, id, day, text)
	e, rejected := polisen.ParseItem([]byte(raw))
	if rejected != nil {
		panic(rejected.Reason)
	}
	return e
}

// earlier fills s as the earlier collector may have: each of its runs stores
// some events again, one of them changed.
func earlier(t *testing.T, s store.Store) {
	for run := range 4 {
		contents := make(map[string]string)
		add := func(id int64, day int, text string) {
			name := fmt.Sprintf("events/2026/01/%02d/events-%d.jsonl", day, 1767301200+1800*run)
			contents[name] += string(event(id, day, text).Raw) + "\n"
		}
		add(int64(10+run), 1, "first")
		add(int64(20+run), 2, "first")
		add(1, 1, "first")
		add(2, 2, fmt.Sprint("version ", run/2))
		if run > 0 { // its first copy, too, stands beside a double
			add(4, 1, "first")
		}
		if run > 1 {
			add(3, 3, "first")
		}
		for name, body := range contents {
			put(t, s, name, body)
		}
	}
	put(t, s, archive.DocumentName, `{"seen_ids": [23, 22, 21, 20, 13], "last_updated": "2026-01-02T21:00:00Z", "total_tracked": 5}`)
}

// worlds are archives to be repaired.
func worlds() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"doubles": earlier,
		"lost document": func(t *testing.T, s store.Store) {
			earlier(t, s)
			a, err := s.Stat(t.Context(), archive.DocumentName)
			if err == nil {
				err = s.Delete(t.Context(), archive.DocumentName, a.ETag)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"damaged document": func(t *testing.T, s store.Store) {
			earlier(t, s)
			put(t, s, archive.DocumentName, `{"seen_ids": [24,`)
		},
		"unhealed commit": func(t *testing.T, s store.Store) {
			earlier(t, s)
			const name = "events/2026/01/02/events-1767387600.jsonl"
			put(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[99,30,23,22,21,20,13,12,11,10,3,2,1],"last_updated":"2026-01-02T21:00:00Z","total_tracked":13,"version":1,`+
				`"commit":{"id":"x","sequence":3,"timestamp":1767387600},"complete_above":0,"pending":[{"name":%q,"content":%q}]}`, name, string(event(30, 2, "first").Raw)+"\n"))
			put(t, s, name, string(event(31, 2, "first").Raw)+"\n") // a stranger's
		},
		// The earlier collector has stored what a run is just about to put, under
		// a lower name since its clock is behind.
		"double of a commit": func(t *testing.T, s store.Store) {
			earlier(t, s)
			stamp := now.Unix() - 30
			put(t, s, archive.DocumentName, fmt.Sprintf(`{"seen_ids":[30,23,22,21,20,13,12,11,10,3,2,1],"last_updated":%q,"total_tracked":12,"version":1,`+
				`"commit":{"id":"x","sequence":3,"timestamp":%d,"oldest_active":%[2]d},"complete_above":0,"pending":[{"name":"events/2026/01/02/events-%[2]d.jsonl","content":%[3]q}]}`,
				now.Add(-30*time.Second).Format(time.RFC3339), stamp, string(event(30, 2, "first").Raw)+"\n"))
			put(t, s, fmt.Sprintf("events/2026/01/02/events-%d.jsonl", stamp-60), string(event(30, 2, "first").Raw)+"\n"+string(event(31, 2, "first").Raw)+"\n")
		},
	}
}

// poll is what a run shows that works beside a repair: stored events, a new
// version of one, and new ones, one of them older than what is listed.
var poll = archive.Batch{
	Events: []polisen.Event{
		event(1, 1, "first"), event(2, 2, "version 1"), event(24, 2, "first"), event(10, 1, "second"),
		event(3, 3, "first"), event(40, 2, "first"), event(5, 1, "first"),
	},
	ObservedAt: now, Current: true,
}

func collect(s store.Store) error { return collectAt(s, now) }

func collectAt(s store.Store, at time.Time) error {
	o := writerOptions()
	o.Now = func() time.Time { return at }
	w := archive.NewWriter(s, o)
	_, err := w.Add(context.Background(), poll)
	if err == nil {
		err = w.Flush(context.Background())
	}
	return err
}

// truth is what must be in an archive: id and fingerprint of each version.
type truth map[string]bool

func newTruth(t *testing.T, s store.Store, pending string) truth {
	tr := truth(lines(t, s))
	for _, line := range archive.Lines([]byte(pending)) {
		l, _ := archive.ParseLine(archive.Events, line)
		tr[fmt.Sprint(false, l.ID, l.Fingerprint)] = true
	}
	return tr
}

func (tr truth) with(b archive.Batch) truth {
	all := make(truth)
	for line := range tr {
		all[line] = true
	}
	for _, e := range b.Events {
		all[fmt.Sprint(false, e.ID, e.Fingerprint)] = true
	}
	return all
}

// check finds each version once and nothing else. With doubles it only looks
// for losses.
func (tr truth) check(t *testing.T, s store.Store, doubles bool) {
	t.Helper()
	got := lines(t, s)
	for line := range tr {
		if !got[line] {
			t.Fatalf("lost %s", line)
		}
	}
	if doubles {
		return
	}
	for line := range got {
		if !tr[line] {
			t.Fatalf("%s came from nowhere", line)
		}
	}
	if c := archivetest.Read(t, s); len(c.Problems) > 0 {
		t.Fatalf("problems:\n%s", strings.Join(c.Problems, "\n"))
	}
	o := options()
	o.Now = func() time.Time { return later }
	if r, err := verify.Audit(t.Context(), s, o); err != nil || len(r.Findings) > 0 {
		t.Fatalf("audit: %v: %v", err, r)
	}
}

// prepared returns a world, and the truth of it.
func prepared(t *testing.T, setup func(*testing.T, store.Store)) (store.Store, truth) {
	t.Helper()
	s := memstore.New()
	setup(t, s)
	return s, newTruth(t, s, string(event(30, 2, "first").Raw)+"\n")
}

// worldTruth cuts the truth to what the world holds: only one has event 30.
func worldTruth(t *testing.T, name string, setup func(*testing.T, store.Store)) (store.Store, truth) {
	t.Helper()
	s, tr := prepared(t, setup)
	if name != "unhealed commit" && name != "double of a commit" {
		tr = truth(lines(t, s))
	}
	return s, tr
}

var faults = map[string]storetest.Fault{
	"fail before":  storetest.FailBefore(),
	"fail after":   storetest.FailAfter(),
	"late by two":  storetest.Late(2),
	"very late":    storetest.Late(0),
	"crash before": storetest.CrashBefore(),
	"crash after":  storetest.CrashAfter(),
}

// later is when no run is at work any more that was at work now.
var later = now.Add(time.Hour)

// TestFaultAtEveryCall makes each call of a repair go wrong in each way. At no
// time is a line lost; after one more repair each version is there once.
func TestFaultAtEveryCall(t *testing.T) {
	for name, setup := range worlds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world, tr := worldTruth(t, name, setup)
			counted := storetest.NewFaults(storetest.Clone(t, world), nil)
			mustRepair(t, counted, true)
			tr.check(t, counted, false)
			for k := 1; k <= len(counted.Calls()); k++ {
				for fname, fault := range faults {
					s := storetest.Clone(t, world)
					broken := storetest.NewFaults(s, storetest.At(k, fault))
					if _, err := repair(broken, true); err != nil && !errors.Is(err, storetest.ErrFault) && !errors.Is(err, storetest.ErrCrashed) {
						t.Fatalf("call %d, %s: %v", k, fname, err)
					}
					if name != "unhealed commit" { // there a line may be in the document alone
						tr.check(t, s, true)
					}
					if err := collectAt(s, later); err != nil {
						t.Fatalf("call %d, %s: collect: %v", k, fname, err)
					}
					if _, err := repairAt(s, true, later); err != nil {
						t.Fatalf("call %d, %s: second repair: %v", k, fname, err)
					}
					broken.Release()
					tr.with(poll).check(t, s, false)
				}
			}
		})
	}
}

// TestOtherRunsAtEveryCall lets other runs happen as a whole just before each
// call of a repair, and repairs before each call of a run.
func TestOtherRunsAtEveryCall(t *testing.T) {
	repairing := func(s store.Store) error { _, err := repair(s, true); return err }
	for name, setup := range worlds() {
		for _, test := range []struct {
			name   string
			run    func(store.Store) error
			others []func(store.Store) error
		}{
			{"a run in a repair", repairing, []func(store.Store) error{collect}},
			{"a repair in a run", collect, []func(store.Store) error{repairing}},
			{"a repair in a repair", repairing, []func(store.Store) error{repairing}},
			{"a run and a repair in a run", collect, []func(store.Store) error{collectOther, repairing}},
			{"a repair and a run in a repair", repairing, []func(store.Store) error{repairing, collect}},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				world, tr := worldTruth(t, name, setup)
				counted := storetest.NewFaults(storetest.Clone(t, world), nil)
				if err := test.run(counted); err != nil {
					t.Fatal(err)
				}
				for k := 1; k <= len(counted.Calls()); k++ {
					s := storetest.Clone(t, world)
					crossed := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
						if c.N == k {
							for _, other := range test.others {
								if err := other(s); err != nil {
									t.Errorf("call %d: the other: %v", k, err)
								}
							}
						}
						return storetest.Fault{}
					})
					if err := test.run(crossed); err != nil {
						t.Fatalf("call %d: %v", k, err)
					}
					want := tr
					if !strings.HasSuffix(test.name, "in a repair") || test.name != "a repair in a repair" {
						want = want.with(poll)
					}
					if strings.HasPrefix(test.name, "a run and") {
						want = want.with(otherPoll)
					}
					if c := archivetest.Read(t, s); slices.ContainsFunc(c.Problems, func(p string) bool { return strings.Contains(p, "times") }) {
						t.Fatalf("call %d: doubles:\n%s", k, strings.Join(c.Problems, "\n"))
					}
					want.check(t, s, true)
					mustRepair(t, s, true)
					want.check(t, s, false)
				}
			})
		}
	}
}

var otherPoll = archive.Batch{Events: []polisen.Event{event(50, 2, "first"), event(1, 1, "first")}, ObservedAt: now, Current: true}

func collectOther(s store.Store) error {
	w := archive.NewWriter(s, writerOptions())
	_, err := w.Add(context.Background(), otherPoll)
	if err == nil {
		err = w.Flush(context.Background())
	}
	return err
}
