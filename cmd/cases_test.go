package cmd

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store/dirstore"
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
			file, err := filepath.Abs("../testdata/cases/" + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{tt.command, "--input", file}
			if tt.command == collect {
				url := "file://" + file
				if filepath.Ext(file) == ".http" {
					answer, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					url = serveRaw(t, answer)
				}
				args = []string{tt.command, "--api-url", url}
			}
			run := func(want code, args ...string) string {
				t.Helper()
				p := exec.Command(buildProgram(t), append(args, "--store", dir+"/archive")...)
				p.Env = []string{"HOME=" + dir, "POLISEN_STATE_DIR=" + dir}
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
			if out := run(tt.exit, args...); !strings.Contains(out, tt.message) {
				t.Errorf("the first run writes %q, want it to contain %q", out, tt.message)
			}
			run(tt.again, args...)
			if out := run(tt.verify, "verify"); strings.Contains(out, "(notice)") != (tt.finding != "") || !strings.Contains(out, tt.finding) {
				t.Errorf("verify writes %q, want a notice of %q", out, tt.finding)
			}
			s, err := dirstore.Open(dir + "/archive")
			if err != nil {
				t.Fatal(err)
			}
			if c := archivetest.Read(t, s); len(c.Events) != tt.events || len(c.Rejected) != tt.rejected || len(c.Problems) > 0 {
				t.Errorf("%d events, rejected %v, problems %q; want %d events and %d rejected", len(c.Events), c.Rejected, c.Problems, tt.events, tt.rejected)
			}
		})
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
