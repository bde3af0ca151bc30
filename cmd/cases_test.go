package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// serveRaw serves a whole answer of a server, as it is on the wire, to each call. It
// returns the API's URL.
func serveRaw(t *testing.T, answer []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4<<10)) // the request
			_, _ = c.Write(answer)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/api/events"
}

// caseFile returns the absolute path of a file in testdata/cases.
func caseFile(t *testing.T, name string) string {
	t.Helper()
	file, err := filepath.Abs("../testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// caseArgs returns the arguments with which a command reads a file.
func caseArgs(command, file string) []string {
	if command == "backfill" {
		return []string{command, "--input", file}
	}
	return []string{command, "--api-url", "file://" + file}
}

// runCase runs the program with an archive in dir, and returns its output. It reports an
// exit code other than want, and control characters in the output.
func runCase(t *testing.T, dir string, want code, args ...string) string {
	t.Helper()
	p := exec.Command(buildProgram(t), append(args, "--store", dir+"/archive")...)
	p.Env = []string{"HOME=" + dir, "POLISEN_STATE_DIR=" + dir, "POLISEN_MAX_LAG=" + oldEvents}
	if strings.Contains(strings.Join(args, " "), "http://") {
		p.Env = append(p.Env, "POLISEN_MIN_INTERVAL=1ms")
	}
	out, err := p.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	if got := code(p.ProcessState.ExitCode()); got != want {
		t.Errorf("%s ended with %d, want %d:\n%s", args[0], got, want, out)
	}
	if i := bytes.IndexFunc(out, func(r rune) bool { return r == '\uFFFD' || r < ' ' && r != '\n' && r != '\t' }); i >= 0 {
		t.Errorf("%s writes %q", args[0], out[i:])
	}
	return string(out)
}

// TestCases runs the program with the inputs in testdata/cases, by collect and by
// backfill. For each it states the exit code of the first run and of the next one, what
// the archive then holds, and the exit code of verify.
func TestCases(t *testing.T) {
	t.Parallel()
	const (
		collect  = "collect"
		backfill = "backfill"
	)
	for _, tt := range []struct {
		command, file string
		exit, again   code
		events        int
		rejected      int
		verify        code
		message       string // part of what the first run writes
		finding       string // the check of a notice of verify, if there is one
	}{
		{collect, "01-raw-newline-in-one-summary.json", exitPartial, exitOK, 2, 1, exitOK, `1 of 3 items rejected (first: not JSON at byte `, ""},
		{backfill, "01-raw-newline-in-one-summary.json", exitPartial, exitPartial, 2, 1, exitOK, "1 problem in the input", ""},
		{collect, "01b-bom-crlf.json", exitPartial, exitOK, 1, 1, exitOK, `1 of 2 items rejected`, ""},
		{backfill, "01b-bom-crlf.json", exitPartial, exitPartial, 1, 1, exitOK, "1 problem in the input", ""},
		{collect, "01d-nan.json", exitPartial, exitOK, 2, 1, exitOK, `1 of 3 items rejected`, ""},
		{backfill, "01d-nan.json", exitPartial, exitPartial, 2, 1, exitOK, "1 problem in the input", ""},
		{collect, "04b-one-iso-T.json", exitOK, exitOK, 2, 0, exitOK, "", ""},
		{backfill, "04b-one-iso-T.json", exitOK, exitOK, 2, 0, exitOK, "", ""},
		// It redirects to localhost, which is not the host of this server, 127.0.0.1.
		{collect, "05-redirect-443.http", exitAPI, exitAPI, 0, 0, exitFindings, "redirect not followed", ""},
		{collect, "10-gzip-crlf.http", exitOK, exitOK, 5, 0, exitOK, "bytes after the end of the gzip data were ignored", ""},
		{collect, "10b-gzip-padded.json.gz", exitOK, exitOK, 3, 0, exitOK, "bytes after the end of the gzip data were ignored", ""},
		{backfill, "10b-gzip-padded.json.gz", exitOK, exitOK, 3, 0, exitOK, "bytes after the end of the gzip data were ignored", ""},
		{collect, "11b-br.http", exitAPI, exitAPI, 0, 0, exitFindings, "the response is encoded as br, which was not asked for", ""},
		{backfill, "03-rejected", exitOK, exitOK, 1, 0, exitOK, "", ""},
		{collect, "13-half-surrogate.json", exitOK, exitOK, 2, 0, exitOK, "", "half-surrogate-pair"},
		{backfill, "13-half-surrogate.json", exitOK, exitOK, 2, 0, exitOK, "", "half-surrogate-pair"},
	} {
		t.Run(tt.command+" "+tt.file, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := caseFile(t, tt.file)
			args := caseArgs(tt.command, file)
			if filepath.Ext(file) == ".http" {
				answer, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				args = []string{collect, "--api-url", serveRaw(t, answer)}
			}
			if out := runCase(t, dir, tt.exit, args...); !strings.Contains(out, tt.message) {
				t.Errorf("the first run writes %q, want it to contain %q", out, tt.message)
			}
			runCase(t, dir, tt.again, args...)
			if out := runCase(t, dir, tt.verify, "verify"); strings.Contains(out, "(notice)") != (tt.finding != "") || !strings.Contains(out, tt.finding) {
				t.Errorf("verify writes %q, want a notice of %q", out, tt.finding)
			}
			if c := readArchive(t, dir); len(c.Events) != tt.events || len(c.Revisions) > 0 || len(c.Rejected) != tt.rejected {
				t.Errorf("%d events, revisions %v, rejected %v; want %d events and %d rejected", len(c.Events), c.Revisions, c.Rejected, tt.events, tt.rejected)
			}
		})
	}
}

// TestVersionCases runs the program with inputs in testdata/cases that hold versions of
// the same events. It reads the files in order, and then all of them again, which stores
// nothing. Each version must be stored once, the first under events/. Collect and verify
// report no problem with such versions. Backfill warns that versions in its input may be
// older than the archive.
func TestVersionCases(t *testing.T) {
	t.Parallel()
	const (
		collect  = "collect"
		backfill = "backfill"
	)
	// Three full responses of higher ids. After them the document does not list the ids of
	// earlier responses.
	var between []string
	for i := range int64(3) {
		items := make([][]byte, polisen.FullResponse)
		for k := range items {
			items[k] = polisentest.Event(800000+polisen.FullResponse*i+int64(k), time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC).Add(-20*time.Minute*time.Duration(k)))
		}
		between = append(between, writeResponse(t, polisentest.Response(items...)))
	}
	for _, tt := range []struct {
		name      string
		files     []string
		id        int64    // of the event whose lines are compared
		first     string   // part of its line under events/
		later     []string // parts of its lines under revisions/
		events    int      // number of events in the archive
		revisions int      // number of later versions in the archive
		warning   string   // of backfill, for each file with later versions
	}{
		{
			"other side of midnight",
			slices.Concat([]string{caseFile(t, "07-midnight-1.json")}, between, []string{caseFile(t, "07-midnight-2.json")}),
			700030, `"2026-11-26 23:50:00 +01:00"`, []string{`"2026-11-27 0:10:00 +01:00"`}, 1502, 1, "1 other version of events that the archive already had",
		},
		{
			"back across midnight",
			slices.Concat([]string{caseFile(t, "07-midnight-2.json")}, between, []string{caseFile(t, "07-midnight-1.json")}),
			700030, `"2026-11-27 0:10:00 +01:00"`, []string{`"2026-11-26 23:50:00 +01:00"`}, 1502, 1, "1 other version of events that the archive already had",
		},
		{
			"older version first", []string{caseFile(t, "12-old-version.json"), caseFile(t, "12-new-version.json")},
			700300, "Preliminär text.", []string{"Rättad text."}, 1, 1, "1 other version of events that the archive already had",
		},
		{
			"newer version first", []string{caseFile(t, "12-new-version.json"), caseFile(t, "12-old-version.json")},
			700300, "Rättad text.", []string{"Preliminär text."}, 1, 1, "1 other version of events that the archive already had",
		},
		{
			"a field changes with each poll", []string{caseFile(t, "14-volatile-0.json"), caseFile(t, "14-volatile-1.json"), caseFile(t, "14-volatile-2.json")},
			700050, `"views":0}`, []string{`"views":100}`, `"views":200}`}, 20, 40, "20 other versions of events that the archive already had",
		},
	} {
		for _, command := range []string{collect, backfill} {
			t.Run(command+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				warnings := 0
				for _, file := range tt.files {
					if out := runCase(t, dir, exitOK, caseArgs(command, file)...); command == backfill && strings.Contains(out, tt.warning) && strings.Count(out, "\n") == 1 {
						warnings++
					} else if out != "" {
						t.Errorf("%s %s writes %q", command, file, out)
					}
				}
				if want := len(tt.later); command == backfill && warnings != want {
					t.Errorf("%d warnings, want %d", warnings, want)
				}
				for _, file := range tt.files {
					if out := runCase(t, dir, exitOK, caseArgs(command, file)...); out != "" {
						t.Errorf("the second %s %s writes %q", command, file, out)
					}
				}
				if out := runCase(t, dir, exitOK, "verify"); !strings.HasPrefix(out, "ok: no problems in ") || strings.Contains(out, "notice") {
					t.Errorf("verify writes %q", out)
				}
				c := readArchive(t, dir)
				revisions := 0
				for _, lines := range c.Revisions {
					revisions += len(lines)
				}
				if len(c.Events) != tt.events || revisions != tt.revisions || len(c.Rejected) > 0 {
					t.Errorf("%d events, %d later versions, rejected %v; want %d and %d", len(c.Events), revisions, c.Rejected, tt.events, tt.revisions)
				}
				if lines := c.Events[tt.id]; len(lines) != 1 || !strings.Contains(lines[0], tt.first) {
					t.Errorf("event %d is stored as %q, want %s", tt.id, lines, tt.first)
				}
				if later := c.Revisions[tt.id]; !slices.EqualFunc(later, tt.later, strings.Contains) {
					t.Errorf("later versions of event %d are %q, want %q", tt.id, later, tt.later)
				}
			})
		}
	}
}

// TestVolatileCase checks that collect raises an alarm if a field of all events changes
// with each poll of the API, and prints it once.
func TestVolatileCase(t *testing.T) {
	t.Parallel()
	api := new(polisentest.API)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	// Only a full response raises the alarm, so each event is repeated under other ids.
	serve := func(n int) {
		body, err := os.ReadFile(caseFile(t, fmt.Sprintf("14-volatile-%d.json", n)))
		if err != nil {
			t.Fatal(err)
		}
		events, _, err := polisen.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		var items [][]byte
		for i := range polisen.FullResponse / len(events) {
			for _, e := range events {
				items = append(items, bytes.ReplaceAll(e.Raw, []byte("7000"), fmt.Appendf(nil, "70%02d", i)))
			}
		}
		body = polisentest.Response(items...)
		api.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: body} })
	}
	collect := func(want code) string {
		t.Helper()
		return runCase(t, dir, want, "collect", "--api-url", server.URL+"/api/events")
	}
	serve(0)
	if out := collect(exitOK); strings.Count(out, "\n") != 1 || !strings.Contains(out, "began a new archive") {
		t.Errorf("the first run writes %q", out)
	}
	serve(1)
	if out := collect(exitPartial); strings.Count(out, "\n") != 1 || !strings.Contains(out, "500 of 500 known events revised at once") || !strings.Contains(out, "fields different: views") {
		t.Errorf("the second run writes %q", out)
	}
	serve(2)
	if out := collect(exitPartial); out != "" {
		t.Errorf("the third run writes %q, though the alarm has been printed", out)
	}
	if out := collect(exitOK); out != "" {
		t.Errorf("a run without changes writes %q", out)
	}
	runCase(t, dir, exitOK, "verify")
	c := readArchive(t, dir)
	for id, lines := range c.Revisions {
		if len(lines) != 2 {
			t.Errorf("event %d has the later versions %q, want 2", id, lines)
		}
	}
	if len(c.Events) != polisen.FullResponse || len(c.Revisions) != polisen.FullResponse {
		t.Errorf("%d events, %d of them with later versions; want %d", len(c.Events), len(c.Revisions), polisen.FullResponse)
	}
}

// TestRepairReadable checks that verify notices a rejected item that this program reads as
// an event, and that verify --repair stores the event, in a folder and in a bucket.
func TestRepairReadable(t *testing.T) {
	t.Parallel()
	const object = "rejected/2026/11/28/rejected-1795879658.jsonl"
	line, err := os.ReadFile("../testdata/cases/03-rejected/" + object)
	if err != nil {
		t.Fatal(err)
	}
	program := buildProgram(t)
	bucket, _ := newBucket(t, program)
	for name, w := range map[string]*world{"folder": newFolder(t, program), "bucket": bucket} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.collect(t, "--api-url", "file://"+writeResponse(t, polisentest.Body(20)))
			w.put(object, line)
			verify := func(args ...string) string {
				p := w.process()
				p.Args = append([]string{program, "verify"}, args...)
				p.Stderr = nil
				out, err := p.CombinedOutput()
				if err != nil {
					t.Errorf("verify %q: %v: %s", args, err, out)
				}
				return string(out)
			}
			const notice = "can be read as event 710003 now"
			if out := verify(); !strings.Contains(out, notice) {
				t.Errorf("verify writes %q", out)
			}
			for _, args := range [][]string{{"--repair", "--dry-run"}, {"--repair"}} {
				if out := verify(args...); !strings.Contains(out, "events/2026/11/20/") {
					t.Errorf("verify %q writes %q", args, out)
				}
			}
			if out := verify(); strings.Contains(out, notice) {
				t.Errorf("after the repair verify writes %q", out)
			}
			c := archivetest.Read(t, w.contents())
			if len(c.Events) != 21 || len(c.Events[710003]) != 1 || len(c.Rejected) != 1 || len(c.Problems) > 0 {
				t.Errorf("%d events, of them %q, rejected %v, problems %q", len(c.Events), c.Events[710003], c.Rejected, c.Problems)
			}
		})
	}
}
