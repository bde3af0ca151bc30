package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/inspect"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
)

type inspectOptions struct {
	ids, raw, againstAPI bool
	has                  []string
	date                 string
}

func newInspectCmd(p Process) *cobra.Command {
	var opts inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect-metadata [--has ID...]",
		Short: "Show what has been seen and when",
		Long: `Shows what the metadata document and the last run's report say: how many ids are
listed, up to where the list is complete, when it was last updated, and whether the
last commit's objects are stored. Nothing is written: credentials that may only
read will do.

With --has it looks for ids: in the document's list, and where that cannot tell
among the events of the archive, newest first. With --against-api it calls the API
once, by the same rules as collect, and says which ids would be stored.`,
		Example: `  # what is the state of the archive?
  ` + program + ` inspect-metadata --store ./archive
  # have these been seen, and where do they stand?
  ` + program + ` inspect-metadata --has 646001 646002 --date 2026-01-31
  # what would the next collect store?
  ` + program + ` inspect-metadata --against-api --contact ops@example.org
  # all listed ids, for a program
  ` + program + ` inspect-metadata --ids --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(opts.has) == 0 {
				return noArgs(cmd, args)
			}
			opts.has = append(opts.has, args...)
			return nil
		},
		Annotations: endsWith(exitAPI, exitStorage, exitAccess, exitFindings, exitRateLimited),
		RunE: func(cmd *cobra.Command, _ []string) error {
			groups := config.ArchiveGroup
			if opts.againstAPI {
				groups |= config.APIGroup
			}
			s, log, err := p.settings(cmd, groups)
			if err != nil {
				return err
			}
			return p.runInspect(cmd.Context(), s, opts, log)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.ids, "ids", false, "print the listed ids, one a line, highest first")
	flags.StringSliceVar(&opts.has, "has", nil, "look for this `ID`, and all that are given as arguments")
	flags.StringVar(&opts.date, "date", "", "with --has, search the archive on this `DATE` only, as 2026-01-31")
	flags.BoolVar(&opts.raw, "raw", false, "print the document as it stands")
	flags.BoolVar(&opts.againstAPI, "against-api", false, "call the API once, and say which of its events are unseen or revised")
	config.Bind(flags, config.APIGroup|config.ArchiveGroup)
	return cmd
}

// check finds what is wrong with the flags' combination, and reads the ids and
// the date.
func (o inspectOptions) check(output config.Format) (ids []int64, date *archive.Date, err error) {
	modes := 0
	for _, on := range []bool{o.ids, o.raw, o.againstAPI, len(o.has) > 0} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return nil, nil, usagef("--ids, --has, --raw and --against-api exclude each other")
	case o.raw && output == config.JSON:
		return nil, nil, usagef("--raw prints the document as it stands, and does not go with --output json")
	case o.date != "" && len(o.has) == 0:
		return nil, nil, usagef("--date is for --has")
	}
	for _, text := range o.has {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, nil, usagef("--has: %q is not an id", text)
		}
		ids = append(ids, id)
	}
	if o.date != "" {
		d, err := archive.ParseDate(o.date)
		if err != nil {
			return nil, nil, usagef("--date: %w", err)
		}
		date = &d
	}
	return ids, date, nil
}

func (p Process) runInspect(ctx context.Context, s config.Settings, opts inspectOptions, log *slog.Logger) error {
	ids, date, err := opts.check(s.General.Output)
	if err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx, s.Archive.Timeout)
	defer cancel()
	rec := report.NewRecorder(time.Now)
	st, err := openStore(ctx, s.Archive, log, rec)
	if err != nil {
		return err
	}
	view, err := inspect.Open(ctx, st, st.String())
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrStore, err)
	}
	switch {
	case opts.raw:
		if view.State == inspect.Missing {
			return view.Err()
		}
		_, err := p.Stdout.Write(view.Raw)
		return err
	case opts.ids:
		return p.printIDs(view, s.General)
	case len(ids) > 0:
		answers, err := view.Has(ctx, ids, date)
		if err != nil {
			return fmt.Errorf("%w: %w", pipeline.ErrStore, err)
		}
		return cmp.Or(p.printResult(s.General, answers, answers.Text), answers.Err())
	case opts.againstAPI:
		return p.inspectAgainstAPI(ctx, view, s, log, rec)
	}
	summary, err := view.Summary(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrStore, err)
	}
	return cmp.Or(p.printResult(s.General, summary, summary.Text), view.Err())
}

func (p Process) inspectAgainstAPI(ctx context.Context, view *inspect.View, s config.Settings, log *slog.Logger, rec *report.Recorder) error {
	client, err := p.newClient(polisen.Options{}, s, log, rec)
	if err != nil {
		return err
	}
	response, err := client.Fetch(ctx, polisen.Query{})
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrAPI, err)
	}
	c, err := view.Against(ctx, response)
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrStore, err)
	}
	return p.printResult(s.General, c, c.Text)
}

func (p Process) printIDs(view *inspect.View, s config.General) error {
	if err := view.Err(); err != nil {
		return err
	}
	ids := view.IDs()
	return p.printResult(s, ids, func(w io.Writer) error {
		for _, id := range ids {
			if _, err := fmt.Fprintln(w, id); err != nil {
				return err
			}
		}
		return nil
	})
}
