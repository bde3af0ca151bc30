package pipeline

import (
	"context"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
)

// backfill opens the archive, runs addAll and returns the report. addAll stores
// batches with [run.add]. What it stored before an error stays.
//
// The report is not stored: metadata/last_run.json shows whether collects
// succeed, and the report of a backfill would hide that they do not.
func backfill(ctx context.Context, o Options, addAll func(context.Context, *run) error) (report.Report, error) {
	r := newRun(o)
	err := r.open(ctx)
	if err == nil {
		err = addAll(ctx, r)
		if !failed(err) {
			err = r.flush(ctx, err)
		}
	}
	return r.finish(err), err
}

// add commits what is new in a batch and stores its objects.
func (r *run) add(ctx context.Context, b archive.Batch) (archive.Outcome, error) {
	outcome, err := r.commit(ctx, b)
	if err != nil {
		return outcome, err
	}
	return outcome, StoreError(r.writer.Flush(ctx))
}
