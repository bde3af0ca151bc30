package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
)

// probe starts the program of newProbe and waits until it is ready for signals.
func probe(t *testing.T, arg string) (cmd *exec.Cmd, stdout *bufio.Reader, stderr *strings.Builder) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends the process if no signal does
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, exe)
	cmd.Args = []string{signalledProbe, arg}
	stderr = &strings.Builder{}
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout = bufio.NewReader(pipe)
	expectLine(t, stdout, "ready")
	return cmd, stdout, stderr
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if line, err := r.ReadString('\n'); line != want+"\n" {
		t.Fatalf("got %q, %v, want %q", line, err, want)
	}
}

func TestSignalsEndTheRun(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		work   string
		name   string
		exit   int
	}{
		{syscall.SIGINT, "ok", "SIGINT", 130},
		{syscall.SIGINT, "fail", "SIGINT", 130},
		{syscall.SIGTERM, "ok", "SIGTERM", 143},
		{syscall.SIGTERM, "fail", "SIGTERM", 143},
	} {
		t.Run(tt.name+" "+tt.work, func(t *testing.T) {
			cmd, stdout, stderr := probe(t, tt.work)
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			expectLine(t, stdout, "cancelled: "+tt.name)
			_ = cmd.Wait() // the exit code is checked next
			if got := cmd.ProcessState.ExitCode(); got != tt.exit {
				t.Errorf("exit code %d, want %d", got, tt.exit)
			}
			if got, want := stderr.String(), program+": stopped by "+tt.name+"\n"; got != want {
				t.Errorf("stderr %q, want %q", got, want)
			}
		})
	}
}

// TestSignalInReport checks that the report of a run that a signal stopped has the
// exit code of the process.
func TestSignalInReport(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	run := runOptions(ctx, "collect", config.Settings{}, storeOptions{}, slog.New(slog.DiscardHandler))
	failure := fmt.Errorf("%w: put: cancelled", pipeline.ErrStore)
	if got := run.ExitCode(failure); got != int(exitStorage) {
		t.Errorf("before the signal: exit code %d", got)
	}
	cancel(caughtSignal{syscall.SIGTERM})
	if got := run.ExitCode(failure); got != int(exitSIGTERM) {
		t.Errorf("after the signal: exit code %d", got)
	}
}

func TestTimeout(t *testing.T) {
	ctx, cancel := withTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "--timeout") {
		t.Errorf("the cause is %v", err)
	}
}

// TestReportTime checks how long before its time limit the work of a run ends.
func TestReportTime(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		5 * time.Minute: 12 * time.Second,
		time.Minute:     12 * time.Second,
		3 * time.Second: 600 * time.Millisecond,
	} {
		if got := reportTime(limit); got != want {
			t.Errorf("limit %v: %v, want %v", limit, got, want)
		}
		ctx, cancel := withTimeout(t.Context(), limit)
		defer cancel()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) > limit-want {
			t.Errorf("limit %v: the work ends at %v", limit, end)
		}
	}
}

func TestSecondSignalKills(t *testing.T) {
	cmd, stdout, _ := probe(t, "stay")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	expectLine(t, stdout, "cancelled: SIGINT")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the signal is checked next
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want killed by SIGTERM", cmd.ProcessState)
	}
}

func TestSignalIsACancellation(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, ok := caught(ctx); ok {
		t.Error("caught reports a signal before there was one")
	}
	cancel(caughtSignal{syscall.SIGINT})
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		t.Errorf("%v is not context.Canceled", cause)
	}
	if sig, ok := caught(ctx); !ok || sig.code() != exitSIGINT {
		t.Errorf("got %v, %v", sig, ok)
	}
}
