package pipeline

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// Collect does one cycle: it fetches the newest events and stores what is new.
// The report is filled in as far as the run came, also on an error:
//
//   - ErrAPI, or ratelimit.ErrExceeded, if there was no response to store;
//   - ErrStore, or the error of OpenStore; store.ErrAccess tells whether
//     settings are at fault;
//   - *PartialError if all was done but something needs a person's eye.
//
// Unless the run was refused, dry or cancelled, its report is also put into
// the store as metadata/last_run.json, failures included.
func Collect(ctx context.Context, o Options, source Source) (report.Report, error) {
	if o.Alert == nil {
		o.Alert = func(text string) { o.Recorder.Warn("%s", text) }
	}
	c := &collect{Options: o, source: source}
	err := c.commit(ctx)
	if err == nil {
		err = c.doubts()
	}
	if c.DryRun || failed(err) {
		c.finish(err)
		return c.Report, c.publishFailure(ctx, err)
	}
	if putErr := c.put(ctx, err); putErr != nil {
		err = putErr
		c.finish(err)
		return c.Report, c.publishFailure(ctx, err)
	}
	c.finish(err)
	return c.Report, err
}

// collect is one run.
type collect struct {
	Options
	source Source

	response *polisen.Response
	store    store.Store
	writer   *archive.Writer
	previous archive.Document // as it was before this run
	outcome  archive.Outcome
}

// failed tells errors from doubts about a run that did all it could.
func failed(err error) bool {
	_, partial := errors.AsType[*PartialError](err)
	return err != nil && !partial
}

// commit does all of the cycle but the last step, with the fetch beside
// credentials, document and heal.
func (c *collect) commit(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	opened := make(chan struct{})
	g.Go(func() (err error) {
		defer close(opened)
		c.store, c.writer, err = open(gctx, &c.Options)
		return err
	})
	g.Go(func() error {
		err := c.fetch(gctx)
		if err != nil {
			<-opened // a failed fetch does not keep the run from healing, nor from reporting
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	c.previous = *c.writer.Document()
	outcome, err := c.writer.Add(ctx, archive.Batch{
		Events:     c.response.Events,
		Rejected:   c.response.Rejected,
		ObservedAt: c.response.FetchedAt,
		Current:    true,
	})
	c.outcome = outcome
	return storeError(err)
}

// fetch gets the response and fills in what the report says of it.
func (c *collect) fetch(ctx context.Context) error {
	done := c.Recorder.Stage(stageFetch)
	r, err := c.source.Fetch(ctx, polisen.Query{})
	done()
	if r != nil {
		c.response = r
		c.count(r)
		if oldest, newest, ok := span(r.Events); ok {
			c.Report.Window = report.NewWindow(oldest, newest, len(r.Events))
		}
	}
	if err != nil {
		return fetchError(err)
	}
	return nil
}

// put stores the committed objects and, beside them, the report of a run that
// ends with err, which is nil or a doubt.
func (c *collect) put(ctx context.Context, err error) error {
	c.finish(err)
	var g errgroup.Group
	r := c.Report
	g.Go(func() error { return c.writer.Flush(ctx) })
	g.Go(func() error { return publish(ctx, c.store, r) })
	return storeError(g.Wait())
}

// finish completes the report of a run that ends with err.
func (c *collect) finish(err error) { c.Options.finish(c.outcome, c.writer, err) }

// publishFailure publishes the report of a run that failed, unless it was
// refused (it never began), dry, or cancelled from outside (it is to end). It
// returns err, joined with its own.
func (c *collect) publishFailure(ctx context.Context, err error) error {
	cancelled := ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if c.DryRun || c.store == nil || cancelled || errors.Is(err, ratelimit.ErrExceeded) || errors.Is(err, store.ErrAccess) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if perr := publish(ctx, c.store, c.Report); perr != nil {
		return errors.Join(err, storeError(perr))
	}
	return err
}
