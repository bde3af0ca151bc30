package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/ratelimit"
)

// The tests in this file start the test binary again, as a process that calls a
// fake API. These environment variables are its settings.
const (
	envURL   = "RATELIMIT_TEST_URL"
	envDir   = "RATELIMIT_TEST_DIR"
	envTimes = "RATELIMIT_TEST_TIMES"
)

const interval = 300 * time.Millisecond

func TestMain(m *testing.M) {
	if os.Getenv(envURL) == "" {
		os.Exit(m.Run())
	}
	if err := callInProcess(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// callInProcess calls until it has had envTimes answers.
func callInProcess() error {
	times, err := strconv.Atoi(os.Getenv(envTimes))
	if err != nil {
		return err
	}
	l := processLimiter(os.Getenv(envDir))
	for times > 0 {
		if _, err := get(context.Background(), l, os.Getenv(envURL), nil); err == nil {
			times--
		} else if errors.Is(err, ratelimit.ErrExceeded) {
			return err
		}
	}
	return nil
}

func processLimiter(dir string) *ratelimit.Limiter {
	return ratelimit.New(ratelimit.Options{Dir: dir, Host: "api", Interval: interval})
}

// start starts a process that calls url this many times. The buffer gets its output.
func start(t *testing.T, url, dir string, times int) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, output := exec.CommandContext(t.Context(), exe), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = append(os.Environ(), envURL+"="+url, envDir+"="+dir, envTimes+"="+strconv.Itoa(times))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, output
}

func TestProcessesShareTheLimits(t *testing.T) {
	api := &polisentest.API{Default: empty, MinInterval: interval}
	api.Script(polisentest.Answer{Reset: true}) // a call without an answer counts too
	server := httptest.NewServer(api)
	defer server.Close()
	dir := t.TempDir()
	first, firstOutput := start(t, server.URL, dir, 3)
	second, secondOutput := start(t, server.URL, dir, 3)
	if err := errors.Join(first.Wait(), second.Wait()); err != nil {
		t.Errorf("%v\n%s%s", err, firstOutput, secondOutput)
	}
	if n, b := len(api.Calls()), api.Breaches(); n != 7 || len(b) > 0 {
		t.Errorf("%d calls, want 7; breaches: %q", n, b)
	}
}

func TestKilledProcessFreesTheLock(t *testing.T) {
	api := &polisentest.API{Default: empty, MinInterval: interval}
	api.Script(polisentest.Answer{Delay: time.Hour})
	server := httptest.NewServer(api)
	defer server.Close()
	dir := t.TempDir()
	waiting, _ := start(t, server.URL, dir, 1)
	for len(api.Calls()) == 0 {
		time.Sleep(time.Millisecond)
	}

	l := processLimiter(dir)
	ctx, cancel := context.WithTimeout(t.Context(), interval/3)
	defer cancel()
	if _, err := get(ctx, l, server.URL, nil); !errors.Is(err, ratelimit.ErrExceeded) || !errors.Is(err, context.DeadlineExceeded) || len(api.Calls()) != 1 {
		t.Errorf("during another process's call: %d calls, %v; want ErrExceeded", len(api.Calls()), err)
	}

	if err := waiting.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = waiting.Wait() // its error says that it was killed
	if _, err := get(t.Context(), l, server.URL, nil); err != nil {
		t.Error(err)
	}
	if n, b := len(api.Calls()), api.Breaches(); n != 2 || len(b) > 0 {
		t.Errorf("%d calls, want 2; breaches: %q", n, b)
	}
}
