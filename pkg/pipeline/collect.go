package pipeline

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
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
// Collect also stores the report as metadata/last_run.json, with the history of earlier
// runs, for health checks. It does so when the objects are stored or have failed. It does
// not do so if the run was a dry run, was cancelled, could not open the store, or found
// an archive that lacks commits.
func Collect(ctx context.Context, o Options, source Source) (report.Report, error) {
	c := &collect{run: newRun(o), source: source}
	err := c.storeReport(ctx, c.cycle(ctx))
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
	// span is the time span of the response's events; zero without events.
	span polisen.Window
	// window is span if the response has all newer events: see [archive.Batch].
	// Otherwise window is nil.
	window   *polisen.Window
	previous archive.Document // before this run's commit

	// lastRun is metadata/last_run.json, and lastRunErr the error of reading it.
	lastRun    lastRun
	lastRunErr error
}

// cycle does all that a run does before it stores its report.
func (c *collect) cycle(ctx context.Context) error {
	outcome, err := c.fetchAndCommit(ctx)
	if err != nil {
		return err
	}
	err = storeError(c.writer.Flush(ctx))
	if err == nil {
		err = c.closeGaps(ctx)
	}
	if err == nil {
		err = storeError(c.writer.Unfinished())
	}
	return errors.Join(err, c.check(ctx, outcome, err == nil))
}

// open opens the archive, and reads metadata/last_run.json at the same time as the
// metadata document.
func (c *collect) open(ctx context.Context) error {
	if err := c.openStore(ctx); err != nil {
		c.lastRunErr = err // nothing was read
		return err
	}
	if c.options.DryRun {
		return c.openArchive(ctx, nil)
	}
	var reading sync.WaitGroup
	reading.Go(func() { c.lastRun, c.lastRunErr = readLastRun(ctx, c.store) })
	err := c.openArchive(ctx, func() (archive.LastRun, error) {
		reading.Wait()
		return c.lastRun.forArchive(), c.lastRunErr
	})
	reading.Wait()
	return err
}

// fetchAndCommit fetches the newest events and opens the archive at the same time,
// and then commits the new events.
func (c *collect) fetchAndCommit(ctx context.Context) (archive.Outcome, error) {
	g, gctx := errgroup.WithContext(ctx)
	opened := make(chan struct{})
	var openErr error // once opened is closed
	g.Go(func() error {
		defer close(opened)
		openErr = c.open(gctx)
		return openErr
	})
	g.Go(func() error {
		err := c.fetchNewest(gctx)
		if err == nil {
			return nil
		}
		// An error cancels open, which has to heal the archive first.
		<-opened
		if openErr != nil { // it matters more
			return nil
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
		Window:     c.window,
	})
}

// fetchNewest fetches the newest events that match the query of the options, and
// reports their window and their lag.
func (c *collect) fetchNewest(ctx context.Context) error {
	response, err := c.fetch(ctx, c.source, c.options.Query)
	if err != nil {
		return err
	}
	c.response = response
	window, hasEvents := polisen.NewWindow(response.Events, response.FetchedAt)
	c.span = window
	if !hasEvents || !response.IsFull() || response.Cut != nil || c.options.Saved || c.options.Filtered || window.Length() > polisen.MaxWindow {
		return nil
	}
	inWindow := 0
	for _, e := range response.Events {
		if !e.Time.Before(window.From) && !e.Time.After(window.To) {
			inWindow++
		}
	}
	c.window = &window
	c.report.Window = report.NewWindow(window.From, window.To, inWindow)
	lag := report.Seconds(response.FetchedAt.Sub(window.To))
	c.report.Lag = &lag
	return nil
}
