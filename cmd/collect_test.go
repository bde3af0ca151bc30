package cmd

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestCollectFilters checks the call of a collect with filters, and that its response says
// nothing about all events: it has no window, no lag, and the document no covered_until.
func TestCollectFilters(t *testing.T) {
	api := &polisentest.API{MinInterval: time.Nanosecond}
	server := httptest.NewServer(api)
	defer server.Close()
	for _, tt := range []struct {
		url, query string
		flags      []string
		filtered   bool
	}{
		{"/api", "", nil, false},
		{"/api", "locationname=Uppsala%20l%C3%A4n;%C3%85re&type=R%C3%A5n", []string{"--location", "Uppsala län; Åre", "--type=Rån"}, true},
		{"/api?locationname=Stockholms län", "locationname=Stockholms%20l%C3%A4n", nil, true},
		{"/api?a=1", "a=1&type=Brand", []string{"--type=Brand"}, true},
	} {
		dir := t.TempDir()
		args := append([]string{"collect", "--api-url", server.URL + tt.url, "--min-interval", "0", "--output", "json", "--store", dir}, tt.flags...)
		before := len(api.Calls())
		exit, stdout, stderr := run(t, args)
		calls := api.Calls()[before:]
		document, err := os.ReadFile(filepath.Join(dir, "metadata", "last_seen.json"))
		if err != nil || exit != 0 || len(calls) != 1 || calls[0].Query != tt.query {
			t.Errorf("%s %q: exit code %d, calls %+v, want %s; %s", tt.url, tt.flags, exit, calls, tt.query, stderr)
		}
		for _, part := range []string{`"window"`, `"lag_s"`, `"covered_until"`} {
			if strings.Contains(stdout+string(document), part) == tt.filtered {
				t.Errorf("%s %q: filtered %v, and %s in %s", tt.url, tt.flags, tt.filtered, part, stdout)
			}
		}
	}
	// A misspelt place has no events.
	dir := t.TempDir()
	for _, misspelt := range []bool{true, false} { // the second run does not say it again
		api.Script(polisentest.OK())
		exit, _, stderr := run(t, []string{"collect", "--api-url", server.URL + "/api", "--min-interval", "0", "--store", dir, "--location", "Malmo"})
		if exit != 0 || strings.Contains(stderr, "check the spelling of --location and --type") != misspelt {
			t.Errorf("no events: exit code %d, %s", exit, stderr)
		}
	}
	for _, args := range [][]string{{"collect", "--location", ""}, {"collect", "--type=;"}, {"backfill", "--from", "2026-11-01", "--location", " "}} {
		if exit, _, stderr := run(t, append(args, "--api-url", server.URL+"/api", "--min-interval", "0", "--store", t.TempDir())); exit != int(exitUsage) || !strings.Contains(stderr, "is empty: give a name, or leave the flag out") {
			t.Errorf("%q: exit code %d, %s", args, exit, stderr)
		}
	}
	saved := writeResponse(t, polisentest.Body(3))
	if exit, _, stderr := run(t, []string{"collect", "--api-url", saved, "--type", "Brand", "--store", t.TempDir()}); exit != int(exitUsage) || !strings.Contains(stderr, "--location, --type and --retry-not-found are for the API") {
		t.Errorf("a saved response with a filter: exit code %d, %s", exit, stderr)
	}
}
