package verify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// lastRun is the report of a run that was well.
func lastRun(finished time.Time) report.Report {
	return report.Report{
		OK: true, Finished: finished, Counts: report.Counts{Fetched: 500, New: 3},
		Window: report.NewWindow(finished.AddDate(0, 0, -9), finished, 500),
	}
}

func TestQuick(t *testing.T) {
	const pending = "events/2026/06/20/events-1781953200.jsonl"
	tests := []struct {
		name     string
		after    time.Duration // since the run, 30 minutes ago
		run      func(*report.Report)
		document string // replaces the document; "-" for none
		object   string // replaces the pending object's content; "-" for none
		want     string
	}{
		{name: "well", want: "OK - last run 30m ago, 3 new, 2 listed ids, 1 of 1 pending stored, headroom 9.0 days | " +
			"age=1800s;;2700;0 listed=2;;;0;1000 missing=0;;0;0 headroom=775800s;;2700:"},
		{name: "just in time", after: 15 * time.Minute, want: "OK - last run 45m ago"},
		{name: "too old", after: 15*time.Minute + time.Second, want: "CRITICAL - the last run finished 45m ago, more than 45m0s; last run 45m ago"},
		{name: "long ago", after: 100 * time.Hour, want: "CRITICAL - the last run finished 4.2 days ago, more than 45m0s"},
		{name: "ahead", after: -time.Hour, want: "CRITICAL - the last run finished 30m in the future: check the clocks"},
		{name: "failed", run: func(r *report.Report) { r.OK, r.ExitCode, r.Error = false, 4, "the API failed:\nno | answer" },
			want: "CRITICAL - the last run ended with exit code 4: the API failed: no   answer; last run 30m ago"},
		{name: "short window", run: func(r *report.Report) { r.Window.Hours = 1.2 },
			want: "CRITICAL - events are missed if no run comes within 42m: a response spans no more than 1.2 hours"},
		{name: "short window, not full", run: func(r *report.Report) { r.Window.Hours, r.Counts.Fetched = 1.2, 40 },
			want: "OK - last run 30m ago, 3 new, 2 listed ids, 1 of 1 pending stored | age=1800s;;2700;0 listed=2;;;0;1000 missing=0;;0;0"},
		{name: "no run", run: func(r *report.Report) { *r = report.Report{} }, want: "CRITICAL - metadata/last_run.json cannot be read; 2 listed ids"},
		{name: "no document", document: "-", want: "CRITICAL - there is no metadata/last_seen.json"},
		{name: "damaged document", document: "{", want: "CRITICAL - read metadata/last_seen.json: unexpected end of JSON input"},
		{name: "pending missing", object: "-", want: "CRITICAL - 1 object of the last commit missing, which the next run puts"},
		{name: "pending differs", object: "x", want: "CRITICAL - 1 object of the last commit missing, which the next run puts"},
		{name: "pending just now", after: -30 * time.Minute, object: "-", want: "OK - last run 0s ago, 3 new, 2 listed ids, 0 of 1 pending stored"},
		{name: "document from the future", document: strings.Replace(quickDocument(pending), "2026-06-20T12", "2026-06-20T14", 1),
			want: "CRITICAL - last_updated 2026-06-20T14:00:00Z is in the future: check the clocks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := memstore.New()
			for name, body := range map[string]string{archive.DocumentName: or(tt.document, quickDocument(pending)), pending: or(tt.object, "{}\n")} {
				if body != "-" {
					put(t, s, name, body)
				}
			}
			r := lastRun(now)
			if tt.run != nil {
				tt.run(&r)
			}
			body, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, archive.LastRunName, string(body))
			clock := retrytest.NewClock(now.Add(30 * time.Minute))
			clock.Advance(tt.after)
			f := storetest.NewFaults(s, nil)
			h, err := verify.Quick(t.Context(), f, verify.QuickOptions{MaxAge: 45 * time.Minute, Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			got := h.String()
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") || strings.Count(got, "|") != 1 {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if h.OK != strings.HasPrefix(tt.want, "OK") || h.OK != (h.Err() == nil) || !h.OK && !errors.Is(h.Err(), verify.ErrFindings) {
				t.Errorf("ok %v, error %v", h.OK, h.Err())
			}
			if text, err := json.Marshal(h); err != nil || !strings.Contains(string(text), fmt.Sprintf(`"ok":%v,"problems":[`, h.OK)) {
				t.Errorf("as JSON: %s, %v", text, err)
			}
			if n := len(f.Calls()); n > 3 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func quickDocument(pending string) string {
	return fmt.Sprintf(`{"seen_ids":[2,1],"last_updated":"2026-06-20T12:00:00Z","total_tracked":2,"version":1,`+
		`"commit":{"id":"x","sequence":1,"timestamp":1781953200},"complete_above":0,"pending":[{"name":%q,"content":"{}\n"}]}`, pending)
}

// TestQuickOfNothing: an archive into which nobody has collected is not well.
func TestQuickOfNothing(t *testing.T) {
	h, err := verify.Quick(t.Context(), memstore.New(), verify.QuickOptions{MaxAge: time.Hour, Now: func() time.Time { return now }})
	if err != nil || h.OK || len(h.Problems) != 2 {
		t.Errorf("%v, %v", h, err)
	}
}

// TestQuickCouldNotCheck: a store that fails is an error, not an answer.
func TestQuickCouldNotCheck(t *testing.T) {
	s := memstore.New()
	put(t, s, archive.DocumentName, quickDocument("events/2026/06/20/events-1781953200.jsonl"))
	put(t, s, archive.LastRunName, "{}")
	for k := range 3 {
		f := storetest.NewFaults(s, storetest.At(k+1, storetest.FailBefore()))
		if _, err := verify.Quick(t.Context(), f, verify.QuickOptions{Now: func() time.Time { return now }}); !errors.Is(err, storetest.ErrFault) {
			t.Errorf("call %d: %v", k+1, err)
		}
	}
}
