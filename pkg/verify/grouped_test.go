package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// grouped returns the result as grouped text.
func grouped(t *testing.T, r *verify.Result, o verify.GroupedOptions) string {
	t.Helper()
	var b strings.Builder
	if err := r.Grouped(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// manyResult returns a result with findings of all forms: many of one check, with the same
// fix or different ones, a problem and a notice of the same check, and single ones.
func manyResult() *verify.Result {
	r := &verify.Result{
		Store: "file:///archive", Problems: 1288, Notices: 2, DryRun: true,
		Checked: verify.Counts{Objects: 26660, Bytes: 120_000_000, Events: 85011, Revisions: 1, Days: 2, First: "2026-01-01", Last: "2026-01-02", Listed: 1000},
		ByCheck: map[verify.Check]int{verify.DuplicateEvent: 1282, verify.WrongPartition: 4, verify.OpenGap: 1, verify.Unreadable: 12, verify.ForeignObject: 1},
	}
	for i := range 2 {
		r.Actions = append(r.Actions, verify.Action{Verb: "rewrite", Object: fmt.Sprintf("events/2026/01/0%d/events-1.jsonl", i+1), Detail: "removes 3 duplicates"})
	}
	r.Actions = append(r.Actions, verify.Action{Verb: "put", Object: "events/2026/01/03/events-1.jsonl", Detail: "3 lines"})
	add := func(f verify.Finding) { r.Findings = append(r.Findings, f) }
	duplicates := verify.Fix{Command: "program verify --repair=duplicates --store ./archive"}
	for i := range 1000 {
		add(verify.Finding{
			Check: verify.DuplicateEvent, Severity: verify.Problem, Object: "events/2026/01/01/events-1.jsonl", Line: 1001 + i,
			Expected: "each event once", Actual: fmt.Sprintf("the same version as events/2026/01/01/events-1.jsonl line %d", i+1), Fix: duplicates,
		})
	}
	for i := range 4 {
		month := fmt.Sprintf("2025/0%d", i/2+1)
		add(verify.Finding{
			Check: verify.WrongPartition, Severity: verify.Problem, Object: "events/2026/01/02/events-2.jsonl", Line: i + 1,
			Expected: "only lines of 2026-01-02", Actual: "a line of another day", Fix: verify.Fix{Advice: "move the line by hand to an object under events/" + month + "/01/"},
		})
	}
	add(verify.Finding{
		Check: verify.OpenGap, Severity: verify.Problem, Object: "events/2026/01/05/", Expected: "all events of 2026-01-05", Actual: "events may be missing: the runs paused",
		Fix: verify.Fix{Command: "program backfill --from 2026-01-05 --to 2026-01-05", Advice: "or wait: runs of collect fetch these days by themselves, without a person who has to do anything"},
	})
	for i, severity := range []verify.Severity{verify.Notice, verify.Problem} {
		add(verify.Finding{Check: verify.Unreadable, Severity: severity, Object: []string{"mnt", "events/x"}[i], Expected: "a", Actual: "b", Fix: verify.Fix{Advice: "c"}})
	}
	add(verify.Finding{
		Check: verify.ForeignObject, Severity: verify.Notice, Object: "a\n\x1b[2J", Expected: "only objects that this program writes", Actual: "another object", Fix: verify.Fix{Advice: "leave it there"},
	})
	return r
}

// TestGrouped compares the text for terminals: groups by check, problems first, five places
// of each, and the verdict last.
func TestGrouped(t *testing.T) {
	const want = `would rewrite: 2 actions
    events/2026/01/01/events-1.jsonl: removes 3 duplicates
    events/2026/01/02/events-1.jsonl: removes 3 duplicates

would put: 1 action
    events/2026/01/03/events-1.jsonl: 3 lines

duplicate-event: 1,282 problems
  expected: each event once
  found:
    events/2026/01/01/events-1.jsonl line 1001: the same version as
      events/2026/01/01/events-1.jsonl line 1
    events/2026/01/01/events-1.jsonl line 1002: the same version as
      events/2026/01/01/events-1.jsonl line 2
    events/2026/01/01/events-1.jsonl line 1003: the same version as
      events/2026/01/01/events-1.jsonl line 3
    events/2026/01/01/events-1.jsonl line 1004: the same version as
      events/2026/01/01/events-1.jsonl line 4
    events/2026/01/01/events-1.jsonl line 1005: the same version as
      events/2026/01/01/events-1.jsonl line 5
    and 1,277 more (--all)
  fix:      program verify --repair=duplicates --store ./archive

wrong-partition: 4 problems
  expected: only lines of 2026-01-02
  found:    a line of another day
  at:
    events/2026/01/02/events-2.jsonl line 1
    events/2026/01/02/events-2.jsonl line 2
      fix: move the line by hand to an object under events/2025/01/01/
    events/2026/01/02/events-2.jsonl line 3
    events/2026/01/02/events-2.jsonl line 4
      fix: move the line by hand to an object under events/2025/02/01/

open-gap: 1 problem
  expected: all events of 2026-01-05
  found:    events may be missing: the runs paused
  at:       events/2026/01/05/
  fix:      program backfill --from 2026-01-05 --to 2026-01-05
            (or wait: runs of collect fetch these days by themselves, without a
            person who has to do anything)

unreadable: 11 problems
  expected: a
  found:    b
  at:
    events/x
    and 10 more (--all)
  fix:      c

unreadable: 1 notice
  expected: a
  found:    b
  at:       mnt
  fix:      c

foreign-object: 1 notice
  expected: only objects that this program writes
  found:    another object
  at:       "a\n\x1b[2J"
  fix:      leave it there

read 26,660 objects (120 MB): 85,011 events, 1 revision, 0 rejected items; 2
days with events, 2026-01-01 to 2026-01-02; 1,000 listed ids
1,288 problems, 2 notices in file:///archive
`
	style := text.Style{Width: 80}
	r := manyResult()
	if got := grouped(t, r, verify.GroupedOptions{Style: style}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	all := grouped(t, r, verify.GroupedOptions{Style: style, All: true})
	if n := strings.Count(all, "the same version as"); n != 1000 || !strings.Contains(all, "line 1000\n    and 282 more (only the first 1,000 are kept)\n  fix: ") || strings.Contains(all, "(--all)") {
		t.Errorf("with All it shows %d duplicates", n)
	}
	coloured := grouped(t, r, verify.GroupedOptions{Style: text.Style{Width: 80, Colour: true}})
	for _, part := range []string{
		"\x1b[1mwould put\x1b[0m: ", "\x1b[1mduplicate-event\x1b[0m: \x1b[31m1,282 problems\x1b[0m\n", "\x1b[1mforeign-object\x1b[0m: \x1b[33m1 notice\x1b[0m\n",
		"\n\x1b[31m1,288 problems\x1b[0m, \x1b[33m2 notices\x1b[0m in file:///archive\n",
	} {
		if !strings.Contains(coloured, part) {
			t.Errorf("in colour there is no %q", part)
		}
	}
	for line := range strings.Lines(want) {
		if len(line) > 81 {
			t.Errorf("wider than the terminal: %s", line)
		}
	}
}

// TestGroupedVerdict checks the last lines for archives without problems.
func TestGroupedVerdict(t *testing.T) {
	r := verify.Result{Store: "mem:", OK: true}
	const read = "read 0 objects (0 B): 0 events, 0 revisions, 0 rejected items"
	if got, want := grouped(t, &r, verify.GroupedOptions{Style: text.Style{Width: 80}}), read+"; 0 listed ids\nok: no problems in mem:\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := grouped(t, &r, verify.GroupedOptions{Style: text.Style{Width: 80}, Brief: true}); got != "" {
		t.Errorf("brief: %q, want nothing", got)
	}
	r.From, r.To = "2026-01-01", "2026-01-31"
	want := read + "\nonly the days from 2026-01-01 to 2026-01-31 were read, so the listed ids were\nnot checked\n\x1b[32mok: no problems\x1b[0m in mem:\n"
	if got := grouped(t, &r, verify.GroupedOptions{Style: text.Style{Width: 80, Colour: true}}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestGroupedCounts checks that each heading has the number of all findings, also of those
// that the result does not hold, by their severity.
func TestGroupedCounts(t *testing.T) {
	s := memstore.New()
	var pairs strings.Builder
	for i := range 1300 {
		fmt.Fprintf(&pairs, `{"id":%d,"datetime":"2026-01-09 9:08:07 +01:00","summary":"\ud83d"}`+"\n", i)
	}
	storetest.MustPut(t, s, "events/2026/01/09/events-1767301200.jsonl", pairs.String())
	storetest.MustPut(t, s, "events/2026/01/12/events-1768301200.jsonl", line(-1, 12, "")+strings.Repeat("x\n", 1400))
	storetest.MustPut(t, s, "events/2026/01/15/events-1768701200.jsonl", line(-2, 15, ""))
	got := grouped(t, mustAudit(t, s), verify.GroupedOptions{Style: text.Style{Width: 80}})
	for _, want := range []string{"half-surrogate-pair: 1,300 notices\n", "not-json: 1,400 problems\n", "missing-days: 2 problems\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestNoArchive checks that a store with only other objects has one finding, even if some of
// them are in the archive's folders, and that the finding names one of these objects.
func TestNoArchive(t *testing.T) {
	s := memstore.New()
	for i := range 282 {
		storetest.MustPut(t, s, fmt.Sprintf("photos%d/x", i), "x")
	}
	want := "neither a document nor data objects, but 282 other objects, such as photos0/"
	for range 2 {
		r := mustAudit(t, s)
		if len(r.Findings) != 1 || r.Findings[0].Check != verify.ArchiveMissing || r.Findings[0].Actual != want || r.Problems != 1 || r.Notices != 0 {
			t.Errorf("%+v, want one finding with %q", r, want)
		}
		storetest.MustPut(t, s, "events/2026/photo.jpg", "x")
		want = "neither a document nor data objects, but 283 other objects, such as events/2026/photo.jpg"
	}
}
