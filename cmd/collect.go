package cmd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
)

// collectTimeout ends a run long before cron starts the next.
const collectTimeout = 5 * time.Minute

type collectOptions struct {
	dryRun        bool
	revisions     bool
	retryNotFound bool
}

func newCollectCmd(p Process) *cobra.Command {
	var opts collectOptions
	const groups = config.APIGroup | config.ArchiveGroup
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Fetch the API once and store what is new",
		Long: `Fetches the events API once, drops the events that are in the archive already, and
stores the rest, each under its own date. Run it from cron every 30 minutes. It may
be killed, overlap with other runs, or run on several hosts at once: each event is
stored exactly once all the same.

On a terminal a summary line is printed; elsewhere a run that went well prints
nothing, unless --output json asks for its report as one JSON document on stdout.
Diagnostics go to stderr. The API is called at most every 10 seconds, 60 times an
hour and 1440 times a day by all runs of this host together.`,
		Example: `  # into a local folder
  ` + program + ` collect --store ./archive --contact ops@example.org
  # what would be stored, from a saved response and without a call to the API
  ` + program + ` collect --store ./archive --api-url ./response.json --dry-run
  # into OCI Object Storage, signing as the instance this runs on
  ` + program + ` collect --store oci:///polisen-events --auth instance_principal
  # crontab
  7,37 * * * * /usr/local/bin/` + program + ` collect --env-file /etc/` + program + `/env`,
		Args:        noArgs,
		Annotations: endsWith(exitPartial, exitAPI, exitStorage, exitAccess, exitRateLimited),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, log, err := p.settings(cmd, groups)
			if err != nil {
				return err
			}
			return runCollect(cmd.Context(), p, s, opts, log)
		},
	}
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "show what would be stored, and write nothing")
	cmd.Flags().BoolVar(&opts.revisions, "revisions", true, "store changed versions of known events under revisions/")
	cmd.Flags().BoolVar(&opts.retryNotFound, "retry-not-found", false,
		"call an API URL that answered 404 before, which the API's rules count as permanent")
	config.Bind(cmd.Flags(), groups)
	return cmd
}

// runCollect does one cycle.
func runCollect(ctx context.Context, p Process, s config.Settings, opts collectOptions, log *slog.Logger) error {
	ctx, cancel := withTimeout(ctx, cmp.Or(s.Archive.Timeout, collectTimeout))
	defer cancel()
	run := p.newRun(ctx, "collect", s, log)
	run.DryRun, run.Revisions = opts.dryRun, opts.revisions
	source, err := p.newSource(polisen.Options{RetryNotFound: opts.retryNotFound}, s, log, run.Recorder)
	if err != nil {
		return err
	}
	r, err := pipeline.Collect(ctx, run, source)
	return errors.Join(err, p.printReport(r, run.Recorder, s.General, log))
}
