package archive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestLostCommits checks that a run writes nothing to an archive that lacks a commit
// which is known to have been made in it.
func TestLostCommits(t *testing.T) {
	const commit1 = `{"seen_ids":[],"last_updated":"2026-01-02T12:00:00Z","total_tracked":0,"version":2,"complete_above":0,` +
		`"commit":{"id":"old","sequence":1,"timestamp":1767355200},` +
		`"pending":[{"name":"events/2026/01/01/events-1767355200.jsonl","content":"{}\n"}]}`
	const published = `{"seen_ids":[],"last_updated":"2026-01-02T12:00:00Z","total_tracked":0}`
	const seconds = 1767355200 // of both
	data := func(k archive.Kind) map[string]string {
		return map[string]string{string(k) + "/2026/01/01/" + string(k) + "-1700000000.jsonl": "{}\n"}
	}
	for name, tt := range map[string]struct {
		objects map[string]string
		known   int64
		want    string // of the error
	}{
		"nothing known":           {nil, 0, ""},
		"empty":                   {nil, 1, "commits of this archive are missing: it is empty, but it had a commit of 1970-01-01T00:00:01Z"},
		"only metadata":           {map[string]string{archive.LastRunName: "{}"}, 1, "it is empty"},
		"the known commit":        {map[string]string{archive.DocumentName: commit1}, seconds, ""},
		"an older known commit":   {map[string]string{archive.DocumentName: commit1}, seconds - 1, ""},
		"an older document":       {map[string]string{archive.DocumentName: commit1}, seconds + 1, "its last one is of 2026-01-02T12:00:00Z, but it had one of 2026-01-02T12:00:01Z"},
		"published format":        {map[string]string{archive.DocumentName: published}, seconds, ""},
		"published format, older": {map[string]string{archive.DocumentName: published}, seconds + 1, "its last one is of 2026-01-02T12:00:00Z"},
		"damaged document":        {map[string]string{archive.DocumentName: "{"}, seconds, ""},
		"a known commit of a clock that was ahead": {map[string]string{archive.DocumentName: "{"}, seconds + 3600, ""},
		"events without a document":                {data(archive.Events), seconds, ""},
		"revisions without one":                    {data(archive.Revisions), seconds, ""},
		"rejected items without one":               {data(archive.Rejected), seconds, ""},
		"foreign objects without one":              {map[string]string{"readme.txt": "text"}, seconds, "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			for name, body := range tt.objects {
				storetest.MustPut(t, s, name, body)
			}
			o := options()
			o.KnownCommit = tt.known
			f := storetest.NewFaults(s, nil)
			w := archive.NewWriter(f, o)
			_, err := w.Add(t.Context(), current(archivetest.Event(1, 0, "first")))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if c := document(t, s).Commit; c.Timestamp < seconds || c.Timestamp <= tt.known {
					t.Errorf("the commit's timestamp is %d, want one after %d", c.Timestamp, tt.known)
				}
				return
			}
			if !errors.Is(err, archive.ErrLostCommits) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			for _, c := range f.Calls() {
				if c.Method == storetest.Put {
					t.Errorf("%v, although the archive lacks commits", c)
				}
			}
			// If the user accepts the archive, its commits are later than the known one:
			// a host that finds the lost archive again can tell which is which.
			o.KnownCommit, o.AcceptArchive = seconds+3600, true
			if _, err := archive.NewWriter(s, o).Add(t.Context(), current(archivetest.Event(1, 0, "first"))); err != nil {
				t.Fatal(err)
			}
			if c := document(t, s).Commit; c.Timestamp <= o.KnownCommit {
				t.Errorf("the commit of the accepted archive has timestamp %d, want one after %d", c.Timestamp, o.KnownCommit)
			}
		})
	}
}

// TestOlderDocument checks that a run which knows of a later commit than that of the document
// stores no item again that a later commit has stored, and neither do the runs after it.
func TestOlderDocument(t *testing.T) {
	first, later, last := archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"), archivetest.Event(3, 2, "first")
	revised := archivetest.Event(1, 0, "second")
	lost := archive.Batch{Events: []polisen.Event{revised, later}, Rejected: []polisen.Rejected{rejected(`"later"`)}, ObservedAt: start, Current: true}
	batches := map[string]archive.Batch{
		"new events":  {Events: []polisen.Event{revised, later, last}, Rejected: lost.Rejected, ObservedAt: start, Current: true},
		"nothing new": {Events: []polisen.Event{first, later}, Rejected: lost.Rejected, ObservedAt: start, Current: true},
		"other event": current(last),
	}
	for knownBy, know := range map[string]func(t *testing.T, s store.Store, o *archive.Options, c archive.Commit){
		"the host": func(_ *testing.T, _ store.Store, o *archive.Options, c archive.Commit) {
			o.KnownCommit, o.AcceptArchive = c.Timestamp, true
		},
		"the caller's report": func(_ *testing.T, _ store.Store, o *archive.Options, c archive.Commit) { o.LastRun = lastRunOf(&c) },
		"the report that the caller could not read": func(t *testing.T, s store.Store, o *archive.Options, c archive.Commit) {
			o.LastRun = func() (archive.LastRun, error) { return archive.LastRun{}, errors.New("no answer") }
			putLastRun(t, s, &c)
		},
		"the last report": func(t *testing.T, s store.Store, _ *archive.Options, c archive.Commit) {
			putLastRun(t, s, &c)
		},
		"the backup": func(t *testing.T, s store.Store, _ *archive.Options, c archive.Commit) {
			storetest.MustPut(t, s, archive.LastRunName, fmt.Sprintf(`{"document_backup":{"timestamp":%d}}`, c.Timestamp))
		},
	} {
		for name, next := range batches {
			t.Run(knownBy+", "+name, func(t *testing.T) {
				s := memstore.New()
				mustRun(t, s, archive.Batch{Events: []polisen.Event{first}, Rejected: []polisen.Rejected{rejected(`"first"`)}, ObservedAt: start, Current: true})
				setField(t, s, "gaps", `[{"day":"2025-12-24","reason":"missed","since":"2026-01-02T12:00:00Z"}]`)
				older := storetest.Objects(t, s)[archive.DocumentName]
				mustRun(t, s, lost)
				known := *document(t, s).Commit
				o := options()
				var warnings []string
				o.Warn = func(_ slog.Level, text string) { warnings = append(warnings, text) }
				know(t, s, &o, known)
				storetest.MustPut(t, s, archive.DocumentName, string(older))
				w := archive.NewWriter(s, o)
				for range 2 {
					if _, err := w.Add(t.Context(), next); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if c := document(t, s).Commit; c.Timestamp <= known.Timestamp {
					t.Errorf("the document's commit has timestamp %d, want one after %d", c.Timestamp, known.Timestamp)
				}
				if gaps := document(t, s).Gaps; len(gaps) != 1 && knownBy != "the backup" {
					t.Errorf("gaps %v, want the one of the document", gaps)
				}
				if stored := document(t, s).Stored; stored != nil {
					t.Errorf("the document counts %v, but not what later commits have stored", stored)
				}
				isOlder := func(w string) bool {
					return strings.HasPrefix(w, "the metadata document is older than the last run, which knew a commit of ")
				}
				if n := len(slices.DeleteFunc(warnings, func(w string) bool { return !isOlder(w) })); n != 1 && knownBy != "the host" {
					t.Errorf("%d warnings, want 1", n)
				}
				o.KnownCommit, o.AcceptArchive = document(t, s).Commit.Timestamp, false
				if _, err := archive.NewWriter(s, o).Add(t.Context(), lost); err != nil {
					t.Fatal(err)
				}
				c := archivetest.Read(t, s)
				if len(c.Problems) > 0 || len(c.Rejected) != 2 {
					t.Errorf("problems %q, %d rejected items, want 2", c.Problems, len(c.Rejected))
				}
			})
		}
	}
}

// TestReportCannotBeRead checks that a run does not continue a document if the store fails to
// give the report that shows whether it is the last one.
func TestReportCannotBeRead(t *testing.T) {
	for cause, fails := range map[error]bool{errors.New("no answer"): true, store.ErrAccess: false, store.ErrDamaged: false} {
		s := memstore.New()
		mustRun(t, s, current(archivetest.Event(1, 0, "first")))
		_, _, err := runWith(storetest.NewUnreadable(s, archive.LastRunName, cause), options(), current(archivetest.Event(2, 0, "first")))
		if fails != (err != nil) || fails != (document(t, s).Commit.Sequence == 1) {
			t.Errorf("%v: error %v, commit %d", cause, err, document(t, s).Commit.Sequence)
		}
	}
}

// slowReader is a store in which something happens after the first Get of the document.
type slowReader struct {
	store.Store
	happens func()
}

func (s *slowReader) Get(ctx context.Context, name string) (store.Object, error) {
	object, err := s.Store.Get(ctx, name)
	if happens := s.happens; happens != nil && name == archive.DocumentName {
		s.happens = nil
		happens()
	}
	return object, err
}

// TestCommitBetweenReads checks that a run which reads the document before the commit of
// another run, and then the report of that run, takes the document for no older copy.
func TestCommitBetweenReads(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first")))
	between := &slowReader{s, func() {
		mustRun(t, s, current(archivetest.Event(2, 0, "first")))
		putLastRun(t, s, document(t, s).Commit)
	}}
	o := options()
	o.Warn = func(_ slog.Level, text string) { t.Errorf("warning: %s", text) }
	_, outcome, err := runWith(between, o, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 0, "first"), archivetest.Event(3, 0, "first")))
	if err != nil || outcome.New != 1 || outcome.Seen != 2 || outcome.LookedUp != 0 {
		t.Errorf("%+v, error %v", outcome, err)
	}
}

// lastRunOf returns the Options.LastRun of a run that knows of a commit whose objects are all
// stored, or of none if stored is nil.
func lastRunOf(stored *archive.Commit) func() (archive.LastRun, error) {
	return func() (archive.LastRun, error) { return archive.LastRun{Stored: stored}, nil }
}

// putLastRun stores a report that knows of a commit whose objects are all stored.
func putLastRun(t *testing.T, s store.Store, stored *archive.Commit) {
	t.Helper()
	body, err := json.Marshal(map[string]*archive.Commit{"stored_commit": stored})
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.LastRunName, string(body))
}

// runKnowing stores a batch as one run that knows of a commit whose objects are all
// stored. It returns the commit for the next run.
func runKnowing(s store.Store, known *archive.Commit, b archive.Batch) (*archive.Commit, error) {
	o := options()
	o.LastRun = lastRunOf(known)
	w, _, err := runWith(s, o, b)
	if err == nil {
		err = w.Unfinished()
	}
	return w.StoredCommit(), err
}

// TestOwnObjectsAreNotHealed checks that a run whose commit took effect without an answer
// does not count its own objects as healed.
func TestOwnObjectsAreNotHealed(t *testing.T) {
	s := storetest.NewFaults(memstore.New(), func() func(storetest.Call) storetest.Fault {
		failed := false
		return func(c storetest.Call) storetest.Fault {
			if failed || c.Method != storetest.Put || c.Name != archive.DocumentName {
				return storetest.Fault{}
			}
			failed = true
			return storetest.FailAfter()
		}
	}())
	w, outcome, err := runWith(s, options(), current(archivetest.Event(1, 0, "first")))
	if err != nil || outcome.UnknownOutcomes != 1 || w.Healed() != 0 {
		t.Errorf("%d healed, %d unknown outcomes, want 0 and 1: %v", w.Healed(), outcome.UnknownOutcomes, err)
	}
}

// TestStoredCommit checks when all objects of the document's commit are known to be
// stored.
func TestStoredCommit(t *testing.T) {
	b := edited()
	prepare := func(t *testing.T) (*memstore.Store, *archive.Commit) {
		t.Helper()
		s := memstore.New()
		known, err := runKnowing(s, nil, b)
		if want := document(t, s).Commit; err != nil || known == nil || *known != *want {
			t.Fatalf("after a commit: %v, want %v, error %v", known, want, err)
		}
		return s, known
	}
	t.Run("nothing new", func(t *testing.T) {
		s, known := prepare(t)
		if again, err := runKnowing(s, known, b); err != nil || again == nil || *again != *known {
			t.Errorf("with it: %v, want %v, error %v", again, known, err)
		}
		if again, err := runKnowing(s, nil, b); err != nil || again == nil || *again != *known {
			t.Errorf("without it: %v, want %v, error %v", again, known, err)
		}
	})
	t.Run("before the flush", func(t *testing.T) {
		s, known := prepare(t)
		w := archive.NewWriter(s, options())
		if w.StoredCommit() != nil {
			t.Error("before the document was read")
		}
		if _, err := w.Add(t.Context(), current(archivetest.Event(9, 1, "first"))); err != nil {
			t.Fatal(err)
		}
		if got := w.StoredCommit(); got != nil {
			t.Errorf("%v, and before it was %v", got, known)
		}
	})
	t.Run("changed object", func(t *testing.T) {
		s, _ := prepare(t)
		edits()[0].apply(t, s, pendingName(t, s, archive.Events))
		if got, err := runKnowing(s, nil, b); err != nil || got != nil {
			t.Errorf("%v, error %v", got, err)
		}
	})
	t.Run("unreadable object", func(t *testing.T) {
		s, _ := prepare(t)
		names := map[string]bool{pendingName(t, s, archive.Events): true}
		if got, err := runKnowing(storetest.Unreadable{Store: s, Err: store.ErrAccess, StatFails: true, Names: names}, nil, b); err == nil || got != nil {
			t.Errorf("%v, error %v", got, err)
		}
	})
	t.Run("failed put", func(t *testing.T) {
		s, _ := prepare(t)
		f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Put && strings.HasPrefix(c.Name, "events/") {
				return storetest.FailBefore()
			}
			return storetest.Fault{}
		})
		if got, err := runKnowing(f, nil, current(archivetest.Event(9, 1, "first"))); err == nil || got != nil {
			t.Errorf("%v, error %v", got, err)
		}
	})
	t.Run("published format", func(t *testing.T) {
		s := memstore.New()
		storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"last_updated":"2026-01-02T12:00:00Z","total_tracked":0}`)
		w := archive.NewWriter(s, options())
		if err := w.Open(t.Context()); err != nil || w.StoredCommit() != nil {
			t.Errorf("%v, error %v", w.StoredCommit(), err)
		}
	})
}

// TestDeferredHeal checks that a run which knows that the objects of the last commit
// are stored asks for them only before it looks up an event, or after it has committed.
// A commit before that keeps the objects in the document.
func TestDeferredHeal(t *testing.T) {
	prepare := func(t *testing.T) (store.Store, *archive.Commit) {
		t.Helper()
		s := memstore.New()
		mustRun(t, s, current(archivetest.Parse(archivetest.LongList()...)...))
		known, err := runKnowing(s, nil, archive.Batch{Events: archivetest.Events(1300, 1, 2), ObservedAt: start})
		if err != nil || known == nil {
			t.Fatalf("%v, %v", known, err)
		}
		return s, known
	}
	const get, stat = "Get metadata/last_seen.json", "Stat events/2026/01/03/events"
	withRejected := current(archivetest.Events(1300, 1, 2)...)
	withRejected.Rejected = []polisen.Rejected{rejected(`[]`)}
	for name, tt := range map[string]struct {
		batch archive.Batch
		other bool // the known commit is not the document's
		want  []string
	}{
		"nothing new":               {current(archivetest.Events(1300, 1, 2)...), false, []string{get}},
		"nothing new, other commit": {current(archivetest.Events(1300, 1, 2)...), true, []string{get, stat}},
		"lookup": {current(archivetest.Event(3, 2, "first")), false, []string{
			"Get events/2026/01/02/events", "Get events/2026/01/03/events", "Get events/2026/01/03/events", get,
			"List events/2026/01/", "List revisions/2026/01/", stat,
		}},
		"lookup of rejected items": {withRejected, false, []string{
			get, "List rejected/", "Put metadata/last_seen.json", "Put rejected/2026/01/02/rejected", stat,
		}},
		"new event": {current(archivetest.Event(1301, 5, "first")), false, []string{
			get, "Put events/2026/01/06/events", "Put metadata/last_seen.json", stat,
		}},
		"only covered_until": {response(at(1, 0), at(2, 12), archivetest.Events(1300, 1, 2)...), false, []string{
			get, "Put metadata/last_seen.json", stat,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, known := prepare(t)
			if tt.other {
				known.Sequence--
			}
			f := storetest.NewFaults(s, nil)
			if _, err := runKnowing(f, known, tt.batch); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, calls(f)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			order := f.Calls()
			check := slices.IndexFunc(order, func(c storetest.Call) bool { return c.Method == storetest.Stat })
			kept := slices.ContainsFunc(document(t, s).Pending, func(p archive.Pending) bool { return check >= 0 && p.Name == order[check].Name })
			for i, c := range order {
				if i > 0 && i < check && (c.Method != storetest.Put || !kept) {
					t.Errorf("%v before the objects of the last commit were checked; kept in the document: %v", c, kept)
				}
			}
		})
	}
}

// TestKeptObjects checks that the document keeps the objects of the commit before for
// one commit only, that it keeps no large ones, and that each run checks the objects of
// the last commit only.
func TestKeptObjects(t *testing.T) {
	s := memstore.New()
	var known *archive.Commit
	for i, size := range []int{1, 1, 1, 600 << 10, 1, 1} {
		last := archive.Document{}
		if i > 0 {
			last = *document(t, s)
		}
		f := storetest.NewFaults(s, nil)
		var err error
		known, err = runKnowing(f, known, current(archivetest.Event(int64(i), 0, strings.Repeat("x", size))))
		if err != nil || known == nil {
			t.Fatalf("commit %d: %v, %v", i, known, err)
		}
		var toCheck, checked []string
		for _, p := range last.Pending {
			if n, _ := archive.ParseName(p.Name); n.Timestamp == last.Commit.Timestamp || i == 4 { // after a large object
				toCheck = append(toCheck, p.Name)
			}
		}
		for _, c := range f.Calls() {
			if c.Method == storetest.Stat {
				checked = append(checked, c.Name)
			}
		}
		slices.Sort(checked)
		want := 2 // pending objects
		if i == 0 || i == 4 {
			want = 1
		}
		if pending := document(t, s).Pending; len(pending) != want || !slices.Equal(checked, toCheck) {
			t.Errorf("commit %d: %d pending objects, want %d; checked %q, want %q", i, len(pending), want, checked, toCheck)
		}
	}
}

// TestDeferredHealAfterDeletion lets an object of the last commit be deleted after a
// run has found it, while another run has stalled before its PUT of this object. The
// next run heals before its lookup, so that it stores the event only once. It keeps the
// object in the document when it commits, so that the event stays, even if the run is
// killed at any call.
func TestDeferredHealAfterDeletion(t *testing.T) {
	old := archive.Batch{Events: archivetest.Events(-5, 1, 2), ObservedAt: start} // not listed: 1000 ids are higher
	for name, b := range map[string]archive.Batch{
		"lookup": current(old.Events[0], archivetest.Event(1301, 5, "first")),
		"commit": current(archivetest.Event(1301, 5, "first")),
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			long := current(archivetest.Parse(archivetest.LongList()...)...)
			mustRun(t, s, long)
			stalled := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
				if c.Method == storetest.Put && strings.HasPrefix(c.Name, "events/") {
					return storetest.Late(0)
				}
				return storetest.Fault{}
			})
			if _, err := run(stalled, old); !errors.Is(err, storetest.ErrFault) {
				t.Fatal(err)
			}
			known, err := runKnowing(s, nil, current(archivetest.Events(1200, 1, 0)...))
			if err != nil || known == nil || len(document(t, s).Pending) != 1 {
				t.Fatalf("%v, %v", known, err)
			}
			storetest.MustDelete(t, s, pendingName(t, s, archive.Events))
			op := func(s store.Store) error { _, err := runKnowing(s, known, b); return err }
			storetest.FaultAtEveryCall(t, s, op, func(s store.Store, f *storetest.Faults) {
				f.Release()
				if _, err := runKnowing(s, nil, b); err != nil {
					t.Fatal(err)
				}
				newModel(long, old, b).Check(t, s)
			})
			if err := op(s); err != nil {
				t.Fatal(err)
			}
			newModel(long, old, b).Check(t, s)
			stalled.Release()
			newModel(long, old, b).Check(t, s)
		})
	}
}

// TestDeferredHealAfterEdit checks that a line which another program has removed from
// an object of the last commit is stored again, although an earlier run has found the
// object.
func TestDeferredHealAfterEdit(t *testing.T) {
	for _, e := range edits() {
		s := memstore.New()
		b, later := edited(), current(archivetest.Event(9, 1, "first"))
		known, err := runKnowing(s, nil, b)
		if err != nil {
			t.Fatal(err)
		}
		e.apply(t, s, pendingName(t, s, archive.Events))
		if _, err := runKnowing(s, known, later); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		checkOnce(t, s, nil, b, later)
	}
}

// TestDeferredHealAtEveryCall is TestFaultAtEveryCall and TestOtherRunAtEveryCall for
// runs that know that the objects of the last commit are stored.
func TestDeferredHealAtEveryCall(t *testing.T) {
	for _, sc := range scenarios() {
		if sc.Change != nil || sc.Earlier == nil || sc.Name == "nothing new" || sc.Name == "wide window" {
			continue
		}
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			prepared := sc.prepare(t)
			known := document(t, prepared).Commit
			m := model{sc.Model()}
			m.add(sc.batch)
			op := func(s store.Store) error { _, err := runKnowing(s, known, sc.batch); return err }
			storetest.FaultAtEveryCall(t, prepared, op, func(s store.Store, f *storetest.Faults) {
				if err := op(s); err != nil {
					t.Fatal(err)
				}
				f.Release()
				m.Check(t, s)
				sc.checkCounts(t, s)
			})
			storetest.OtherAtEveryCall(t, prepared, op, op, func(s store.Store) { m.Check(t, s) })
		})
	}
}
