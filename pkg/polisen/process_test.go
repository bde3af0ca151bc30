package polisen_test

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

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// These tests run the test binary again, as processes that fetch.
const (
	envURL   = "POLISENTEST_URL"
	envState = "POLISENTEST_STATE"
	envTimes = "POLISENTEST_TIMES"
	interval = 300 * time.Millisecond
)

func TestMain(m *testing.M) {
	if os.Getenv(envURL) == "" {
		os.Exit(m.Run())
	}
	if err := fetchInProcess(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fetchInProcess() error {
	times, err := strconv.Atoi(os.Getenv(envTimes))
	if err != nil {
		return err
	}
	c, err := polisen.NewClient(processOptions(os.Getenv(envURL), os.Getenv(envState)))
	if err != nil {
		return err
	}
	for range times {
		if _, err := c.Fetch(context.Background(), polisen.Query{}); err != nil {
			return err
		}
	}
	return nil
}

func processOptions(url, state string) polisen.Options {
	return polisen.Options{URL: url, UserAgent: agent, StateDir: state, MinInterval: interval}
}

// start begins a process that fetches. Its output is for when it fails.
func start(t *testing.T, url, state string, times int) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, output := exec.CommandContext(t.Context(), exe), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Env = append(os.Environ(), envURL+"="+url, envState+"="+state, envTimes+"="+strconv.Itoa(times))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, output
}

func TestProcessesShareALedger(t *testing.T) {
	api := &polisentest.API{Default: small, MinInterval: interval}
	api.Script(polisentest.Answer{Reset: true}) // a retry is a call among the others
	server := httptest.NewServer(api)
	defer server.Close()
	state := t.TempDir()
	first, firstOutput := start(t, server.URL, state, 3)
	second, secondOutput := start(t, server.URL, state, 3)
	if err := errors.Join(first.Wait(), second.Wait()); err != nil {
		t.Errorf("%v\n%s%s", err, firstOutput, secondOutput)
	}
	if n, b := len(api.Calls()), api.Breaches(); n != 7 || len(b) > 0 {
		t.Errorf("%d calls, want 7, which broke the API's rules: %q", n, b)
	}
}

func TestKilledProcessFreesTheLedger(t *testing.T) {
	api := &polisentest.API{Default: small, MinInterval: interval}
	api.Script(polisentest.Answer{Delay: time.Hour})
	server := httptest.NewServer(api)
	defer server.Close()
	state := t.TempDir()
	hanging, _ := start(t, server.URL, state, 1)
	for len(api.Calls()) == 0 {
		time.Sleep(time.Millisecond)
	}

	c := newClient(t, processOptions(server.URL, state))
	ctx, cancel := context.WithTimeout(t.Context(), interval/3)
	defer cancel()
	r, err := c.Fetch(ctx, polisen.Query{})
	if !errors.Is(err, polisen.ErrRefused) || !errors.Is(err, context.DeadlineExceeded) || r.Calls != 0 {
		t.Errorf("during another's call: %d calls, %v; want it refused", r.Calls, err)
	}

	if err := hanging.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = hanging.Wait() // killed, as it says
	if _, err := c.Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Error(err)
	}
	if n, b := len(api.Calls()), api.Breaches(); n != 2 || len(b) > 0 {
		t.Errorf("%d calls, want 2, which broke the API's rules: %q", n, b)
	}
}
