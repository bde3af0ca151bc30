package pipeline

import (
	"context"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
)

// Feed is a backfill's source of events: it hands batch after batch to sink
// and ends with the first error, be it its own or sink's. A *PartialError says
// that it gave all it could, but that something needs a person's eye.
type Feed func(ctx context.Context, run *Options, sink Sink) error

// Sink stores a batch: when it returns nil, the batch is in the archive.
type Sink func(ctx context.Context, b archive.Batch) (archive.Outcome, error)

// Backfill stores all that the feed gives. What was stored before an error or
// a cancellation stays. The report is filled in as far as the run came, also
// on an error; the errors are those of Collect.
//
// The report is not published: metadata/last_run.json tells health checks that
// the collecting goes on, and a backfill would hide that it does not.
func Backfill(ctx context.Context, o Options, feed Feed) (report.Report, error) {
	var total archive.Outcome
	_, w, err := open(ctx, &o)
	if err == nil {
		err = feed(ctx, &o, func(ctx context.Context, b archive.Batch) (archive.Outcome, error) {
			outcome, err := w.Add(ctx, b)
			total = total.Plus(outcome)
			if err == nil {
				err = w.Flush(ctx)
			}
			return outcome, storeError(err)
		})
	}
	total.Repeated += o.Report.Counts.Repeated // those that the feed left out
	o.finish(total, w, err)
	return o.Report, err
}
