package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// TestForgedFinding checks that no text from another program makes a finding or an
// action look like two, or like another one.
func TestForgedFinding(t *testing.T) {
	const forged = "x\nFORGED\r\x1b[2J\u202e\u2028\u009b"
	texts := map[string]string{
		"object":   verify.Finding{Check: verify.BadName, Object: "events/" + forged, Expected: "a", Actual: "b"}.String(),
		"expected": verify.Finding{Check: verify.BadName, Object: "o", Expected: forged, Actual: "b"}.String(),
		"actual":   verify.Finding{Check: verify.BadName, Object: "o", Expected: "a", Actual: forged}.String(),
		"fix":      verify.Finding{Check: verify.BadName, Object: "o", Fix: verify.Fix{Command: forged, Advice: forged}}.String(),
	}
	r := verify.Result{Store: forged, Actions: []verify.Action{{Verb: "skip", Object: forged, Detail: forged}}}
	var b strings.Builder
	if err := r.ActionsText(&b); err != nil {
		t.Fatal(err)
	}
	texts["action"], texts["summary"] = strings.TrimSuffix(b.String(), "\n"), r.Summary()
	r.Problems, r.Findings = 1, []verify.Finding{{Check: forged, Severity: verify.Problem, Object: "o" + forged, Expected: forged, Actual: forged, Fix: verify.Fix{Command: forged, Advice: forged}}}
	wide := verify.GroupedOptions{Style: text.Style{Width: 1000}}
	for i, line := range strings.Split(strings.TrimSpace(grouped(t, &r, wide)), "\n") {
		if line != "" && !strings.HasPrefix(line, "skip: 1 action") && !strings.HasPrefix(line, "read 0 objects") {
			texts[fmt.Sprint("line ", i+1, " at a terminal")] = line
		}
	}
	for name, shown := range texts {
		if strings.ContainsAny(shown, "\n\r\x1b\u202e\u2028\u009b") || !strings.Contains(shown, `x\nFORGED\r\x1b[2J\u202e\u2028`) {
			t.Errorf("%s: %q; want the text of the other program with escapes", name, shown)
		}
	}
}

// TestQuotedNames checks that findings quote a name that reads like another text.
func TestQuotedNames(t *testing.T) {
	for name, want := range map[string]string{
		archive.DocumentName:                 archive.DocumentName,
		"events/2026/01/02/events-1.jsonl":   "events/2026/01/02/events-1.jsonl",
		"a: expected b; found c; fix: rm -r": `"a: expected b; found c; fix: rm -r"`,
		`a"b`:                                `"a\"b"`,
		"":                                   `""`,
	} {
		if got := (verify.Finding{Object: name}).String(); !strings.HasPrefix(got, want+": ") {
			t.Errorf("%q: %s; want %s", name, got, want)
		}
	}
}

// TestManyFindings checks that a result counts all findings and holds the first of each
// check, always the same ones.
func TestManyFindings(t *testing.T) {
	s := memstore.New()
	for i := range 3 {
		storetest.MustPut(t, s, fmt.Sprintf("events/2026/01/0%d/events-1767301200.jsonl", i+1), strings.Repeat("x\n", 2000))
	}
	storetest.MustPut(t, s, "events/2026/01/09/events-1767301200.jsonl", manyVersions(1000)+manyVersions(1000))
	first := mustAudit(t, s)
	for check, want := range map[verify.Check]int{verify.NotJSON: 6000, verify.RevisionInEvents: 999, verify.DuplicateEvent: 1000} {
		kept := 0
		for _, f := range first.Findings {
			if f.Check == check {
				kept++
			}
		}
		if first.ByCheck[check] != want || kept != min(want, 1000) {
			t.Errorf("%s: %d counted, %d kept; want %d", check, first.ByCheck[check], kept, want)
		}
	}
	if first.Problems+first.Notices < 8000 || !strings.Contains(ungrouped(t, first), "5,000 findings not shown") {
		t.Errorf("%d problems; %.200s", first.Problems, ungrouped(t, first))
	}
	if second := mustAudit(t, s); !slices.Equal(first.Findings, second.Findings) {
		t.Error("two audits of the same archive hold different findings")
	}
}

// manyVersions returns the lines of n versions of an event.
func manyVersions(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(1, 9, fmt.Sprint("version ", i)))
	}
	return b.String()
}

// ungrouped returns the result as text with one line per finding.
func ungrouped(t *testing.T, r *verify.Result) string {
	var b strings.Builder
	if err := r.Text(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBackfillIsServed checks that the command for missing days names only days that the
// API still serves.
func TestBackfillIsServed(t *testing.T) {
	s := memstore.New()
	today := options().Now()
	for _, ago := range []int{300, 290, 100, 90} {
		day := today.AddDate(0, 0, -ago)
		item := polisentest.Event(int64(1000-ago), day)
		storetest.MustPut(t, s, fmt.Sprintf("events/%s/events-%d.jsonl", day.Format("2006/01/02"), day.Unix()), string(item)+"\n")
	}
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	served := date(today.AddDate(0, -6, 0))
	const older = "the API serves about 6 months; for older days, use backfill --input with saved responses"
	want := []verify.Fix{
		{Advice: older},
		{
			Command: fmt.Sprintf("backfill --from %s --to %s", served, date(today.AddDate(0, 0, -101))),
			Advice:  older,
		},
		{Command: fmt.Sprintf("backfill --from %s --to %s", date(today.AddDate(0, 0, -99)), date(today.AddDate(0, 0, -91)))},
	}
	var got []verify.Fix
	for _, f := range r.Findings {
		if f.Check == verify.MissingDays {
			got = append(got, f.Fix)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fixes (-want +got):\n%s", diff)
	}
}

// TestFutureGap checks that the commands for gaps name no days in the future.
func TestFutureGap(t *testing.T) {
	s := memstore.New()
	today := archive.DateOf(options().Now())
	gap := func(day archive.Date) string {
		return fmt.Sprintf(`{"day":"%s","reason":"missed","since":"2026-01-01T00:00:00Z"}`, day)
	}
	gaps := strings.Join([]string{gap(today), gap(today.Next()), gap(today.AddDays(30))}, ",")
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"last_updated":"2026-01-01T00:00:00Z","total_tracked":0,"version":2,"gaps":[`+gaps+`]}`)
	r, err := verify.Audit(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		if f.Check == verify.OpenGap {
			got = append(got, f.Fix.Command)
		}
	}
	if want := []string{fmt.Sprintf("backfill --from %s --to %[1]s", today), ""}; !slices.Equal(got, want) {
		t.Errorf("commands %q, want %q", got, want)
	}
}
