package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

// Stages of a run. Packages archive and report have the others.
const (
	stageCredentials = "credentials" // OpenStore
	stageReport      = "report"      // storing the report; the stored report lacks this stage
)

// run is the state of one run.
type run struct {
	options Options
	report  report.Report   // incomplete; see finish
	store   store.Store     // nil before openStore has succeeded
	writer  *archive.Writer // nil before openArchive has succeeded
	outcome archive.Outcome // of all batches so far

	location string       // of the archive on this host; see locate
	known    *knownCommit // the newest commit that this host knows; nil if none
}

func newRun(o Options) *run { return &run{options: o, report: o.Report} }

// openStore finds credentials and opens the store. It then reads what this host
// remembers of the archive.
func (r *run) openStore(ctx context.Context) (err error) {
	done := r.options.Recorder.Stage(stageCredentials)
	r.store, err = r.options.OpenStore(ctx)
	done()
	if err != nil {
		return err
	}
	return storeError(r.readHostState(ctx))
}

// openArchive reads the metadata document and heals the last commit. For lastRun see
// [archive.Options]; it may be nil.
func (r *run) openArchive(ctx context.Context, lastRun func() (archive.LastRun, error)) error {
	w := archive.NewWriter(r.store, archive.Options{
		RunID:         r.options.Report.RunID,
		Now:           r.options.Clock.Now,
		Pause:         Pause(r.options.Clock),
		Stage:         r.options.Recorder.Stage,
		Warn:          func(level slog.Level, text string) { r.options.Recorder.Warn(level, "%s", text) },
		KnownCommit:   r.knownTimestamp(),
		AcceptArchive: r.options.AcceptArchive,
		LastRun:       lastRun,
		Revisions:     r.options.Revisions,
		DryRun:        r.options.DryRun,
	})
	if err := w.Open(ctx); err != nil {
		return storeError(r.explainRefusal(err))
	}
	r.writer = w
	return nil
}

// Pause returns the Pause of [archive.Options]: it waits before another try of a
// commit. The wait is random, at most 20 ms at first and 1.28 s after six conflicts,
// so that runs which conflict do not try again at the same time.
func Pause(clock retry.Clock) func(ctx context.Context, conflicts int) error {
	return func(ctx context.Context, conflicts int) error {
		longest := 20 * time.Millisecond << min(conflicts, 6)
		return clock.Sleep(ctx, rand.N(longest))
	}
}

// fetch fetches the response to a query and counts it in the report. The error wraps
// [ratelimit.ErrExceeded] if the rate limiter allowed no call, and else [ErrAPI].
func (r *run) fetch(ctx context.Context, source Source, q polisen.Query) (*polisen.Response, error) {
	done := r.options.Recorder.Stage(report.StageFetch)
	response, err := source.Fetch(ctx, q)
	done()
	if response != nil {
		r.count(response)
		if response.Warning != "" {
			r.options.Recorder.Warn(slog.LevelWarn, "the response: %s", response.Warning)
		}
		if err == nil && response.Calls > 0 {
			r.measure(response)
		}
	}
	switch {
	case errors.Is(err, ratelimit.ErrExceeded):
		return nil, fmt.Errorf("fetch events: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: fetch events: %w", ErrAPI, err)
	}
	return response, nil
}

// count adds the numbers of a response to the report.
func (r *run) count(response *polisen.Response) {
	api := &r.report.API
	r.report.Counts.Fetched += response.Items()
	r.report.Counts.Invalid += len(response.Rejected)
	api.Calls += response.Calls
	api.WireBytes += response.WireBytes
	api.Bytes += response.Bytes
	api.Waited += report.Seconds(response.Waited)
}

// measure sets the phases of the report to those of a successful call.
func (r *run) measure(response *polisen.Response) {
	t, api := response.Timings, &r.report.API
	api.DNS, api.Connect, api.TLS = report.Seconds(t.DNS), report.Seconds(t.Connect), report.Seconds(t.TLS)
	api.Wait, api.Transfer = report.Seconds(t.Wait), report.Seconds(t.Transfer)
	api.Received = r.options.Recorder.Elapsed(response.FetchedAt)
}

// commit commits the new items of a batch. Call [archive.Writer.Flush] to store their
// objects.
func (r *run) commit(ctx context.Context, b archive.Batch) (archive.Outcome, error) {
	outcome, err := r.writer.Add(ctx, b)
	r.outcome = r.outcome.Plus(outcome)
	if err != nil {
		return outcome, storeError(r.explainRefusal(err))
	}
	r.noteCommit(ctx)
	return outcome, nil
}

// flush stores the objects of the last commit at the end of a run, so far with
// the result err: nil or a [*PartialError]. It returns the result of the run.
func (r *run) flush(ctx context.Context, err error) error {
	storeErr := r.writer.Flush(ctx)
	if storeErr == nil {
		storeErr = r.writer.Unfinished()
	}
	if storeErr == nil {
		return err
	}
	return errors.Join(storeError(storeErr), err)
}

// finish returns the complete report of a run that ends now with err. It does not
// change r, so that it can be called again.
func (r *run) finish(err error) report.Report {
	done := r.report
	done.DryRun, done.Saved, done.NoContact = r.options.DryRun, r.options.Saved, r.options.NoContact
	done.OK, done.ExitCode = err == nil, r.options.ExitCode(err)
	if err != nil {
		done.Error = text.OneLine(err.Error())
	}
	n, out := &done.Counts, r.outcome
	n.New, n.Revised, n.Rejected = out.New, out.Revised, out.Rejected
	n.AlreadySeen = out.Seen + out.SeenRejected
	n.Repeated += out.Repeated // BackfillSaved has counted others
	n.Waiting, n.LookedUp = out.Waiting, out.LookedUp
	n.CommitConflicts, n.CommitUnknownOutcomes = out.Conflicts, out.UnknownOutcomes
	if r.writer != nil {
		n.Healed = r.writer.Healed()
		open, unserved := r.writer.Document().GapDays()
		done.Gaps = &report.Gaps{Open: len(open), Unserved: len(unserved)}
	}
	for _, object := range out.Objects {
		done.Objects = append(done.Objects, report.Object(object))
	}
	if r.options.NoContact { // noteCommit has a higher level if the run began the archive
		r.options.Recorder.Warn(slog.LevelInfo, noContact)
	}
	r.options.Recorder.Finish(&done)
	return done
}
