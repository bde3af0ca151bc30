package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/report"
)

// runOf returns the report of the minute-th run, which ends with the exit code.
func runOf(host string, minute, exit int) report.Report {
	r := report.Report{RunID: fmt.Sprint("run ", minute), Host: host, Started: at(minute).Add(-time.Second), Finished: at(minute), Duration: report.Seconds(time.Second)}
	r.OK, r.ExitCode = exit == 0, exit
	if exit != 0 {
		r.Error = fmt.Sprint("error ", minute)
	}
	return r
}

func at(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute).UTC() }

func times(minutes ...int) []time.Time {
	all := []time.Time{}
	for _, m := range minutes {
		all = append(all, at(m))
	}
	return all
}

// add adds runs and checks each content after it is written and read.
func add(t *testing.T, l *report.LastRun, runs ...report.Report) *report.LastRun {
	t.Helper()
	for _, r := range runs {
		l = l.Add(r, nil)
		body, err := l.JSON()
		if err != nil || strings.Contains(string(body), "null") {
			t.Fatalf("%s, %v", body, err)
		}
		read, err := report.ParseLastRun(body)
		if err != nil {
			t.Fatal(err)
		}
		// The report's own lists are null in these tests.
		read.Objects, read.Stages, read.Warnings = l.Objects, l.Stages, l.Warnings
		if diff := cmp.Diff(l, read); diff != "" {
			t.Errorf("written and read (-want +got):\n%s", diff)
		}
	}
	return l
}

// TestHosts follows the rows of two hosts through successes and failures.
func TestHosts(t *testing.T) {
	run := func(host string, minute, exit int) report.Report {
		r := runOf(host, minute, exit)
		r.Objects, r.Stages, r.Warnings = []report.Object{}, []report.Stage{}, []report.Warning{}
		return r
	}
	l := add(t, nil, run("a", 1, 4))
	since1, since6 := at(1), at(6)
	want := []report.Host{{Name: "a", LastRun: at(1), Successes: times(), FailingSince: &since1, Failures: 1, ExitCode: 4, Error: "error 1"}}
	if diff := cmp.Diff(want, l.Hosts); diff != "" {
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}
	l = add(t, l, run("a", 2, 0), run("b", 3, 0), run("a", 4, 3), run("a", 5, 0), run("a", 6, 8), run("a", 7, 5))
	want = []report.Host{
		{Name: "a", LastRun: at(7), Successes: times(5, 4, 2), FailingSince: &since6, Failures: 2, ExitCode: 5, Error: "error 7"},
		{Name: "b", LastRun: at(3), Successes: times(3)},
	}
	if diff := cmp.Diff(want, l.Hosts); diff != "" {
		t.Errorf("after two failures (-want +got):\n%s", diff)
	}
	before := cmp.Diff(nil, l)
	l2 := add(t, l, run("b", 8, 0), run("a", 9, 0))
	want = []report.Host{
		{Name: "a", LastRun: at(9), Successes: times(9, 5, 4)},
		{Name: "b", LastRun: at(8), Successes: times(8, 3)},
	}
	if diff := cmp.Diff(want, l2.Hosts); diff != "" {
		t.Errorf("after a success (-want +got):\n%s", diff)
	}
	if cmp.Diff(nil, l) != before {
		t.Error("Add has changed its receiver")
	}
	saved := run("c", 10, 0)
	saved.Saved = true
	if l := add(t, l2, saved); !cmp.Equal(l.Hosts, want) || !l.Runs[0].Saved || l.Runs[0].Host != "c" || !l.Saved {
		t.Errorf("after a saved response: %+v, %+v", l.Hosts, l.Runs[0])
	}
}

// TestHistoryLimits checks that the newest runs and the hosts with the newest runs stay,
// in that order, and that a long error is shortened.
func TestHistoryLimits(t *testing.T) {
	var l *report.LastRun
	for i := range 60 {
		r := runOf(fmt.Sprint("host ", i%20), i, 4)
		r.Error = strings.Repeat("å\x1b", 300)
		l = l.Add(r, nil)
	}
	if len(l.Runs) != report.MaxRuns || l.Runs[0].RunID != "run 59" || l.Runs[49].RunID != "run 10" || !l.Has("run 10") || l.Has("run 9") {
		t.Errorf("%d runs, from %s to %s", len(l.Runs), l.Runs[0].RunID, l.Runs[len(l.Runs)-1].RunID)
	}
	if len(l.Hosts) != report.MaxHosts || l.Hosts[0].Name != "host 19" || l.Hosts[15].Name != "host 4" {
		t.Errorf("%d hosts, from %s to %s", len(l.Hosts), l.Hosts[0].Name, l.Hosts[len(l.Hosts)-1].Name)
	}
	if got := l.Hosts[0].Error; len(got) > 200 || len(got) < 190 || !strings.HasPrefix(got, `å\x1b`) {
		t.Errorf("an error of %d bytes: %s", len(got), got)
	}
}

// TestRunRow checks the fields of a run in short.
func TestRunRow(t *testing.T) {
	r := example()
	r.Host, r.ExitCode, r.Duration, r.Started = "h", 3, report.Seconds(2*time.Second), at(0)
	r.Counts.Invalid = 5
	lag := report.Seconds(time.Hour)
	r.Lag = &lag
	stored := &report.StoredCommit{ID: "R", Sequence: 7, Timestamp: 8}
	var none *report.LastRun
	body, err := none.Add(r, stored).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Runs   []map[string]any
		Stored report.StoredCommit `json:"stored_commit"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"run_id": "R", "started": "2026-01-02T11:00:00Z", "host": "h", "exit_code": 3.0, "fetched": 500.0, "new": 3.0, "revised": 1.0,
		"rejected": 2.0, "invalid": 5.0, "duration_s": 2.0, "lag_s": 3600.0, "window_s": 9 * 86400.0,
	}
	if len(got.Runs) != 1 || !cmp.Equal(got.Runs[0], want) || got.Stored != *stored {
		t.Errorf("%v, stored %+v", cmp.Diff(want, got.Runs[0]), got.Stored)
	}
}

// TestParseLastRun checks which content is damaged, and which rows are left out.
func TestParseLastRun(t *testing.T) {
	const finished = `"finished": "2026-01-02T00:00:00Z"`
	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		body        string
		damaged     bool
		hosts, runs int
	}{
		"empty":               {"", true, 0, 0},
		"an array":            {"[]", true, 0, 0},
		"no time":             {`{"ok": true}`, true, 0, 0},
		"another type":        {`{` + finished + `, "runs": 7}`, true, 0, 0},
		"too large":           {`{` + finished + `, "x": "` + strings.Repeat("x", 17<<20) + `"}`, true, 0, 0},
		"without a history":   {`{` + finished + `, "ok": true}`, false, 0, 0},
		"null":                {`{` + finished + `, "hosts": null, "runs": null}`, false, 0, 0},
		"a row without lists": {`{` + finished + `, "hosts": [{"name": "a"}], "runs": [{}], "later": {}}`, false, 1, 1},
		"long texts": {`{` + finished + `, "hosts": [{"name": "` + long + `"}, {"name": "b", "error": "` + long + `"}, {"name": "c"}],
			"runs": [{"run_id": "` + long + `"}, {"host": "` + long + `"}, {}]}`, false, 1, 1},
		"too many": {`{` + finished + `, "hosts": [` + strings.Repeat(`{},`, 99) + `{}], "runs": [` + strings.Repeat(`{},`, 99) + `{}]}`, false, 16, 50},
	} {
		l, err := report.ParseLastRun([]byte(test.body))
		if (err != nil) != test.damaged {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if len(l.Hosts) != test.hosts || len(l.Runs) != test.runs {
			t.Errorf("%s: %d hosts, %d runs", name, len(l.Hosts), len(l.Runs))
		}
		if rest, _ := json.Marshal(struct {
			H []report.Host
			R []report.Run
		}{l.Hosts, l.Runs}); strings.Contains(string(rest), "null") {
			t.Errorf("%s: %s", name, rest)
		}
	}
}

// FuzzParseLastRun checks that content that is read keeps to the limits of a [report.LastRun],
// and that it stays the same when it is written and read again.
func FuzzParseLastRun(f *testing.F) {
	whole, err := (*report.LastRun)(nil).Add(measuredRun(0), &report.StoredCommit{ID: "a", Sequence: 2, Timestamp: 3}).Add(runOf("b", 1, 8), nil).JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, s := range []string{
		`{"hosts":[{"name":"a","successes":["2026-01-02T00:00:00+01:00","2026-01-02T00:00:00Z","2026-01-01T00:00:00Z","2025-01-01T00:00:00Z"]},{}],"runs":[{"lag_s":1e-9},{"window_s":-0.00005}]}`,
		`{"duration_s":9223372036.8547758,"api":{"waited_s":1e300,"wire_bytes":-1},"warnings":[{"level":"INFO+3"},{"level":"ERROR-9","text":"\ud83d"}]}`,
		`{"objects":null,"stages":[],"window":{"hours":1e308},"stored_commit":{},"runs":null}`, `{"hosts":7}`, `null`, ``,
		`{"hosts":[` + strings.Repeat(`{},`, 16) + `{}],"runs":[{"run_id":"` + strings.Repeat("x", 256) + `"}` + strings.Repeat(`,{}`, 51) + `]}`,
	} {
		f.Add([]byte(strings.Replace(s, "{", `{"finished":"2026-01-02T00:00:00Z",`, 1)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		read, err := report.ParseLastRun(body)
		if err != nil {
			return
		}
		if len(read.Hosts) > report.MaxHosts || len(read.Runs) > report.MaxRuns || read.Hosts == nil || read.Runs == nil {
			t.Errorf("%d hosts, %d runs", len(read.Hosts), len(read.Runs))
		}
		for _, h := range read.Hosts {
			if len(h.Name) > 255 || len(h.Error) > 200 || len(h.Successes) > 3 || h.Successes == nil {
				t.Errorf("host %+v", h)
			}
		}
		for _, r := range read.Runs {
			if len(r.RunID) > 255 || len(r.Host) > 255 {
				t.Errorf("run %+v", r)
			}
		}
		written, err := read.JSON()
		if err != nil {
			t.Fatalf("content that was read cannot be written: %v", err)
		}
		second, err := report.ParseLastRun(written)
		if err != nil {
			t.Fatalf("%s was written and cannot be read: %v", written, err)
		}
		sameDecimals := cmp.Comparer(func(a, b report.Seconds) bool {
			return math.Abs(time.Duration(a).Seconds()-time.Duration(b).Seconds()) < 0.0001
		})
		if diff := cmp.Diff(read, second, sameDecimals); diff != "" {
			t.Errorf("read, and written and read again (-want +got):\n%s", diff)
		}
		if again, err := second.JSON(); err != nil || !bytes.Equal(again, written) {
			t.Errorf("written twice: %v\n%s", err, cmp.Diff(string(written), string(again)))
		}
	})
}
