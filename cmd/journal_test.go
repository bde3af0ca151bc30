package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// inode returns the device and the inode of a file, as JOURNAL_STREAM has them.
func inode(t *testing.T, path string) string {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// logged runs the program with stderr in a file that JOURNAL_STREAM names, and returns
// what it writes there. With redirected, the variable names another file.
func logged(t *testing.T, args []string, vars map[string]string, redirected bool) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	p := exec.Command(buildProgram(t), args...)
	p.Stderr = stderr
	stream := path
	if redirected {
		stream = t.TempDir()
	}
	p.Env = append(environ(vars), "JOURNAL_STREAM="+inode(t, stream))
	_ = p.Run() // the test looks at the lines
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestJournal checks the lines of runs in the journal: their number, their priorities and
// their beginnings.
func TestJournal(t *testing.T) {
	rejected := polisentest.OK([]byte(`{"id":"x"}`), polisentest.Event(2, time.Now()))
	for name, test := range map[string]struct {
		script     []polisentest.Answer
		args       []string
		redirected bool
		want       []string // the lines begin like this
	}{
		"success":       {nil, nil, false, []string{`<6>level=INFO msg="500 events: 500 new`}},
		"json":          {nil, []string{"--log-format", "json"}, false, []string{`<6>{"time":"2`}},
		"at level warn": {nil, []string{"--log-level", "warn"}, false, []string{""}},
		"failure":       {[]polisentest.Answer{polisentest.Status(403)}, nil, false, []string{"<3>polisen-events-collector: the API failed"}},
		"partial":       {[]polisentest.Answer{rejected}, nil, false, []string{`<6>level=INFO msg="2 events: 1 new`, "<4>polisen-events-collector: 1 of 2 items rejected"}},
		"warning":       {nil, []string{"--metrics-file", "/missing/file"}, false, []string{`<6>level=INFO msg="500 events`, `<4>level=WARN msg="the metrics file was not updated`}},
		"two lines":     {nil, []string{"--frob"}, false, []string{"<3>polisen-events-collector: unknown flag", "<3>polisen-events-collector: see '"}},
		"redirected":    {nil, nil, true, []string{`time=2`}},
	} {
		t.Run(name, func(t *testing.T) {
			vars, _ := monitored(t, test.script...)
			delete(vars, "POLISEN_METRICS_FILE")
			delete(vars, "POLISEN_PING_URL")
			vars["LOG_LEVEL"] = "info"
			lines := logged(t, append([]string{"collect"}, test.args...), vars, test.redirected)
			if len(lines) != len(test.want) {
				t.Fatalf("%q, want %q", lines, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(lines[i], want) || want == "" && lines[i] != "" {
					t.Errorf("%q, want %q", lines[i], want)
				}
			}
		})
	}
}

// TestJournalLevels checks the priority of each level, and that attributes and groups
// stay.
func TestJournalLevels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	stream := inode(t, path)
	p := Process{Stderr: stderr, Env: func(name string) (string, bool) { return stream, name == "JOURNAL_STREAM" }}
	log := p.newLogger(config.General{LogLevel: slog.LevelDebug}).With("a", 1).WithGroup("g")
	log.Debug("debug", "time", "kept")
	log.Info("two\nlines")
	log.Warn("warn")
	log.Error("error")
	fmt.Fprint(p.diagnostics(slog.LevelError), "one\ntwo\n")
	text, err := os.ReadFile(path)
	want := "<7>level=DEBUG msg=debug a=1 g.time=kept\n<6>level=INFO msg=\"two\\nlines\" a=1\n<4>level=WARN msg=warn a=1\n<3>level=ERROR msg=error a=1\n<3>one\n<3>two\n"
	if err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}
