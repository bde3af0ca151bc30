package cmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
)

// collectTimeout is the default time limit of a collect. It is much shorter than
// the time until cron starts the next one.
const collectTimeout = 5 * time.Minute

// collectGCPercent lets the heap of a collect grow to 8 MB before the first garbage
// collection, which otherwise comes at 4 MB (https://go.dev/doc/gc-guide#GOGC). A run
// allocates some 5 MB, so it needs none. One would take a tenth of its CPU.
const collectGCPercent = 200

// setGCPercent sets the target percentage of garbage collections, unless the user has set
// it.
func (p Process) setGCPercent(percent int) {
	if _, set := p.Env("GOGC"); !set {
		debug.SetGCPercent(percent)
	}
}

// collectOptions are the flags of collect that are not settings.
type collectOptions struct {
	storeOptions
	filter
	fillGaps, timings bool
}

func newCollectCmd(p Process) *cobra.Command {
	var opts collectOptions
	const groups = config.APIGroup | config.ArchiveGroup | config.MonitoringGroup
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Fetch the newest events and store those that are new",
		Long: `Fetches the newest events from the API once and stores those that are not in the archive
yet. Run it from cron every 30 minutes. Each event is stored exactly once, even if runs are
killed, overlap, or work on several hosts at once.

A response covers five days or more. After a longer pause, in which events may have been
missed, runs also fetch the days of the pause, one by one, until the archive has them.

On a terminal it prints a one-line summary, elsewhere only warnings and errors; --output json
prints a report on stdout. If the API is stale, cuts its responses or changes its format, or if
events may be missing, each run ends with exit code 3. It prints that when it begins, and then
once a day.

All runs of a user on this host call the API at most every 10 s, 60 times an hour, 1,440 a day.`,
		Example: `  # collect into a local folder
  ` + program + ` collect --store ./archive --contact ops@example.org
  # show what a saved response would add to the archive
  ` + program + ` collect --store ./archive --api-url ./response.json --dry-run
  # collect into OCI Object Storage from an OCI instance
  ` + program + ` collect --store oci:///polisen-events --auth instance_principal
  # crontab
  7,37 * * * * /usr/local/bin/` + program + ` collect --env-file /etc/polisen.env`,
		Args:        noArgs,
		Annotations: endsWith(exitPartial, exitAPI, exitStorage, exitAccess, exitRateLimited),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, log, err := p.settings(cmd, groups)
			err = cmp.Or(err, checkMetricsFile(cmd.Context(), &s), checkStateDir(cmd.Context(), s))
			monitorOf(cmd.Context()).start(cmd.Context(), p, s, opts.dryRun, log)
			if err != nil {
				return err
			}
			return p.runCollect(cmd.Context(), s, opts, log)
		},
	}
	opts.storeOptions.bind(cmd.Flags(), "show what would be stored, but write nothing to the archive")
	opts.filter.bind(cmd.Flags())
	cmd.Flags().BoolVar(&opts.fillGaps, "fill-gaps", true, "fetch days missed in a pause; =false only records them")
	cmd.Flags().BoolVar(&opts.timings, "timings", false, "draw how long each part of the run took; not with --output json")
	config.Bind(cmd.Flags(), groups)
	return cmd
}

func (p Process) runCollect(ctx context.Context, s config.Settings, opts collectOptions, log *slog.Logger) error {
	if opts.timings && s.General.Output == config.JSON {
		return usagef("--timings draws a diagram and does not work with --output json, whose stages and api hold the times")
	}
	if err := opts.filter.check(); err != nil {
		return err
	}
	p.setGCPercent(collectGCPercent)
	limit := cmp.Or(s.Archive.Timeout, collectTimeout)
	ctx, cancel := withTimeout(ctx, limit)
	defer cancel()
	o := runOptions(ctx, "collect", s, opts.storeOptions, log)
	o.ReportTime = reportTime(limit)
	o.Saved, o.Query = s.API.URL.Path != "", opts.query()
	if o.Saved && (!o.Query.IsZero() || opts.retryNotFound) {
		return usagef("--location, --type and --retry-not-found are for the API, and --api-url is a saved response")
	}
	o.Filtered = hasFilters(s.API.URL) || !o.Query.IsZero()
	if !o.Saved {
		p.setAPI(&o, s)
	}
	source, err := p.newSource(polisen.Options{RetryNotFound: opts.retryNotFound}, s, log, o.Recorder)
	if err != nil {
		return err
	}
	if opts.fillGaps && !o.Saved && !o.Filtered {
		o.GapSource, err = p.newClient(polisen.Options{RetryNotFound: opts.retryNotFound, LeaveRoom: true}, s, log, o.Recorder)
		if err != nil {
			return err
		}
	}
	r, err := pipeline.Collect(ctx, o, source)
	logPrinted(err, log)
	monitorOf(ctx).setReport(r, source)
	err = errors.Join(err, p.printReport(r, s.General, log))
	if opts.timings {
		err = errors.Join(err, p.printTimings(r))
	}
	return err
}

// printTimings draws a diagram of the run's stages on stdout. Off a terminal it has 80
// columns.
func (p Process) printTimings(r report.Report) error {
	style := p.style(p.Stdout)
	style.Width = cmp.Or(style.Width, 80)
	_, err := io.WriteString(p.Stdout, r.Waterfall(style))
	return err
}
