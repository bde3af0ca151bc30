package status_test

import (
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
	"polisen-events-collector/pkg/text"
)

// history returns the history of an archive with these runs, which are newest first.
func history(t *testing.T, runs ...report.Run) *status.History {
	t.Helper()
	var last report.LastRun
	last.Finished, last.Runs = healthNow, runs
	body, err := last.JSON()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.put(archive.LastRunName, string(body))
	w.allowReadsOnly()
	h, err := status.ReadHistory(t.Context(), w, healthNow)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// polls returns n runs on a host, newest first: the last was started one interval ago.
func polls(host string, n int, interval, window time.Duration) (runs []report.Run) {
	length, lag := report.Seconds(window), report.Seconds(12*time.Minute)
	for i := range n {
		runs = append(runs, report.Run{
			Started: ago(time.Duration(i+1) * interval), Host: host, Fetched: 500, New: n - i, Duration: report.Seconds(2900 * time.Millisecond), Lag: &lag, Window: &length,
		})
	}
	return runs
}

func TestHistoryText(t *testing.T) {
	runs := polls("a", 4, 30*time.Minute, 165*time.Hour)
	runs[0].ExitCode, runs[0].New, runs[0].Lag, runs[0].Window, runs[0].Duration = 4, 0, nil, nil, report.Seconds(20*time.Second)
	runs[1].Revised, runs[1].Rejected, runs[1].Host = 2, 1, "b\x1b[2J"
	runs = append(runs, report.Run{Started: ago(100 * 24 * time.Hour), Host: "a", New: 7, Saved: true})
	h := history(t, runs...)
	want := `started                  host      exit  new  revised  rejected  duration  lag
2026-03-12 13:00:00 CET  a         0     7    0        0         0.0s      saved response
2026-06-20 11:00:00 CET  a         0     1    0        0         2.9s      12m
2026-06-20 11:30:00 CET  a         0     2    0        0         2.9s      12m
2026-06-20 12:00:00 CET  b\x1b[2J  0     3    2        1         2.9s      12m
2026-06-20 12:30:00 CET  a         4     0    0        0         20.0s     -

new       █▂▃▄▁  at most 7
duration  ▁▂▂▂█  at most 20.0s

events: about 2.9 an hour, so a response of 500 covers 6.9 days; with a poll every 30m it could hold 330.0 times as many events
calls: 3 runs a day on the busiest host, with one call each unless one is repeated; the API allows 1,440 calls a day and 60 an hour, 480.0 times as many
poll interval: 30m, since a response covers 330 polls; choose 15m if events come 16.5 times as often
`
	zone := time.FixedZone("CET", 3600)
	if got := written(t, func(b *strings.Builder) error { return h.Text(b, zone, text.Style{}) }); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got := written(t, func(b *strings.Builder) error { return h.Text(b, zone, text.Style{ASCII: true}) })
	if strings.ContainsFunc(got, func(r rune) bool { return r > 126 }) || !strings.Contains(got, "new       @.-=_  at most 7\nduration  _...@  at most 20.0s\n") {
		t.Errorf("in ASCII:\n%s", got)
	}
	got = written(t, func(b *strings.Builder) error { return h.Text(b, zone, text.Style{Width: 80, Colour: true}) })
	if !strings.HasPrefix(got, "\x1b[1mstarted ") || !strings.Contains(got, "  lag\x1b[0m\n2026-03-12 ") || !strings.Contains(got, "covers 6.9 days; with a poll\nevery 30m") {
		t.Errorf("on a terminal:\n%s", got)
	}
	body, err := json.Marshal(h)
	if err != nil || strings.Contains(string(body), "null") ||
		!strings.Contains(string(body), `"events_per_hour":2.9,"window_s":594000,"interval_s":1800,"rate_factor":330,"runs_per_day":3,"max_calls_per_day":1440,"max_calls_per_hour":60,"best_interval_s":1800,"shorten_at_factor":16.5}`) {
		t.Errorf("as JSON: %s, %v", body, err)
	}
}

// TestPollInterval checks the advice at higher rates of events. A poll every 30 minutes is
// enough at ten times the usual rate, and one every 15 minutes at 30 times.
func TestPollInterval(t *testing.T) {
	const usual = 165 * time.Hour // 500 events at 2.9 an hour
	for _, tt := range []struct {
		window time.Duration
		want   string
	}{
		{usual / 10, "poll interval: 30m, since a response covers 33 polls; choose 15m if events come 1.7 times as often"},
		{10 * time.Hour, "poll interval: 30m, since a response covers 20 polls; choose 15m if events come 1.0 times as often"},
		{10*time.Hour - time.Second, "poll interval: 15m, since a response covers 39 polls; choose 10m if events come 2.0 times as often"},
		{usual / 30, "poll interval: 15m, since a response covers 22 polls; choose 10m if events come 1.1 times as often"},
		{usual / 100, "poll interval: 2m, since a response covers 49 polls; choose 1m if events come 2.5 times as often"},
		{usual / 1000, "poll interval: 1m, the shortest that the API's limits allow; a response covers 9 polls"},
	} {
		h := history(t, polls("a", 2, 30*time.Minute, tt.window)...)
		got := written(t, func(b *strings.Builder) error { return h.Text(b, time.UTC, text.Style{ASCII: true}) })
		if !strings.HasSuffix(got, "\n"+tt.want+"\n") {
			t.Errorf("a window of %v: got\n%swant\n%s", tt.window, got, tt.want)
		}
	}
}

// TestHistoryFigures checks the figures of histories that do not have all of them, or
// cover less than a day.
func TestHistoryFigures(t *testing.T) {
	two := append(polls("b", 25, time.Hour, 100*time.Hour), polls("a", 25, 30*time.Minute, 100*time.Hour)...)
	noWindow := polls("a", 2, time.Hour, 0)
	for name, tt := range map[string]struct {
		runs []report.Run
		want string // interval, factor, runs a day, best interval
	}{
		"none":                     {nil, "? 0 0 ?"},
		"one":                      {polls("a", 1, time.Hour, 100*time.Hour), "? 0 0 30m0s"},
		"saved responses":          {[]report.Run{{Saved: true}, {Saved: true}}, "? 0 0 ?"},
		"a day":                    {polls("a", 30, time.Hour, 100*time.Hour), "1h0m0s 100 23 30m0s"},
		"more than the history":    {polls("a", 50, 10*time.Minute, 100*time.Hour), "10m0s 600 144 30m0s"},
		"less than a minute apart": {polls("a", 3, 59*time.Second, 100*time.Hour), "? 0 3 30m0s"},
		"two hosts":                {two, "30m0s 200 25 30m0s"},
		"without full responses":   {noWindow, "1h0m0s 0 2 ?"},
		"long ago":                 {[]report.Run{{Started: ago(1000 * time.Hour)}, {Started: ago(1001 * time.Hour)}}, "1h0m0s 0 0 ?"},
	} {
		h := history(t, tt.runs...)
		show := func(s *report.Seconds) string {
			if s == nil {
				return "?"
			}
			return time.Duration(*s).String()
		}
		if got := fmt.Sprintf("%s %v %v %s", show(h.Interval), h.RateFactor, h.RunsPerDay, show(h.BestInterval)); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
		if got := written(t, func(b *strings.Builder) error { return h.Text(b, time.UTC, text.Style{ASCII: true}) }); strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestNoHistory checks the errors of an archive without a history.
func TestNoHistory(t *testing.T) {
	w := newWorld(t)
	if _, err := status.ReadHistory(t.Context(), w, healthNow); !errors.Is(err, status.ErrNotFound) || !strings.Contains(err.Error(), "in mem: yet") {
		t.Errorf("an empty archive: %v", err)
	}
	w.put(archive.LastRunName, "{}")
	if _, err := status.ReadHistory(t.Context(), w, healthNow); !errors.Is(err, status.ErrNotFound) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged report: %v", err)
	}
	f := storetest.NewFaults(w, storetest.At(1, storetest.FailBefore()))
	if _, err := status.ReadHistory(t.Context(), f, healthNow); !errors.Is(err, storetest.ErrFault) {
		t.Errorf("a store that fails: %v", err)
	}
}
