package report_test

import (
	"encoding/json"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/report"
)

var start = time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("", 3600))

func example() report.Report {
	return report.Report{
		RunID: "R", Command: "collect", Program: "v1", Store: "file:///x", Source: "https://example.org",
		Counts:  report.Counts{Fetched: 500, New: 3, Revised: 1, Rejected: 2, AlreadySeen: 494, Healed: 1},
		Objects: []report.Object{{Name: "events/2026/01/02/events-1.jsonl", Lines: 3, Bytes: 900}},
		Window:  report.NewWindow(start.AddDate(0, 0, -9), start, 500),
	}
}

// TestForm checks the names and units of the JSON form, and that empty lists are
// not null.
func TestForm(t *testing.T) {
	var empty report.Report
	report.NewRecorder(time.Now).Finish(&empty)
	if body, err := json.Marshal(empty); err != nil || strings.Contains(string(body), "null") {
		t.Errorf("a report without stages, objects and warnings is %s, %v; want [] for each", body, err)
	}
	now := start
	rec := report.NewRecorder(func() time.Time { return now })
	now = now.Add(10 * time.Millisecond)
	later := rec.Stage("fetch")
	now = now.Add(1500 * time.Millisecond)
	later()
	rec.Warn(slog.LevelWarn, "beware of %d", 7)
	rec.Warn(slog.LevelInfo, "beware of 7")
	rec.Warn(slog.LevelInfo, "note")
	rec.StoreRetry()
	r := report.Report{RunID: "R"}
	rec.Finish(&r)
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"started": "2026-01-02T11:00:00Z", "finished": "2026-01-02T11:00:01.51Z", "duration_s": 1.51,
		"store_retries": 1.0, "warnings": []any{map[string]any{"level": "WARN", "text": "beware of 7"}, map[string]any{"level": "INFO", "text": "note"}}, "objects": []any{},
		"stages": []any{map[string]any{"name": "fetch", "start_s": 0.01, "duration_s": 1.5}},
	}
	for field, value := range want {
		if diff := cmp.Diff(value, got[field]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", field, diff)
		}
	}
}

// TestRoundTrip checks that a report is the same after it is written and read.
func TestRoundTrip(t *testing.T) {
	r := example()
	r.Duration = report.Seconds(1234 * time.Millisecond)
	r.API.DNS = report.Seconds(15700 * time.Microsecond) // 0.0157 * 1e9 is 15699999.999999998
	r.API.Waited = report.Seconds(10 * time.Second)
	r.Warnings = []report.Warning{{Level: slog.LevelWarn, Text: "beware"}}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"duration_s": "long"}`), &got); err == nil {
		t.Error("accepted a duration that is not a number")
	}
}

// TestSecondsRange checks that a number of seconds that is too large for a duration becomes
// the longest one, and that a written duration is the same after it is read.
func TestSecondsRange(t *testing.T) {
	const longest, shortest = time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	for number, want := range map[string]time.Duration{
		"9.2e9": 9_200_000_000 * time.Second, "-9.2e9": -9_200_000_000 * time.Second,
		"9223372036.8548": longest, "1e10": longest, "1e300": longest,
		"-9223372036.8548": shortest, "-1e10": shortest, "-1e300": shortest,
	} {
		var got report.Seconds
		if err := json.Unmarshal([]byte(number), &got); err != nil || time.Duration(got) != want {
			t.Errorf("%s: %v, %v; want %v", number, time.Duration(got), err, want)
		}
		var again report.Seconds
		if body, err := json.Marshal(got); err != nil || json.Unmarshal(body, &again) != nil || again != got {
			t.Errorf("%v is written as %s, %v, and read as %v", time.Duration(got), body, err, time.Duration(again))
		}
	}
}

func TestWindow(t *testing.T) {
	w := report.NewWindow(start.Add(-250*time.Hour), start, 500)
	if w.Hours != 250 || w.EventsPerHour != 2 || w.To.Location() != time.UTC {
		t.Errorf("%+v", w)
	}
	if w := report.NewWindow(start, start, 1); w.Hours != 0 || w.EventsPerHour != 0 {
		t.Errorf("one event: %+v", w)
	}
}

func TestSummary(t *testing.T) {
	r := example()
	r.Duration = report.Seconds(1234 * time.Millisecond)
	const want = "500 events: 3 new, 1 revised, 2 rejected, 494 already seen; 1 object; 1 healed; window 9.0 days; 1.23s; file:///x"
	if got := r.Summary(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = report.Report{DryRun: true, Objects: make([]report.Object, 2), Counts: report.Counts{Repeated: 7}}
	if got := r.Summary(); !strings.HasPrefix(got, "dry run, nothing written: 0 events") || !strings.Contains(got, "0 already seen, 7 repeated; 2 objects") || !strings.Contains(got, "2 objects") || strings.Contains(got, "window") {
		t.Error(got)
	}
}

// TestConcurrent uses a Recorder in several goroutines at once, as a run does.
func TestConcurrent(t *testing.T) {
	rec := report.NewRecorder(time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			rec.Stage("put")()
			rec.StoreRetry()
			rec.Warn(slog.LevelInfo, "same")
		})
	}
	wg.Wait()
	var r report.Report
	rec.Finish(&r)
	if len(r.Stages) != 8 || r.StoreRetries != 8 || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestStageOrder checks that stages are in the order of their start, not of
// their end.
func TestStageOrder(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	rec := report.NewRecorder(func() time.Time { return now })
	first := rec.Stage("first")
	now = now.Add(3 * time.Second)
	rec.Stage("second")()
	first()
	var r report.Report
	rec.Finish(&r)
	if len(r.Stages) != 2 || r.Stages[0].Name != "first" {
		t.Errorf("%+v", r.Stages)
	}
}

// TestWarnings checks that warnings keep their levels and their order, and that
// they can be read before the run is finished.
func TestWarnings(t *testing.T) {
	rec := report.NewRecorder(time.Now)
	rec.Warn(slog.LevelInfo, "one")
	rec.Warn(slog.LevelWarn, "two")
	want := []report.Warning{{Level: slog.LevelInfo, Text: "one"}, {Level: slog.LevelWarn, Text: "two"}}
	var r report.Report
	rec.Finish(&r)
	if got := rec.Warnings(); !slices.Equal(got, want) || !slices.Equal(r.Warnings, want) {
		t.Errorf("recorded %v, reported %v, want %v", got, r.Warnings, want)
	}
}

// TestManyWarnings checks that a report has at most 100 warnings and a count of the
// others, and that the time is proportional to their number.
func TestManyWarnings(t *testing.T) {
	const most = 20_000
	record := func(n int) *report.Recorder {
		rec := report.NewRecorder(time.Now)
		for range 2 {
			for i := range n / 2 {
				level := slog.LevelInfo
				if i == 1000 {
					level = slog.LevelWarn
				}
				rec.Warn(level, "line %d is damaged", i)
			}
		}
		return rec
	}
	lineartest.Check(t, most, func(size int) func() { return func() { record(size) } })
	rec := record(most)
	got := rec.Warnings()
	last := report.Warning{Level: slog.LevelWarn, Text: "19,800 more warnings"}
	if len(got) != 101 || got[99].Text != "line 99 is damaged" || got[100] != last {
		t.Errorf("%d warnings, the last: %v", len(got), got[len(got)-1])
	}
	var r report.Report
	if rec.Finish(&r); !slices.Equal(r.Warnings, got) {
		t.Errorf("the report has %d warnings", len(r.Warnings))
	}
}
