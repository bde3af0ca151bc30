package cmd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/racetest"
)

// maxMemory is the most memory that a run may take.
const maxMemory = 100 << 20

// measured runs the program and returns the most memory, in bytes, that it had. It asks
// for it every few milliseconds, until the program ends.
func measured(t *testing.T, want code, args ...string) (peak int64) {
	t.Helper()
	p := exec.Command(buildProgram(t), args...)
	p.Env = []string{}
	var stderr bytes.Buffer
	p.Stderr = &stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = p.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			if got := code(p.ProcessState.ExitCode()); got != want {
				t.Errorf("exit code %d, want %d: %.300s", got, want, &stderr)
			}
			return peak
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, peakMemory(p.Process.Pid))
		}
	}
}

// peakMemory returns the most memory, in bytes, that a process has had; 0 if the process
// has ended.
func peakMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscanf(rest, "%d kB", &kilobytes) // stays 0 if there is no number
	return kilobytes << 10
}

// needMemory skips the test if the memory of the program cannot be measured.
func needMemory(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the most memory that a process had")
	}
	if racetest.Enabled {
		t.Skip("the program runs in a process of its own, without the race detector")
	}
}

// TestTooLargeResponseMemory checks the memory of a run that refuses a response for its size.
func TestTooLargeResponseMemory(t *testing.T) {
	t.Parallel()
	needMemory(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "response.json")
	if err := os.WriteFile(file, bytes.Repeat([]byte(" "), 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	checkPeak(t, measured(t, exitAPI, "collect", "--store", dir+"/archive", "--state-dir", dir, "--api-url", "file://"+file))
}

// checkPeak checks the most memory that a run had.
func checkPeak(t *testing.T, peak int64) {
	t.Helper()
	t.Logf("%d MiB", peak>>20)
	if peak == 0 || peak > maxMemory {
		t.Errorf("the run took %d MiB, at most %d are allowed", peak>>20, maxMemory>>20)
	}
}

// TestResponseMemory saves responses of the largest size, of several forms, and
// collects each: memory stays under 100 MiB.
func TestResponseMemory(t *testing.T) {
	t.Parallel()
	needMemory(t)
	size := archivetest.Size(6<<20, 30<<20)
	event := func(i, size int) string {
		return string(polisentest.Event(int64(i+1), polisentest.Newest.AddDate(0, 0, -i%30), polisentest.Summary(strings.Repeat("x", size))))
	}
	for name, item := range map[string]func(i int) string{
		"numbers":            func(int) string { return "1" },
		"different":          strconv.Itoa,
		"one item":           func(int) string { return `"` + strings.Repeat(`\"`, size/2) + `"` },
		"events":             func(i int) string { return event(i, 0) },
		"large events":       func(i int) string { return event(i, 1<<19) },
		"too large events":   func(i int) string { return event(i, 1<<20) },
		"deep items":         func(i int) string { return strings.Repeat("[", 5000) + strconv.Itoa(i) + strings.Repeat("]", 5000) },
		"damaged items":      func(int) string { return `{"a":"` + strings.Repeat("\x01", 100) + `"}` },
		"large damaged text": func(int) string { return strings.Repeat("\x01", 1<<17) + "\n{" },
		"braces":             func(int) string { return "\n{" },
		"deep strings": func(i int) string {
			return strings.Repeat("[", 65) + strconv.Itoa(i) + strings.Repeat(`,""`, 300) + strings.Repeat("]", 65)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			n, _ := io.WriteString(z, "["+event(-1, 0))
			for i := 0; n < size; i++ {
				more, _ := io.WriteString(z, ","+item(i))
				n += more
			}
			_, _ = io.WriteString(z, "]")
			_ = z.Close()
			file := filepath.Join(dir, "response.json")
			if err := os.WriteFile(file, packed.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			want := exitPartial
			if name == "large events" || name == "events" && size < 30<<20 { // fewer than 100,000 items
				want = exitOK
			}
			collect := []string{"collect", "--store", dir + "/archive", "--state-dir", dir, "--api-url", "file://" + file}
			peak := measured(t, want, collect...)
			for try := 0; peak > maxMemory && try < 2; try++ { // on a busy machine the garbage collector is late
				if err := os.RemoveAll(dir + "/archive"); err != nil {
					t.Fatal(err)
				}
				peak = min(peak, measured(t, want, collect...))
			}
			checkPeak(t, peak)
			if c := readArchive(t, dir); len(c.Events) == 0 {
				t.Error("no events are stored")
			}
		})
	}
}
