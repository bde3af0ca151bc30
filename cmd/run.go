package cmd

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

// maxReportTime is the longest time that a run leaves for its report.
const maxReportTime = 12 * time.Second

// reportTime returns the part of the time limit d that is left for the report of
// the run: at most a fifth, and at most maxReportTime.
func reportTime(d time.Duration) time.Duration { return min(d/5, maxReportTime) }

// withTimeout returns the context for the work of a run, and sets the time limit d
// of the process, which began with the process; zero means no limit. The context
// ends before the limit, to leave time for the report. Its cause then names
// --timeout and wraps context.DeadlineExceeded.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	w := watchdogOf(ctx)
	w.limit(d)
	work := d - reportTime(d)
	return context.WithDeadlineCause(ctx, w.start.Add(work),
		fmt.Errorf("the run used up the %v for its work (--timeout %v): %w", work, d, context.DeadlineExceeded))
}

// storeOptions are the flags of collect and backfill that are not settings.
type storeOptions struct{ dryRun, revisions, retryNotFound, acceptArchive bool }

// bind defines the flags. dryRun is the help text of --dry-run.
func (o *storeOptions) bind(flags *pflag.FlagSet, dryRun string) {
	flags.BoolVar(&o.dryRun, "dry-run", false, dryRun)
	flags.BoolVar(&o.revisions, "revisions", true, "store changed versions of stored events under revisions/")
	flags.BoolVar(&o.retryNotFound, "retry-not-found", false, "call the API even if this URL returned 404 before")
	flags.BoolVar(&o.acceptArchive, "accept-archive", false, "go on although the archive is empty, or older than this host remembers")
}

// runOptions returns the options of a run of collect or backfill.
func runOptions(ctx context.Context, command string, s config.Settings, opts storeOptions, log *slog.Logger) pipeline.Options {
	rec := report.NewRecorder(time.Now)
	machine, _ := os.Hostname() // empty if the system reports none
	return pipeline.Options{
		Report: report.Report{
			RunID:   rand.Text(),
			Command: command,
			Program: readBuild().Version,
			Host:    cmp.Or(s.API.Host, machine, "localhost"),
			Store:   s.Archive.Store.String(),
			Source:  origin(s.API.URL),
		},
		Recorder: rec,
		Clock:    retry.System,
		OpenStore: func(ctx context.Context) (store.Store, error) {
			return openStore(ctx, s.Archive, log, rec)
		},
		Command:       suggestedCommand(s),
		DryRun:        opts.dryRun,
		Revisions:     opts.revisions,
		AcceptArchive: opts.acceptArchive,
		HostState:     pipeline.NewHostState(s.API.StateDir).ReadOnly(), // setAPI replaces it
		ExitCode: func(err error) int {
			if sig, ok := caught(ctx); ok {
				return int(sig.code())
			}
			return int(exitCode(err))
		},
	}
}

// setAPI sets the options of a run that calls the API.
func (p Process) setAPI(o *pipeline.Options, s config.Settings) {
	o.MaxLag = s.API.MaxLag
	o.HostState = pipeline.NewHostState(s.API.StateDir)
	o.NoContact = isPolisen(s.API.URL.URL) && !s.API.Contact
	o.PrintAlarms = isTerminal(p.Stderr) || s.General.Output == config.JSON || s.General.LogFormat == config.JSON
}

// isPolisen reports whether the URL is that of the API of the Swedish police, whose
// rules ask for a contact.
func isPolisen(api string) bool {
	u, err := url.Parse(api)
	return err == nil && (u.Hostname() == "polisen.se" || strings.HasSuffix(u.Hostname(), ".polisen.se"))
}

// origin returns the URL or the path that responses come from. It leaves out the query
// of the URL, which may hold a secret.
func origin(u config.APIURL) string {
	if u.Path != "" {
		return u.Path
	}
	if before, _, ok := strings.Cut(u.URL, "?"); ok {
		return before + "?..."
	}
	return u.URL
}

// newSource returns the source of one response: the API, or the saved response
// that --api-url names.
func (p Process) newSource(o polisen.Options, s config.Settings, log *slog.Logger, rec *report.Recorder) (pipeline.Source, error) {
	if path := s.API.URL.Path; path != "" {
		return saved.Source{Path: path, Now: retry.System.Now}, nil
	}
	return p.newClient(o, s, log, rec)
}

// newClient returns a client of the API with the options o, in which it sets the
// fields that come from the settings.
func (p Process) newClient(o polisen.Options, s config.Settings, log *slog.Logger, rec *report.Recorder) (*polisen.Client, error) {
	o.URL = s.API.URL.URL
	o.UserAgent = s.API.UserAgent
	o.StateDir = s.API.StateDir
	o.MinInterval = s.API.MinInterval
	if o.OnWait == nil {
		o.OnWait = func(d time.Duration, why string) { p.printWait(s.General, log, d, why) }
	}
	o.OnWarning = func(warning string) { rec.Warn(slog.LevelWarn, "%s", warning) }
	return polisen.NewClient(o)
}

// printWait prints, on a terminal, or logs at level info that a run waits before a call to
// the API.
func (p Process) printWait(s config.General, log *slog.Logger, d time.Duration, why string) {
	if p.interactive(s) {
		fmt.Fprintf(p.Stderr, "%s: waiting %v: %s\n", program, d.Round(time.Second), text.Clean(why))
	} else {
		log.Info("waiting before a call to the API", "for", d, "reason", why)
	}
}

// printReport prints the result of a run: with --output json the report, for a dry run
// the objects it would store, and, if the run succeeded, a summary after a dry run and on a
// terminal. If it prints no summary of a successful run, it logs it, unless --quiet is set.
func (p Process) printReport(r report.Report, s config.General, log *slog.Logger) error {
	p.printWarnings(r.Warnings, s, log)
	printed := false
	err := p.printResult(s, r, func(w io.Writer) error {
		if r.DryRun {
			for _, object := range r.Objects {
				fmt.Fprintf(w, "would store %s, %d bytes in %s\n", text.Count(object.Lines, "line"), object.Bytes, object.Name)
			}
		}
		if !r.Succeeded() || s.Quiet || !r.DryRun && !isTerminal(w) {
			return nil
		}
		printed = true
		_, err := fmt.Fprintln(w, r.Summary())
		return err
	})
	if r.Succeeded() && !printed && !s.Quiet {
		log.Info(r.Summary())
	}
	return err
}

// logPrinted logs the reasons of a partial error that were printed before, at level
// info.
func logPrinted(err error, log *slog.Logger) {
	if partial, ok := errors.AsType[*pipeline.PartialError](err); ok {
		for _, reason := range partial.Printed {
			log.Info(reason)
		}
	}
}

// printWarnings prints warnings on stderr. On a terminal it prints all of them as plain
// text. Elsewhere, and with --output json, it logs them, so that the log level selects the
// ones to print.
func (p Process) printWarnings(warnings []report.Warning, s config.General, log *slog.Logger) {
	for _, w := range warnings {
		if p.interactive(s) && s.Output != config.JSON {
			fmt.Fprintf(p.Stderr, "%s: %s\n", program, text.Clean(w.Text))
		} else {
			log.Log(context.Background(), w.Level, w.Text)
		}
	}
}
