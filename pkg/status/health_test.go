package status_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store/storetest"
)

// healthNow is the finish of the last run in these tests.
var healthNow = time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)

// successfulRun is the report of a run that succeeded.
func successfulRun(finished time.Time) report.Report {
	return report.Report{
		OK: true, Finished: finished, Counts: report.Counts{Fetched: 500, New: 3},
		Window: report.NewWindow(finished.AddDate(0, 0, -9), finished, 500),
	}
}

func TestCheckHealth(t *testing.T) {
	const pending = "events/2026/06/20/events-1781953200.jsonl"
	tests := []struct {
		name     string
		after    time.Duration // added to the 30 minutes since the last run
		run      func(*report.Report)
		document string // replaces the document; "-" for none
		object   string // replaces the pending object's content; "-" for none
		want     string
	}{
		{name: "healthy", want: "OK - last run 30m ago, 3 new, 2 listed ids, 1 of 1 pending objects stored, headroom 9.0 days | " +
			"age=1800s;;2700;0 listed=2;;;0;1000 missing=0;;0;0 different=0;;0;0 headroom=775800s;;2700:"},
		{name: "exactly the maximum age", after: 15 * time.Minute, want: "OK - last run 45m ago"},
		{name: "too old", after: 15*time.Minute + time.Second, want: "CRITICAL - the last run finished 45m ago, more than 45m0s: check the scheduler; last run 45m ago"},
		{name: "days old", after: 100 * time.Hour, want: "CRITICAL - the last run finished 4.2 days ago, more than 45m0s: check the scheduler"},
		{name: "finished in the future", after: -time.Hour, want: "CRITICAL - the last run finished 30m in the future: check the clocks"},
		{name: "failed", run: func(r *report.Report) { r.OK, r.ExitCode, r.Error = false, 4, "the API failed:\nno | answer" },
			want: "CRITICAL - the last run ended with exit code 4: the API failed:\\nno   answer; last run 30m ago"},
		{name: "short window", run: func(r *report.Report) { r.Window.Hours = 1.2 },
			want: "CRITICAL - the next run must start within 42m to miss no events: the last response spans only 1.2 hours"},
		{name: "short window, not full", run: func(r *report.Report) { r.Window.Hours, r.Counts.Fetched = 1.2, 40 },
			want: "OK - last run 30m ago, 3 new, 2 listed ids, 1 of 1 pending objects stored | age=1800s;;2700;0 listed=2;;;0;1000 missing=0;;0;0 different=0;;0;0"},
		{name: "no run", run: func(r *report.Report) { *r = report.Report{} }, want: "CRITICAL - metadata/last_run.json is damaged; the next collect replaces it; 2 listed ids"},
		{name: "no document", document: "-", want: "CRITICAL - there is no metadata/last_seen.json; the next collect creates it; "},
		{name: "damaged document", document: "{", want: "CRITICAL - read metadata/last_seen.json: unexpected end of JSON input; the next collect saves a copy and rebuilds it; "},
		{name: "document of a newer format", document: `{"seen_ids":[],"version":99}`, want: "CRITICAL - read metadata/last_seen.json: unsupported newer format: version 99, and this release reads versions up to 2; install a later release; "},
		{name: "pending object missing", object: "-", want: "CRITICAL - objects of the last commit are missing: 1 of 1; the next run stores them; "},
		{name: "pending object different", object: "x",
			want: "CRITICAL - objects of the last commit lack lines that are nowhere in the archive: 1 of 1; the next run stores these lines again; "},
		{name: "pending object missing just after the commit", after: -30 * time.Minute, object: "-",
			want: "OK - last run 0s ago, 3 new, 2 listed ids, 0 of 1 pending objects stored"},
		{name: "document from the future", document: strings.Replace(healthDocument(pending), "2026-06-20T12", "2026-06-20T14", 1),
			want: "CRITICAL - last_updated of the document is 2026-06-20T14:00:00Z, in the future: check the clocks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for name, body := range map[string]string{
				archive.DocumentName: cmp.Or(tt.document, healthDocument(pending)),
				pending:              cmp.Or(tt.object, "{}\n"),
			} {
				if body != "-" {
					w.put(name, body)
				}
			}
			r := successfulRun(healthNow)
			if tt.run != nil {
				tt.run(&r)
			}
			body, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			w.put(archive.LastRunName, string(body))
			w.allowReadsOnly()
			before := len(w.Calls())
			h, err := status.CheckHealth(t.Context(), w, status.HealthOptions{MaxAge: 45 * time.Minute, Now: healthNow.Add(30*time.Minute + tt.after)})
			if err != nil {
				t.Fatal(err)
			}
			got := h.String()
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") || strings.Count(got, "|") != 1 {
				t.Errorf("got  %s\nwant one line that begins with %s", got, tt.want)
			}
			if h.OK != strings.HasPrefix(tt.want, "OK") || h.OK != (h.Err() == nil) || !h.OK && !errors.Is(h.Err(), status.ErrUnhealthy) {
				t.Errorf("OK is %v and the error is %v, for %s", h.OK, h.Err(), tt.want)
			}
			if text, err := json.Marshal(h); err != nil || !strings.Contains(string(text), fmt.Sprintf(`"ok":%v,"problems":[`, h.OK)) {
				t.Errorf("as JSON: %s, %v", text, err)
			}
			most := 3
			if h.Different > 0 { // it has read the object and listed its partitions
				most += 4
			}
			if n := len(w.Calls()) - before; n > most {
				t.Errorf("the check made %d store calls, want at most %d", n, most)
			}
		})
	}
}

// healthDocument returns a document whose last commit has one object.
func healthDocument(pending string) string {
	return fmt.Sprintf(`{"seen_ids":[2,1],"last_updated":"2026-06-20T12:00:00Z","total_tracked":2,"version":1,`+
		`"commit":{"id":"x","sequence":1,"timestamp":1781953200},"complete_above":0,"pending":[{"name":%q,"content":"{}\n"}]}`, pending)
}

// TestHealthOfEmptyStore: an empty store is not healthy.
func TestHealthOfEmptyStore(t *testing.T) {
	h, err := status.CheckHealth(t.Context(), newWorld(t), status.HealthOptions{MaxAge: time.Hour, Now: healthNow})
	if err != nil || h.OK || len(h.Problems) != 2 {
		t.Errorf("got %v and the error %v, want two problems", h, err)
	}
}

// TestHealthStoreError: CheckHealth returns the error of a failed store call, not a
// Health with a problem.
func TestHealthStoreError(t *testing.T) {
	w := newWorld(t)
	w.put(archive.DocumentName, healthDocument("events/2026/06/20/events-1781953200.jsonl"))
	w.put(archive.LastRunName, "{}")
	for k := range 3 {
		f := storetest.NewFaults(w, storetest.At(k+1, storetest.FailBefore()))
		if _, err := status.CheckHealth(t.Context(), f, status.HealthOptions{Now: healthNow}); !errors.Is(err, storetest.ErrFault) {
			t.Errorf("call %d fails: got the error %v, want the store's", k+1, err)
		}
	}
}
