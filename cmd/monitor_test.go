package cmd

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/report"
)

// pingSecret is the path of all ping URLs in these tests.
const pingSecret = "0123456789-hunter2hunter3"

// pingService is a fake of a ping service.
type pingService struct {
	url    string
	answer http.HandlerFunc // nil means 200

	mu    sync.Mutex
	pings []string // the path below pingSecret and the body
}

func newPingService(t *testing.T) *pingService {
	s := new(pingService)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL + "/" + pingSecret
	return s
}

func (s *pingService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.pings = append(s.pings, strings.TrimPrefix(r.URL.Path, "/"+pingSecret)+" "+string(body))
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r)
	}
}

// all returns the pings so far, one a line.
func (s *pingService) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.pings, "\n")
}

// monitored returns the settings of a collect with all that monitors it. The API
// answers first as in the script. The archive has one event.
func monitored(t *testing.T, script ...polisentest.Answer) (vars map[string]string, service *pingService) {
	t.Helper()
	api := &polisentest.API{MinInterval: time.Millisecond}
	api.Script(script...)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	service = newPingService(t)
	dir := t.TempDir()
	vars = map[string]string{
		"HOME": dir, "POLISEN_STORE": filepath.Join(dir, "archive"), "POLISEN_API_URL": server.URL, "POLISEN_MIN_INTERVAL": "1ms",
		"POLISEN_METRICS_FILE": filepath.Join(dir, "polisen.prom"), "POLISEN_PING_URL": service.url, "POLISEN_MAX_LAG": "100000h",
	}
	// A saved response begins the archive without a warning.
	file := writeResponse(t, polisentest.Response(polisentest.Event(1, polisentest.Newest.AddDate(-1, 0, 0))))
	if exit, _, stderr := runWith([]string{"collect", "--api-url", file}, vars, strings.NewReader("")); exit != 0 || stderr != "" {
		t.Fatalf("exit code %d: %s", exit, stderr)
	}
	return vars, service
}

// readMetrics reads the metrics file of a run.
func readMetrics(t *testing.T, vars map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(vars["POLISEN_METRICS_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.ParseMetrics(text); err != nil {
		t.Error(err)
	}
	return string(text)
}

func expect(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: %q is missing in:\n%s", what, part, text)
		}
	}
}

// TestMonitoredRuns checks the pings, the metrics and the output of runs that end in
// each way.
func TestMonitoredRuns(t *testing.T) {
	rejected := polisentest.OK([]byte(`{"id":"x"}`), polisentest.Event(2, time.Now().Add(-time.Hour)))
	damaged := t.TempDir() // an archive whose document is a folder
	if err := os.MkdirAll(filepath.Join(damaged, "metadata", "last_seen.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		script  []polisentest.Answer
		vars    map[string]string
		exit    code
		ping    string // begins the last ping
		message string // a part of it
	}{
		"success":            {nil, nil, exitOK, " 500 events: 500 new", ""},
		"rejected items":     {[]polisentest.Answer{rejected}, nil, exitPartial, "/3 1 of 2 items rejected", "\n2 events: 1 new"},
		"the API fails":      {[]polisentest.Answer{polisentest.Status(403)}, nil, exitAPI, "/4 the API failed", "403"},
		"the store fails":    {nil, map[string]string{"POLISEN_STORE": damaged}, exitStorage, "/5 storage failed", ""},
		"no access":          {nil, map[string]string{"POLISEN_STORE": "/dev/null/archive"}, exitAccess, "/6 storage failed", ""},
		"no credentials":     {nil, map[string]string{"POLISEN_STORE": "oci://a/b", "OCI_CONFIG_FILE": "/missing"}, exitAccess, "/6 ", "/missing"},
		"an invalid setting": {nil, map[string]string{"POLISEN_TIMEOUT": "-1s"}, exitUsage, "/64 --timeout (POLISEN_TIMEOUT)", ""},
		"no answer in time":  {[]polisentest.Answer{{Delay: time.Hour}}, map[string]string{"POLISEN_TIMEOUT": "3s"}, exitAPI, "/4 ", "--timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars, service := monitored(t, test.script...)
			for name, value := range test.vars {
				vars[name] = value
			}
			exit, stdout, stderr := runWith([]string{"collect"}, vars, strings.NewReader(""))
			if exit != int(test.exit) || stdout != "" || test.exit == exitOK && stderr != "" {
				t.Fatalf("exit code %d, stdout %q, stderr %q", exit, stdout, stderr)
			}
			pings := strings.SplitN(service.all(), "\n", 2)
			if len(pings) != 2 || pings[0] != "/start " || !strings.HasPrefix(pings[1], test.ping) || !strings.Contains(pings[1], test.message) {
				t.Errorf("pings %q, want %q and %q", pings, test.ping, test.message)
			}
			text := readMetrics(t, vars)
			outcome := "failure"
			if test.exit == exitOK || test.exit == exitPartial {
				outcome = "success"
			}
			expect(t, "metrics", text, fmt.Sprintf("polisen_runs_total{outcome=%q} 1\n", outcome), fmt.Sprintf("polisen_last_run_exit_code %d\n", exit), "polisen_build_info{version=")
			if never := strings.Contains(text, "polisen_last_success_timestamp_seconds 0\n"); never == (outcome == "success") {
				t.Errorf("a %s, and the metrics:\n%s", outcome, text)
			}
		})
	}
}

// TestMetricsOfRateLimitedRun checks a run with exit code 8 after a success: the counters
// continue, and there are numbers of the calls that are left.
func TestMetricsOfRateLimitedRun(t *testing.T) {
	vars, service := monitored(t)
	delete(vars, "POLISEN_MIN_INTERVAL")
	vars["POLISEN_TIMEOUT"] = "5s"
	for _, want := range []code{exitOK, exitRateLimited} {
		if exit, _, stderr := runWith([]string{"collect"}, vars, strings.NewReader("")); exit != int(want) {
			t.Fatalf("exit code %d, want %d: %s", exit, want, stderr)
		}
	}
	expect(t, "pings", service.all(), "\n/8 ")
	expect(t, "metrics", readMetrics(t, vars), `polisen_runs_total{outcome="success"} 1`, `polisen_runs_total{outcome="failure"} 1`,
		`polisen_stored_total{kind="events"} 500`, `polisen_last_run_events{result="new"} 0`, `polisen_api_calls_left{span="hour"} 59`, `polisen_api_calls_left{span="day"} 1439`)
}

// TestUnusableMetricsFile checks that a run succeeds with one warning if its metrics file
// is damaged or cannot be written.
func TestUnusableMetricsFile(t *testing.T) {
	vars, service := monitored(t)
	file := vars["POLISEN_METRICS_FILE"]
	if err := os.WriteFile(file, []byte("not metrics"), 0o600); err != nil {
		t.Fatal(err)
	}
	collect := func(file, warning string) {
		t.Helper()
		vars["POLISEN_METRICS_FILE"] = file
		exit, _, stderr := runWith([]string{"collect"}, vars, strings.NewReader(""))
		if exit != 0 || strings.Count(stderr, "\n") != min(len(warning), 1) || !strings.Contains(stderr, warning) {
			t.Errorf("%s: exit code %d, %s", file, exit, stderr)
		}
		if pings := service.all(); !strings.Contains(pings[strings.LastIndex(pings, "/start"):], "\n 500 events") {
			t.Errorf("%s: pings %s", file, pings)
		}
	}
	collect(file, "begin again")
	collect(file, "")
	expect(t, "metrics", readMetrics(t, vars), `polisen_runs_total{outcome="success"} 2`)
	collect(filepath.Join(t.TempDir(), "missing", "file"), "the metrics file was not updated")
	collect(t.TempDir(), "the metrics file was not updated")
	collect("/dev/null", "the metrics file was not updated")
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Errorf("/dev/null: %v, %v", info, err)
	}
}

// TestUnmonitoredRuns checks that a dry run and a run with a saved response send no pings
// and write no metrics, and say so.
func TestUnmonitoredRuns(t *testing.T) {
	vars, service := monitored(t)
	vars["LOG_LEVEL"] = "info"
	for _, args := range [][]string{{"collect", "--dry-run"}, {"collect", "--api-url", writeResponse(t, polisentest.Response(polisentest.Event(2, time.Now())))}} {
		exit, _, stderr := runWith(args, vars, strings.NewReader(""))
		if exit != 0 || !strings.Contains(stderr, "have no effect") {
			t.Errorf("%q: exit code %d, %s", args, exit, stderr)
		}
	}
	if _, err := os.Stat(vars["POLISEN_METRICS_FILE"]); err == nil || service.all() != "" {
		t.Errorf("%v, pings %s", err, service.all())
	}
}

// TestPingFails checks that a ping service with a fault changes neither the exit code nor
// the archive, causes one warning, and that nothing shows the path of its URL.
func TestPingFails(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"404": http.NotFound,
		"500": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.Path, 500) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.org"+r.URL.Path, http.StatusFound)
		},
		"unknown": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "OK (not found)") },
		"silent":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"closed":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		for _, options := range [][]string{{"--log-level", "debug"}, {"--output", "json", "--log-format", "json"}} {
			t.Run(name+" "+options[0], func(t *testing.T) {
				t.Parallel()
				vars, service := monitored(t)
				service.answer = answer
				exit, stdout, stderr := runWith(append([]string{"collect"}, options...), vars, strings.NewReader(""))
				if exit != 0 || strings.Count(stderr, "was not reported") != 1 || !strings.Contains(stderr, "ping 127.0.0.1:") {
					t.Errorf("exit code %d: %s", exit, stderr)
				}
				shown := stdout + stderr + readMetrics(t, vars)
				for _, file := range []string{"last_run.json", "last_seen.json"} {
					body, err := os.ReadFile(filepath.Join(vars["POLISEN_STORE"], "metadata", file))
					if err != nil {
						t.Error(err)
					}
					shown += string(body)
				}
				if part := shows(shown, pingSecret); part != "" {
					t.Errorf("%q is shown:\n%s", part, shown)
				}
			})
		}
	}
}

// TestPingOfStoppedRun checks that a run which a signal ends pings its exit code.
func TestPingOfStoppedRun(t *testing.T) {
	vars, service := monitored(t, polisentest.Answer{Delay: time.Hour})
	p := exec.Command(buildProgram(t), "collect")
	p.Env = environ(vars)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for service.all() == "" { // the time limit of the tests ends the loop
		time.Sleep(time.Millisecond)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // the exit code is checked next
	if got := p.ProcessState.ExitCode(); got != int(exitSIGTERM) || service.all() != "/start \n/143 stopped by SIGTERM" {
		t.Errorf("exit code %d, pings %q", got, service.all())
	}
	expect(t, "metrics", readMetrics(t, vars), "polisen_last_run_exit_code 143", `polisen_runs_total{outcome="failure"} 1`)
}

// TestPingThroughProxy checks that a ping uses the proxy of the environment, which learns
// no more than the host.
func TestPingThroughProxy(t *testing.T) {
	vars, _ := monitored(t)
	requests := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Method + " " + r.RequestURI
		http.Error(w, r.RequestURI, http.StatusBadGateway)
	}))
	defer proxy.Close()
	vars["HTTPS_PROXY"], vars["POLISEN_PING_URL"] = proxy.URL, "https://ping.example.org/"+pingSecret
	p := exec.Command(buildProgram(t), "collect")
	p.Env = environ(vars)
	out, err := p.CombinedOutput()
	if err != nil || shows(string(out), pingSecret) != "" || !strings.Contains(string(out), "ping ping.example.org: ") {
		t.Errorf("%v: %s", err, out)
	}
	if got := <-requests; got != "CONNECT ping.example.org:443" {
		t.Errorf("the proxy got %s", got)
	}
}
