package pipeline

import (
	"cmp"
	"context"
	"errors"
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
// Collect also stores the report as metadata/last_run.json, for health checks.
// It does not if the run is dry, was cancelled, had no access to the store, or
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
	if failed(err) && c.publishesFailure(ctx, err) {
		err = c.publishFailure(ctx, err)
	}
	return c.finish(err), err
}

// failed reports whether err is more than a [*PartialError].
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

// fetchAndCommit does everything up to the commit. It opens the archive while
// it fetches.
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
			// To return now would cancel open, which still heals the archive
			// and opens the store for the report.
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

// fetchNewest fetches the newest events and notes their time span in the report.
func (c *collect) fetchNewest(ctx context.Context) error {
	response, err := c.fetch(ctx, c.source, polisen.Query{})
	if err != nil {
		return err
	}
	c.response = response
	if oldest, newest, ok := span(response.Events); ok {
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
	var g errgroup.Group
	g.Go(func() error { return StoreError(c.publish(ctx, r)) })
	err = c.flush(ctx, err)
	if publishErr := g.Wait(); !failed(err) {
		err = cmp.Or(publishErr, err)
	}
	return err
}

// publish stores a report as metadata/last_run.json.
func (c *collect) publish(ctx context.Context, r report.Report) error {
	body, err := r.JSON()
	if err != nil {
		return err
	}
	_, err = c.store.Put(ctx, archive.LastRunName, body, store.Always())
	return err // names the object
}

// publishesFailure reports whether the report of a run that failed with err is
// published. A cancelled run has to end at once; one without a call or without
// access says nothing about the archive.
func (c *collect) publishesFailure(ctx context.Context, err error) bool {
	cancelled := ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	return !c.options.DryRun && c.store != nil && !cancelled &&
		!errors.Is(err, ratelimit.ErrExceeded) && !errors.Is(err, store.ErrAccess)
}

// publishFailure publishes the report of a run that failed with err, even if
// the time for the run is over. It returns err, joined with its own error.
func (c *collect) publishFailure(ctx context.Context, err error) error {
	const timeout = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if publishErr := c.publish(ctx, c.finish(err)); publishErr != nil {
		return errors.Join(err, StoreError(publishErr))
	}
	return err
}
