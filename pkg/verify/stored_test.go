package verify_test

import (
	"context"
	"encoding/json"
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

// storeEvents stores events as one run.
func storeEvents(s store.Store, events ...polisen.Event) error {
	b := archive.Batch{Events: events, ObservedAt: now, Current: true}
	b.Rejected = []polisen.Rejected{{Reason: "id is missing", Raw: fmt.Appendf(nil, `{"of":%d}`, len(events))}}
	return collect(s, b, now)
}

// counted returns an archive of two commits, which has the counts of its items. The
// objects of the first commit are no pending objects.
func counted(t *testing.T) *memstore.Store {
	t.Helper()
	s := memstore.New()
	first := []polisen.Event{event(1, 29, "first"), event(2, 29, "first"), event(2, 29, "second"), event(3, 30, "first"), event(4, 32, "first")}
	for _, events := range [][]polisen.Event{first, {event(5, 31, "first"), event(6, 31, "first")}} {
		if err := storeEvents(s, events...); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestReorderedObject reorders the lines of an object of the last commit. No line is
// missing, so the audit finds nothing.
func TestReorderedObject(t *testing.T) {
	s := counted(t)
	name := "events/2026/01/31/events-1781956801.jsonl"
	if _, err := s.Get(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, name, line(6, 31, "first")+line(5, 31, "first"))
	if r := mustAudit(t, s); !r.OK {
		t.Errorf("findings: %v", r.Findings)
	}
	storetest.MustPut(t, s, name, line(6, 31, "first"))
	if r := mustAudit(t, s); r.ByCheck[verify.PendingDifferent] != 1 {
		t.Errorf("without event 5: %v", r.Findings)
	}
}

// setCounts sets the numbers of the document, and keeps those of other months.
func setCounts(t *testing.T, s store.Store, month string, n archive.Counts) {
	t.Helper()
	object, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(object.Body, &fields); err != nil {
		t.Fatal(err)
	}
	fields["stored"].(map[string]any)[month] = n
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.DocumentName, string(body))
}

// TestHugeCounts checks that a document which counts more items than memory can hold is a
// finding.
func TestHugeCounts(t *testing.T) {
	s := counted(t)
	setCounts(t, s, "2026-01", archive.Counts{Events: 1 << 50})
	if r := mustAudit(t, s); r.ByCheck[verify.StoredMissing] != 1 {
		t.Errorf("findings: %v", r.Findings)
	}
}

// TestEventCountedAgain stores a later version of an event under another month, and counts
// it as another event, as a run does whose lookup does not find the event. No item is missing,
// before and after the repair.
func TestEventCountedAgain(t *testing.T) {
	s := counted(t)
	storetest.MustPut(t, s, "events/2026/03/01/events-1782000000.jsonl", line(1, 60, "moved"))
	setCounts(t, s, "2026-03", archive.Counts{Events: 1})
	check := func() {
		t.Helper()
		r := mustAudit(t, s)
		if r.ByCheck[verify.StoredMissing] != 0 || r.ByCheck[verify.StoredUncounted] != 2 || strings.Contains(fmt.Sprint(r.Findings), "gone") {
			t.Errorf("findings: %v", r.Findings)
		}
	}
	check()
	if _, err := repairWith(s, verify.RepairOptions{Duplicates: true}); err != nil {
		t.Fatal(err)
	}
	check()
	if r, err := repairWith(s, verify.RepairOptions{Counts: true}); err != nil || r.ByCheck[verify.StoredUncounted] != 0 || !r.OK {
		t.Errorf("after a repair of the counts: %v, %v", r, err)
	}
}

// repairWith repairs an archive with a kind of repair.
func repairWith(s store.Store, o verify.RepairOptions) (*verify.Result, error) {
	dryRun := o.Writer.DryRun
	o.Writer = writerOptions()
	o.Writer.DryRun = dryRun
	return verify.Repair(context.Background(), s, options(), o)
}

// TestDeletedObject deletes each object of an earlier commit. The audit names the month
// and the number of its items, until the object is back or a repair has accepted the
// loss. After the repair a run stores the items again, and counts them right.
func TestDeletedObject(t *testing.T) {
	want := map[string]string{
		"events/2026/01/29/":    "events/2026/01/: stored-missing: expected 5 events of 2026-01, as the document counts; found 3, so 2 events missing; ",
		"events/2026/01/30/":    "events/2026/01/: stored-missing: expected 5 events of 2026-01, as the document counts; found 4, so 1 event missing; ",
		"events/2026/02/01/":    "events/2026/02/: stored-missing: expected 1 event of 2026-02, as the document counts; found 0, so 1 event missing; ",
		"revisions/2026/01/29/": "revisions/2026/01/: stored-missing: expected 1 revision of 2026-01, as the document counts; found 0, so 1 revision missing; ",
		"rejected/2026/06/20/":  "rejected/2026/06/: stored-missing: expected 2 rejected items of 2026-06, as the document counts; found 1, so 1 rejected item missing; ",
	}
	whole := counted(t)
	first := storetest.Objects(t, whole)
	pending := make(map[string]bool)
	for _, p := range document(t, whole).Pending {
		pending[p.Name] = true
	}
	for name, body := range first {
		if _, ok := archive.ParseName(name); !ok || pending[name] {
			continue
		}
		day := name[:strings.LastIndex(name, "/")+1]
		t.Run(day, func(t *testing.T) {
			events := []polisen.Event{event(1, 29, "first"), event(2, 29, "first"), event(2, 29, "second"), event(3, 30, "first"), event(4, 32, "first")}
			s := memstore.New()
			for name, body := range first {
				storetest.MustPut(t, s, name, string(body))
			}
			if r := mustAudit(t, s); !r.OK || len(r.Findings) > 0 {
				t.Fatalf("before: %v", r.Findings)
			}
			storetest.MustDelete(t, s, name)
			r := mustAudit(t, s)
			if got := textOf(r, verify.StoredMissing); len(got) != 1 || !strings.HasPrefix(got[0], want[day]) || want[day] == "" || r.OK {
				t.Errorf("findings %q, want one with %q", got, want[day])
			}
			plain := storetest.Clone(t, s)
			if r, err := repairWith(plain, verify.RepairOptions{}); err != nil || len(textOf(r, verify.StoredMissing)) != 1 {
				t.Errorf("after --repair: %v, error %v; want the missing items", r.Findings, err)
			}
			// A run stores them once more, and does not count them again. Another version
			// of an event, or another month of a rejected item, does not come back.
			if err := storeEvents(plain, events...); err != nil {
				t.Fatal(err)
			}
			if r := mustAudit(t, plain); strings.HasPrefix(day, "events/") && textOf(r, verify.StoredMissing) != nil && day != "events/2026/01/29/" {
				t.Errorf("when the items are stored again after --repair: %v", r.Findings)
			}
			if d := document(t, plain); len(d.Forgotten) > 0 && day != "events/2026/01/29/" {
				t.Errorf("forgotten ids %v", d.Forgotten)
			}

			restored := storetest.Clone(t, s)
			storetest.MustPut(t, restored, name, string(body))
			if r := mustAudit(t, restored); !r.OK || len(r.Findings) > 0 {
				t.Errorf("when the object is back: %v", r.Findings)
			}

			if r, err := repairWith(s, verify.RepairOptions{Counts: true}); err != nil || len(textOf(r, verify.StoredMissing)) > 0 {
				t.Errorf("after --repair=counts: %v, error %v", r.Findings, err)
			}
			archivetest.CheckCounts(t, s, true)
			for range 2 {
				if err := storeEvents(s, events...); err != nil {
					t.Fatal(err)
				}
			}
			archivetest.CheckCounts(t, s, true)
			if r := mustAudit(t, s); r.ByCheck[verify.StoredMissing]+r.ByCheck[verify.StoredUncounted]+r.ByCheck[verify.SeenNotStored] > 0 {
				t.Errorf("when the items are stored again: %v", r.Findings)
			}
		})
		delete(want, day)
	}
	if len(want) > 0 {
		t.Errorf("no objects under %v", want)
	}
}

// textOf returns the texts of the findings of a check.
func textOf(r *verify.Result, c verify.Check) (texts []string) {
	for _, f := range r.Findings {
		if f.Check == c {
			texts = append(texts, f.String())
		}
	}
	return texts
}

// TestCountsNeedTheWholeArchive checks that nothing is reported as missing if the audit
// has not read everything, or if the document does not have the counts.
func TestCountsNeedTheWholeArchive(t *testing.T) {
	s := counted(t)
	const name = "events/2026/01/29/events-1781956800.jsonl"
	for what, o := range map[string]verify.Options{
		"from": {From: archive.Date{Year: 2026, Month: 1, Day: 30}}, "to": {To: archive.Date{Year: 2026, Month: 1, Day: 30}},
	} {
		o.Now = options().Now
		if r, err := verify.Audit(t.Context(), s, o); err != nil || !r.OK {
			t.Errorf("%s: %v, error %v", what, r.Findings, err)
		}
	}
	r, err := verify.Audit(t.Context(), storetest.NewUnreadable(s, name, store.ErrDamaged), options())
	if err != nil || !slices.Equal(checksOf(r), []string{"content-damaged"}) {
		t.Errorf("damaged object: %v, error %v", r.Findings, err)
	}
	storetest.MustDelete(t, s, name)
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"last_updated":"2026-06-20T12:00:00Z","total_tracked":0,"version":1,"complete_above":10}`)
	if r := mustAudit(t, s); r.ByCheck[verify.StoredMissing]+r.ByCheck[verify.StoredUncounted] > 0 {
		t.Errorf("unknown counts: %v", r.Findings)
	}
	for range 2 {
		if _, err := repairWith(s, verify.RepairOptions{Counts: true}); err != nil {
			t.Fatal(err)
		}
		archivetest.CheckCounts(t, s, true)
	}
}

// TestGoneDay checks the severity of a day without events before the archive began. It
// is a problem if the document counts more events of the month than there are.
func TestGoneDay(t *testing.T) {
	severities := func(r *verify.Result) (all []verify.Severity) {
		for _, f := range r.Findings {
			if f.Check == verify.MissingDays {
				all = append(all, f.Severity)
				// A backfill before the repair of the counts would count its events twice.
				if isBackfill := strings.Contains(f.Fix.Command, "backfill --from"); isBackfill == (f.Severity == verify.Problem) {
					t.Errorf("the fix of a %s is %s", f.Severity, f.Fix)
				}
			}
		}
		return all
	}
	s := memstore.New()
	for _, events := range [][]polisen.Event{{event(1, 1, "first"), event(2, 2, "first"), event(3, 4, "first")}, {event(4, 4, "first")}} {
		if err := storeEvents(s, events...); err != nil {
			t.Fatal(err)
		}
	}
	if got := severities(mustAudit(t, s)); !slices.Equal(got, []verify.Severity{verify.Notice}) {
		t.Errorf("a day that was never fetched: %v", got)
	}
	storetest.MustDelete(t, s, "events/2026/01/02/events-1781956800.jsonl")
	if got := severities(mustAudit(t, s)); !slices.Equal(got, []verify.Severity{verify.Problem}) {
		t.Errorf("a day whose events are gone: %v", got)
	}
	const rejected = "rejected/2026/01/02/rejected-1781956800.jsonl"
	storetest.MustPut(t, s, rejected, "{}\n")
	r, err := verify.Audit(t.Context(), storetest.NewUnreadable(s, rejected, store.ErrDamaged), options())
	if err != nil {
		t.Fatal(err)
	}
	if r.Checked.Days != 2 {
		t.Errorf("%d days with events, want 2: of the other one only a rejected item is there", r.Checked.Days)
	}
	if _, err := repairWith(s, verify.RepairOptions{Counts: true}); err != nil {
		t.Fatal(err)
	}
	if got := severities(mustAudit(t, s)); !slices.Equal(got, []verify.Severity{verify.Notice}) {
		t.Errorf("a day whose loss is accepted: %v", got)
	}
}

// TestCountsOfDuplicates checks that copies of lines are counted once, and that a repair
// of duplicates changes no counts.
func TestCountsOfDuplicates(t *testing.T) {
	s := counted(t)
	before := document(t, s).Stored
	for name, body := range storetest.Objects(t, s) {
		n, ok := archive.ParseName(name)
		if !ok {
			continue
		}
		n.Timestamp -= 1000
		storetest.MustPut(t, s, n.String(), string(body))
		if n.Kind == archive.Revisions { // a later version in events/
			n.Kind = archive.Events
			n.Timestamp += 5000
			storetest.MustPut(t, s, n.String(), string(body))
		}
		if n.Kind == archive.Events { // misplaced lines
			n.Date = archive.Date{Year: 2026, Month: 3, Day: 1}
			storetest.MustPut(t, s, n.String(), string(body))
		}
	}
	for _, duplicates := range []bool{false, true} {
		if duplicates {
			mustRepair(t, s, true)
		}
		r := mustAudit(t, s)
		if r.ByCheck[verify.StoredMissing]+r.ByCheck[verify.StoredUncounted] > 0 {
			t.Errorf("repaired %t: %v", duplicates, r.Findings)
		}
	}
	if diff := cmp.Diff(before, document(t, s).Stored); diff != "" {
		t.Errorf("counts (-before +after):\n%s", diff)
	}
}

// withUnserved returns an archive with a document that has two unserved days, an open
// gap, and wrong counts.
func withUnserved(t *testing.T) *memstore.Store {
	t.Helper()
	s := counted(t)
	d := string(storetest.Objects(t, s)[archive.DocumentName])
	d = strings.TrimSuffix(strings.TrimSpace(d), "}") + `,"gaps":[` +
		`{"day":"2026-01-10","reason":"missed","since":"2026-06-20T12:00:00Z","unserved":true},` +
		`{"day":"2026-01-11","reason":"missed","since":"2026-06-20T12:00:00Z"},` +
		`{"day":"2026-01-12","reason":"missed","since":"2026-06-20T12:00:00Z","unserved":true}]}`
	storetest.MustPut(t, s, archive.DocumentName, d)
	storetest.MustDelete(t, s, "events/2026/01/30/events-1781956800.jsonl")
	return s
}

// TestRepairOfCountsAndGaps checks the actions and the findings of the repairs of counts
// and of gaps. A dry run shows the same actions.
func TestRepairOfCountsAndGaps(t *testing.T) {
	for name, tt := range map[string]struct {
		options verify.RepairOptions
		actions []string
		left    []string
	}{
		"counts": {verify.RepairOptions{Counts: true}, []string{
			"update metadata/last_seen.json: lists 5 of 5 stored ids, complete_above 0",
			"forget metadata/last_seen.json: id 3, which is not in the archive; the next run stores it if the API still shows it",
			"update metadata/last_seen.json: counts 4 events of 2026-01 instead of 5",
		}, []string{"missing-days", "open-gap", "unserved-gap", "unserved-gap"}},
		"gaps": {verify.RepairOptions{Gaps: true}, []string{
			"update metadata/last_seen.json: lists 5 of 5 stored ids, complete_above 0",
			"forget metadata/last_seen.json: id 3, which is not in the archive; the next run stores it if the API still shows it",
			"accept metadata/last_seen.json: 2026-01-10, which the API does not serve",
			"accept metadata/last_seen.json: 2026-01-12, which the API does not serve",
		}, []string{"missing-days", "open-gap", "stored-missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := withUnserved(t)
			for _, dryRun := range []bool{true, false} {
				tt.options.Writer.DryRun = dryRun
				f := storetest.NewFaults(s, nil)
				r, err := repairWith(f, tt.options)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, a := range r.Actions {
					got = append(got, a.Verb+" "+a.Object+": "+a.Detail)
				}
				if diff := cmp.Diff(tt.actions, got); diff != "" {
					t.Errorf("dry run %t: actions (-want +got):\n%s", dryRun, diff)
				}
				if dryRun {
					wantReadOnly(t, f)
				} else if diff := cmp.Diff(tt.left, checksOf(r)); diff != "" {
					t.Errorf("findings after the repair (-want +got):\n%s", diff)
				}
			}
			f := storetest.NewFaults(s, nil)
			if r, err := repairWith(f, tt.options); err != nil || len(r.Actions) > 0 {
				t.Errorf("a second repair: %v, error %v", r.Actions, err)
			}
			wantReadOnly(t, f)
		})
	}
}

// TestRepairOfCountsAtEveryCall lets each call of a repair of the counts fail, and lets
// a run happen just before each call. The counts are right in the end.
func TestRepairOfCountsAtEveryCall(t *testing.T) {
	op := func(s store.Store) error {
		_, err := repairWith(s, verify.RepairOptions{Counts: true})
		return err
	}
	storetest.FaultAtEveryCall(t, withUnserved(t), op, func(s store.Store, f *storetest.Faults) {
		if err := op(s); err != nil {
			t.Fatal(err)
		}
		f.Release()
		archivetest.CheckCounts(t, s, true)
	})
	other := func(s store.Store) error { return storeEvents(s, event(3, 30, "first"), event(9, 30, "first")) }
	storetest.OtherAtEveryCall(t, withUnserved(t), op, other, func(s store.Store) {
		c := archivetest.Read(t, s)
		if _, stored := c.Events[9]; !stored {
			t.Fatal("the event of the run is gone")
		}
		archivetest.CheckCounts(t, s, true)
	})
}

// TestRepairOfGapsAtEveryCall lets a run close a gap, and make another day unserved, just
// before each call of a repair of gaps.
func TestRepairOfGapsAtEveryCall(t *testing.T) {
	op := func(s store.Store) error {
		_, err := repairWith(s, verify.RepairOptions{Gaps: true})
		return err
	}
	other := func(s store.Store) error {
		w := archive.NewWriter(s, writerOptions())
		for _, a := range []archive.DayAnswer{
			{Day: archive.Date{Year: 2026, Month: 1, Day: 10}, Kind: archive.AnswerWhole},
			{Day: archive.Date{Year: 2026, Month: 1, Day: 11}, Kind: archive.AnswerNotFound},
		} {
			b := archive.Batch{ObservedAt: now, Answer: &a}
			if _, err := w.Add(context.Background(), b); err != nil {
				return err
			}
		}
		return w.Flush(context.Background())
	}
	state := func(t *testing.T, s store.Reader) string {
		t.Helper()
		d := document(t, s)
		open, unserved := d.GapDays()
		return fmt.Sprint(open, unserved, d.AcceptedDays)
	}
	possible := []string{
		"[] [2026-01-11] [2026-01-10 2026-01-12]",  // the run is the last
		"[] [] [2026-01-11 2026-01-12]",            // the repair is the last
		"[] [] [2026-01-10 2026-01-11 2026-01-12]", // the run commits between two audits of the repair
	}
	storetest.OtherAtEveryCall(t, withUnserved(t), op, other, func(s store.Store) {
		if got := state(t, s); !slices.Contains(possible, got) {
			t.Fatalf("open, unserved and accepted days %s, want one of %q", got, possible)
		}
	})
	storetest.FaultAtEveryCall(t, withUnserved(t), op, func(s store.Store, f *storetest.Faults) {
		if err := op(s); err != nil && !errors.Is(err, store.ErrPrecondition) {
			t.Fatal(err)
		}
		f.Release()
		if got := state(t, s); got != "[2026-01-11] [] [2026-01-10 2026-01-12]" {
			t.Fatalf("open, unserved and accepted days %s", got)
		}
	})
}

// TestUnknownCounts: a repair counts the items of an archive whose document does not count
// them, also with duplicates to remove, so that a later loss is noticed.
func TestUnknownCounts(t *testing.T) {
	for _, duplicates := range []bool{false, true} {
		for name, document := range map[string]func(t *testing.T, s store.Store){
			"missing": func(t *testing.T, s store.Store) { storetest.MustDelete(t, s, archive.DocumentName) },
			"no counts": func(t *testing.T, s store.Store) {
				storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[2,1],"last_updated":"2026-01-03T00:00:00Z","total_tracked":2}`)
			},
		} {
			t.Run(fmt.Sprintf("%s, duplicates %t", name, duplicates), func(t *testing.T) {
				s := memstore.New()
				const lost = "events/2026/01/03/events-1767474000.jsonl"
				storetest.MustPut(t, s, "events/2026/01/02/events-1767387600.jsonl", line(1, 2, "first")+line(1, 2, "second"))
				storetest.MustPut(t, s, lost, line(2, 3, "first"))
				storetest.MustPut(t, s, archive.DocumentName, "{}")
				document(t, s)
				mustRepair(t, s, duplicates)
				if r := mustAudit(t, s); r.ByCheck[verify.StoredMissing]+r.ByCheck[verify.StoredUncounted] > 0 {
					t.Errorf("after the repair: %v", r.Findings)
				}
				storetest.MustDelete(t, s, lost)
				if r := mustAudit(t, s); r.ByCheck[verify.StoredMissing] != 1 {
					t.Errorf("after the loss: %v", r.Findings)
				}
			})
		}
	}
}
