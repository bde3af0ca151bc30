package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// lastRun is metadata/last_run.json as it was read.
type lastRun struct {
	content *report.LastRun // nil if the object is missing or damaged
	cond    store.Cond      // of a Put that replaces what was read
}

// readLastRun reads metadata/last_run.json. The error is the store's.
func readLastRun(ctx context.Context, s store.Reader) (lastRun, error) {
	body, cond, err := archive.ReadLastRun(ctx, s)
	if err != nil {
		return lastRun{}, err
	}
	content, err := report.ParseLastRun(body)
	if err != nil {
		content = nil // the history begins again
	}
	return lastRun{content, cond}, nil
}

// forArchive returns what the commit protocol takes from the report.
func (l lastRun) forArchive() archive.LastRun {
	if l.content == nil {
		return archive.LastRun{}
	}
	return archive.LastRun{Stored: (*archive.Commit)(l.content.StoredCommit), Backup: l.content.DocumentBackup}
}

// storeReport stores the report of a run that ends with err as metadata/last_run.json,
// and returns the result of the run: err, joined with the error of the report. It does
// nothing if the run is a dry run, has no store, or must not write to this archive.
func (c *collect) storeReport(ctx context.Context, err error) error {
	switch {
	case c.options.DryRun, c.store == nil, errors.Is(err, archive.ErrLostCommits):
		return err
	case isCancelled(ctx): // the run has to end at once
		if err == nil {
			err = context.Cause(ctx)
		}
		return err
	}
	r := c.finish(err)
	ctx, cancel := c.reportContext(ctx, r.Succeeded())
	defer cancel()
	done := c.options.Recorder.Stage(stageReport)
	reportErr := c.replaceLastRun(ctx, r)
	done()
	if errors.Is(err, store.ErrAccess) && errors.Is(reportErr, store.ErrAccess) { // one error with this cause is enough
		return err
	}
	return errors.Join(err, storeError(reportErr))
}

// isCancelled reports whether the context has ended before its deadline.
func isCancelled(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

// reportContext returns the context for storing the report of a run. It ends
// Options.ReportTime after the deadline of the run, and at once if the run is cancelled.
// A run that did not succeed takes at most 10 seconds for its report.
func (c *collect) reportContext(run context.Context, succeeded bool) (context.Context, context.CancelFunc) {
	const failedTime = 10 * time.Second
	ctx, cancelCause := context.WithCancelCause(context.WithoutCancel(run))
	stop := context.AfterFunc(run, func() {
		if isCancelled(run) {
			cancelCause(context.Cause(run))
		}
	})
	cancels := []context.CancelFunc{func() { stop() }, func() { cancelCause(nil) }}
	if deadline, ok := run.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(c.options.ReportTime))
		cancels = append(cancels, cancel)
	}
	if !succeeded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, failedTime)
		cancels = append(cancels, cancel)
	}
	return ctx, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// replaceLastRun writes metadata/last_run.json with the report r and the history. If
// another run has replaced it meanwhile, it tries once more, and then gives up without
// an error: the history lacks this run. A run that failed before it could see whether the
// archive lacks commits does not create the object. The error is the store's.
func (c *collect) replaceLastRun(ctx context.Context, r report.Report) error {
	var stored *report.StoredCommit
	var backup *archive.Backup
	if c.writer != nil {
		stored = (*report.StoredCommit)(c.writer.StoredCommit())
		backup = c.writer.Document().Backup()
	}
	last, err := c.lastRun, c.lastRunErr
	for try := 1; ; try++ {
		if err != nil {
			if last, err = readLastRun(ctx, c.store); err != nil {
				return err
			}
		}
		if last.cond.Absent() && c.writer == nil && c.known != nil {
			return nil // the archive may be on a disk that is not mounted
		}
		next := last.content.Add(r, stored)
		// Another run may have reported a later commit meanwhile.
		if backup != nil && backup.Timestamp >= archive.ParseBackup(next.DocumentBackup).Timestamp {
			if next.DocumentBackup, err = json.Marshal(backup); err != nil {
				return fmt.Errorf("encode the backup of the document: %w", err)
			}
		}
		var body []byte
		if body, err = next.JSON(); err != nil {
			return err
		}
		_, putErr := c.store.Put(ctx, archive.LastRunName, body, last.cond)
		if putErr == nil {
			return nil
		}
		// The Put may have succeeded: its response may be lost, or the store may have
		// repeated the request.
		last, err = readLastRun(ctx, c.store)
		switch {
		case err == nil && last.content.Has(r.RunID):
			return nil
		case !errors.Is(putErr, store.ErrPrecondition):
			return fmt.Errorf("store the report of the run: %w", putErr)
		case try == 2:
			c.options.Recorder.Warn(slog.LevelInfo, "other runs replaced %s at the same time twice; its history lacks this run", archive.LastRunName)
			return nil
		}
	}
}
