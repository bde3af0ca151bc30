package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

func TestExitCode(t *testing.T) {
	tests := []struct {
		err  error
		want code
	}{
		{nil, 0},
		{io.ErrUnexpectedEOF, 1},
		{context.DeadlineExceeded, 1},
		{usagef("no such flag"), 64},
		{config.Problems{errors.New("wrong")}, 64},
		{store.ErrAccess, 6},
		{errors.Join(io.ErrUnexpectedEOF, store.ErrAccess), 6},
		{ociauth.ErrCredentials, 6},
		{errors.Join(ociauth.ErrCredentials, &ociclient.Error{Status: 401}), 6},
		{errors.Join(ociauth.ErrCredentials, &ociclient.Error{Status: 503}), 5},
		{errors.Join(ociauth.ErrCredentials, context.DeadlineExceeded), 5},
		{errors.Join(ociauth.ErrCredentials, syscall.EMFILE), 5},
		{polisen.ErrSettings, 64},
		{ratelimit.ErrExceeded, 8},
		{pipeline.ErrAPI, 4},
		{pipeline.ErrStore, 5},
		{&pipeline.PartialError{Reasons: []string{"one of two"}}, 3},
		{verify.ErrFindings, 7},
		{status.ErrNotFound, 7},
		{status.ErrUnhealthy, 7},
		// causes that a person has to remove come before their effects
		{errors.Join(pipeline.ErrAPI, pipeline.ErrStore), 5},
		{errors.Join(pipeline.ErrStore, store.ErrAccess), 6},
		{errors.Join(pipeline.ErrStore, ociauth.ErrCredentials), 6},
		{errors.Join(pipeline.ErrAPI, ociauth.ErrCredentials), 6},
		{errors.Join(ratelimit.ErrExceeded, pipeline.ErrStore), 5},
		{errors.Join(&pipeline.PartialError{Reasons: []string{"x"}}, pipeline.ErrStore), 5},
	}
	for _, tt := range tests {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("exitCode(%v) = %d, want %d", tt.err, got, tt.want)
		}
		if tt.err == nil {
			continue
		}
		if got := exitCode(fmt.Errorf("collect: %w", tt.err)); got != tt.want {
			t.Errorf("exitCode(%v), wrapped, = %d, want %d", tt.err, got, tt.want)
		}
	}
}

// TestExitMeanings keeps the numbers, since scripts rely on them.
func TestExitMeanings(t *testing.T) {
	var got []code
	for _, m := range exitMeanings() {
		got = append(got, m.code)
		if m.name() == "" || m.name() == m.meaning {
			t.Errorf("%d: want a name and a meaning, got %q", m.code, m.meaning)
		}
	}
	if want := []code{0, 1, 3, 4, 5, 6, 7, 8, 64, 130, 143}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrorLines(t *testing.T) {
	tests := map[string]struct {
		args   []string
		env    []string
		stderr string
	}{
		"usage": {
			args: []string{"version", "x"},
			stderr: "polisen-events-collector: unexpected argument \"x\"\n" +
				"polisen-events-collector: see 'polisen-events-collector version --help'\n",
		},
		"settings": {
			args: []string{"version", "--output", "x"}, env: []string{"LOG_LEVEL", "y"},
			stderr: "polisen-events-collector: --log-level (LOG_LEVEL): invalid value \"y\" from the environment: not one of debug, info, warn, error; for example info\n" +
				"polisen-events-collector: --output: invalid value \"x\" from the command line: not one of text, json; for example json\n" +
				"polisen-events-collector: see 'polisen-events-collector version --help'\n",
		},
		"JSON": {
			args: []string{"version", "x<"}, env: []string{"LOG_FORMAT", "json"},
			stderr: `{"error":"unexpected argument \"x\u003c\"","exit_code":64}` + "\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			exit, stdout, stderr := run(t, tt.args, tt.env...)
			if exit != 64 || stdout != "" || stderr != tt.stderr {
				t.Errorf("exit code %d, stdout %q, stderr\n%s\nwant 64, nothing and\n%s", exit, stdout, stderr, tt.stderr)
			}
		})
	}
}

func TestErrorsStayOnOneLine(t *testing.T) {
	var out strings.Builder
	p := Process{Stderr: &out, Env: func(string) (string, bool) { return "", false }}
	hostile := errors.New("server said \"\x1b[2J\r\x00\u009b\"")
	p.printError(config.Text, newRoot(p), errors.Join(io.ErrUnexpectedEOF, hostile), exitFailure)
	if got, want := out.String(), "polisen-events-collector: unexpected EOF; server said \"\\x1b[2J\\r\\x00\\x9b\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
