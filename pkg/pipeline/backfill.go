package pipeline

import (
	"context"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
)

// backfill opens the archive, calls addAll, which stores batches with [run.add], and
// returns the report. Batches that are stored before an error stay stored.
//
// It does not store the report: metadata/last_run.json shows whether collects succeed,
// and the report of a backfill would hide that they fail.
func backfill(ctx context.Context, o Options, addAll func(context.Context, *run) error) (report.Report, error) {
	r := newRun(o)
	err := r.openStore(ctx)
	if err == nil {
		err = r.openArchive(ctx, nil)
	}
	if err == nil {
		err = addAll(ctx, r)
		r.checkRebuilt(r.outcome)
		if !failed(err) {
			err = r.flush(ctx, err)
		}
	}
	return r.finish(err), err
}

// add commits the new items of a batch and stores their objects.
func (r *run) add(ctx context.Context, b archive.Batch) (archive.Outcome, error) {
	outcome, err := r.commit(ctx, b)
	if err != nil {
		return outcome, err
	}
	return outcome, storeError(r.writer.Flush(ctx))
}
