package report_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/tooltest"
)

// measuredRun returns a run with all measurements, whose response has a window of five
// days that ended an hour before the run.
func measuredRun(minute int) report.Report {
	r := runOf("h", minute, 0)
	r.Program = "v1.2.3"
	r.Counts = report.Counts{Fetched: 500, New: 5, Revised: 2, Rejected: 3, Invalid: 10, AlreadySeen: 490}
	r.Stages = []report.Stage{{Name: "fetch", Duration: report.Seconds(time.Second)}, {Name: "put", Duration: 5e8}, {Name: "fetch", Duration: 25e7}}
	r.StoreRetries = 4
	r.Window = report.NewWindow(r.Finished.Add(-121*time.Hour), r.Finished.Add(-time.Hour), 475)
	lag := report.Seconds(time.Hour)
	r.Lag, r.Gaps = &lag, &report.Gaps{Open: 2, Unserved: 1}
	return r
}

// values returns the values of metrics in their text form, and checks the form.
func values(t *testing.T, m report.Metrics) map[string]float64 {
	t.Helper()
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	checkMetrics(t, text)
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if all[name], err = strconv.ParseFloat(value, 64); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	return all
}

// checkMetrics lets promtool check the text, if it is installed.
func checkMetrics(t *testing.T, text []byte) {
	t.Helper()
	t.Run("promtool", func(t *testing.T) {
		check := exec.Command(tooltest.Need(t, "promtool", "Debian package prometheus"), "check", "metrics")
		check.Stdin = strings.NewReader(string(text))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool: %v: %s\n%s", err, out, text)
		}
	})
}

// again returns m after it was written and read.
func again(t *testing.T, m report.Metrics) report.Metrics {
	t.Helper()
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	read, err := report.ParseMetrics(text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// TestMetrics checks all metrics of the first run and of a failed run after it.
func TestMetrics(t *testing.T) {
	var none report.Metrics
	first := none.Add(measuredRun(0), &report.CallsLeft{Hour: 58, Day: 1402})
	const start = 1767351600.0 // 2026-01-02T11:00:00Z
	want := map[string]float64{
		"polisen_last_run_timestamp_seconds":            start,
		"polisen_last_success_timestamp_seconds":        start,
		"polisen_last_run_duration_seconds":             1,
		`polisen_last_run_stage_seconds{stage="fetch"}`: 1.25,
		`polisen_last_run_stage_seconds{stage="put"}`:   0.5,
		"polisen_last_run_exit_code":                    0,
		`polisen_last_run_events{result="new"}`:         5,
		`polisen_last_run_events{result="revised"}`:     2,
		`polisen_last_run_events{result="rejected"}`:    10,
		`polisen_last_run_events{result="seen"}`:        483,
		"polisen_source_lag_seconds":                    3600,
		"polisen_window_seconds":                        5 * 86400,
		"polisen_headroom_seconds":                      5*86400 - 3600,
		"polisen_open_gaps":                             2,
		`polisen_api_calls_left{span="hour"}`:           58,
		`polisen_api_calls_left{span="day"}`:            1402,
		"polisen_store_retries":                         4,
		`polisen_runs_total{outcome="success"}`:         1,
		`polisen_runs_total{outcome="failure"}`:         0,
		`polisen_stored_total{kind="events"}`:           5,
		`polisen_stored_total{kind="revisions"}`:        2,
		`polisen_stored_total{kind="rejected"}`:         3,
		`polisen_build_info{version="v1.2.3"}`:          1,
	}
	if diff := cmp.Diff(want, values(t, first)); diff != "" {
		t.Errorf("after a success (-want +got):\n%s", diff)
	}

	failed := runOf("h", 30, 5)
	failed.Program, failed.Counts.New = "v1.2.4", 7 // committed, but not all objects are stored
	failed.Window, failed.Lag = measuredRun(30).Window, measuredRun(30).Lag
	second := again(t, first).Add(failed, nil)
	for name, value := range map[string]float64{
		"polisen_last_run_timestamp_seconds": start + 1800, "polisen_last_run_exit_code": 5,
		`polisen_last_run_events{result="new"}`: 7, `polisen_last_run_events{result="revised"}`: 0, `polisen_last_run_events{result="rejected"}`: 0, `polisen_last_run_events{result="seen"}`: 0,
		"polisen_source_lag_seconds": 3600, "polisen_headroom_seconds": 5*86400 - 3600 - 1800,
		"polisen_store_retries": 0, `polisen_runs_total{outcome="failure"}`: 1,
		`polisen_stored_total{kind="events"}`: 12, `polisen_build_info{version="v1.2.4"}`: 1,
	} {
		want[name] = value
	}
	for _, name := range []string{`polisen_last_run_stage_seconds{stage="fetch"}`, `polisen_last_run_stage_seconds{stage="put"}`,
		`polisen_api_calls_left{span="hour"}`, `polisen_api_calls_left{span="day"}`, `polisen_build_info{version="v1.2.3"}`} {
		delete(want, name)
	}
	if diff := cmp.Diff(want, values(t, second)); diff != "" {
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}

	partial := again(t, second).Add(measuredRunWith(60, report.ExitPartial), nil)
	got := values(t, partial)
	if got["polisen_last_success_timestamp_seconds"] != start+3600 || got[`polisen_runs_total{outcome="success"}`] != 2 ||
		got["polisen_source_lag_seconds"] != 3600 || got["polisen_headroom_seconds"] != 5*86400-3600 || got[`polisen_stored_total{kind="events"}`] != 17 {
		t.Errorf("after a partial success: %v", got)
	}
}

func measuredRunWith(minute, exit int) report.Report {
	r := measuredRun(minute)
	r.OK, r.ExitCode = false, exit
	return r
}

// TestHeadroomOfFutureEvent checks that an event with a time in the future does not make
// the headroom longer than the window.
func TestHeadroomOfFutureEvent(t *testing.T) {
	r := measuredRun(0)
	r.Window = report.NewWindow(r.Finished.Add(-99*time.Hour), r.Finished.Add(time.Hour), 475)
	var none report.Metrics
	if got := values(t, none.Add(r, nil))["polisen_headroom_seconds"]; got != 360000 {
		t.Errorf("the headroom is %v seconds", got)
	}
}

// TestMonitoringNamesMetrics checks that the alert rules and their README name no other
// metrics, and the README all of them.
func TestMonitoringNamesMetrics(t *testing.T) {
	var none report.Metrics
	text, err := none.Add(measuredRun(0), &report.CallsLeft{}).Text()
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bpolisen_[a-z_]+`)
	names := map[string]bool{}
	for _, name := range metric.FindAllString(string(text), -1) {
		names[name] = true
	}
	for _, file := range []string{"polisen.rules.yml", "polisen.rules_test.yml", "README.md"} {
		text, err := os.ReadFile("../../scripts/monitoring/" + file)
		if err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, name := range metric.FindAllString(string(text), -1) {
			if used[name] = true; !names[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		for name := range names {
			if !used[name] && file == "README.md" {
				t.Errorf("%s does not name %s", file, name)
			}
		}
	}
}

// TestMetricsWithoutSuccess checks the metrics if no run has succeeded yet: what is
// unknown is missing, and the time of the last success is 0.
func TestMetricsWithoutSuccess(t *testing.T) {
	var none report.Metrics
	got := values(t, none.Add(runOf("h", 0, 8), nil))
	if success, ok := got["polisen_last_success_timestamp_seconds"]; !ok || success != 0 {
		t.Errorf("last success %v, %v", success, ok)
	}
	for _, name := range []string{"polisen_source_lag_seconds", "polisen_window_seconds", "polisen_headroom_seconds", "polisen_open_gaps"} {
		if value, ok := got[name]; ok {
			t.Errorf("%s is %v", name, value)
		}
	}
}

// TestParseMetrics checks that damaged and foreign texts are errors.
func TestParseMetrics(t *testing.T) {
	var none report.Metrics
	text, err := none.Add(measuredRun(0), nil).Text()
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text)
	for name, damaged := range map[string]string{
		"empty":         "",
		"another file":  "first line\nsecond line\n",
		"cut":           whole[:len(whole)/2+3],
		"other metrics": "# TYPE up gauge\nup 1\n",
		"negative":      strings.Replace(whole, `kind="events"} 5`, `kind="events"} -5`, 1),
		"not a number":  strings.Replace(whole, `kind="events"} 5`, `kind="events"} NaN`, 1),
		"another label": strings.Replace(whole, `kind="events"`, `kind="events",host="h"`, 1),
		"no label":      strings.Replace(whole, `{kind="events"}`, "", 1),
		"extra label":   strings.Replace(whole, "polisen_open_gaps ", `polisen_open_gaps{host="h"} `, 1),
		"zero bytes":    strings.Repeat("\x00", 100),
	} {
		if damaged == whole {
			t.Fatalf("%s: not damaged", name)
		}
		if m, err := report.ParseMetrics([]byte(damaged)); err == nil {
			t.Errorf("%s: no error, %v", name, values(t, m))
		}
	}
}

// FuzzParseMetrics checks that metrics that are read stay the same when they are written
// and read again, and that the next run then gives the same metrics.
func FuzzParseMetrics(f *testing.F) {
	var none report.Metrics
	whole, err := none.Add(measuredRun(0), &report.CallsLeft{Hour: 1}).Add(runOf("h", 1, 8), nil).Text()
	if err != nil {
		f.Fatal(err)
	}
	const times = "polisen_last_run_timestamp_seconds 1\npolisen_last_success_timestamp_seconds 1\n"
	f.Add(string(whole))
	for _, s := range []string{
		times, times + "polisen_runs_total{outcome=\"success\"} 9e15 7\n", times + "polisen_stored_total{kind=\"\\\\\\\"\\n\"} 0x1p-2\n# EOF", times + "polisen_last_run_timestamp_seconds{x=\"y\"} 2\n",
		times + "polisen_runs_total{outcome=\"success\",x=\"y\"} 1\npolisen_runs_total 2\n", times + "# TYPE polisen_window_seconds histogram\npolisen_window_seconds_sum 1\n", times + "polisen_open_gaps -0\n", times + "polisen_open_gaps NaN\n", times + "up 1\n", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := report.ParseMetrics([]byte(text))
		if err != nil {
			return
		}
		written, err := read.Text()
		if err != nil {
			t.Fatalf("metrics that were read cannot be written: %v", err)
		}
		second, err := report.ParseMetrics(written)
		if err != nil {
			t.Fatalf("%s was written and cannot be read: %v", written, err)
		}
		if again, err := second.Text(); err != nil || string(again) != string(written) {
			t.Errorf("written twice: %v\n%s", err, cmp.Diff(string(written), string(again)))
		}
		next, _ := read.Add(runOf("h", 2, 0), nil).Text()
		if after, err := second.Add(runOf("h", 2, 0), nil).Text(); err != nil || string(after) != string(next) {
			t.Errorf("the next run: %v\n%s", err, cmp.Diff(string(next), string(after)))
		}
	})
}
