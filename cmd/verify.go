package cmd

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// maxConcurrency is the largest number of concurrent store calls. Each needs a
// connection or an open file, and memory for an object.
const maxConcurrency = 256

// quickTimeout is the default time limit of verify --quick. Monitoring systems stop a
// check that takes longer.
const quickTimeout = 10 * time.Second

// verifyGCPercent keeps the heap of a verify small. The lines of the archive are one table
// without pointers, so a garbage collection takes little time. Much lower values cost CPU: the
// collections become so frequent that they keep the idle cores busy.
const verifyGCPercent = 50

// verifyOptions are the flags of verify that are not settings.
type verifyOptions struct {
	from, to    string
	concurrency int
	quick       bool
	healthFlag  string // a flag on the command line that is for the health check; empty if there is none
	report      string // path of the page; empty without --report
	hasReport   bool   // --report was given, maybe with an empty path
	repair      repairMode
	dryRun, all bool
}

// repairMode is the value of --repair, empty without the flag.
type repairMode string

const (
	repairDocument   repairMode = "document"
	repairDuplicates repairMode = "duplicates"
	repairCounts     repairMode = "counts"
	repairGaps       repairMode = "gaps"
)

var repairModes = []repairMode{repairDocument, repairDuplicates, repairCounts, repairGaps}

// Choices returns the values for completion in a shell.
func (m *repairMode) Choices() (all []string) {
	for _, mode := range repairModes {
		all = append(all, string(mode))
	}
	return all
}

// Set implements pflag.Value.
func (m *repairMode) Set(text string) error {
	if *m = repairMode(text); !slices.Contains(repairModes, *m) {
		return fmt.Errorf("must be one of %s", strings.Join(m.Choices(), ", "))
	}
	return nil
}

func (m *repairMode) String() string { return string(*m) }
func (m *repairMode) Type() string   { return "MODE" }

func newVerifyCmd(p Process) *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the archive holds each event once, and repair it",
		Long: `Reads every object and checks names, lines, dates, duplicates and the document. It changes
nothing. It prints what was expected, what was found, and the command that fixes it.

--repair stores missing objects of the last commit and rejected items that can be read now,
removes listed ids that are not stored, rebuilds a damaged document, and counts the items if
the document does not. Beyond that, --repair=duplicates removes duplicates and moves later
versions to revisions/, --repair=counts sets the document's counts to those of the archive, and
--repair=gaps accepts days that the API does not serve. A repair loses no data, and may be
killed and run again.

--quick prints one line for monitoring: OK, WARNING, CRITICAL (exit code 7) or UNKNOWN. It
checks that a collect succeeded recently, that the API shows new events, that the last
commit is stored, and that no events are missing. Its time limit is 10s without --timeout.`,
		Example: `  # audit an archive, and make a page to look at
  ` + program + ` verify --store ./archive --report report.html
  # audit one month, for a program
  ` + program + ` verify --from 2026-01-01 --to 2026-01-31 --output json
  # show what a repair would do; without --dry-run it repairs
  ` + program + ` verify --repair=duplicates --dry-run
  # check the health: fail if no collect succeeded in the last 45 minutes
  ` + program + ` verify --quick --max-age 45m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && opts.repair != "" && new(repairMode).Set(args[0]) == nil {
				return usagef("--repair needs an equals sign before its value: --repair=%s", args[0])
			}
			return noArgs(cmd, args)
		},
		Annotations: endsWith(exitStorage, exitAccess, exitFindings),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.healthFlag = givenFlag(cmd, config.HealthGroup)
			opts.hasReport = cmd.Flags().Changed("report")
			if opts.quick { // the limit holds also while the settings are read
				watchdogOf(cmd.Context()).limit(quickTimeout)
			}
			s, log, err := p.settings(cmd, config.ArchiveGroup|config.HealthGroup)
			if err == nil {
				err = p.runVerify(cmd.Context(), s, opts, log)
			}
			if opts.quick {
				return p.printUnknown(s, opts, err)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.from, "from", "", "first `DATE` to read, such as 2026-01-31")
	flags.StringVar(&opts.to, "to", "", "last `DATE` to read")
	flags.IntVar(&opts.concurrency, "concurrency", 32, "maximum number of concurrent store `CALLS`, 1 to 256")
	flags.BoolVar(&opts.quick, "quick", false, "check the health, and print one line for monitoring")
	flags.StringVar(&opts.report, "report", "", "also write the result, with diagrams, as an HTML page to this `FILE`")
	flags.Var(&opts.repair, "repair", "fix what can be fixed and, if given, duplicates, counts or gaps")
	flags.Lookup("repair").NoOptDefVal = string(repairDocument)
	flags.BoolVar(&opts.dryRun, "dry-run", false, "with --repair, show the actions and write nothing")
	flags.BoolVar(&opts.all, "all", false, "on a terminal, show all findings and not only five of each check")
	config.Bind(flags, config.ArchiveGroup|config.HealthGroup)
	return cmd
}

// check parses the dates; a date that is not given is the zero Date. It returns an
// error if flags contradict each other or a value is out of range.
func (o verifyOptions) check() (from, to archive.Date, err error) {
	limited := o.from != "" || o.to != ""
	switch {
	case o.quick && (limited || o.repair != "" || o.all):
		err = usagef("--quick does not work with --from, --to, --repair or --all")
	case o.repair != "" && limited:
		err = usagef("--repair does not work with --from or --to: it needs the whole archive")
	case o.dryRun && o.repair == "":
		err = usagef("--dry-run works only with --repair")
	case o.hasReport && (o.quick || o.repair != ""):
		err = usagef("--report does not work with --quick or --repair: run verify again for the page")
	case o.hasReport && (o.report == "" || o.report == "-"):
		err = usagef("--report: name a file, such as report.html; stdout is for the findings")
	case o.healthFlag != "" && !o.quick && !o.hasReport:
		err = usagef("%s works only with --quick or --report", o.healthFlag)
	case o.concurrency < 1 || o.concurrency > maxConcurrency:
		err = usagef("--concurrency: %d is not between 1 and %d", o.concurrency, maxConcurrency)
	}
	if err != nil {
		return from, to, err
	}
	if o.from != "" {
		if from, err = parseDate("--from", o.from); err != nil {
			return from, to, err
		}
	}
	if o.to != "" {
		if to, err = parseDate("--to", o.to); err != nil {
			return from, to, err
		}
	}
	if o.from != "" && o.to != "" && from.Compare(to) > 0 {
		return from, to, usagef("--from %s is after --to %s", from, to)
	}
	return from, to, nil
}

func (p Process) runVerify(ctx context.Context, s config.Settings, opts verifyOptions, log *slog.Logger) error {
	from, to, err := opts.check()
	if err != nil {
		return err
	}
	limit := s.Archive.Timeout
	if opts.quick {
		limit = cmp.Or(limit, quickTimeout)
	}
	ctx, cancel := withTimeout(ctx, limit)
	defer cancel()
	if opts.hasReport {
		if err := checkPage(ctx, opts.report, s.Archive.Store); err != nil {
			return err
		}
	}
	rec := report.NewRecorder(time.Now)
	st, err := openStore(ctx, s.Archive, log, rec)
	if err != nil {
		return err
	}
	if opts.quick {
		return p.checkHealth(ctx, st, s, opts)
	}
	p.setGCPercent(verifyGCPercent)
	o := verify.Options{Concurrency: opts.concurrency, From: from, To: to, Timeline: opts.hasReport, Now: time.Now, Command: suggestedCommand(s)}
	bar := p.newBar(s.General)
	o.OnProgress = func(done verify.Progress) {
		bar.show(progress{
			done: int64(done.Objects), total: int64(done.Listed), unit: "object", growing: !done.Complete, share: share(done.Lines, done.Counted),
			others: []string{text.Bytes(done.Bytes)},
		})
	}
	result, err := verifyOrRepair(ctx, st, o, opts, rec)
	bar.close()
	p.printWarnings(rec.Warnings(), s.General, log)
	switch {
	case err != nil && result != nil: // there are no findings, but there may be actions
		return errors.Join(storeError(err), p.printResult(s.General, result, result.ActionsText))
	case err != nil:
		return storeError(err)
	}
	var pageErr error
	if opts.hasReport {
		pageErr = writePage(ctx, st, s, opts, result)
	}
	err = p.printVerified(s.General, result, opts.all)
	return cmp.Or(pageErr, err) // the findings are printed, the page's error is not
}

// verifyOrRepair audits or repairs the archive. After an error only a repair returns a
// result.
func verifyOrRepair(ctx context.Context, st store.Store, o verify.Options, opts verifyOptions, rec *report.Recorder) (*verify.Result, error) {
	if opts.repair == "" {
		return verify.Audit(ctx, st, o)
	}
	return verify.Repair(ctx, st, o, verify.RepairOptions{
		Duplicates: opts.repair == repairDuplicates, Counts: opts.repair == repairCounts, Gaps: opts.repair == repairGaps,
		Writer: archive.Options{
			RunID: rand.Text(), Now: time.Now, Pause: pipeline.Pause(retry.System), DryRun: opts.dryRun,
			Warn: func(level slog.Level, text string) { rec.Warn(level, "%s", text) },
		},
	})
}

// printVerified prints the result, on a terminal in groups, and returns its error.
func (p Process) printVerified(s config.General, r *verify.Result, all bool) error {
	if s.Output == config.JSON || !isTerminal(p.Stdout) {
		return cmp.Or(p.printResult(s, r, func(w io.Writer) error { return r.Text(w, s.Quiet) }), r.Err())
	}
	err := cmp.Or(r.Grouped(p.Stdout, verify.GroupedOptions{Style: p.style(p.Stdout), All: all, Brief: s.Quiet}), r.Err())
	if errors.Is(err, verify.ErrFindings) && isTerminal(p.Stderr) {
		return printedError{err} // the last line says the same
	}
	return err
}

// checkHealth checks the health of the archive and prints the result.
func (p Process) checkHealth(ctx context.Context, st store.Store, s config.Settings, opts verifyOptions) error {
	h, err := status.CheckHealth(ctx, st, healthOptions(s, opts))
	if err != nil {
		return storeError(err)
	}
	if err := p.printHealth(s.General, h); err != nil {
		return err
	}
	if err := h.Err(); err != nil {
		return printedError{err}
	}
	return nil
}

// printUnknown prints the result of a health check that failed with err, unless
// checkHealth has printed one, or err is a mistake on the command line.
func (p Process) printUnknown(s config.Settings, opts verifyOptions, err error) error {
	_, isPrinted := errors.AsType[printedError](err)
	_, isUsage := errors.AsType[usageError](err)
	if err == nil || isPrinted || isUsage {
		return err
	}
	store := s.Archive.Store.String()
	if _, isInvalid := errors.AsType[config.Problems](err); isInvalid {
		store = "" // it may be made of settings that are secrets in the wrong place
	}
	if p.printHealth(s.General, status.UnknownHealth(store, healthOptions(s, opts), err)) != nil {
		return err
	}
	return printedError{err}
}

func healthOptions(s config.Settings, opts verifyOptions) status.HealthOptions {
	return status.HealthOptions{
		MaxAge: s.Health.MaxAge, MaxLag: s.API.MaxLag, Hosts: s.Health.Hosts, Concurrency: opts.concurrency, Now: time.Now(), Command: suggestedCommand(s),
	}
}

func (p Process) printHealth(s config.General, h *status.Health) error {
	return p.printResult(s, h, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, h.Line(p.style(w)))
		return err
	})
}
