package cmd

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// blocked is a run that something keeps from ending.
type blocked struct {
	args     []string
	settings map[string]string
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer // nil: the test reads it
	// timedOut is the exit code at the time limit.
	timedOut code
	// message is a part of the error at the time limit.
	message string
	// atOnce is true if the run ends before its time limit and before a signal.
	atOnce bool
}

// blockedRuns returns functions that each prepare a blocked run.
func blockedRuns() map[string]func(t *testing.T, program string) blocked {
	response := polisentest.Response(archivetest.Items(1000, 3, 0)...)
	// inBucket returns a collect into a bucket. Requests for which stops returns true get no
	// response before the end of the test.
	inBucket := func(t *testing.T, program string, stops func(*http.Request) bool) blocked {
		w, cloud := newBucket(t, program)
		cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: response} })
		end := make(chan struct{})
		t.Cleanup(func() { close(end) })
		cloud.SetIntercept(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if stops(r) {
				<-end
			}
			serve(rw, r)
		})
		return blocked{args: []string{"collect"}, settings: w.settings}
	}
	never := func(*http.Request) bool { return false }
	isAPI := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/api/") }
	// withPipe returns a collect into a bucket. One of its settings is the path of a named pipe.
	withPipe := func(setting string, exit code) func(*testing.T, string) blocked {
		return func(t *testing.T, program string) blocked {
			b := inBucket(t, program, never)
			b.settings[setting], b.timedOut, b.atOnce = namedPipe(t), exit, true
			return b
		}
	}
	// withEntry is like withPipe for an entry of the OCI config file.
	withEntry := func(auth, entry string) func(*testing.T, string) blocked {
		return func(t *testing.T, program string) blocked {
			b := inBucket(t, program, never)
			b.settings["OCI_AUTH"], b.timedOut, b.atOnce = auth, exitAccess, true
			file := b.settings["OCI_CONFIG_FILE"]
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, "\n"+entry+"="+namedPipe(t)+"\n"...)
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	// locked returns a collect into a folder where an earlier run has left files,
	// which another process has locked since.
	locked := func(exit code, isLocked func(path string) bool) func(*testing.T, string) blocked {
		return func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			cloud := newCloud(t)
			cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: response} })
			maps.Copy(w.settings, map[string]string{"POLISEN_API_URL": cloud.Settings()["POLISEN_API_URL"], "POLISEN_MIN_INTERVAL": "1ms", "API_CONTACT_EMAIL": "nobody@example.org"})
			w.collect(t)
			n := 0
			err := filepath.WalkDir(w.settings["POLISEN_STATE_DIR"], func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() || !isLocked(path) {
					return err
				}
				n++
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				t.Cleanup(func() { f.Close() })
				return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
			})
			if err != nil || n == 0 {
				t.Fatalf("locked %d files: %v", n, err)
			}
			b := blocked{args: []string{"collect"}, settings: w.settings, timedOut: exit}
			if exit == exitStorage { // there must be something to store
				b.args = append(b.args, "--api-url", writeResponse(t, polisentest.Response(archivetest.Items(2000, 3, 0)...)))
			}
			return b
		}
	}
	return map[string]func(t *testing.T, program string) blocked{
		"dead store": func(t *testing.T, program string) blocked {
			b := inBucket(t, program, func(r *http.Request) bool { return !isAPI(r) })
			b.timedOut = exitStorage
			return b
		},
		"dead store after the commit": func(t *testing.T, program string) blocked {
			b := inBucket(t, program, func(r *http.Request) bool {
				return r.Method == http.MethodPut && !strings.HasSuffix(r.URL.Path, "/metadata/last_seen.json")
			})
			b.timedOut = exitStorage
			return b
		},
		"dead store of verify": func(t *testing.T, program string) blocked {
			b := inBucket(t, program, func(r *http.Request) bool { return !isAPI(r) })
			b.args, b.timedOut, b.message = []string{"verify"}, exitStorage, "--timeout 1s"
			return b
		},
		"dead API": func(t *testing.T, program string) blocked {
			b := inBucket(t, program, isAPI)
			b.timedOut = exitAPI
			return b
		},
		"env-file is a named pipe":       withPipe("POLISEN_ENV_FILE", exitUsage),
		"OCI config is a named pipe":     withPipe("OCI_CONFIG_FILE", exitAccess),
		"key is a named pipe":            withEntry("api_key", "key_file"),
		"security token is a named pipe": withEntry("security_token", "security_token_file"),
		"env-file is a terminal": func(t *testing.T, program string) blocked {
			b := inBucket(t, program, never)
			b.settings["POLISEN_ENV_FILE"], b.timedOut, b.atOnce = terminal(t), exitUsage, true
			return b
		},
		"response is a named pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{args: []string{"collect", "--api-url", namedPipe(t)}, settings: w.settings, timedOut: exitAPI}
		},
		"response is a terminal": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{args: []string{"collect", "--api-url", terminal(t)}, settings: w.settings, timedOut: exitAPI}
		},
		"input is a named pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{args: []string{"backfill", "--input", namedPipe(t)}, settings: w.settings, timedOut: exitFailure}
		},
		"input is an open pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			r, keepOpen := pipe(t)
			t.Cleanup(func() { keepOpen.Close() })
			return blocked{args: []string{"backfill", "--input", "-"}, settings: w.settings, stdin: r, timedOut: exitFailure}
		},
		"object is locked": locked(exitStorage, func(path string) bool { return strings.Contains(path, "/archive/") }),
		"call limits are locked": locked(exitRateLimited, func(path string) bool {
			return !strings.Contains(path, "/archive/") && !strings.HasSuffix(path, ".json")
		}),
		"stderr is a full pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{args: []string{"collect", "--api-url", writeResponse(t, []byte("{"))}, settings: w.settings, stderr: fullPipe(t), timedOut: exitAPI}
		},
		"stderr is a full pipe while settings are read": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{args: []string{"collect", "--store", ""}, settings: w.settings, stderr: fullPipe(t), timedOut: exitUsage}
		},
		"stdout is a full pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			return blocked{
				args: []string{"collect", "--output", "json", "--api-url", writeResponse(t, response)}, settings: w.settings,
				stdout: fullPipe(t), timedOut: exitFailure, message: "did not end within its time limit of 1s (--timeout)",
			}
		},
		"stdout of verify is a full pipe": func(t *testing.T, program string) blocked {
			w := newFolder(t, program)
			w.collect(t, "--api-url", writeResponse(t, response))
			return blocked{args: []string{"verify", "--log-format", "json"}, settings: w.settings, stdout: fullPipe(t), timedOut: exitFailure, message: `{"error":"the run did not end`}
		},
	}
}

// TestEndsInTime checks that a blocked run ends within a second after its time
// limit, and within a second after a signal if there is no limit. A slow machine
// may need a second try.
func TestEndsInTime(t *testing.T) {
	t.Parallel()
	program := buildProgram(t)
	for name, prepare := range blockedRuns() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tries = 3
			for try := 1; ; try++ {
				problems := checkEnds(t, program, prepare(t, program), prepare(t, program))
				if len(problems) == 0 {
					return
				}
				t.Log(problems)
				if try == tries {
					t.Fatalf("%d tries failed", tries)
				}
			}
		})
	}
}

// checkEnds runs a blocked run with a time limit and, at the same time, one that
// gets a signal. It returns what is wrong.
func checkEnds(t *testing.T, program string, limited, signalled blocked) (problems []string) {
	t.Helper()
	const limit, grace = time.Second, time.Second
	var wg sync.WaitGroup
	var afterSignal string
	if !signalled.atOnce {
		wg.Go(func() {
			took, exit, stderr := signalled.run(t, program, 0, limit)
			if took > limit+grace || exit != exitSIGTERM {
				afterSignal = fmt.Sprintf("ended %v after the signal with code %d, want %d within %v: %s", took-limit, exit, exitSIGTERM, grace, stderr)
			}
		})
	}
	took, exit, stderr := limited.run(t, program, limit, 0)
	wg.Wait()
	if afterSignal != "" {
		problems = append(problems, afterSignal)
	}
	if took > limit+grace || exit != limited.timedOut {
		problems = append(problems, fmt.Sprintf("ended after %v with code %d, want %d within %v: %s", took, exit, limited.timedOut, limit+grace, stderr))
	}
	if limited.stderr == nil && (strings.Count(stderr, "\n") == 0 || !strings.Contains(stderr, limited.message)) {
		problems = append(problems, fmt.Sprintf("stderr %q, want a line with %q", stderr, limited.message))
	}
	if limited.atOnce && took > limit {
		problems = append(problems, fmt.Sprintf("ended after %v, want at once", took))
	}
	return problems
}

// run runs the process with a time limit, and sends it a signal after a delay;
// zero means neither. It returns the time that the process took.
func (b blocked) run(t *testing.T, program string, limit, signalAfter time.Duration) (took time.Duration, exit code, stderr string) {
	t.Helper()
	if limit > 0 {
		b.args = append(slices.Clone(b.args), "--timeout", limit.String())
	}
	p := exec.Command(program, b.args...)
	p.Env = environ(b.settings)
	var text bytes.Buffer
	p.Stdin, p.Stdout, p.Stderr = b.stdin, b.stdout, b.stderr
	if b.stderr == nil {
		p.Stderr = &text
	}
	start := time.Now()
	if err := p.Start(); err != nil {
		t.Error(err)
		return 0, exitFailure, ""
	}
	if signalAfter > 0 {
		timer := time.AfterFunc(signalAfter, func() { _ = p.Process.Signal(syscall.SIGTERM) })
		defer timer.Stop()
	}
	killer := time.AfterFunc(30*time.Second, func() { _ = p.Process.Kill() })
	defer killer.Stop()
	_ = p.Wait() // the exit code is checked by the caller
	return time.Since(start), code(p.ProcessState.ExitCode()), text.String()
}

// TestStalledDisk lets single calls stall, as on a disk that does not respond, with a time
// limit and without: the process ends, and its error names the file and has the code of
// its kind.
func TestStalledDisk(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	input := filepath.Join(dir, "input.json")
	if err := os.WriteFile(input, polisentest.Response(archivetest.Items(1000, 3, 0)...), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs := filepath.Join(dir, "inputs")
	if err := os.MkdirAll(filepath.Join(inputs, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(dir, "env")
	if err := os.WriteFile(env, []byte("LOG_LEVEL=info\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   string
		exit code
		args []string
	}{
		{"env-file " + env, exitFailure, []string{"version", "--env-file", env}},
		{"env-file " + env, exitFailure, []string{"collect", "--env-file", env, "--frobnicate"}},
		{"oci-config", exitStorage, []string{"verify", "--store", "oci:///bucket", "--oci-config", dir + "/oci-config"}},
		{"/api-calls", exitFailure, []string{"collect"}},
		{"read " + input, exitFailure, []string{"collect", "--api-url", input}},
		{"read " + input, exitFailure, []string{"backfill", "--input", input}},
		{"list " + inputs + "/old", exitFailure, []string{"backfill", "--input", inputs}},
		{"look for --input", exitFailure, []string{"backfill", "--input", input}},
		{"list of finished days", exitFailure, []string{"backfill", "--from", "2026-11-01", "--force", "--resume"}},
		{"standard output", exitFailure, []string{"version"}},
	} {
		for _, limit := range []string{"", "1s"} {
			if limit == "" && tt.at == "standard output" {
				continue // a person may read the output slowly
			}
			t.Run(strings.Join(tt.args[:1], " ")+" "+tt.at+" "+limit, func(t *testing.T) {
				t.Parallel()
				p := exec.Command(exe, tt.args...)
				p.Args[0] = stalling
				home := t.TempDir()
				p.Env = []string{"HOME=" + home, "STALL_AT=" + tt.at, "POLISEN_API_URL=http://127.0.0.1:1/", "POLISEN_MIN_INTERVAL=1ms"}
				if limit != "" {
					p.Env = append(p.Env, "POLISEN_TIMEOUT="+limit)
				}
				killer := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
				defer killer.Stop()
				output, _ := p.CombinedOutput() // the exit code is checked
				text := string(output)
				if got := code(p.ProcessState.ExitCode()); got != tt.exit || !strings.Contains(text, "it still waits to ") ||
					!strings.Contains(text, tt.at) || !strings.Contains(text, "check that") || strings.Count(text, "\n") != 1 {
					t.Errorf("exit code %d, want %d: %s", got, tt.exit, text)
				}
			})
		}
	}
}

// namedPipe returns the path of a named pipe that nobody writes to.
func namedPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, w
}

// fullPipe returns the end of a pipe to write to. The pipe is full.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	_, w := pipe(t)
	t.Cleanup(func() { w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 1} {
		for {
			if _, err := w.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	return w // a process gets it in blocking mode
}
