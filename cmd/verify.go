package cmd

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/verify"
)

type verifyOptions struct {
	from, to    string
	concurrency int
	quick       bool
	maxAge      time.Duration
	repair      repairMode
	dryRun      bool
}

// repairMode is the value of --repair: empty if the flag is not given.
type repairMode string

const (
	repairDocument   repairMode = "document"
	repairDuplicates repairMode = "duplicates"
)

// Choices returns the values for completion in a shell.
func (m *repairMode) Choices() []string {
	return []string{string(repairDocument), string(repairDuplicates)}
}

// Set, String and Type make it a pflag.Value.
func (m *repairMode) Set(text string) error {
	if *m = repairMode(text); *m != repairDocument && *m != repairDuplicates {
		return fmt.Errorf("not one of %s, %s", repairDocument, repairDuplicates)
	}
	return nil
}

func (m *repairMode) String() string { return string(*m) }
func (m *repairMode) Type() string   { return "WHAT" }

func newVerifyCmd(p Process) *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the archive holds each event once, and mend it",
		Long: `Reads the whole archive, or the days from --from to --to, and checks that each
object, each line and the metadata document is as it should be and fits the others:
names, UTF-8, JSON, fields, dates, each event once, revisions that differ, days
without events, the document's list of seen ids, the last commit's objects. Every
finding is a line that names the object and line, what was expected and found, and
the command that mends it. Nothing is written. It may run beside other commands.

With --repair what can be mended without a loss is: objects of the last commit that
are missing are put, ids that are stored nowhere are forgotten so that the next run
stores them, a lost or damaged document is rebuilt. --repair=duplicates also takes
out events that stand in the archive more than once, and puts later versions among
the revisions: their objects are rewritten under new names, and the old ones deleted
when the new ones are safe. Either may be killed at any time and run again, and each
act is printed; with --dry-run they are printed alone.

With --quick no events are read. It is the health check of an archive that is
collected into: the last run was well and not too long ago, its commit is complete,
and events are not about to be missed. It prints one line in the form of monitoring
plugins.`,
		Example: `  # is all well?
  ` + program + ` verify --store ./archive
  # one month only, for a program
  ` + program + ` verify --from 2026-01-01 --to 2026-01-31 --output json
  # what a repair would do, then do it
  ` + program + ` verify --repair=duplicates --dry-run
  ` + program + ` verify --repair=duplicates
  # health check for monitoring: a run missed for 45 minutes
  ` + program + ` verify --quick --max-age 45m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && opts.repair != "" && new(repairMode).Set(args[0]) == nil {
				return usagef("--repair takes its value with an equals sign: --repair=%s", args[0])
			}
			return noArgs(cmd, args)
		},
		Annotations: endsWith(exitStorage, exitAccess, exitFindings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, log, err := p.settings(cmd, config.ArchiveGroup)
			if err != nil {
				return err
			}
			if err := opts.check(cmd.Flags().Changed("max-age")); err != nil {
				return err
			}
			return p.runVerify(cmd.Context(), s, opts, log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.from, "from", "", "first `DATE` to read, as 2026-01-31")
	flags.StringVar(&opts.to, "to", "", "last `DATE` to read")
	flags.IntVar(&opts.concurrency, "concurrency", 32, "most `CALLS` to the store at a time")
	flags.BoolVar(&opts.quick, "quick", false, "health check without reading events: one line for monitoring")
	flags.DurationVar(&opts.maxAge, "max-age", 45*time.Minute, "with --quick, how long ago the last run may have finished (`AGE`)")
	flags.Var(&opts.repair, "repair", "mend what can be mended; =duplicates removes doubles too")
	flags.Lookup("repair").NoOptDefVal = string(repairDocument)
	flags.BoolVar(&opts.dryRun, "dry-run", false, "with --repair, show what would be done, and write nothing")
	config.Bind(flags, config.ArchiveGroup)
	return cmd
}

// check finds what is wrong with the flags' combination.
func (o verifyOptions) check(maxAgeGiven bool) error {
	bounded := o.from != "" || o.to != ""
	from, fromErr := archive.ParseDate(cmp.Or(o.from, "0001-01-01"))
	to, toErr := archive.ParseDate(cmp.Or(o.to, "9999-12-31"))
	switch {
	case o.quick && (bounded || o.repair != ""):
		return usagef("--quick does not go with --from, --to or --repair")
	case o.repair != "" && bounded:
		return usagef("--repair does not go with --from or --to: it needs the whole archive")
	case o.dryRun && o.repair == "":
		return usagef("--dry-run is for --repair: nothing else writes")
	case maxAgeGiven && !o.quick:
		return usagef("--max-age is for --quick")
	case o.concurrency < 1:
		return usagef("--concurrency: %d is not at least 1", o.concurrency)
	case o.maxAge <= 0:
		return usagef("--max-age: %v is not a time", o.maxAge)
	case fromErr != nil:
		return usagef("--from: %w", fromErr)
	case toErr != nil:
		return usagef("--to: %w", toErr)
	case from.Compare(to) > 0:
		return usagef("--from %s is after --to %s", from, to)
	}
	return nil
}

func (p Process) runVerify(ctx context.Context, s config.Settings, opts verifyOptions, log *slog.Logger) error {
	ctx, cancel := withTimeout(ctx, s.Archive.Timeout)
	defer cancel()
	st, err := openStore(ctx, s.Archive, log, report.NewRecorder(time.Now))
	if err != nil {
		return err
	}
	if opts.quick {
		return p.runQuick(ctx, st, s.General, opts)
	}
	o := verify.Options{Concurrency: opts.concurrency, Now: time.Now, Flags: s.Archive.Flags}
	if opts.from != "" {
		o.From, _ = archive.ParseDate(opts.from) // checked before
	}
	if opts.to != "" {
		o.To, _ = archive.ParseDate(opts.to)
	}
	var result *verify.Result
	if opts.repair == "" {
		result, err = verify.Audit(ctx, st, o)
	} else {
		result, err = verify.Repair(ctx, st, o, verify.RepairOptions{
			Duplicates: opts.repair == repairDuplicates,
			Writer:     archive.Options{RunID: rand.Text(), Now: time.Now, Pause: pipeline.Pause(retry.System), DryRun: opts.dryRun},
		})
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", pipeline.ErrStore, err)
	}
	if result != nil {
		finished := err == nil
		err = errors.Join(err, p.printResult(s.General, result, func(w io.Writer) error {
			if !finished { // a check that did not finish has no verdict
				return result.ActsText(w)
			}
			return result.Text(w, s.General.Quiet)
		}))
		err = cmp.Or(err, result.Err())
	}
	return err
}

func (p Process) runQuick(ctx context.Context, st store.Store, s config.General, opts verifyOptions) error {
	h, err := status.CheckHealth(ctx, st, status.HealthOptions{MaxAge: opts.maxAge, Concurrency: opts.concurrency, Now: time.Now()})
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrStore, err)
	}
	err = p.printResult(s, h, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, h)
		return err
	})
	return cmp.Or(err, h.Err())
}
