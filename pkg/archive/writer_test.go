package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

func document(t *testing.T, s store.Reader) *archive.Document {
	t.Helper()
	object, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	d, err := archive.ParseDocument(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// calls returns a run's calls as "Method name", without the timestamps in the
// names of data objects. They are sorted, because some calls are concurrent.
func calls(f *storetest.Faults) []string {
	var out []string
	for _, c := range f.Calls() {
		name, _, _ := strings.Cut(c.Name, "-1")
		out = append(out, string(c.Method)+" "+name)
	}
	slices.Sort(out)
	return out
}

func TestRequests(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first")))
	for _, test := range []struct {
		name  string
		batch archive.Batch
		want  []string
	}{
		{"nothing new", current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first")), []string{
			"Get metadata/last_run.json", "Get metadata/last_seen.json", "Stat events/2026/01/01/events", "Stat events/2026/01/02/events",
		}},
		{"new, revised and rejected", func() archive.Batch {
			b := current(archivetest.Event(1, 0, "second"), archivetest.Event(3, 0, "first"), archivetest.Event(4, 1, "first"))
			b.Rejected = []polisen.Rejected{rejected(`[]`)}
			return b
		}(), []string{
			"Get metadata/last_run.json",
			"Get metadata/last_seen.json",
			"List rejected/", // the first lookup: the document does not list rejected items yet
			"Put events/2026/01/01/events", "Put events/2026/01/02/events",
			"Put metadata/last_seen.json",
			"Put rejected/2026/01/02/rejected", "Put revisions/2026/01/01/revisions",
			"Stat events/2026/01/01/events", "Stat events/2026/01/02/events",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := storetest.NewFaults(s, nil)
			mustRun(t, f, test.batch)
			if diff := cmp.Diff(test.want, calls(f)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClasses checks the class of each event, also in a batch that takes several
// commits.
func TestClasses(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first")))
	batch := current(archivetest.Event(2, 1, "second"), archivetest.Event(1, 0, "first"), archivetest.Event(3, 0, "first"), archivetest.Event(3, 0, "first"), archivetest.Event(3, 0, "second"))
	want := []archive.Class{archive.Revised, archive.Seen, archive.New, archive.Repeated, archive.Revised}
	for _, e := range archivetest.Events(10, 3000, 20) {
		batch.Events, want = append(batch.Events, e), append(want, archive.New)
	}
	o := mustRun(t, s, batch)
	if diff := cmp.Diff(want, o.Classes); diff != "" || o.New != 3001 || o.Revised != 2 || o.Seen != 1 || o.Repeated != 1 {
		t.Errorf("%d new, %d revised, %d seen, %d repeated; classes (-want +got):\n%s", o.New, o.Revised, o.Seen, o.Repeated, diff)
	}
}

// TestUnknownOutcome checks that a run recognises its own commit if the reply was
// lost, even if the commit takes effect only after the run has read the document
// again.
func TestUnknownOutcome(t *testing.T) {
	batch := current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"))
	for name, test := range map[string]struct {
		fault              storetest.Fault
		unknown, conflicts int
	}{
		"no effect":                   {storetest.FailBefore(), 1, 0},
		"reply lost":                  {storetest.FailAfter(), 1, 0},
		"effect before the next read": {storetest.Late(1), 1, 0},
		"effect after the next read":  {storetest.Late(2), 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			mustRun(t, s, current(archivetest.Event(9, 0, "first")))
			f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
				if c.N == 4 { // after two Gets and Stat: the commit
					return test.fault
				}
				return storetest.Fault{}
			})
			o := mustRun(t, f, batch)
			if o.New != 2 || len(o.Objects) != 2 || o.UnknownOutcomes != test.unknown || o.Conflicts != test.conflicts {
				t.Errorf("outcome %+v", o)
			}
			if d := document(t, s); d.Commit.Sequence != 2 {
				t.Errorf("%d commits, want 2", d.Commit.Sequence)
			}
			m := newModel()
			m.add(current(archivetest.Event(9, 0, "first")))
			m.add(batch)
			m.Check(t, s)
		})
	}
}

// TestObjectsAfterUnknownOutcome checks that the outcome names each object of this
// run once, and only those, if a commit has an unknown outcome and time passes
// between the tries.
func TestObjectsAfterUnknownOutcome(t *testing.T) {
	batch := current(archivetest.Events(1, 2100, 0)...) // takes two commits
	for name, fault := range map[string]storetest.Fault{
		"no effect": storetest.FailBefore(), "reply lost": storetest.FailAfter(),
		"effect before the next read": storetest.Late(1), "effect after the next read": storetest.Late(2),
	} {
		t.Run(name, func(t *testing.T) {
			s, clock, commits := memstore.New(), start, 0
			o := options()
			o.Now = func() time.Time {
				clock = clock.Add(time.Second)
				return clock
			}
			w := archive.NewWriter(storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
				if c.Method == storetest.Put && c.Name == archive.DocumentName {
					if commits++; commits%2 == 1 { // the first try of each commit
						return fault
					}
				}
				return storetest.Fault{}
			}), o)
			got, err := w.Add(t.Context(), batch)
			if err = errors.Join(err, w.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			var want []string
			for attrs, err := range s.List(t.Context(), "events/") {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, attrs.Name)
			}
			var names []string
			for _, object := range got.Objects {
				names = append(names, object.Name)
			}
			if diff := cmp.Diff(want, names); diff != "" || got.New != len(batch.Events) {
				t.Errorf("%d new; objects (-stored +outcome):\n%s", got.New, diff)
			}
		})
	}
}

// repeating is a store that repeats each commit as if its reply had been lost, and
// therefore reports that the condition does not hold.
type repeating struct{ store.Store }

func (r repeating) Put(ctx context.Context, name string, body []byte, cond store.Cond) (store.ETag, error) {
	etag, err := r.Store.Put(ctx, name, body, cond)
	if err == nil && name == archive.DocumentName {
		return r.Store.Put(ctx, name, body, cond)
	}
	return etag, err
}

func TestRepeatedCommit(t *testing.T) {
	s := memstore.New()
	if o := mustRun(t, repeating{s}, current(archivetest.Event(1, 0, "first"))); o.New != 1 || o.Seen != 0 || len(o.Objects) != 1 {
		t.Errorf("outcome %+v", o)
	}
}

// TestTwoFirstRuns checks that the first commit of an archive does not replace that of
// another run. If it did, the document would not list the other run's events, and the
// next run would store them again.
func TestTwoFirstRuns(t *testing.T) {
	s, other := memstore.New(), current(archivetest.Events(1, 3, 0)...)
	f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
		if c.Method == storetest.Put && len(storetest.Objects(t, s)) == 0 {
			mustRun(t, s, other)
		}
		return storetest.Fault{}
	})
	batch := current(archivetest.Events(2, 4, 0)...)
	if o := mustRun(t, f, batch); o.Conflicts != 1 || o.New != 2 {
		t.Errorf("outcome %+v, want 1 conflict and 2 new events", o)
	}
	for _, b := range []archive.Batch{other, batch} {
		if o := mustRun(t, s, b); o.New+o.Revised != 0 {
			t.Errorf("a later run stores %+v", o)
		}
	}
	newModel(other, batch).Check(t, s)
}

// TestStuckCommit checks that a run gives up with the store's error if the store
// does not respond to any commit.
func TestStuckCommit(t *testing.T) {
	f := storetest.NewFaults(memstore.New(), func(c storetest.Call) storetest.Fault {
		if c.Name == archive.DocumentName && c.Method == storetest.Put {
			return storetest.FailBefore()
		}
		return storetest.Fault{}
	})
	if o, err := run(f, current(archivetest.Event(1, 0, "first"))); !errors.Is(err, storetest.ErrFault) || o.New != 0 {
		t.Errorf("outcome %+v, error %v", o, err)
	}
}

// TestAddAfterFailedFlush checks that a Writer that has failed to put its objects
// does not lose them with the next commit.
func TestAddAfterFailedFlush(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{"never": storetest.FailBefore(), "late": storetest.Late(0)} {
		t.Run(name, func(t *testing.T) {
			s, m := memstore.New(), newModel()
			fail := true
			f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
				if fail && strings.HasPrefix(c.Name, "events/") && c.Method == storetest.Put {
					return fault
				}
				return storetest.Fault{}
			})
			w := archive.NewWriter(f, options())
			for id := range int64(3) {
				b := current(archivetest.Event(id+1, int(id), "first"))
				if _, err := w.Add(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				m.add(b)
				if err := w.Flush(t.Context()); fail != (err != nil) {
					t.Fatalf("flush: %v", err)
				}
				fail = false
			}
			f.Release()
			m.Check(t, s)
		})
	}
}

// TestDryRun checks that a dry run has the same outcomes as a real run for several
// batches in a row, and writes nothing.
func TestDryRun(t *testing.T) {
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			s := sc.prepare(t)
			f := storetest.NewFaults(storetest.Clone(t, s), nil)
			var texts [2][]string
			warn := func(i int) func(slog.Level, string) {
				return func(_ slog.Level, text string) { texts[i] = append(texts[i], text) }
			}
			o, realOptions := options(), options()
			o.DryRun, o.Warn, realOptions.Warn = true, warn(0), warn(1)
			dryRun, realRun := archive.NewWriter(f, o), archive.NewWriter(s, realOptions)
			batches := []archive.Batch{
				sc.batch,
				{Events: archivetest.Events(1, archive.MaxSeen+1010, 40), Rejected: []polisen.Rejected{rejected(`{"a":1}`)}, ObservedAt: start},
				// The first ids are no longer listed, and some events have changed.
				{Events: append(archivetest.Events(1, 100, 40), archivetest.Event(3, 40, "second"), archivetest.Event(1700, 40, "second")), ObservedAt: start},
				{Events: append(sc.batch.Events, archivetest.Event(3, 40, "second")), Rejected: []polisen.Rejected{rejected(`{"a":1}`)}, ObservedAt: start},
			}
			for i, b := range batches {
				got, err := dryRun.Add(t.Context(), b)
				if err == nil {
					err = dryRun.Flush(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				want, err := realRun.Add(t.Context(), b)
				if diff := cmp.Diff(texts[1], texts[0]); i == 0 && diff != "" { // later, another program's object may have a new name
					t.Errorf("warnings (-real +dry):\n%s", diff)
				}
				if err == nil {
					err = realRun.Flush(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				want.DamagedCopy = ""
				want.Before, got.Before = nil, nil // a dry run also knows versions on dates that a real run does not look up
				for _, objects := range [][]archive.Object{got.Objects, want.Objects} {
					for i, object := range objects { // another program's object makes the real run choose another name
						objects[i].Name = object.Name[:strings.LastIndexByte(object.Name, '-')]
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("batch %d, dry run (-real +dry):\n%s", i, diff)
				}
			}
			if diff := cmp.Diff(realRun.HealedObjects(), dryRun.HealedObjects()); diff != "" {
				t.Errorf("healed objects (-real +dry):\n%s", diff)
			}
			for _, c := range f.Calls() {
				if c.Method == storetest.Put {
					t.Errorf("a dry run calls %v", c)
				}
			}
		})
	}
}

// TestListedIDs checks that the document lists all ids of the current response and
// then the highest others, and that complete_above is the highest id that was ever
// dropped.
func TestListedIDs(t *testing.T) {
	s := memstore.New()
	if mustRun(t, s, current(archivetest.Events(1, 900, 0)...)); *document(t, s).CompleteAbove != 0 {
		t.Fatalf("complete_above %d, want 0, because nothing was dropped", *document(t, s).CompleteAbove)
	}
	low := []polisen.Event{archivetest.Event(1, 0, "first"), archivetest.Event(2, 0, "first")}
	mustRun(t, s, current(append(archivetest.Events(2001, 200, 1), low...)...))
	d := document(t, s)
	if len(d.SeenIDs) != archive.MaxSeen || !slices.Contains(d.SeenIDs, 1) || slices.Contains(d.SeenIDs, 3) {
		t.Errorf("%d ids, lowest %v", len(d.SeenIDs), d.SeenIDs[len(d.SeenIDs)-3:])
	}
	if *d.CompleteAbove != 102 { // of 3 to 900, the 798 highest stay
		t.Errorf("complete_above %d, want 102", *d.CompleteAbove)
	}
	// A batch of saved responses does not displace ids by lower ones.
	mustRun(t, s, archive.Batch{Events: archivetest.Events(-50, 50, 2), ObservedAt: start})
	if got := document(t, s); !slices.Equal(got.SeenIDs, d.SeenIDs) || *got.CompleteAbove != 102 {
		t.Errorf("a batch of old ids changed the list: complete_above %d", *got.CompleteAbove)
	}
}

func TestRevisionsOff(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Event(1, 0, "first")))
	o := options()
	o.Revisions = false
	w := archive.NewWriter(s, o)
	got, err := w.Add(t.Context(), current(archivetest.Event(1, 0, "second"), archivetest.Event(2, 0, "first")))
	if err != nil || w.Flush(t.Context()) != nil || got.Revised != 0 || got.New != 1 {
		t.Fatalf("outcome %+v, error %v", got, err)
	}
	if got := mustRun(t, s, current(archivetest.Event(1, 0, "second"))); got.Revised != 1 {
		t.Errorf("with revisions on again: %+v", got)
	}
	// A run without revisions that looks up an id must list its stored revisions
	// too, so that later runs do not store them again.
	storetest.MustDelete(t, s, archive.DocumentName)
	w = archive.NewWriter(s, o)
	if _, err := w.Add(t.Context(), current(archivetest.Event(1, 0, "second"), archivetest.Event(3, 0, "first"))); err != nil || w.Flush(t.Context()) != nil {
		t.Fatal(err)
	}
	if got := mustRun(t, s, current(archivetest.Event(1, 0, "second"))); got.Revised != 0 {
		t.Errorf("a stored revision is stored again: %+v", got)
	}
}

// TestOtherProgramsList checks that a run without revisions looks up ids that
// another program has listed.
func TestOtherProgramsList(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids": [9], "last_updated": "2026-01-01T10:00:00Z", "total_tracked": 1}`)
	o := options()
	o.Revisions = false
	w := archive.NewWriter(s, o)
	for range 2 {
		if _, err := w.Add(t.Context(), current(archivetest.Event(9, 0, "first"))); err != nil || w.Flush(t.Context()) != nil {
			t.Fatal(err)
		}
	}
	m := newModel()
	m.add(current(archivetest.Event(9, 0, "first")))
	m.Check(t, s)
}

// TestInvalidNames checks that a lookup skips objects with invalid names and warns
// of them.
func TestInvalidNames(t *testing.T) {
	s := memstore.New()
	b := current(archivetest.Event(1, 0, "first"), archivetest.Event(2, 1, "first"))
	b.Rejected = []polisen.Rejected{rejected(`{"id":null}`)}
	mustRun(t, s, b)
	storetest.MustDelete(t, s, archive.DocumentName) // so that every item needs a lookup
	b.Rejected = append(b.Rejected, rejected(`[]`))
	var warnings []string
	options := options()
	options.Warn = func(level slog.Level, text string) {
		if strings.Contains(text, "skipped an object with an invalid name") {
			warnings = append(warnings, fmt.Sprint(level, " ", text))
		}
	}
	w := archive.NewWriter(withInvalidNames{s}, options)
	o, err := w.Add(t.Context(), b)
	if err = errors.Join(err, w.Flush(t.Context())); err != nil || o.New != 0 || o.Rejected != 1 {
		t.Fatalf("%+v, %v", o, err)
	}
	slices.Sort(warnings)
	if n := len(slices.Compact(warnings)); n != 3 {
		t.Errorf("warnings %q, want one for each of 3 names", warnings)
	}
}

// withInvalidNames is a store that also lists invalid object names, such as those
// that some tools create for the folders of a bucket.
type withInvalidNames struct{ store.Store }

func (s withInvalidNames) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		for _, name := range []string{"events/2026/01/01/sub/", "events/2026/01/02/a\\b.jsonl", "rejected/2026/"} {
			if strings.HasPrefix(name, prefix) && !yield(store.Attrs{Name: name}, nil) {
				return
			}
		}
		for a, err := range s.Store.List(ctx, prefix) {
			if !yield(a, err) {
				return
			}
		}
	}
}

// TestTextIsUTF8 checks that text which JSON cannot represent is an error.
func TestTextIsUTF8(t *testing.T) {
	if text, err := json.Marshal(archive.Text("R\xe5n")); err == nil {
		t.Errorf("encoded as %s", text)
	}
}

// TestRejectedOnce checks that rejected items are stored once each even if there
// are more than the document lists.
func TestRejectedOnce(t *testing.T) {
	s := memstore.New()
	var all []polisen.Rejected
	for i := range 1301 {
		all = append(all, rejected(fmt.Sprintf(`{"n":%d}`, i)))
	}
	for _, items := range [][]polisen.Rejected{all[:700], all[600:1300], all[:1], {all[5], all[5]}, {all[900], all[1300]}, {all[450]}} { // 450 is stored and no longer listed
		mustRun(t, s, archive.Batch{Rejected: items, ObservedAt: start, Current: true})
	}
	m := newModel()
	m.add(archive.Batch{Rejected: all})
	m.Check(t, s)
	r := document(t, s).Rejected
	if r.Complete || len(r.Hashes) != 1000 {
		t.Errorf("complete %v, %d hashes", r.Complete, len(r.Hashes))
	}
	// The latest observed come first.
	var want []string
	for _, i := range []int{900, 1300, 600, 601, 602} {
		want = append(want, polisen.Fingerprint(all[i].Raw))
	}
	if diff := cmp.Diff(want, r.Hashes[:len(want)]); diff != "" {
		t.Errorf("hashes (-want +got):\n%s", diff)
	}
}

func TestNewerFormat(t *testing.T) {
	s := memstore.New()
	const body = `{"seen_ids":[1],"last_updated":"2026-01-01T00:00:00Z","total_tracked":1,"version":3}`
	storetest.MustPut(t, s, archive.DocumentName, body)
	if _, err := run(s, current(archivetest.Event(1, 0, "first"))); !errors.Is(err, archive.ErrNewerFormat) {
		t.Errorf("error %v", err)
	}
	if object, _ := s.Get(t.Context(), archive.DocumentName); string(object.Body) != body {
		t.Errorf("the document was changed: %s", object.Body)
	}
}

func TestDamagedDocumentIsKept(t *testing.T) {
	for _, damage := range []string{"", "{}", "null", "[1]", `{"seen_ids":["x"]}`, `{"seen_ids":[1],"pending":[{"name":"../x","content":""}]}`} {
		s := memstore.New()
		storetest.MustPut(t, s, archive.DocumentName, damage)
		storetest.MustPut(t, s, fmt.Sprintf("metadata/last_seen.corrupt-%d.json", start.Unix()), "an older copy")
		o := mustRun(t, s, current(archivetest.Event(1, 0, "first")))
		object, err := s.Get(t.Context(), o.DamagedCopy)
		if err != nil || string(object.Body) != damage || !o.Rebuilt {
			t.Errorf("%q: copied to %q: %q, %v, rebuilt %v", damage, o.DamagedCopy, object.Body, err, o.Rebuilt)
		}
	}
}

// TestCommitsAreSmall checks that a commit stores less than 1 MiB, unless a single
// line is as large as a line can be.
func TestCommitsAreSmall(t *testing.T) {
	s := memstore.New()
	b := current(archivetest.Event(50, 0, strings.Repeat("x", polisen.MaxItem-500)))
	for id := range int64(30) {
		b.Events = append(b.Events, archivetest.Event(id+1, 0, strings.Repeat("x", 100<<10)))
	}
	mustRun(t, s, b)
	if n := document(t, s).Commit.Sequence; n != 4 {
		t.Errorf("%d commits for an event of 1 MiB and 30 of 100 KiB, want 4", n)
	}
	for a, err := range s.List(t.Context(), "events/") {
		if err != nil || a.Size > polisen.MaxItem {
			t.Errorf("an object of %d bytes, %v", a.Size, err)
		}
	}
}

// nameTaken returns an archive whose last commit stored this batch. Its objects are
// missing, and another program's object has the name of one of them.
func nameTaken(t *testing.T, m model, b archive.Batch) store.Store {
	t.Helper()
	s := memstore.New()
	storeBatch(t, s, m, current(archivetest.Events(1, 5, 0)...))
	m.add(b)
	crashAfterCommit(t, s, b)
	storetest.MustPut(t, s, document(t, s).Pending[0].Name, string(archivetest.Event(9999, 2, "another program's").Raw)+"\n")
	m.add(current(archivetest.Event(9999, 2, "another program's")))
	return s
}

// TestNameTakenByOtherProgram checks that lines which only the document contains
// count as stored, even if it does not list their ids.
func TestNameTakenByOtherProgram(t *testing.T) {
	b, m := current(archivetest.Events(10, 1500, 2)...), newModel()
	s := nameTaken(t, m, b)
	mustRun(t, s, b)
	m.Check(t, s)
}

// TestPublishedFields checks the fields that readers of the published format need.
func TestPublishedFields(t *testing.T) {
	s := memstore.New()
	mustRun(t, s, current(archivetest.Events(1, 3, 0)...))
	object, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(object.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"seen_ids": "[3,2,1]", "last_updated": `"2026-01-02T12:00:00Z"`, "total_tracked": "3"}
	for field, text := range want {
		if string(got[field]) != text {
			t.Errorf("%s is %s, want %s", field, got[field], text)
		}
	}
}

// TestVerbatim checks that the archive holds an event exactly as the API sent it.
func TestVerbatim(t *testing.T) {
	s := memstore.New()
	raw := `{"z":1.50,"id":1,"a":"\u00e5 \/ <&>  ","datetime":"2026-01-01 9:08:07 +01:00","e":1E3,"z":2}`
	mustRun(t, s, current(archivetest.Parse([]byte(strings.ReplaceAll(raw, `,`, " ,\n ")))...))
	if lines := archivetest.Read(t, s).Events[1]; len(lines) != 1 || lines[0] != raw {
		t.Errorf("stored %q\nwant   %q", lines, raw)
	}
}

func TestParseName(t *testing.T) {
	good := archive.Name{Partition: archive.Partition{Kind: archive.Revisions, Date: archive.Date{Year: 2024, Month: 2, Day: 29}}, Timestamp: 1709200000}
	if got, ok := archive.ParseName(good.String()); !ok || got != good {
		t.Errorf("%s parses as %v, %v", good, got, ok)
	}
	for _, bad := range []string{
		"", "events/2026/01/02/", "events/2026/1/2/events-1.jsonl", "events/2026/02/30/events-1.jsonl", "events/2026/01/02/events-01.jsonl",
		"events/2026/01/02/events-1.json", "events/2026/01/02/revisions-1.jsonl", "events/2026/01/02/x/events-1.jsonl",
		"other/2026/01/02/other-1.jsonl", "events/2026/01/02/events-+1.jsonl", "events/2026/01/02/events-99999999999999999999.jsonl",
	} {
		if got, ok := archive.ParseName(bad); ok {
			t.Errorf("%q parses as %v", bad, got)
		}
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	s := memstore.New()
	b := current(archivetest.Event(1, 0, "first"), archivetest.Event(1, 0, "second"))
	b.Rejected = []polisen.Rejected{rejected(`"<\u00e5>"`)}
	mustRun(t, s, b)
	d := document(t, s)
	if v := d.Fingerprints[1]; len(v) != 2 || v[0] != b.Events[0].Fingerprint {
		t.Errorf("fingerprints %v", d.Fingerprints)
	}
	for _, p := range d.Pending {
		object, err := s.Get(t.Context(), p.Name)
		if err != nil || !bytes.Equal(object.Body, p.Content) {
			t.Errorf("%s: %v: stored %q, pending %q", p.Name, err, object.Body, p.Content)
		}
	}
}
