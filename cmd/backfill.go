package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/saved"
)

// servedMonths is about how far back the API answers filtered queries, as
// measured; older days come back empty.
const servedMonths = 6

type backfillOptions struct {
	from, to         string
	locations, types string
	inputs           []string
	resume, force    bool
	dryRun           bool
	revisions        bool
	retryNotFound    bool
}

func newBackfillCmd(p Process) *cobra.Command {
	var opts backfillOptions
	const groups = config.APIGroup | config.ArchiveGroup
	cmd := &cobra.Command{
		Use:   "backfill (--from DATE [--to DATE] | --input PATH...)",
		Short: "Store events of past days, or of saved responses",
		Long: `Stores what is missing in the archive, by the same steps as collect; it may run
beside it, be killed, and be run again: each event is stored exactly once.

With --from it asks the API, one call a day and waits between calls: 11 seconds,
with at most 50 calls an hour and 1200 a day. The API allows 10 seconds, 60 and
1440, so a collect beside it calls first. A day with 500 events, the most that
the API shows, is asked for again by the hour. The API answers such queries about
six months back. The days done are remembered in the state folder, so that an
interrupted backfill can go on with --resume.

With --input it reads saved responses: files, folders (in the order of file names)
or "-", holding JSON arrays as the API gives them, one event a line, or several
arrays one after another; gzip and zstd are recognised. Each item counts as an
observation, in order: the first version of an event goes to events/, changed ones
to revisions/. What cannot be read is reported, kept under rejected/, and makes the
exit code 3.`,
		Example: `  # the first week of the year, by way of the API
  ` + program + ` backfill --from 2026-01-01 --to 2026-01-07
  # what that would ask, and how long it would take
  ` + program + ` backfill --from 2026-01-01 --to 2026-01-07 --dry-run
  # two counties and one kind of event
  ` + program + ` backfill --from 2026-01-01 --location 'Stockholms län;Uppsala län' --type Rån
  # saved responses
  ` + program + ` backfill --input responses/ --input older.json.gz
  # every version of a file in a git history
  git log --reverse --format=%H -- events.json | xargs -I{} git show {}:events.json | ` + program + ` backfill --input -`,
		Args:        noArgs,
		Annotations: endsWith(exitPartial, exitAPI, exitStorage, exitAccess, exitRateLimited),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, log, err := p.settings(cmd, groups)
			if err != nil {
				return err
			}
			return p.runBackfill(cmd.Context(), s, opts, log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.from, "from", "", "first `DATE` to ask the API for, as 2026-01-31")
	flags.StringVar(&opts.to, "to", "", "last `DATE` (default today)")
	flags.StringVar(&opts.locations, "location", "", "only events of these municipalities or counties, as `A;B`")
	flags.StringVar(&opts.types, "type", "", "only events of these kinds, as `X;Y`")
	flags.StringArrayVar(&opts.inputs, "input", nil, "file or folder of saved responses, or - for standard input; may be repeated (`PATH`)")
	flags.BoolVar(&opts.resume, "resume", false, "leave out the days that an interrupted backfill has done")
	flags.BoolVar(&opts.force, "force", false, "ask for days that the API no longer answers, too")
	flags.BoolVar(&opts.dryRun, "dry-run", false, "show the calls that would be made, or what the input would add, and write nothing")
	flags.BoolVar(&opts.revisions, "revisions", true, "store changed versions of known events under revisions/")
	flags.BoolVar(&opts.retryNotFound, "retry-not-found", false,
		"call an API URL that answered 404 before, which the API's rules count as permanent")
	config.Bind(flags, groups)
	return cmd
}

func (p Process) runBackfill(ctx context.Context, s config.Settings, opts backfillOptions, log *slog.Logger) error {
	ctx, cancel := withTimeout(ctx, s.Archive.Timeout)
	defer cancel()
	run := p.newRun(ctx, "backfill", s, log)
	run.DryRun, run.Revisions = opts.dryRun, opts.revisions
	if err := opts.check(); err != nil {
		return err
	}
	if len(opts.inputs) > 0 {
		return p.backfillSaved(ctx, s, opts, run, log)
	}
	return p.backfillDays(ctx, s, opts, run, log)
}

// check finds everything that is wrong with the flags' combination.
func (o backfillOptions) check() error {
	byDay := o.from != "" || o.to != "" || o.locations != "" || o.types != "" || o.resume || o.force
	switch {
	case len(o.inputs) > 0 && byDay:
		return usagef("--input does not go with --from, --to, --location, --type, --resume or --force, which are for asking the API")
	case len(o.inputs) == 0 && o.from == "":
		return usagef("give --from to ask the API, or --input to read saved responses")
	}
	for _, path := range o.inputs {
		if path == "-" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return usagef("--input: %w", err)
		}
	}
	return nil
}

func (p Process) backfillSaved(ctx context.Context, s config.Settings, opts backfillOptions, run pipeline.Options, log *slog.Logger) error {
	run.Report.Source = strings.Join(opts.inputs, " ")
	if _, set := p.Env("GOGC"); !set {
		defer collectLess()()
	}
	bar := p.newBar(-1, s.General)
	feed := pipeline.Saved(saved.Read(ctx, opts.inputs, p.Stdin), func(done pipeline.Progress) {
		bar.show(int(done.Bytes>>20), fmt.Sprintf("%d items, %d new, MiB read:", done.Items, done.New))
	})
	r, err := pipeline.Backfill(ctx, run, feed)
	bar.close()
	if !finished(r) && r.Counts.Fetched > 0 {
		err = &unfinishedError{err, "what was stored stays, and the same command stores the rest"}
	}
	return errors.Join(err, p.printReport(r, run.Recorder, s.General, log))
}

// collectLess has garbage collected half as often while memory is far below
// 100 MiB, and returns what undoes it. There is little in memory at a time, so
// this takes some 10 MiB, and a tenth less time.
func collectLess() (undo func()) {
	const enough = 64 << 20
	limit := debug.SetMemoryLimit(-1) // asks for it
	debug.SetMemoryLimit(min(limit, enough))
	percent := debug.SetGCPercent(200)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

func (p Process) backfillDays(ctx context.Context, s config.Settings, opts backfillOptions, run pipeline.Options, log *slog.Logger) error {
	days, err := opts.days(s, run.Clock.Now())
	if err != nil {
		return err
	}
	client, err := p.newClient(polisen.Options{RetryNotFound: opts.retryNotFound, LeaveRoom: true}, s, log, run.Recorder)
	if err != nil {
		return err
	}
	days.Source = client
	todo, done := days.Dates()
	all := len(todo) + done
	if opts.dryRun {
		return p.printCalls(days, todo, done, client, s.General)
	}
	run.Report.Source = fmt.Sprintf("%s, %s to %s", run.Report.Source, days.From, days.To)
	bar := p.newBar(len(todo), s.General)
	asked, added := 0, 0
	days.OnDay = func(d pipeline.Day) {
		asked++
		if !d.Stray {
			done++
		}
		added += d.New
		left := client.Delay(d.Left).Round(time.Second)
		bar.show(asked, fmt.Sprintf("%s, %d new, %v left:", d.Date, added, left))
		log.Info("day done", "day", d.Date.String(), "fetched", d.Fetched, "new", d.New, "revised", d.Revised, "seen", d.Seen,
			"stray", d.Stray, "days_left", d.Left, "time_left", left)
	}
	r, err := pipeline.Backfill(ctx, run, days.Feed)
	bar.close()
	if err != nil && asked > 0 && asked < len(todo) {
		err = &unfinishedError{err, fmt.Sprintf("%d of %d days are done: go on with the same command and --resume", done, all)}
	}
	return errors.Join(err, p.printReport(r, run.Recorder, s.General, log))
}

// days reads the range of days and opens the file of those that are done.
func (o backfillOptions) days(s config.Settings, now time.Time) (pipeline.Days, error) {
	var d pipeline.Days
	if s.API.URL.Path != "" {
		return d, usagef("--from asks the API, but --api-url is a file: read it with --input %s", s.API.URL.Path)
	}
	today := archive.DateOf(now)
	var err error
	if d.From, err = archive.ParseDate(o.from); err != nil {
		return d, usagef("--from: %w", err)
	}
	d.To = today
	if o.to != "" {
		if d.To, err = archive.ParseDate(o.to); err != nil {
			return d, usagef("--to: %w", err)
		}
	}
	served := archive.DateOf(now.AddDate(0, -servedMonths, 0))
	switch {
	case d.From.Compare(today) > 0:
		return d, usagef("--from %s is in the future", d.From)
	case d.To.Compare(d.From) < 0:
		return d, usagef("--to %s is before --from %s", d.To, d.From)
	case d.To.Compare(today) > 0:
		return d, usagef("--to %s is in the future", d.To)
	case d.From.Compare(served) < 0 && !o.force:
		return d, usagef("the API answers for about %d months back, which is to %s: older days come back empty; read saved responses of them with --input, or ask all the same with --force",
			servedMonths, served)
	}
	d.Served = archive.DateOf(now.AddDate(0, 1-servedMonths, 0)) // a month's grace for "about"
	d.Query = polisen.Query{Locations: list(o.locations), Types: list(o.types)}
	of := fmt.Sprintf("store %s, API %s, locations %q, types %q", s.Archive.Store, s.API.URL.URL, d.Query.Locations, d.Query.Types)
	d.Done, err = pipeline.OpenDoneFile(s.API.StateDir, of, o.resume)
	return d, err
}

// list divides "A;B" as the API does.
func list(text string) []string {
	var names []string
	for name := range strings.SplitSeq(text, ";") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// printCalls is the dry run: the calls, and how long they take.
func (p Process) printCalls(d pipeline.Days, todo []archive.Date, done int, client *polisen.Client, s config.General) error {
	calls := make([]string, len(todo))
	for i, date := range todo {
		q := d.Query
		q.DateTime = date.String()
		calls[i] = client.URL(q)
	}
	takes := client.Delay(len(todo)).Round(time.Second)
	result := struct {
		DryRun   bool           `json:"dry_run"`
		Calls    []string       `json:"calls"`
		DaysDone int            `json:"days_done"`
		Takes    report.Seconds `json:"at_least_s"`
	}{true, calls, done, report.Seconds(takes)}
	return p.printResult(s, result, func(w io.Writer) error {
		for _, call := range calls {
			fmt.Fprintln(w, call)
		}
		_, err := fmt.Fprintf(w, "dry run, nothing called: %d calls (%d days are done), at least %v by the API's rules; a full day takes 24 more\n",
			len(calls), done, takes)
		return err
	})
}
