package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/cmd"
	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// start runs fakecloud until the test ends, and returns its URL and env-file.
func start(t *testing.T, args ...string) (url, env string) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"--dir", dir}, args...), write)
		write.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run returned %v", err)
		}
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			t.Error("it still responds after run has returned")
		}
	})
	output := bufio.NewReader(read)
	for range 3 {
		line, err := output.ReadString('\n')
		if err != nil {
			t.Fatalf("run printed %q, %v", line, err)
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "curl "); ok {
			url = strings.TrimSuffix(rest, cloudtest.Browse)
		}
	}
	return url, filepath.Join(dir, "env")
}

// collect runs the command that fakecloud suggests, and returns its output. The command
// may warn that it begins the archive.
func collect(t *testing.T, env string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	exit := cmd.Main(cmd.Process{
		Args:   []string{"collect", "--env-file", env, "--output", "json"},
		Env:    func(string) (string, bool) { return "", false },
		Stdin:  strings.NewReader(""),
		Stdout: &stdout,
		Stderr: &stderr,
	})
	if exit != 0 || stderr.Len() > 0 && (strings.Count(stderr.String(), "\n") > 1 || !strings.Contains(stderr.String(), "began a new archive")) {
		t.Fatalf("exit code %d: %s", exit, stderr.String())
	}
	return stdout.String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v", url, resp.StatusCode, err)
	}
	return string(body)
}

func wantText(t *testing.T, name, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not contain %q:\n%s", name, part, text)
		}
	}
}

func TestCollect(t *testing.T) {
	url, env := start(t, "--new", "7")
	wantText(t, "the first report", collect(t, env), `"new": 500,`, `"store": "oci://`)
	wantText(t, "the second report", collect(t, env), `"new": 7,`, `"already_seen": 493,`)
	list := get(t, url+cloudtest.Browse)
	wantText(t, "the list", list, "metadata/last_seen.json\n", "metadata/last_run.json\n", "events/"+time.Now().AddDate(0, 0, -2).Format("2006/01/02")+"/events-")
	wantText(t, "the document", get(t, url+cloudtest.Browse+"metadata/last_seen.json"), `"seen_ids"`, `"total_tracked"`)
}

func TestResponsesInOrder(t *testing.T) {
	var args []string
	for _, name := range []string{"first", "second"} {
		file := filepath.Join(t.TempDir(), name)
		body := polisentest.Response(polisentest.Event(1, polisentest.Newest, polisentest.Summary(name)))
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--response", file)
	}
	_, env := start(t, args...)
	for i, want := range []string{`"new": 1,`, `"revised": 1,`, `"already_seen": 1,`} {
		wantText(t, []string{"the first report", "the second report", "the third report"}[i], collect(t, env), want)
	}
}

func TestHelp(t *testing.T) {
	var stdout strings.Builder
	if err := run(t.Context(), []string{"--help"}, &stdout); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("run returned %v", err)
	}
	wantText(t, "the help", stdout.String(), "usage: fakecloud --dir FOLDER", "-delay-put-document DURATION")
}

func TestWrongUsage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"loopback address": {"--dir", dir, "--listen", "0.0.0.0:0"},
		"--dir is missing": {},
		"unexpected argument": {
			"--dir", dir, "start",
		},
		"--new 501":               {"--dir", dir, "--new", "501"},
		"not defined: -frob":      {"--frob"},
		"no such file":            {"--dir", dir, "--response", filepath.Join(dir, "nothing")},
		"not a directory":         {"--dir", file},
		"missing port in address": {"--dir", dir, "--listen", "127.0.0.1"},
	} {
		var stdout strings.Builder
		err := run(t.Context(), args, &stdout)
		if stdout.Len() > 0 {
			t.Errorf("%q: printed %q", args, stdout.String())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}
