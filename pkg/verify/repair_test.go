package verify_test

import (
	"errors"
	"fmt"
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
	"polisen-events-collector/pkg/verify"
)

// TestManyDuplicates repairs more later versions than one commit holds. The first
// version of each event stays in events/, and the document stays small.
func TestManyDuplicates(t *testing.T) {
	const runs = 700
	s := memstore.New()
	for run := range runs {
		var body strings.Builder
		body.WriteString(line(int64(1000+run), 1, "first"))
		body.WriteString(line(1, 1, "first"))
		body.WriteString(line(int64(2000+run/2), 1, fmt.Sprint("version ", run%2, strings.Repeat(" x", 4<<10)))) // the next run stores a later version
		storetest.MustPut(t, s, fmt.Sprintf("events/2026/01/01/events-%d.jsonl", 1767301200+run), body.String())
	}
	before := lines(t, s)
	f := storetest.NewFaults(s, nil)
	r := mustRepair(t, f, true)
	if len(r.Findings) > 0 || r.Checked.Events != runs+1+runs/2 || r.Checked.Revisions != runs/2 {
		t.Fatalf("%s", r.Summary())
	}
	before.check(t, s)
	for a, err := range s.List(t.Context(), "revisions/") {
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Get(t.Context(), a.Name)
		if err != nil || strings.Contains(string(o.Body), "version 0") || strings.Contains(string(o.Body), "first") {
			t.Fatalf("%v: a first version in revisions/: %s", err, o.Body)
		}
	}
	commits := 0
	for _, c := range f.Calls() {
		if c.Method == storetest.Put && c.Name == archive.DocumentName {
			commits++
		}
	}
	if commits < 3 || commits > 5 {
		t.Errorf("%d commits", commits)
	}
}

// TestRepairTakesBackup checks that a repair which rebuilds the document keeps its gaps, and
// that its commit is later than the one that the last report names, so that no host takes the
// archive for an older one. It also rebuilds the document if it may not read the report.
func TestRepairTakesBackup(t *testing.T) {
	const ahead = 1_790_000_000 // after the time of the repair
	const lastRun = `{"document_backup":{"timestamp":1790000000,"gaps":[{"day":"2026-01-03","reason":"missed","since":"2026-01-02T12:00:00Z"}]}}`
	for _, readable := range []bool{true, false} {
		s := memstore.New()
		storetest.MustPut(t, s, archive.LastRunName, lastRun)
		storetest.MustPut(t, s, archive.DocumentName, "{")
		if readable {
			mustRepair(t, s, false)
		} else {
			mustRepair(t, storetest.NewUnreadable(s, archive.LastRunName, store.ErrAccess), false)
		}
		if d := document(t, s); (d.Commit.Timestamp > ahead) != readable || (len(d.Gaps) == 1) != readable {
			t.Errorf("readable %t: %+v", readable, d.Backup())
		}
	}
}

// TestUnservedDaysOfBackup checks that --repair=gaps accepts the unserved days of a backup, and
// says so, whatever has replaced the document.
func TestUnservedDaysOfBackup(t *testing.T) {
	const lastRun = `{"document_backup":{"timestamp":1760000000,"gaps":[{"day":"2026-01-03","reason":"missed","since":"2026-01-02T12:00:00Z","unserved":true}]}}`
	for _, doc := range []string{"{", `{"seen_ids":[1],"last_updated":"2026-01-01T12:00:00Z","total_tracked":1}`} {
		s := memstore.New()
		fillDays(t, s, 2)
		storetest.MustPut(t, s, archive.LastRunName, lastRun)
		storetest.MustPut(t, s, archive.DocumentName, doc)
		r, err := repairWith(s, verify.RepairOptions{Gaps: true})
		if err != nil {
			t.Fatal(err)
		}
		isAccepted := func(a verify.Action) bool { return a.Verb == "accept" && strings.HasPrefix(a.Detail, "2026-01-03") }
		if d := document(t, s); !slices.ContainsFunc(r.Actions, isAccepted) || len(d.Gaps) > 0 || !slices.Equal(d.AcceptedDays, []string{"2026-01-03"}) {
			t.Errorf("%s: actions %v, gaps %v, accepted days %v", doc, r.Actions, d.Gaps, d.AcceptedDays)
		}
	}
}

// TestInvalidLinesStay: a repair removes duplicates from an object and leaves its
// other lines as they are, valid or not. A blank line is no finding.
func TestInvalidLinesStay(t *testing.T) {
	s := memstore.New()
	const first, second = "events/2026/01/01/events-1767301200.jsonl", "events/2026/01/01/events-1767301300.jsonl"
	notUTF8 := strings.Replace(line(9, 1, "first"), "first", "R\xe5n", 1)
	spaces := strings.Replace(line(2, 1, "first"), ":", " : ", 1)
	cut := strings.TrimSuffix(line(3, 1, "first"), "\n")
	storetest.MustPut(t, s, first, line(1, 1, "first"))
	storetest.MustPut(t, s, second, line(1, 1, "first")+"\r\n"+spaces+notUTF8+line(2, 1, "first")+"not JSON\n"+cut)
	r := mustRepair(t, s, true)
	if o, err := s.Get(t.Context(), second); err != nil || string(o.Body) != "\r\n"+spaces+notUTF8+"not JSON\n"+cut {
		t.Errorf("the object is now %q, %v", o.Body, err)
	}
	if o, err := s.Get(t.Context(), first); err != nil || string(o.Body) != line(1, 1, "first") {
		t.Errorf("the object with the first copy is now %q, %v", o.Body, err)
	}
	if checks := checksOf(r); !slices.Equal(checks, []string{"no-final-newline", "not-json", "not-utf8"}) {
		t.Errorf("findings after the repair: %q", checks)
	}
}

// TestLaterVersionWithSpaces: a later version of any length moves to revisions/,
// without the white space that another program has written.
func TestLaterVersionWithSpaces(t *testing.T) {
	s := memstore.New()
	spaces := strings.Repeat(" ", 3<<20) + strings.Replace(line(1, 1, "second"), ":", ":"+strings.Repeat(" ", 600<<10), 1)
	storetest.MustPut(t, s, "events/2026/01/01/events-1767301200.jsonl", line(1, 1, "first")+spaces+strings.Replace(spaces, "second", "third", 1))
	mustRepair(t, s, true)
	c := archivetest.Read(t, s)
	want := []string{strings.TrimSpace(line(1, 1, "second")), strings.TrimSpace(line(1, 1, "third"))}
	if diff := cmp.Diff(want, c.Revisions[1]); diff != "" || len(c.Problems) > 0 {
		t.Errorf("%q, revisions (-want +got):\n%s", c.Problems, diff)
	}
}

// TestRepairOfUnreadableObject: a dry run fails with the same error as the repair.
func TestRepairOfUnreadableObject(t *testing.T) {
	s := memstore.New()
	const name = "events/2026/01/01/events-1767301200.jsonl"
	storetest.MustPut(t, s, name, line(1, 1, "first")+line(1, 1, "first"))
	for _, dryRun := range []bool{true, false} {
		o := writerOptions()
		o.DryRun = dryRun
		_, err := verify.Repair(t.Context(), storetest.NewUnreadable(s, name, store.ErrDamaged), options(), verify.RepairOptions{Duplicates: true, Writer: o})
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("dry run %v: %v", dryRun, err)
		}
	}
}

// TestVersionsOfDifferentDays: two versions of an event may belong to different
// days. An audit of only one of the days finds no problem, and neither does an
// audit while one of the objects cannot be read.
func TestVersionsOfDifferentDays(t *testing.T) {
	s := memstore.New()
	moved := func(at, text string) polisen.Event {
		e, rejected := polisen.ParseItem(fmt.Appendf(nil, `{"id":1,"datetime":"%s +01:00","summary":%q}`, at, text))
		if rejected != nil {
			t.Fatal(rejected.Reason)
		}
		return e
	}
	for _, e := range []polisen.Event{moved("2026-01-01 23:50:00", "first"), moved("2026-01-02 0:10:00", "second")} {
		w := archive.NewWriter(s, writerOptions())
		_, err := w.Add(t.Context(), archive.Batch{Events: []polisen.Event{e}, ObservedAt: now, Current: true})
		if err == nil {
			err = w.Flush(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, day := range []string{"", "2026-01-01", "2026-01-02"} {
		o := options()
		if day != "" {
			o.From, _ = archive.ParseDate(day)
			o.To = o.From
		}
		r, err := verify.Audit(t.Context(), s, o)
		if err != nil || !r.OK {
			t.Errorf("day %q: %v, %v", day, r.Findings, err)
		}
	}
	for a, err := range s.List(t.Context(), "events/") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := verify.Audit(t.Context(), storetest.NewUnreadable(s, a.Name, store.ErrDamaged), options())
		if err != nil || !slices.Equal(checksOf(r), []string{"content-damaged"}) {
			t.Errorf("%v, %v; want only the damaged object", r.Findings, err)
		}
	}
}

// TestMisplacedRevision: a later version leaves events/ only if revisions/ holds it in an
// object of its own day. A lookup does not find a misplaced copy, so a run without the
// document would store the version again.
func TestMisplacedRevision(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, "events/2026/01/02/events-1767387600.jsonl", line(1, 2, "first")+line(1, 2, "second"))
	storetest.MustPut(t, s, "revisions/2026/01/09/revisions-1767387600.jsonl", line(1, 2, "second"))
	mustRepair(t, s, true)
	storetest.MustDelete(t, s, archive.DocumentName)
	w := archive.NewWriter(s, writerOptions())
	o, err := w.Add(t.Context(), archive.Batch{Events: []polisen.Event{event(1, 2, "first"), event(1, 2, "second")}, ObservedAt: now, Current: true})
	if err != nil || o.New+o.Revised != 0 {
		t.Errorf("after the repair a run stores %+v, error %v", o, err)
	}
}

// TestForgottenIsStoredAgain: the event of a deleted object is still listed, so runs
// do not store it again until a repair has forgotten its id.
func TestForgottenIsStoredAgain(t *testing.T) {
	s := memstore.New()
	batch := func(id int64) archive.Batch {
		return archive.Batch{Events: []polisen.Event{event(id, 2, "first")}, ObservedAt: now, Current: true}
	}
	run := func(id int64) archive.Outcome {
		w := archive.NewWriter(s, writerOptions())
		o, err := w.Add(t.Context(), batch(id))
		if err != nil || w.Flush(t.Context()) != nil {
			t.Fatal(err)
		}
		return o
	}
	name := run(1).Objects[0].Name
	run(2)
	storetest.MustDelete(t, s, name)
	if o := run(1); o.New != 0 {
		t.Fatalf("a run has stored the event again: %+v", o)
	}
	mustRepair(t, s, false)
	if first, second := run(1), run(1); first.New != 1 || second.New != 0 {
		t.Errorf("after the repair two runs stored %d and %d new events, want 1 and 0", first.New, second.New)
	}
	lines(t, s).with(batch(1)).check(t, s)
}

// TestActions: a repair reports its actions in order.
func TestActions(t *testing.T) {
	const counts = "update metadata/last_seen.json" // the documents of the fixtures have no counts
	want := map[string][]string{
		"seen_not_stored":   {"update metadata/last_seen.json", "forget metadata/last_seen.json", counts},
		"document_missing":  {"rebuild metadata/last_seen.json"},
		"document_damaged":  {"save metadata/last_seen.corrupt-1781956800.json", "rebuild metadata/last_seen.json"},
		"pending_missing":   {"put events/2026/01/02/events-1767387600.jsonl", counts},
		"pending_different": {"put events/2026/01/02/events-1781956800.jsonl", counts},
		"leftover_objects":  {counts, "rewrite events/2026/01/01/events-1767301300.jsonl", "rewrite events/2026/01/01/events-1767391200.jsonl"},
		"duplicate_event": {
			counts, "rewrite events/2026/01/01/events-1767301200.jsonl", "rewrite events/2026/01/01/events-1767391200.jsonl",
			"rewrite events/2026/01/01/events-1767391201.jsonl",
		},
		"revision_in_events": {"put revisions/2026/01/01/revisions-1781956800.jsonl", counts, "rewrite events/2026/01/01/events-1767391200.jsonl"},
	}
	for _, f := range fixtures(t) {
		actions, ok := want[f.name]
		if !ok {
			continue
		}
		delete(want, f.name)
		var got []string
		for _, a := range mustRepair(t, f.store, true).Actions {
			if a.Detail == "" {
				t.Errorf("%s: no detail: %v", f.name, a)
			}
			got = append(got, a.Verb+" "+a.Object)
		}
		if diff := cmp.Diff(actions, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.name, diff)
		}
	}
	if len(want) > 0 {
		t.Errorf("no fixtures for %v", want)
	}
}

// TestDryRunOfPending checks that a dry run shows the objects that a repair puts to
// finish the last commit.
func TestDryRunOfPending(t *testing.T) {
	for _, name := range []string{"pending_missing", "pending_different"} {
		f := load(t, "testdata/"+name+".txtar")
		puts := func(dryRun bool) (all []string) {
			w := writerOptions()
			w.DryRun = dryRun
			r, err := verify.Repair(t.Context(), f.store, options(), verify.RepairOptions{Writer: w})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range r.Actions {
				if a.Verb == "put" {
					all = append(all, a.Object+": "+a.Detail)
				}
			}
			return all
		}
		if dry, real := puts(true), puts(false); len(real) != 1 || !slices.Equal(dry, real) {
			t.Errorf("%s: a dry run shows %q, and the repair puts %q", name, dry, real)
		}
	}
}

// TestLaterVersionIsCommittedFirst checks that a later version leaves events/ only when
// revisions/ holds it in an object of its own day, where a lookup finds it.
func TestLaterVersionIsCommittedFirst(t *testing.T) {
	const object = "events/2026/01/01/events-1767301200.jsonl"
	first, second := line(1, 1, "first"), line(1, 1, "second")
	check := func(t *testing.T, s store.Store, r *verify.Result) {
		t.Helper()
		if c := archivetest.Read(t, s); len(c.Problems) > 0 || !slices.Equal(c.Revisions[1], []string{strings.TrimSpace(second)}) {
			t.Errorf("revisions %q, problems %q", c.Revisions[1], c.Problems)
		}
		puts := 0
		for _, a := range r.Actions {
			if a.Verb == "put" {
				puts++
			}
		}
		if puts != 1 {
			t.Errorf("actions %v, want one new object", r.Actions)
		}
	}
	t.Run("a copy in an object of another day is none", func(t *testing.T) {
		s := memstore.New()
		storetest.MustPut(t, s, object, first+second)
		storetest.MustPut(t, s, "revisions/2026/01/09/revisions-1767301300.jsonl", second)
		r := mustRepair(t, s, true)
		check(t, s, r)
	})
	t.Run("the object changes after the audit", func(t *testing.T) {
		s := memstore.New()
		storetest.MustPut(t, s, object, first+second)
		gets := 0
		f := storetest.NewFaults(s, func(c storetest.Call) storetest.Fault {
			if c.Method == storetest.Get && c.Name == object {
				if gets++; gets == 2 { // the audit has read the object once
					storetest.MustPut(t, s, object, line(9, 1, "first")+first+second)
				}
			}
			return storetest.Fault{}
		})
		r := mustRepair(t, f, true)
		check(t, s, r)
	})
}
