package page_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
	"polisen-events-collector/pkg/verify/page"
)

// now is the time of the audits, in Swedish winter time.
var now = time.Date(2026, 11, 29, 2, 30, 0, 0, time.FixedZone("CET", 3600))

func date(year int, month time.Month, day int) archive.Date {
	return archive.Date{Year: year, Month: month, Day: day}
}

// contents returns the contents of which tests render pages, by name.
func contents(t *testing.T) map[string]page.Content {
	return map[string]page.Content{
		"small": small(t), "years": fourYears(), "empty": audited(t, memstore.New()), "hostile": hostile(), "unhealthy": unknown(t),
	}
}

// audited returns the content for a real archive.
func audited(t *testing.T, s store.Store) page.Content {
	t.Helper()
	command := func(args string) string { return "polisen-events-collector " + args + " --store ./archive" }
	r, err := verify.Audit(t.Context(), s, verify.Options{Concurrency: 2, Timeline: true, Now: func() time.Time { return now }, Command: command})
	if err != nil {
		t.Fatal(err)
	}
	h, err := status.CheckHealth(t.Context(), s, status.HealthOptions{MaxAge: 45 * time.Minute, MaxLag: 24 * time.Hour, Concurrency: 2, Now: now, Command: command})
	if err != nil {
		t.Fatal(err)
	}
	c := page.Content{Result: r, Health: h, Now: now, Program: "polisen-events-collector v1.2.3", Command: command("verify --output json")}
	if history, err := status.ReadHistory(t.Context(), s, now); err == nil {
		c.Runs = history.Runs
	}
	return c
}

// small returns the content for a small archive with a duplicate, a gap, days without
// events, an event that was stored late, and text of all kinds.
func small(t *testing.T) page.Content {
	s := memstore.New()
	line := func(id int, datetime string) string {
		return fmt.Sprintf(`{"id":%d,"datetime":"%s","name":"Rån, Malmö","type":"Rån"}`, id, datetime) + "\n"
	}
	at := func(day, hour, minute int) int64 {
		return time.Date(2026, 11, day, hour, minute, 0, 0, now.Location()).Unix()
	}
	for name, body := range map[string]string{
		fmt.Sprintf("events/2026/11/20/events-%d.jsonl", at(28, 12, 0)): line(1, "2026-11-20 8:00:00 +01:00"),
		fmt.Sprintf("events/2026/11/23/events-%d.jsonl", at(23, 9, 20)): line(2, "2026-11-23 9:00:00 +01:00") + line(3, "2026-11-23 7:20:00 +01:00"),
		fmt.Sprintf("events/2026/11/23/events-%d.jsonl", at(23, 10, 0)): line(3, "2026-11-23 7:20:00 +01:00"),
		fmt.Sprintf("events/2026/11/28/events-%d.jsonl", at(28, 20, 5)): line(4, "2026-11-28 19:30:00 +01:00"),
		"händelser/läsmig.txt": "Åke",
		archive.DocumentName: `{"seen_ids":[4,3,2,1],"total_tracked":4,"last_updated":"2026-11-28T19:05:00Z","version":2,` +
			`"commit":{"id":"R4","sequence":4,"timestamp":` + fmt.Sprint(at(28, 20, 5)) + `},"complete_above":0,"covered_until":"2026-11-28T18:30:00Z",` +
			`"stored":{"2026-11":{"events":4}},"gaps":[{"day":"2026-11-25","reason":"missed"},{"day":"2026-11-26","reason":"missed"}]}`,
		archive.LastRunName: `{"run_id":"R5","host":"älgen","started":"2026-11-29T01:07:00Z","finished":"2026-11-29T01:07:02Z","ok":true,` +
			`"hosts":[{"name":"älgen","last_run":"2026-11-29T01:07:02Z","successes":["2026-11-29T01:07:02Z"],"failures":0}],"runs":[` +
			`{"run_id":"R5","started":"2026-11-29T01:07:00Z","host":"älgen","exit_code":0,"fetched":500,"new":0,"duration_s":1.5,"lag_s":600,"window_s":500000},` +
			`{"run_id":"R4","started":"2026-11-28T19:04:58Z","host":"älgen","exit_code":3,"fetched":500,"new":1,"rejected":2,"invalid":2,"duration_s":2.25},` +
			`{"run_id":"R3","started":"2026-11-28T18:37:00Z","host":"älgen","exit_code":4,"duration_s":0.5}]}`,
	} {
		storetest.MustPut(t, s, name, body)
	}
	return audited(t, s)
}

// fourYears returns the content for four years of events, with a pause, gaps and findings.
func fourYears() page.Content {
	random := rand.New(rand.NewPCG(1, 2))
	r := &verify.Result{Store: "oci://namespace/polisen-events-collector", ByCheck: map[verify.Check]int{}, Findings: []verify.Finding{}}
	t := &r.Timeline
	first, last := date(2023, 1, 1), date(2026, 11, 29)
	pause := verify.DayRange{From: date(2024, 7, 9), To: date(2024, 7, 21)}
	t.Missing = []verify.DayRange{pause, {From: date(2023, 2, 2), To: date(2023, 2, 2)}}
	t.Open = []archive.Date{date(2026, 11, 24), date(2026, 11, 25)}
	t.Unserved = []archive.Date{date(2025, 3, 3), date(2025, 3, 4), date(2025, 3, 5)}
	t.Accepted = []archive.Date{date(2024, 2, 29)}
	absent := func(d archive.Date) bool {
		for _, m := range t.Missing {
			if d.Compare(m.From) >= 0 && d.Compare(m.To) <= 0 {
				return true
			}
		}
		return false
	}
	week := verify.Week{Monday: date(2022, 12, 26)}
	for d := first; d.Compare(last) <= 0; d = d.Next() {
		weekday := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
		if weekday == time.Monday {
			if week.Events > 0 { // not in a pause
				t.Weeks = append(t.Weeks, week)
			}
			week = verify.Week{Monday: d, Median: time.Duration(15+random.IntN(12)) * time.Minute, P90: time.Duration(60+random.IntN(50)) * time.Minute}
			if random.IntN(20) == 0 {
				week.P90 += time.Duration(random.IntN(2000)) * time.Minute
			}
		}
		if absent(d) {
			continue
		}
		n := 45 + random.IntN(25) + 10*int(d.Month%6)
		if weekday == time.Saturday || weekday == time.Sunday {
			n += 15
		}
		if d.Month == 12 && d.Day == 24 {
			n = 18
		}
		t.Days = append(t.Days, verify.Day{Date: d, Events: n})
		r.Checked.Events += n
		week.Events += n
		if d.Compare(date(2023, 3, 25)) < 0 {
			week.Late += n
			week.Median, week.P90 = 0, 0
		}
	}
	t.Weeks = append(t.Weeks, week)
	r.Checked = verify.Counts{
		Objects: 52_345, Bytes: 31_456_789, Events: r.Checked.Events, Revisions: 2309, Rejected: 12, Days: len(t.Days),
		First: first.String(), Last: last.String(), Listed: 1000,
	}
	add := func(n int, severity verify.Severity, f verify.Finding) {
		f.Severity = severity
		r.ByCheck[f.Check] += n
		if severity == verify.Problem {
			r.Problems += n
		} else {
			r.Notices += n
		}
		for i := range min(n, 1000) {
			if f.Check == verify.DuplicateEvent || f.Check == verify.HalfPair {
				f.Line, f.ID = i+1, int64(601_000+i)
			}
			r.Findings = append(r.Findings, f)
		}
	}
	add(1, verify.Problem, verify.Finding{Check: verify.OpenGap, Object: "events/2026/11/24/", Expected: "all events from 2026-11-24 to 2026-11-25",
		Actual: "events may be missing: no response reached back to the one before, because the runs paused or very many events came at once",
		Fix:    verify.Fix{Command: "polisen-events-collector backfill --from 2026-11-24 --to 2026-11-25", Advice: "or wait: runs of collect fetch these days by themselves"}})
	add(302, verify.Problem, verify.Finding{Check: verify.DuplicateEvent, Object: "events/2025/06/14/events-1749902400.jsonl", Expected: "each event once",
		Actual: "the same version as events/2025/06/14/events-1749898800.jsonl line 7", Fix: verify.Fix{Command: "polisen-events-collector verify --repair=duplicates"}})
	add(2, verify.Problem, verify.Finding{Check: verify.MissingDays, Object: "events/2024/07/09/", Expected: "events on each day",
		Actual: "no events from 2024-07-09 to 2024-07-21", Fix: verify.Fix{Advice: "the API serves about 6 months; for older days, use backfill --input with saved responses"}})
	add(3, verify.Notice, verify.Finding{Check: verify.HalfPair, Object: "events/2026/01/15/events-1768471200.jsonl", Expected: "text that all readers of JSON accept",
		Actual: `half a surrogate pair such as \ud83d, at which jq and DuckDB stop`, Fix: verify.Fix{Advice: "leave the line as the API sent it; if your reader stops there, replace the escape in a copy"}})
	seconds := func(d time.Duration) *report.Seconds { return new(report.Seconds(d)) }
	h := &status.Health{
		Status: status.HealthCritical, Store: r.Store, Host: "collector-1", LastRunAge: seconds(11 * time.Minute), Age: seconds(11 * time.Minute),
		MaxAge: report.Seconds(45 * time.Minute), Lag: seconds(26 * time.Minute), MaxLag: report.Seconds(24 * time.Hour), Headroom: seconds(160 * time.Hour),
		Gaps: report.Gaps{Open: 2, Unserved: 3}, Hosts: 2, HealthyHosts: 2, Listed: 1000, Pending: 2, New: 2,
		Problems: []string{"events of 2 days may be missing, 2026-11-24 to 2026-11-25; later collects fetch them, and so does: polisen-events-collector backfill --from 2026-11-24 --to 2026-11-25"},
		Warnings: []string{"events of 3 days may be missing that the API does not serve, 2025-03-03 to 2025-03-05; accept this with: polisen-events-collector verify --repair=gaps"},
	}
	c := page.Content{Result: r, Health: h, Now: now, Program: "polisen-events-collector v1.2.3", Command: "polisen-events-collector verify --output json"}
	for i := range report.MaxRuns {
		run := report.Run{
			Started: now.Add(-time.Duration(i)*30*time.Minute - 11*time.Minute), Host: fmt.Sprintf("collector-%d", i%2+1), Fetched: 500, New: random.IntN(5), Revised: random.IntN(8) / 7,
			Duration: report.Seconds(1200*time.Millisecond + time.Duration(random.IntN(900))*time.Millisecond), Lag: seconds(time.Duration(random.IntN(90)) * time.Minute),
		}
		switch i {
		case 7, 8:
			run = report.Run{Started: run.Started, Host: run.Host, ExitCode: 4, Duration: report.Seconds(3 * time.Minute)}
		case 20:
			run.ExitCode, run.Rejected, run.New = 3, 1, 116
		}
		c.Runs = append(c.Runs, run)
	}
	return c
}

// hostileText holds all that must not reach the page as it is.
const hostileText = `</title></style><script>alert(1)</script><img src=http://example.org/x onerror=alert(2)>"'` + "`" + `&amp;&lt;{{.}}` + "\u202egnirts\u2066\u200f\x00\x1b[31m\r\n\u2028 Räksmörgås på Åland"

// hostile returns a content in which every text is hostile and long.
func hostile() page.Content {
	long := hostileText + strings.Repeat("Ö", 10_000) + strings.Repeat("<b>", 1000)
	r := &verify.Result{
		Store: long, Problems: 40, ByCheck: map[verify.Check]int{verify.Check(hostileText): 40},
		Checked:  verify.Counts{Events: 3, Days: 3, First: "0001-01-01", Last: "9999-12-31"},
		Timeline: verify.Timeline{Days: []verify.Day{{Date: date(1, 1, 1), Events: 1}, {Date: date(2026, 2, 3), Events: 1}, {Date: date(9999, 12, 31), Events: 1}}, Missing: []verify.DayRange{{From: date(1, 1, 2), To: date(2026, 2, 2)}}},
	}
	r.Timeline.Weeks = []verify.Week{{Monday: date(0, 12, 28), Events: 1, Late: 1}, {Monday: date(2026, 2, 2), Events: 1}, {Monday: date(9999, 12, 27), Events: 1, Late: 1}}
	for i := range 40 {
		text := fmt.Sprint(i, long)
		r.Findings = append(r.Findings, verify.Finding{Check: verify.Check(hostileText), Severity: verify.Problem, Object: text, Expected: text, Actual: text, Fix: verify.Fix{Command: text, Advice: text}})
	}
	c := page.Content{
		Result: r, Now: now, Program: long, Command: long,
		Health: &status.Health{Status: status.HealthCritical, Store: long, Host: long, LastRunAge: new(report.Seconds), Problems: []string{long}, Warnings: []string{long}},
	}
	for range 3 {
		c.Runs = append(c.Runs, report.Run{Started: now, Host: long, RunID: long})
	}
	return c
}

// unknown returns the content for an archive whose health check failed.
func unknown(t *testing.T) page.Content {
	c := audited(t, memstore.New())
	o := status.HealthOptions{Now: now}
	c.Health = status.UnknownHealth(c.Result.Store, o, fmt.Errorf("storage failed: 503 Service Unavailable"))
	c.Result.From, c.Result.To = "2026-01-01", "2026-01-31"
	return c
}
