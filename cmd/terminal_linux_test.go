package cmd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
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
		read <- string(text)
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

// TestProgressOnTerminal checks that a backfill of files shows how much of them is read.
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
	for file, body := range map[string][]byte{plain: lines.Bytes(), packed: gz.Bytes()} {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		exit, got := onTerminal(t, "backfill", "--input", file, "--store", t.TempDir())
		total := fmt.Sprintf("/%.0f kB)", float64(len(body))/1000)
		if exit != 0 || !strings.Contains(got, "items, 2000 new") || !strings.Contains(got, total) {
			t.Errorf("%s: exit code %d, printed %q, want %q", file, exit, got, total)
		}
	}
	exit, got := onTerminal(t, "backfill", "--input", plain, "--input", "-", "--store", t.TempDir())
	if exit != 0 || strings.Contains(got, "kB)") {
		t.Errorf("exit code %d, printed %q, want no total", exit, got)
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
