package cmd

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/store"
)

// newRun returns the options of a run of a command that stores events.
func (p Process) newRun(ctx context.Context, command string, s config.Settings, log *slog.Logger) pipeline.Options {
	rec := report.NewRecorder(time.Now)
	host, _ := os.Hostname() // a run without a name is a run all the same
	return pipeline.Options{
		Report: report.Report{
			RunID:   rand.Text(),
			Command: command,
			Program: readBuild().Version,
			Host:    host,
			Store:   s.Archive.Store.String(),
			Source:  origin(s.API.URL),
		},
		Recorder: rec,
		Clock:    retry.System,
		Flags:    s.Archive.Flags,
		Alert:    alert(log, rec),
		OpenStore: func(ctx context.Context) (store.Store, error) {
			return openStore(ctx, s.Archive, log, rec)
		},
		ExitCode: func(err error) int {
			if sig, ok := caught(ctx); ok {
				return int(sig.code())
			}
			return int(exitCode(err))
		},
	}
}

// alert tells of what somebody has to see to even if the run goes well, at once
// and in the report.
func alert(log *slog.Logger, rec *report.Recorder) func(text string) {
	return func(text string) {
		log.Warn(text)
		rec.Told(text)
	}
}

// withTimeout bounds a run's time; zero is no bound.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("the time for the whole run is over, which is %v (--timeout): %w", d, context.DeadlineExceeded))
}

// newSource returns the source of one response: the API, or the saved response
// that --api-url names.
func (p Process) newSource(o polisen.Options, s config.Settings, log *slog.Logger, rec *report.Recorder) (pipeline.Source, error) {
	if path := s.API.URL.Path; path != "" {
		return saved.Source{Path: path, Now: retry.System.Now}, nil
	}
	return p.newClient(o, s, log, rec)
}

// newClient returns a client of the API. It sets those options that the
// settings decide.
func (p Process) newClient(o polisen.Options, s config.Settings, log *slog.Logger, rec *report.Recorder) (*polisen.Client, error) {
	o.URL = s.API.URL.URL
	o.UserAgent = s.API.UserAgent
	o.StateDir = s.API.StateDir
	o.MinInterval = s.API.MinInterval
	o.OnWait = func(d time.Duration, why string) {
		if p.interactive(s.General) {
			fmt.Fprintf(p.Stderr, "%s: waiting %v: %s\n", program, d.Round(time.Second), why)
		} else {
			log.Info("waiting before a call to the API", "for", d, "reason", why)
		}
	}
	o.OnWarning = alert(log, rec)
	return polisen.NewClient(o)
}

// interactive reports whether somebody watches: stderr is a terminal, and
// --quiet is off.
func (p Process) interactive(s config.General) bool { return !s.Quiet && isTerminal(p.Stderr) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printReport tells of a finished run: its report with --output json, else a
// summary to whoever watches. Warnings are part of both; elsewhere they are
// diagnostics, of level info after a run that went well, since that is silent,
// less those that alert has told of.
func (p Process) printReport(r report.Report, rec *report.Recorder, s config.General, log *slog.Logger) error {
	if s.Output == config.JSON {
		body, err := r.JSON()
		if err == nil {
			_, err = p.Stdout.Write(body)
		}
		return err
	}
	watched := p.interactive(s)
	for _, warning := range rec.Untold() {
		switch {
		case watched:
			fmt.Fprintf(p.Stderr, "%s: %s\n", program, warning)
		case r.OK:
			log.Info(warning)
		default:
			log.Warn(warning)
		}
	}
	if r.DryRun {
		return printDryRun(p.Stdout, r)
	}
	if finished(r) && !s.Quiet && isTerminal(p.Stdout) {
		fmt.Fprintln(p.Stdout, r.Summary())
	}
	return nil
}

// finished reports whether a run did all it could, be it only in part.
func finished(r report.Report) bool { return r.OK || r.ExitCode == int(exitPartial) }

// printDryRun says what a run would have stored: that is its result, so it is
// printed wherever it goes.
func printDryRun(w io.Writer, r report.Report) error {
	for _, object := range r.Objects {
		fmt.Fprintf(w, "would store %d lines, %d bytes in %s\n", object.Lines, object.Bytes, object.Name)
	}
	_, err := fmt.Fprintln(w, r.Summary())
	return err
}

// origin names where responses come from: a URL or a path.
func origin(u config.APIURL) string {
	if u.Path != "" {
		return u.Path
	}
	return u.URL
}
