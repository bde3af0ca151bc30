package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
)

// buildProgram builds the program and returns its path.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// command is a collect with these settings and no others.
func command(program string, settings map[string]string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	var stderr bytes.Buffer
	c := exec.Command(program, append([]string{"collect"}, args...)...)
	for name, value := range settings {
		c.Env = append(c.Env, name+"="+value)
	}
	c.Stderr = &stderr
	return c, &stderr
}

func collect(t *testing.T, program string, settings map[string]string, args ...string) {
	t.Helper()
	if c, stderr := command(program, settings, args...); c.Run() != nil {
		t.Fatalf("%v: %s", c.ProcessState, stderr)
	}
}

func responseFile(name string) string { return filepath.Join("..", "testdata", "responses", name) }

// audit checks that the archive holds what the sample responses up to
// second.json show, once each.
func audit(t *testing.T, s store.Reader) {
	t.Helper()
	c := archivetest.Read(t, s)
	if len(c.Events) != 14 || len(c.Revisions) != 1 || len(c.Problems) > 0 {
		t.Fatalf("%d events, revisions %v, problems %q", len(c.Events), c.Revisions, c.Problems)
	}
}

// TestKilledAtEveryRequest kills the program with SIGKILL at each of its
// requests, to the API and to the bucket, once before the request has an
// effect and once after it, lets a clean run follow, and finds all events once.
func TestKilledAtEveryRequest(t *testing.T) {
	program := buildProgram(t)
	body, err := os.ReadFile(responseFile("second.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []bool{true, false} {
		for k := 1; ; k++ {
			survived := false
			for _, effect := range []bool{false, true} {
				t.Run(fmt.Sprintf("first=%v/request=%d/effect=%v", first, k, effect), func(t *testing.T) {
					cloud, err := cloudtest.Start(t.TempDir(), "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					defer cloud.Close()
					settings := cloud.Settings()
					if !first {
						collect(t, program, settings, "--api-url", responseFile("first.json"))
					}
					cloud.API.Default = func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: body} }
					survived = runAndKill(t, cloud, program, k, effect)
					if first { // the second response alone lacks two of the first's events
						collect(t, program, settings, "--api-url", responseFile("first.json"))
					}
					collect(t, program, settings)
					s, err := cloud.Store(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					audit(t, s)
				})
				if t.Failed() {
					return
				}
			}
			if survived {
				if k < 6 {
					t.Fatalf("a run makes only %d requests", k-1)
				}
				break
			}
		}
	}
}

// runAndKill runs the program and kills it at its k-th request. It reports
// whether the run made fewer.
func runAndKill(t *testing.T, cloud *cloudtest.Cloud, program string, k int, effect bool) (survived bool) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	c, stderr := command(program, cloud.Settings())
	cloud.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		mu.Lock()
		n++
		strike, dead := n == k, n > k
		mu.Unlock()
		if strike && effect {
			serve(httptest.NewRecorder(), r)
		}
		if strike {
			mu.Lock() // only once Start has returned there is a process to kill
			_ = c.Process.Kill()
			mu.Unlock()
		}
		if strike || dead { // a request sent beside the fatal one may be lost or not; here it is
			panic(http.ErrAbortHandler)
		}
		serve(w, r)
	})
	defer cloud.SetIntercept(nil)
	mu.Lock()
	err := c.Start()
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	err = c.Wait()
	mu.Lock()
	defer mu.Unlock()
	if err == nil && n >= k {
		t.Fatalf("killed at request %d of %d, the program ended well", k, n)
	}
	if err != nil && n < k {
		t.Fatalf("%v: %s", err, stderr)
	}
	return n < k
}

// TestKilledAtAnyTime is the same for a folder, where the moments are times
// after the start.
func TestKilledAtAnyTime(t *testing.T) {
	program := buildProgram(t)
	killed := 0
	for delay := time.Duration(0); delay < 24*time.Millisecond; delay += 400 * time.Microsecond {
		dir := t.TempDir()
		settings := map[string]string{"POLISEN_STORE": filepath.Join(dir, "archive"), "POLISEN_STATE_DIR": dir}
		collect(t, program, settings, "--api-url", responseFile("first.json"))
		c, stderr := command(program, settings, "--api-url", responseFile("second.json"))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = c.Process.Kill()
		if c.Wait() != nil {
			killed++
		}
		if stderr.Len() > 0 {
			t.Fatalf("killed after %v: %s", delay, stderr)
		}
		collect(t, program, settings, "--api-url", responseFile("second.json"))
		s, err := dirstore.Open(filepath.Join(dir, "archive"))
		if err != nil {
			t.Fatal(err)
		}
		audit(t, s)
	}
	if killed == 0 {
		t.Error("no run was killed before its end")
	}
}

// TestOverlap runs the program eight times at once, each with a response of
// its own, over each kind of store, and finds each event once.
func TestOverlap(t *testing.T) {
	program := buildProgram(t)
	dir := t.TempDir()
	const runs = 8
	all := map[int64]bool{}
	for i := range runs {
		var items [][]byte
		for j := range 40 {
			id := int64(1000 + 15*i + j)
			all[id] = true
			items = append(items, polisentest.Notice(id, polisentest.Newest.AddDate(0, 0, -int(id)%5)))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), polisentest.Response(items...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	overlap := func(t *testing.T, settings map[string]string, s store.Reader) {
		for range 3 { // into an empty archive, and into one that holds everything
			var wg sync.WaitGroup
			for i := range runs {
				wg.Go(func() {
					c, stderr := command(program, settings, "--api-url", filepath.Join(dir, fmt.Sprint(i)))
					err := c.Run()
					failed, _ := errors.AsType[*exec.ExitError](err)
					clear := strings.Count(stderr.String(), "\n") == 1 && strings.HasPrefix(stderr.String(), "polisen-events-collector: ")
					if err != nil && (failed == nil || !clear) {
						t.Errorf("run %d: %v: %s", i, err, stderr)
					}
					if err == nil && stderr.Len() > 0 {
						t.Errorf("run %d went well but says %s", i, stderr)
					}
				})
			}
			wg.Wait()
			c := archivetest.Read(t, s)
			if len(c.Problems) > 0 {
				t.Fatal(c.Problems)
			}
			if stored := slices.Sorted(maps.Keys(c.Events)); !slices.Equal(stored, slices.Sorted(maps.Keys(all))) {
				t.Fatalf("%d events, want %d", len(stored), len(all))
			}
		}
	}
	t.Run("folder", func(t *testing.T) {
		folder := t.TempDir()
		s, err := dirstore.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		overlap(t, map[string]string{"POLISEN_STORE": folder, "POLISEN_STATE_DIR": t.TempDir()}, s)
	})
	t.Run("bucket", func(t *testing.T) {
		cloud, err := cloudtest.Start(t.TempDir(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer cloud.Close()
		s, err := cloud.Store(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		overlap(t, cloud.Settings(), s)
	})
}
