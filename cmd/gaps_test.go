package cmd

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestFillGaps runs collect before and after a pause of ten days. With
// --fill-gaps=false it only records the missed days, and the next run stores them.
func TestFillGaps(t *testing.T) {
	now := time.Now()
	var recording polisentest.Recording
	var events [][]byte
	for at := now.AddDate(0, 0, -14); at.Before(now); at = at.Add(10 * time.Minute) { // a response covers three days
		events = append(events, polisentest.Event(int64(1000+len(events)), polisen.InSweden(at)))
		if n := len(events); n == 4*144 || n == 14*144 {
			recording.Add(at, polisentest.Response(events[n-polisen.FullResponse:]...), events)
		}
	}
	var today time.Time
	api := &polisentest.API{MinInterval: time.Nanosecond}
	api.Default = func(r *http.Request) polisentest.Answer {
		r = r.Clone(t.Context())
		r.URL.RawQuery = strings.Trim(strings.Replace(r.URL.RawQuery, "type=Brand", "", 1), "&") // all events match the filter
		return recording.Answer(r, today)
	}
	server := httptest.NewServer(api)
	defer server.Close()
	w := newFolder(t, "")
	collect := func(args ...string) (exit int, stdout, stderr string, days int) {
		t.Helper()
		args = append([]string{"collect", "--api-url", server.URL, "--store", w.settings["POLISEN_STORE"], "--state-dir", t.TempDir(),
			"--log-level", "info", "--output", "json"}, args...)
		before := len(api.Calls())
		exit, stdout, stderr = run(t, args, "POLISEN_MIN_INTERVAL", "1ms")
		for _, call := range api.Calls()[before:] {
			if strings.Contains(call.Query, "DateTime=") {
				days++
			}
		}
		return exit, stdout, stderr, days
	}
	today = now.AddDate(0, 0, -10).Add(time.Minute)
	collect()
	today = now
	if exit, stdout, stderr, days := collect("--fill-gaps=false"); exit != int(exitPartial) || days > 0 || strings.Contains(stdout, `"open": 0`) {
		t.Errorf("--fill-gaps=false: exit code %d, %d days fetched\n%s%s", exit, days, stdout, stderr)
	}
	if exit, stdout, stderr, days := collect("--dry-run"); days > 0 {
		t.Errorf("--dry-run: exit code %d, %d days fetched\n%s%s", exit, days, stdout, stderr)
	}
	// Answers with filters show nothing about whole days.
	filtered := server.URL + "/api/events?type=Brand"
	for _, args := range [][]string{{"--type", "Brand"}, {"--api-url", filtered}} {
		if exit, stdout, stderr, days := collect(args...); days > 0 || strings.Contains(stdout, `"window"`) || strings.Contains(stdout, `"lag_s"`) {
			t.Errorf("%q: exit code %d, %d days fetched\n%s%s", args, exit, days, stdout, stderr)
		}
	}
	exit, stdout, stderr := run(t, []string{"backfill", "--api-url", filtered, "--store", w.settings["POLISEN_STORE"], "--from", now.AddDate(0, 0, -10).Format(time.DateOnly)}, "POLISEN_MIN_INTERVAL", "1ms")
	if exit != int(exitOK) {
		t.Errorf("backfill: exit code %d\n%s%s", exit, stdout, stderr)
	}
	exit, stdout, stderr, days := collect()
	if exit != int(exitOK) || days < 11 || days > 12 || !strings.Contains(stdout, `"open": 0`) || !strings.Contains(stderr, "0 days left") {
		t.Errorf("exit code %d, %d days fetched, want 11 or 12\n%s%s", exit, days, stdout, stderr)
	}
	c := archivetest.Read(t, w.contents())
	if len(c.Problems) > 0 || len(c.Events) < len(events)-144 { // without the first day
		t.Errorf("%d of %d events, problems %q", len(c.Events), len(events), c.Problems)
	}
}
