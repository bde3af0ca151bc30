package cmd

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestBackfillDays fetches four days from a fake API, is stopped by Ctrl-C after
// two, and continues with --resume. No day is fetched twice.
func TestBackfillDays(t *testing.T) {
	cloud := newCloud(t)
	first := time.Now().UTC().AddDate(0, 0, -10)
	day := func(n int) string { return first.AddDate(0, 0, n).Format(time.DateOnly) }
	stopAt := day(2)
	cloud.API.Default = func(r *http.Request) polisentest.Answer {
		when := r.URL.Query().Get("DateTime")
		if when == stopAt {
			stopAt = ""
			if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
				t.Error(err)
			}
			<-r.Context().Done() // until the client hangs up
		}
		noon, err := time.Parse(time.DateOnly+" 15", when+" 12")
		if err != nil {
			t.Errorf("unexpected query %s", r.URL)
		}
		return polisentest.OK(polisentest.Event(noon.Unix(), noon), polisentest.Event(noon.Unix()+1, noon))
	}
	run := func(args ...string) (exit int, stdout, stderr string) {
		return runWith(append([]string{"backfill", "--from", day(0), "--to", day(3)}, args...), cloud.Settings(), nil)
	}

	exit, stdout, stderr := run("--log-level", "info")
	if exit != 130 || stdout != "" || !strings.HasSuffix(stderr, "stopped by SIGINT; 2 of 4 days are done; run the same command with --resume to fetch the rest\n") {
		t.Errorf("stopped: exit %d, stdout %q, stderr %q", exit, stdout, stderr)
	}
	if n := strings.Count(stderr, `msg="day fetched"`); n != 2 {
		t.Errorf("%d days are logged, want 2: %s", n, stderr)
	}
	exit, stdout, _ = run("--resume", "--dry-run")
	if exit != 0 || !strings.Contains(stdout, "2 calls would take at least ") || !strings.HasSuffix(stdout, "; days done already: 2\n") {
		t.Errorf("dry run: exit %d, %s", exit, stdout)
	}
	if exit, stdout, stderr := run("--resume"); exit != 0 || stdout+stderr != "" {
		t.Errorf("with --resume: exit %d, stdout %q, stderr %q", exit, stdout, stderr)
	}
	queries := map[string]int{}
	for _, call := range cloud.API.Calls() {
		queries[call.Query]++
	}
	if len(queries) != 4 || queries["DateTime="+day(0)] != 1 || queries["DateTime="+day(3)] != 1 {
		t.Errorf("queries %v", queries)
	}
	s, err := cloud.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := archivetest.Read(t, s); len(c.Events) != 8 || len(c.Problems) > 0 {
		t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
	}
	if breaches := cloud.API.Breaches(); len(breaches) > 0 {
		t.Errorf("breaches of the API's rules: %q", breaches)
	}
}

// TestBackfillNotFound checks that a backfill passes over a day whose query answers 404,
// that --resume sends this query again only with --retry-not-found, and that a collect
// still calls the API. After a 404 to the query for the newest events a backfill sends no
// query.
func TestBackfillNotFound(t *testing.T) {
	cloud := newCloud(t)
	first := time.Now().UTC().AddDate(0, 0, -10)
	day := func(n int) string { return first.AddDate(0, 0, n).Format(time.DateOnly) }
	missing := day(1)
	cloud.API.Default = func(r *http.Request) polisentest.Answer {
		when := r.URL.Query().Get("DateTime")
		if when == missing {
			return polisentest.Status(404)
		}
		noon, err := time.Parse(time.DateOnly+" 15", when+" 12")
		if err != nil { // the query for the newest events
			noon = time.Now().UTC()
		}
		return polisentest.OK(polisentest.Event(noon.Unix(), noon))
	}
	calls := 0
	want := func(exit, newCalls int, stderr []string, args ...string) {
		t.Helper()
		got, _, text := runWith(args, cloud.Settings(), nil)
		if got != exit {
			t.Errorf("%q: exit code %d, want %d: %s", args, got, exit, text)
		}
		for _, s := range stderr {
			if !strings.Contains(text, s) {
				t.Errorf("%q: stderr lacks %q:\n%s", args, s, text)
			}
		}
		if n := len(cloud.API.Calls()) - calls; n != newCalls {
			t.Errorf("%q: %d calls, want %d", args, n, newCalls)
		}
		calls = len(cloud.API.Calls())
	}
	backfill := func(args ...string) []string {
		return append([]string{"backfill", "--from", day(0), "--to", day(3)}, args...)
	}
	passed := []string{day(1) + " is passed over: the API answered 404", "404 for 1 of ", "first: " + day(1)}
	want(3, 4, passed, backfill()...)
	want(3, 0, passed, backfill("--resume")...)
	want(0, 1, nil, "collect")
	missing = ""
	want(0, 1, nil, backfill("--resume", "--retry-not-found")...)
	want(0, 0, nil, backfill("--resume")...)

	cloud.API.Script(polisentest.Status(404))
	want(4, 1, nil, "collect")
	want(8, 0, []string{"day " + day(0), "--retry-not-found"}, backfill()...)

	s, err := cloud.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := archivetest.Read(t, s); len(c.Events) != 5 || len(c.Problems) > 0 {
		t.Errorf("%d events, problems %q", len(c.Events), c.Problems)
	}
}

// stopping is an input that sends SIGINT at its end and then stays open.
type stopping struct {
	io.Reader
	t *testing.T
}

func (s stopping) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			s.t.Error(err)
		}
		<-s.t.Context().Done()
	}
	return n, err
}

// TestBackfillInputStopped checks that Ctrl-C ends a backfill that waits for more
// input, that committed events stay, and that the error says how to continue.
func TestBackfillInputStopped(t *testing.T) {
	dir := t.TempDir()
	var items [][]byte
	for i := range 2500 {
		items = append(items, archivetest.Item(int64(1000+i), i%3, "first"))
	}
	body := polisentest.Response(items...)
	run := func(stdin io.Reader) (int, string) {
		args := []string{"backfill", "--store", dir + "/archive", "--state-dir", dir, "--input", "-"}
		exit, _, stderr := runWith(args, nil, stdin)
		return exit, stderr
	}
	stored := func() int { return len(readArchive(t, dir).Events) }
	exit, stderr := run(stopping{bytes.NewReader(body), t})
	if want := program + ": stopped by SIGINT; run the same command again to store the rest\n"; exit != 130 || stderr != want {
		t.Errorf("exit code %d, %q", exit, stderr)
	}
	if n := stored(); n == 0 || n == 2500 {
		t.Errorf("%d events are stored", n)
	}
	if exit, stderr := run(bytes.NewReader(body)); exit != 0 || stored() != 2500 {
		t.Errorf("again: exit code %d, %s, %d events", exit, stderr, stored())
	}
}
