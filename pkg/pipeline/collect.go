package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// Collect fetches the newest events once and stores those that are new. It
// always returns a report, also with an error. The errors wrap
//
//   - [ErrAPI] if the API gave no usable response;
//   - [ratelimit.ErrExceeded] if the rate limiter allowed no call;
//   - [ErrStore] if the store failed, and also [store.ErrAccess] if that is
//     because of the settings; also if single objects could not be read, so that
//     events wait for a later run;
//   - the errors of Options.OpenStore;
//   - [*PartialError] if everything was stored, but a person should look at
//     something.
//
// Collect also stores the report as metadata/last_run.json, for health checks. It does
// not do so if the run was a dry run, was cancelled, had no access to the store, or
// made no call because of the rate limiter.
func Collect(ctx context.Context, o Options, source Source) (report.Report, error) {
	c := &collect{run: newRun(o), source: source}
	outcome, err := c.fetchAndCommit(ctx)
	if err == nil {
		err = c.check(outcome)
	}
	if !failed(err) {
		err = c.put(ctx, err)
	}
	if failed(err) && c.shouldPublishFailure(ctx, err) {
		err = c.publishFailure(ctx, err)
	}
	return c.finish(err), err
}

// failed reports whether err is an error other than a [*PartialError].
func failed(err error) bool {
	_, isPartial := errors.AsType[*PartialError](err)
	return err != nil && !isPartial
}

// collect is the state of one Collect.
type collect struct {
	*run
	source   Source
	response *polisen.Response
	previous archive.Document // before this run's commit
}

// fetchAndCommit fetches the newest events and opens the archive at the same time,
// and then commits the new events.
func (c *collect) fetchAndCommit(ctx context.Context) (archive.Outcome, error) {
	g, gctx := errgroup.WithContext(ctx)
	opened := make(chan struct{})
	g.Go(func() error {
		defer close(opened)
		return c.open(gctx)
	})
	g.Go(func() error {
		err := c.fetchNewest(gctx)
		if err != nil {
			// Returning cancels open, which has yet to heal the archive and to
			// open the store for the report.
			<-opened
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return archive.Outcome{}, err
	}
	c.previous = *c.writer.Document()
	return c.commit(ctx, archive.Batch{
		Events:     c.response.Events,
		Rejected:   c.response.Rejected,
		ObservedAt: c.response.FetchedAt,
		Current:    true,
	})
}

// fetchNewest fetches the newest events and reports their window.
func (c *collect) fetchNewest(ctx context.Context) error {
	response, err := c.fetch(ctx, c.source, polisen.Query{})
	if err != nil {
		return err
	}
	c.response = response
	if oldest, newest, ok := span(response.Events); ok && !c.options.Saved && len(response.Events)+len(response.Rejected) >= polisen.FullResponse {
		c.report.Window = report.NewWindow(oldest, newest, len(response.Events))
	}
	return nil
}

// put stores the committed objects and, at the same time, the report of a run that
// so far has the result err. It returns the result of the run. If that is worse,
// publishFailure replaces the report.
func (c *collect) put(ctx context.Context, err error) error {
	if c.options.DryRun {
		return c.flush(ctx, err)
	}
	r := c.finish(err)
	var publishErr error
	var published sync.WaitGroup
	published.Go(func() { publishErr = c.publish(ctx, r) })
	err = c.flush(ctx, err)
	published.Wait()
	if !failed(err) { // an error of the objects matters more than publishErr
		err = cmp.Or(publishErr, err)
	}
	return err
}

// errNotPublished is wrapped by the errors of publish.
var errNotPublished = errors.New("the report of the run is not stored")

// publish stores a report as metadata/last_run.json.
func (c *collect) publish(ctx context.Context, r report.Report) error {
	body, err := (*report.LastRun)(nil).Add(r, nil).JSON()
	if err != nil {
		return err
	}
	if _, err := c.store.Put(ctx, archive.LastRunName, body, store.Always()); err != nil {
		return storeError(fmt.Errorf("%w: %w", errNotPublished, err))
	}
	return nil
}

// shouldPublishFailure reports whether to store the report of a run that failed with
// err. A cancelled run has to end at once. A run without a call, or without access to
// the store, shows nothing about the archive.
func (c *collect) shouldPublishFailure(ctx context.Context, err error) bool {
	cancelled := ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	return !c.options.DryRun && c.store != nil && !cancelled &&
		!errors.Is(err, ratelimit.ErrExceeded) && !errors.Is(err, store.ErrAccess)
}

// publishFailure stores the report of a run that failed with err, even if the run's
// deadline has passed, but at most Options.ReportTime after it. It returns err,
// joined with the error of publish, if any.
func (c *collect) publishFailure(ctx context.Context, err error) error {
	const timeout = 10 * time.Second
	deadline, limited := ctx.Deadline()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if limited {
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(c.options.ReportTime))
		defer cancel()
	}
	publishErr := c.publish(ctx, c.finish(err))
	if publishErr == nil || errors.Is(err, errNotPublished) { // one error about the report is enough
		return err
	}
	return errors.Join(err, publishErr)
}
