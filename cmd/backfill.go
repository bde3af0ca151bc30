package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/saved"
	"polisen-events-collector/pkg/text"
)

// backfillOptions are the flags of backfill that are not settings.
type backfillOptions struct {
	storeOptions
	from, to string
	filter
	inputs        []string
	resume, force bool
}

func newBackfillCmd(p Process) *cobra.Command {
	var opts backfillOptions
	const groups = config.APIGroup | config.ArchiveGroup
	cmd := &cobra.Command{
		Use:   "backfill (--from DATE [--to DATE] | --input PATH...)",
		Short: "Store events of past days or of saved responses",
		Long: `Stores events that the archive lacks, each once. It may be killed, repeated, and run in parallel.

With --from it fetches past days from the API, which serves about six months. It makes one
call per day, and 24 more for a day with 500 events, the most that a response holds. Calls are
11 seconds apart, at most 50 an hour and 1,200 a day, so that collects can run too.

With --input it reads saved responses: files, folders, or "-" for standard input, with JSON
arrays or one event per line, plain, gzip or zstd. Damaged items go under rejected/ (exit code 3).`,
		Example: `  # fetch a week from the API; fetch one type of event in one county
  ` + program + ` backfill --from 2026-01-01 --to 2026-01-07
  ` + program + ` backfill --from 2026-01-01 --location 'Uppsala län' --type Rån
  # store saved responses; copy an archive of many small objects to one of few
  ` + program + ` backfill --input responses/ --input older.json.gz
  ` + program + ` backfill --input ./old-archive --store ./new-archive
  # store every version of a file in a git history
  git log --reverse --format=%H -- events.json |
    xargs -I{} git show {}:events.json | ` + program + ` backfill --input -`,
		Args:        noArgs,
		Annotations: endsWith(exitPartial, exitAPI, exitStorage, exitAccess, exitRateLimited),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, log, err := p.settings(cmd, groups)
			if err := cmp.Or(err, checkStateDir(cmd.Context(), s)); err != nil {
				return err
			}
			return p.runBackfill(cmd.Context(), s, opts, log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.from, "from", "", "first `DATE` to fetch, such as 2026-01-31")
	flags.StringVar(&opts.to, "to", "", "last `DATE` to fetch (default today)")
	opts.filter.bind(flags)
	flags.StringArrayVar(&opts.inputs, "input", nil, "saved responses: `PATH` of a file or folder, or -; may be repeated")
	flags.BoolVar(&opts.resume, "resume", false, "skip the days that an interrupted backfill has finished")
	flags.BoolVar(&opts.force, "force", false, "fetch also days that the API probably no longer serves")
	opts.storeOptions.bind(flags, "show the calls or what would be stored, but call and write nothing")
	config.Bind(flags, groups)
	return cmd
}

func (p Process) runBackfill(ctx context.Context, s config.Settings, opts backfillOptions, log *slog.Logger) error {
	if err := opts.check(ctx); err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx, s.Archive.Timeout)
	defer cancel()
	o := runOptions(ctx, "backfill", s, opts.storeOptions, log)
	if len(opts.inputs) > 0 {
		return p.backfillSaved(ctx, s, opts, o, log)
	}
	return p.backfillDays(ctx, s, opts, o, log)
}

// check returns an error if flags contradict each other, one is missing, or an
// input does not exist.
func (opts backfillOptions) check(ctx context.Context) error {
	forAPI := opts.from != "" || opts.to != "" || len(opts.locations)+len(opts.types) > 0 || opts.resume || opts.force || opts.retryNotFound
	switch {
	case len(opts.inputs) > 0 && forAPI:
		return usagef("--input cannot be combined with --from, --to, --location, --type, --resume, --force or --retry-not-found, which are for the API")
	case opts.resume && opts.acceptArchive:
		return usagef("--resume cannot be combined with --accept-archive: the accepted archive may lack the days that --resume skips")
	case len(opts.inputs) == 0 && opts.from == "":
		return missingf("give --from to fetch from the API, or --input to read saved responses")
	}
	if err := opts.filter.check(); err != nil {
		return err
	}
	for _, path := range opts.inputs {
		if path == saved.Stdin {
			continue
		}
		end := blocking.Call(ctx, "look for --input "+address.Describe(path))
		_, err := os.Stat(path)
		end()
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err
		}
		if err != nil {
			return usagef("--input %s: %w", address.Describe(path), err)
		}
	}
	return nil
}

func (p Process) backfillSaved(ctx context.Context, s config.Settings, opts backfillOptions, o pipeline.Options, log *slog.Logger) error {
	o.Report.Source = strings.Join(opts.inputs, " ")
	bar, size := p.newBar(s.General), max(saved.Size(ctx, opts.inputs, p.Stdin), 0)
	r, err := pipeline.BackfillSaved(ctx, o, saved.Read(ctx, opts.inputs, p.Stdin), func(done pipeline.Progress) {
		bar.show(progress{done: done.Bytes, total: size, others: []string{text.Count(done.Items, "item"), text.Number(done.New) + " new"}})
	})
	bar.close()
	if !r.Succeeded() && r.Counts.Fetched > 0 {
		err = &unfinishedError{err, "run the same command again to store the rest"}
	}
	return errors.Join(err, p.printReport(r, s.General, log))
}

func (p Process) backfillDays(ctx context.Context, s config.Settings, opts backfillOptions, o pipeline.Options, log *slog.Logger) error {
	days, err := opts.days(ctx, s, o.Clock.Now())
	if err != nil {
		return err
	}
	bar := p.newBar(s.General)
	client, err := p.newClient(polisen.Options{RetryNotFound: opts.retryNotFound, LeaveRoom: true, OnWait: func(d time.Duration, why string) {
		if !bar.note("waiting "+text.Duration(d), why) {
			p.printWait(s.General, log, d, why)
		}
	}}, s, log, o.Recorder)
	if err != nil {
		return err
	}
	p.setAPI(&o, s)
	days.Source = client
	todo, done := days.Dates()
	if opts.dryRun {
		return p.printCalls(ctx, days, client, s)
	}
	o.Report.Source = fmt.Sprintf("%s, %s to %s", o.Report.Source, days.From, days.To)
	fetched, added, all := 0, 0, len(todo)+done
	bar.show(progress{total: int64(len(todo)), unit: "day", left: client.Delay(len(todo))})
	days.OnDay = func(d pipeline.Day) {
		fetched++
		if d.Done {
			done++
		}
		added += d.New
		defer blocking.Call(ctx, "read the list of API calls in "+s.API.StateDir)()
		timeLeft := client.Delay(d.Left).Round(time.Second)
		bar.show(progress{done: int64(fetched), total: int64(len(todo)), unit: "day", left: timeLeft, others: []string{text.Number(added) + " new", d.Date.String()}})
		log.Info("day fetched", "day", d.Date.String(), "fetched", d.Fetched, "new", d.New, "revised", d.Revised, "seen", d.Seen,
			"mismatched", d.Mismatched, "not_found", len(d.NotFound) > 0, "days_left", d.Left, "time_left", timeLeft)
	}
	r, err := pipeline.BackfillDays(ctx, o, days)
	bar.close()
	if err != nil && fetched > 0 && fetched < len(todo) {
		err = &unfinishedError{err, fmt.Sprintf("%d of %d days are done; run the same command with --resume to fetch the rest", done, all)}
	}
	return errors.Join(err, p.printReport(r, s.General, log))
}

// days checks the dates and returns the backfill that the flags ask for. It opens
// the list of days that earlier runs have finished.
func (opts backfillOptions) days(ctx context.Context, s config.Settings, now time.Time) (pipeline.Days, error) {
	var d pipeline.Days
	if s.API.URL.Path != "" {
		return d, usagef("--from needs the API, but --api-url is a file; read it with --input %s", s.API.URL.Path)
	}
	today := archive.Today(now)
	var err error
	if d.From, err = parseDate("--from", opts.from); err != nil {
		return d, err
	}
	d.To = today
	if opts.to != "" {
		if d.To, err = parseDate("--to", opts.to); err != nil {
			return d, err
		}
	}
	served := archive.ServedFrom(now)
	switch {
	case d.From.Compare(today) > 0:
		return d, usagef("--from %s is in the future", d.From)
	case d.To.Compare(d.From) < 0:
		return d, usagef("--to %s is before --from %s", d.To, d.From)
	case d.To.Compare(today) > 0:
		return d, usagef("--to %s is in the future", d.To)
	case d.From.Compare(served) < 0 && !opts.force:
		return d, usagef("--from %s is too early: the API serves about %d months, since %s; read saved responses of older days with --input, or try with --force",
			d.From, archive.ServedMonths, served)
	}
	// One month later than ServedMonths says, because that number is only approximate.
	d.ServedFrom = archive.Today(now.AddDate(0, 1-archive.ServedMonths, 0))
	d.Query, d.Filtered = opts.query(), hasFilters(s.API.URL)
	name := fmt.Sprintf("store %s, API %s, locations %q, types %q", s.Archive.Store, s.API.URL.URL, d.Query.Locations, d.Query.Types)
	defer blocking.Call(ctx, "read the list of finished days in "+s.API.StateDir)()
	d.Done, err = pipeline.OpenDoneDays(s.API.StateDir, name, opts.resume)
	return d, err
}

// parseDate parses the date that is the value of a flag.
func parseDate(flag, value string) (archive.Date, error) {
	d, err := archive.ParseDate(value)
	if err != nil {
		return d, usagef("%s: %s is %w", flag, address.Describe(value), err)
	}
	return d, nil
}

// callPlan is the result of a dry run with --from.
type callPlan struct {
	DryRun   bool           `json:"dry_run"`
	Calls    []string       `json:"calls"`
	DaysDone int            `json:"days_done"`
	Takes    report.Seconds `json:"at_least_s"`
}

// printCalls prints the calls that a backfill would make, and how long they take.
func (p Process) printCalls(ctx context.Context, d pipeline.Days, client *polisen.Client, s config.Settings) error {
	todo, done := d.Dates()
	calls, all := make([]string, len(todo)), client.URL(polisen.Query{})
	for i, date := range todo {
		q := d.Query
		q.DateTime = date.String()
		calls[i] = origin(s.API.URL) + strings.TrimPrefix(client.URL(q), all)
	}
	end := blocking.Call(ctx, "read the list of API calls in "+s.API.StateDir)
	takes := client.Delay(len(todo)).Round(time.Second)
	end()
	result := callPlan{true, calls, done, report.Seconds(takes)}
	return p.printResult(s.General, result, func(w io.Writer) error {
		for _, call := range calls {
			fmt.Fprintln(w, call)
		}
		_, err := fmt.Fprintf(w, "dry run, no calls made: %s would take at least %v because of the rate limits, and a day with 500 events takes 24 calls more; days done already: %s\n",
			text.Count(len(calls), "call"), takes, text.Number(done))
		return err
	})
}
