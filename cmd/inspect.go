package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

// inspectOptions are the flags of inspect-metadata that are not settings.
type inspectOptions struct {
	ids, raw, againstAPI, history bool
	has                           []string
	date                          string
}

func newInspectCmd(p Process) *cobra.Command {
	var opts inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect-metadata [--has ID...]",
		Short: "Show the state of the archive and the last runs",
		Long: `Shows the document, metadata/last_seen.json, which lists the newest stored ids, and the report
of the last run: up to which time the archive has all events, whether the objects of the last
commit are stored, and how the last run ended. It writes nothing, so credentials for reading are
enough.

With --history it shows the last 50 runs on all hosts, how many more events and calls
there could be, and the poll interval to choose.

With --has it looks for ids in the document, and then in the events of the archive,
newest first. With --against-api it calls the API once, under the same rate limits
as collect, and lists the ids that collect would store.`,
		Example: `  # show the state of the archive
  ` + program + ` inspect-metadata --store ./archive
  # show the last runs
  ` + program + ` inspect-metadata --history
  # find out whether two events are in the archive, and in which objects
  ` + program + ` inspect-metadata --has 646001 646002 --date 2026-01-31
  # show what the next collect would store
  ` + program + ` inspect-metadata --against-api --contact ops@example.org
  # print all listed ids as JSON
  ` + program + ` inspect-metadata --ids --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(opts.has) == 0 {
				if len(args) > 0 {
					if id, err := parseID(args[0]); err == nil {
						return usagef("unexpected argument %d: use --has to look for an id", id)
					}
				}
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
			} else if flag := givenFlag(cmd, config.APIGroup); flag != "" {
				return usagef("%s works only with --against-api", flag)
			}
			s, log, err := p.settings(cmd, groups)
			if err != nil {
				return err
			}
			return p.runInspect(cmd.Context(), s, opts, log)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.ids, "ids", false, "print the listed ids, one per line, highest first")
	flags.StringSliceVar(&opts.has, "has", nil, "look for this `ID`, and for those given as arguments")
	flags.StringVar(&opts.date, "date", "", "with --has, search only the events of this `DATE`, such as 2026-01-31")
	flags.BoolVar(&opts.raw, "raw", false, "print the document unchanged; a terminal shows control characters as escapes")
	flags.BoolVar(&opts.againstAPI, "against-api", false, "call the API once and list the ids that collect would store")
	flags.BoolVar(&opts.history, "history", false, "show the last runs, and the poll interval to choose")
	config.Bind(flags, config.APIGroup|config.ArchiveGroup)
	return cmd
}

// parseID parses the id of an event.
func parseID(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }

// check parses the ids and the date; no date is nil. It returns an error if flags
// contradict each other.
func (o inspectOptions) check(output config.Format) (ids []int64, date *archive.Date, err error) {
	modes := 0
	for _, on := range []bool{o.ids, o.raw, o.againstAPI, o.history, len(o.has) > 0} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return nil, nil, usagef("use only one of --ids, --has, --raw, --against-api and --history")
	case o.raw && output == config.JSON:
		return nil, nil, usagef("--raw prints the document unchanged and does not work with --output json")
	case o.date != "" && len(o.has) == 0:
		return nil, nil, usagef("--date works only with --has")
	}
	for _, text := range o.has {
		id, err := parseID(text)
		if err != nil {
			return nil, nil, usagef("--has: %s is not an id", address.Describe(text))
		}
		ids = append(ids, id)
	}
	if o.date != "" {
		d, err := parseDate("--date", o.date)
		if err != nil {
			return nil, nil, err
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
	if opts.history {
		return p.printHistory(ctx, st, s.General)
	}
	doc, err := status.ReadDocument(ctx, st)
	if err != nil {
		return storeError(err)
	}
	switch {
	case opts.raw:
		if doc.State == status.Missing {
			return doc.Err()
		}
		body := string(doc.Body)
		if isTerminal(p.Stdout) {
			body = text.CleanLines(body)
		}
		_, err := io.WriteString(p.Stdout, body)
		return err
	case opts.ids:
		return p.printIDs(doc, s.General)
	case opts.againstAPI: // after the document, so that a bad store costs no call to the API
		return p.compareWithAPI(ctx, st, s, log, rec)
	case len(ids) > 0:
		found, err := doc.Find(ctx, ids, date)
		if err != nil {
			return storeError(err)
		}
		return cmp.Or(p.printResult(s.General, found, found.Text), found.Err())
	}
	summary, err := doc.Summarize(ctx, time.Now())
	if err != nil {
		return storeError(err)
	}
	return cmp.Or(p.printResult(s.General, summary, func(w io.Writer) error { return summary.Text(w, time.Local, p.style(w)) }), doc.Err())
}

// printHistory prints the last runs.
func (p Process) printHistory(ctx context.Context, st store.Store, s config.General) error {
	h, err := status.ReadHistory(ctx, st, time.Now())
	if errors.Is(err, status.ErrNotFound) {
		return err
	}
	if err != nil {
		return storeError(err)
	}
	return p.printResult(s, h, func(w io.Writer) error { return h.Text(w, time.Local, p.style(w)) })
}

// compareWithAPI fetches one response and prints which of its events are new.
func (p Process) compareWithAPI(ctx context.Context, st store.Store, s config.Settings, log *slog.Logger, rec *report.Recorder) error {
	source, err := p.newSource(polisen.Options{}, s, log, rec)
	if err != nil {
		return err
	}
	response, err := source.Fetch(ctx, polisen.Query{})
	p.printWarnings(rec.Warnings(), s.General, log)
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrAPI, err)
	}
	c, err := status.Compare(ctx, st, response)
	if err != nil {
		return storeError(err)
	}
	return p.printResult(s.General, c, c.Text)
}

func (p Process) printIDs(doc *status.Document, s config.General) error {
	if err := doc.Err(); err != nil {
		return err
	}
	ids := doc.IDs()
	return p.printResult(s, ids, func(w io.Writer) error {
		for _, id := range ids {
			if _, err := fmt.Fprintln(w, id); err != nil {
				return err
			}
		}
		return nil
	})
}
