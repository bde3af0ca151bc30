//go:build linux && amd64

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"polisen-events-collector/pkg/tooltest"
)

// cells returns the cells of a row of the table.
func cells(row string) []string {
	return strings.Split(strings.Trim(strings.TrimSpace(row), "| "), " | ")
}

// TestTable checks that the table has a row for each fault and no other rows, and that each
// row shows a promise that is kept.
func TestTable(t *testing.T) {
	rows, _, _, err := readRows("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults() {
		if c := cells(rows[f.name]); len(c) < 6 || c[4] != kept {
			t.Errorf("the row of %q is %q; correct it with go run ./scripts/faults -write -run '^%s$'", f.name, rows[f.name], regexp.QuoteMeta(f.name))
		}
		delete(rows, f.name)
	}
	for name := range rows {
		t.Errorf("the table has a row %q, but there is no such fault", name)
	}
}

// TestFaults makes some of the faults, and compares the exit code, the number of new events
// and the status with the table.
func TestFaults(t *testing.T) {
	program := needTracer(t)
	rows, _, _, err := readRows("README.md")
	if err != nil {
		t.Fatal(err)
	}
	selected := regexp.MustCompile(`^(full disk|EIO of (write|fsync|read) in the archive|(SIGSTOP|machine suspended) for 6 hours .*|8 file descriptors, folder|closed stdin.*|full stdout` +
		`|API: (body of 200 MB|certificate.*|status 503)|bucket: (status 401|connection refused))$`)
	made := 0
	for _, f := range faults() {
		if !selected.MatchString(f.name) {
			continue
		}
		made++
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var got row
			err := f.run(program, t.TempDir(), &got)
			if errors.Is(err, errSkipped) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := cells(rows[f.name])
			if got := []string{got.Exit, got.Stored, got.Health}; len(want) < 6 || strings.Join(got, "|") != strings.Join(want[1:4], "|") {
				t.Errorf("the outcome is %q, but the table has %q", got, want)
			}
		})
	}
	if made != 18 {
		t.Errorf("%d faults were selected", made)
	}
}

// TestEveryCall kills collect before and after some of its system calls, and lets some fail.
func TestEveryCall(t *testing.T) {
	program := needTracer(t)
	for _, bucket := range []bool{false, true} {
		for _, m := range []moment{killBefore, killAfter, failOnce} {
			t.Run(string(m)+" a call, "+choose(bucket, "bucket", "folder"), func(t *testing.T) {
				t.Parallel()
				w, err := newWorld(program, t.TempDir(), bucket, 12)
				if err != nil {
					t.Fatal(err)
				}
				defer w.close()
				var r row
				if err := w.everyCall(victims[0], m, 11, &r); err != nil {
					t.Fatal(err)
				}
				t.Log(r)
			})
		}
	}
}

// TestPowerCut cuts the power before some system calls of collect. It also checks that the
// loss of events is noticed if the disk ignores the calls that sync a file or folder.
func TestPowerCut(t *testing.T) {
	program := needTracer(t)
	for _, ignores := range []bool{false, true} {
		t.Run(choose(ignores, "disk that syncs nothing", "disk"), func(t *testing.T) {
			t.Parallel()
			w, err := newWorld(program, t.TempDir(), false, 12)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			w.syncsNothing = ignores
			var r row
			err = w.cutEvery(victims[0], 23, &r)
			if ignores != (err != nil) {
				t.Fatalf("%v, %s", err, r)
			}
			t.Log(err, r)
		})
	}
}

// TestTrace checks that the tracer sees calls of each kind that a run makes.
func TestTrace(t *testing.T) {
	program := needTracer(t)
	w, err := newWorld(program, t.TempDir(), false, 12)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	names := map[string]int{}
	r, err := trace(w.command("collect"), w.disk, limit, nil, func(c call) action {
		if !c.After {
			names[c.Name]++
		}
		return action{}
	})
	if err != nil || r.Exit != 0 {
		t.Fatalf("exit code %d, %v: %s", r.Exit, err, r.Stderr)
	}
	for _, name := range []string{"openat", "mkdirat", "write", "fsync", "renameat", "unlinkat", "flock"} {
		if names[name] == 0 {
			t.Errorf("the tracer saw no %s: %v", name, names)
		}
	}
}

// TestTraceLeavesOtherPrograms checks that the tracer does not take the end of a program that
// its thread started before.
func TestTraceLeavesOtherPrograms(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	other := exec.Command("true")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := &unix.Siginfo{}
	if err := unix.Waitid(unix.P_PID, other.Process.Pid, ended, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	needTracer(t)
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
}

// needTracer builds the program, and returns its path. It skips the test if the tracer
// does not work here.
func needTracer(t *testing.T) string {
	t.Helper()
	if _, err := trace(exec.Command("true"), "/nowhere", limit, nil, nil); err != nil {
		tooltest.Missing(t, "ptrace", "the permission to trace processes: "+err.Error())
	}
	program, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// programFolder holds the program once a test needs it. TestMain deletes it.
var programFolder string

var buildOnce = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programFolder, "polisen-events-collector")
	return program, build(program, "../..")
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		panic(err)
	}
	programFolder = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
