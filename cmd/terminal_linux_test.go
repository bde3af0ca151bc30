package cmd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/text"
)

// terminal returns the path of a terminal on which nobody types.
func terminal(t *testing.T) string {
	t.Helper()
	_, path := openTerminal(t)
	return path
}

// openTerminal returns the path of a terminal and the other end, where the test reads
// the output of the program and types its input.
func openTerminal(t *testing.T) (other *os.File, path string) {
	t.Helper()
	other, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { other.Close() })
	fd := int(other.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return other, fmt.Sprintf("/dev/pts/%d", n)
}

// onTerminal runs the program in this process with a terminal as stdout and stderr, and
// returns the text that it prints there.
func onTerminal(t *testing.T, args ...string) (exit int, output string) {
	t.Helper()
	return onTerminalWith(t, 0, map[string]string{"HOME": t.TempDir()}, args...)
}

// onTerminalWith is like onTerminal with exactly these variables and a terminal of this
// width; 0 is a terminal that does not know its width.
func onTerminalWith(t *testing.T, columns uint16, vars map[string]string, args ...string) (exit int, output string) {
	t.Helper()
	other, path := openTerminal(t)
	if err := unix.IoctlSetWinsize(int(other.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(other) // fails when the terminal is closed
		// If it is closed right after a write, while the reader looks for text, Linux
		// reports the end first: the text comes with the next read.
		rest, _ := io.ReadAll(other)
		read <- string(text) + string(rest)
	}()
	exit = Main(Process{
		Args: args, Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, Stdin: strings.NewReader(""), Stdout: tty, Stderr: tty,
	})
	tty.Close()
	return exit, strings.ReplaceAll(<-read, "\r\n", "\n")
}

// TestRawOnTerminal checks that inspect-metadata --raw prints no control character on
// a terminal, and every byte of the document elsewhere.
func TestRawOnTerminal(t *testing.T) {
	document := "{\"seen_ids\": [1],\n \"last_updated\": \"2026-01-02T00:00:00Z\", \"total_tracked\": 1, \"x\": \"\u009b2J\u202e\"}\n" + hostile
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/metadata", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/metadata/last_seen.json", []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"inspect-metadata", "--raw", "--store", dir}
	if exit, got := onTerminal(t, args...); exit != 0 || got != text.CleanLines(document) {
		t.Errorf("exit code %d, printed %q, want %q", exit, got, text.CleanLines(document))
	}
	if exit, got, stderr := run(t, args); exit != 0 || got != document {
		t.Errorf("exit code %d, printed %q, want %q: %s", exit, got, document, stderr)
	}
}

// screen returns the text that is left on a terminal after this output, without colours. It
// knows the control characters and sequences that the program uses, and no line ends by
// itself at the right edge.
func screen(t *testing.T, output string) string {
	t.Helper()
	output = regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(output, "")
	if strings.Contains(output, "\x1b") {
		t.Errorf("unknown sequence in %q", output)
	}
	var shown []string
	for line := range strings.SplitSeq(output, "\n") {
		var cells []rune
		column := 0
		for _, r := range line {
			switch {
			case r == '\r':
				column = 0
				continue
			case column < len(cells):
				cells[column] = r
			default:
				cells = append(cells, r)
			}
			column++
		}
		shown = append(shown, strings.TrimRight(string(cells), " "))
	}
	return strings.Join(shown, "\n")
}

// TestProgressOnTerminal checks that a backfill of files shows how much of them is read, and
// that this is gone in the end.
func TestProgressOnTerminal(t *testing.T) {
	var lines bytes.Buffer
	for _, item := range archivetest.Items(1000, 4500, 0) {
		lines.Write(append(item, '\n'))
	}
	dir := t.TempDir()
	plain, packed := dir+"/plain.jsonl", dir+"/packed.jsonl.gz"
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write(lines.Bytes())
	_ = z.Close()
	vars := map[string]string{"HOME": dir}
	for file, body := range map[string][]byte{plain: lines.Bytes(), packed: gz.Bytes()} {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		exit, got := onTerminalWith(t, 100, vars, "backfill", "--input", file, "--store", t.TempDir())
		total := " of " + text.Bytes(int64(len(body))) + ", "
		if exit != 0 || !strings.Contains(got, "2,000 items, 2,000 new ") || !strings.Contains(got, total) || !strings.Contains(got, "99% |") && file == packed {
			t.Errorf("%s: exit code %d, printed %q, want %q", file, exit, got, total)
		}
		if left := screen(t, got); !strings.HasPrefix(left, "4,500 events: 4,500 new, ") || strings.Count(left, "\n") != 1 {
			t.Errorf("%s: at the end the terminal shows %q", file, left)
		}
		for _, args := range [][]string{{"--quiet"}, {"--log-level", "info"}} {
			if _, got := onTerminalWith(t, 100, vars, append(args, "backfill", "--input", file, "--store", t.TempDir())...); strings.Contains(got, total) {
				t.Errorf("%s: with %s it printed %q", file, args, got)
			}
		}
	}
	if _, got := onTerminalWith(t, 100, map[string]string{"HOME": dir, "TERM": "dumb"}, "backfill", "--input", plain, "--store", t.TempDir()); strings.Contains(got, "\r") {
		t.Errorf("on a dumb terminal it printed %q", got)
	}
	if _, got := onTerminalWith(t, minBarWidth-1, vars, "backfill", "--input", plain, "--store", t.TempDir()); strings.Contains(got, "\r") {
		t.Errorf("on a narrow terminal, where the bar would wrap, it printed %q", got)
	}
	exit, got := onTerminalWith(t, 100, vars, "backfill", "--input", plain, "--input", "-", "--store", t.TempDir())
	if exit != 0 || strings.Contains(got, " of ") || !strings.Contains(got, ", 2,000 items, 2,000 new") {
		t.Errorf("exit code %d, printed %q, want no total", exit, got)
	}
	if left := screen(t, got); !strings.HasPrefix(left, "4,500 events: 4,500 new, ") {
		t.Errorf("at the end the terminal shows %q", left)
	}
}

// TestDaysOnTerminal checks that a backfill from the API shows how many days are done, how
// long the rest takes, and why it waits.
func TestDaysOnTerminal(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t)
	cloud.API.SetDefault(func(r *http.Request) polisentest.Answer {
		day, err := time.Parse(time.DateOnly, r.URL.Query().Get("DateTime"))
		if err != nil {
			t.Error(err)
		}
		return polisentest.OK(polisentest.Event(day.Unix(), day.Add(12*time.Hour)))
	})
	today := time.Now()
	args := []string{
		"backfill", "--from", today.AddDate(0, 0, -4).Format(time.DateOnly), "--to", today.AddDate(0, 0, -3).Format(time.DateOnly), "--api-url",
		cloud.Settings()["POLISEN_API_URL"], "--min-interval", "3s", "--contact", "nobody@example.org", "--store", t.TempDir(), "--state-dir", t.TempDir(),
	}
	exit, got := onTerminalWith(t, 100, map[string]string{"HOME": t.TempDir()}, args...)
	for _, want := range []string{`\r0 of 2 days, 3s left `, `\r1 of 2 days, `, `\r1 of 2 days, .*waiting [123]s`, `\r2 of 2 days, .*2 new, 20`} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("it printed %q, want %q", got, want)
		}
	}
	if left := screen(t, got); exit != 0 || strings.Count(left, "\n") != 2 || !strings.HasPrefix(left, program+": began a new archive") || !strings.Contains(left, "\n2 events: 2 new, ") {
		t.Errorf("exit code %d, and at the end the terminal shows %q", exit, left)
	}
}

// TestVerifyOnTerminal checks that verify shows its progress and then its findings in groups
// on a terminal, and all findings elsewhere.
func TestVerifyOnTerminal(t *testing.T) {
	dir := t.TempDir()
	put := func(name, body string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir+"/"+name), 0o700), os.WriteFile(dir+"/"+name, []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("metadata/last_seen.json", `{"seen_ids":[1],"last_updated":"2026-01-02T21:00:00Z","total_tracked":1,"version":1,"complete_above":0}`)
	put("events/2026/01/01/events-1767301200.jsonl", strings.Repeat(`{"id":1,"datetime":"2026-01-01 9:08:07 +01:00"}`+"\n", 283))
	put("notes.txt", "x")
	args := []string{"verify", "--store", dir}
	want := `duplicate-event: 282 problems
  expected: each event once
  found:    the same version as events/2026/01/01/events-1767301200.jsonl line 1
  at:
    events/2026/01/01/events-1767301200.jsonl line 2
    events/2026/01/01/events-1767301200.jsonl line 3
    events/2026/01/01/events-1767301200.jsonl line 4
    events/2026/01/01/events-1767301200.jsonl line 5
    events/2026/01/01/events-1767301200.jsonl line 6
    and 277 more (--all)
  fix:      polisen-events-collector verify --repair=duplicates --store ` + dir + `

foreign-object: 1 notice
  expected: only objects that this program writes
  found:    another object
  at:       notes.txt
  fix:      leave it there, or move it out of the archive with the store's own
            tools

read 1 object (13.6 kB): 1 event, 0 revisions, 0 rejected items; 1 day with
events, 2026-01-01 to 2026-01-01; 1 listed id
282 problems, 1 notice in file://` + dir + `
`
	exit, got := onTerminalWith(t, 80, map[string]string{"HOME": dir}, args...)
	if left := screen(t, got); exit != int(exitFindings) || left != want {
		t.Errorf("exit code %d, and the terminal shows\n%s\nwant\n%s", exit, left, want)
	}
	// The bar may be drawn before the list is complete.
	bar := regexp.MustCompile(`\r1 of (at least )?1 objects, .*13\.6 kB `)
	if !bar.MatchString(got) || !strings.Contains(got, "\x1b[31m282 problems\x1b[0m") {
		t.Errorf("it printed %q, want a bar and colours", got)
	}
	_, got = onTerminalWith(t, 80, map[string]string{"HOME": dir, "NO_COLOR": "1", "TERM": "dumb"}, append(args, "--all")...)
	if strings.ContainsAny(got, "\r\x1b") || strings.Count(got, "\n    events/") != 282 || strings.Contains(got, "--all") {
		t.Errorf("with --all and without colours it printed %q", got)
	}
	exit, stdout, stderr := run(t, args)
	if exit != int(exitFindings) || strings.Count(stdout, ": duplicate-event: expected ") != 282 || stderr != program+": verification failed: 282 problems found\n" {
		t.Errorf("off a terminal: exit code %d, printed %s, stderr %s", exit, stdout, stderr)
	}
}

// TestHealthOnTerminal checks that the status of a health check has a colour.
func TestHealthOnTerminal(t *testing.T) {
	dir := t.TempDir()
	if exit, got := onTerminal(t, "verify", "--quick", "--store", dir); exit != int(exitFindings) || !strings.HasPrefix(got, "\x1b[31mCRITICAL\x1b[0m - no collect") {
		t.Errorf("exit code %d, printed %q", exit, got)
	}
	if exit, got := onTerminal(t, "collect", "--api-url", "../testdata/responses/first.json", "--store", dir); exit != 0 {
		t.Fatal(got)
	}
	if exit, got := onTerminal(t, "verify", "--quick", "--store", dir); exit != 0 || !strings.HasPrefix(got, "\x1b[32mOK\x1b[0m - archive") {
		t.Errorf("exit code %d, printed %q", exit, got)
	}
}

// TestHelpOnTerminal checks that help fits a terminal of 80 columns, apart from commands,
// which stay on one line, and that its headings are bold.
func TestHelpOnTerminal(t *testing.T) {
	vars := map[string]string{"HOME": t.TempDir()}
	for _, args := range [][]string{
		{"--help"}, {"collect", "--help"}, {"backfill", "--help"}, {"verify", "--help"}, {"inspect-metadata", "--help"}, {"version", "--help"}, {"completion", "--help"},
		{"help", "environment"}, {"help", "exit-codes"},
	} {
		exit, got := onTerminalWith(t, 80, vars, args...)
		if bold := strings.Contains(got, "\x1b[1mUsage:\x1b[0m "); exit != 0 || bold != (args[0] != "help") {
			t.Errorf("%s: exit code %d, bold headings: %v\n%s", args, exit, bold, got)
		}
		for line := range strings.Lines(screen(t, got)) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 80 && !strings.Contains(line, program) {
				t.Errorf("%s: %d columns: %s", args, n, line)
			}
		}
	}
	exit, got := onTerminalWith(t, 80, vars)
	if exit != int(exitUsage) || !strings.HasPrefix(got, program+": no command given\n\n\x1b[1mUsage:\x1b[0m ") || !strings.Contains(got, "\n  collect ") {
		t.Errorf("without a command: exit code %d, printed %s", exit, got)
	}
}

// TestAlarmsOnTerminal checks that each run on a terminal prints an alarm that lasts, and
// that the next run without a terminal prints it too.
func TestAlarmsOnTerminal(t *testing.T) {
	cloud := newCloud(t)
	items := make([][]byte, polisen.FullResponse)
	for i := range items {
		items[i] = polisentest.Event(int64(1000+i), time.Now().AddDate(0, 0, -3).Add(-time.Duration(i)*20*time.Minute))
	}
	cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.OK(items...) })
	dir := t.TempDir()
	args := []string{
		"collect", "--api-url", cloud.Settings()["POLISEN_API_URL"], "--min-interval", "1ms", "--contact", "nobody@example.org",
		"--store", dir + "/archive", "--state-dir", dir + "/state",
	}
	for i, test := range []struct{ terminal, printed bool }{{true, true}, {true, true}, {false, true}, {false, false}, {true, true}, {false, false}} {
		var exit int
		var printed string
		if test.terminal {
			exit, printed = onTerminal(t, args...)
		} else {
			exit, _, printed = run(t, args)
		}
		if exit != int(exitPartial) || strings.Contains(printed, "the API is stale") != test.printed {
			t.Errorf("run %d, on a terminal: %v: exit code %d, printed %q", i+1, test.terminal, exit, printed)
		}
	}
}

// TestTimingsOnTerminal checks that the diagram of collect --timings follows the summary,
// is as wide as the terminal, and has colours unless the user wants none.
func TestTimingsOnTerminal(t *testing.T) {
	for _, test := range []struct {
		columns         uint16
		name, value     string // of a variable
		columnsWant     int
		colours, blocks bool
	}{
		{columns: 60, columnsWant: 60, colours: true},
		{columns: 130, columnsWant: 130, colours: true},
		{columns: 0, columnsWant: 80, colours: true},
		{columns: 60, name: "NO_COLOR", value: "1", columnsWant: 60},
		{columns: 60, name: "NO_COLOR", value: "", columnsWant: 60, colours: true},
		{columns: 60, name: "TERM", value: "dumb", columnsWant: 60},
		{columns: 60, name: "LC_CTYPE", value: "sv_SE.UTF-8", columnsWant: 60, colours: true, blocks: true},
	} {
		t.Run(fmt.Sprint(test.columns, test.name, test.value), func(t *testing.T) {
			vars := map[string]string{"HOME": t.TempDir()}
			if test.name != "" {
				vars[test.name] = test.value
			}
			exit, got := onTerminalWith(t, test.columns, vars, "collect", "--timings", "--api-url", "../testdata/responses/first.json", "--store", t.TempDir())
			summary, diagram, _ := strings.Cut(got, "\n")
			if exit != 0 || !strings.HasPrefix(summary, "11 events: 11 new, ") || !strings.HasPrefix(diagram, "run ") {
				t.Fatalf("exit code %d, printed %s", exit, got)
			}
			if colours := strings.Contains(diagram, "\x1b["); colours != test.colours {
				t.Errorf("colours: %v, want %v", colours, test.colours)
			}
			if blocks := strings.Contains(diagram, "─"); blocks != test.blocks || strings.Contains(diagram, "---") == blocks {
				t.Errorf("characters that are not ASCII: %v, want %v", blocks, test.blocks)
			}
			first, _, _ := strings.Cut(diagram, "\n") // it has no colour
			if n := utf8.RuneCountInString(first); n != test.columnsWant {
				t.Errorf("%d columns, want %d:\n%s", n, test.columnsWant, diagram)
			}
		})
	}
}
