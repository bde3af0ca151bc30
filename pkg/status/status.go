// Package status reads an archive's metadata: the document, the report of the
// last run, and whether the objects of the last commit are stored. From these
// it makes the summary that inspect-metadata prints and the health check of
// verify --quick. It also finds single ids in the archive and compares a
// response with it.
//
// It only reads, and takes the time from its caller. Package verify checks the
// data objects.
package status

import (
	"bytes"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

var (
	// ErrNotFound says that the archive does not have an id, or that its document or its
	// history is missing or damaged.
	ErrNotFound = errors.New("not found")
	// ErrUnhealthy says that a health check found problems.
	ErrUnhealthy = errors.New("health check failed")
)

const (
	// MaxSkew is how much the clocks of two hosts may differ.
	MaxSkew = 2 * time.Minute
	// PutGrace is the time that a run has after its commit to store the objects.
	// Until it is over, a missing object is no problem.
	PutGrace = time.Minute

	// concurrency is the maximum number of concurrent store calls of a summary.
	concurrency = 16
)

// Archive is the store that holds an archive.
type Archive interface {
	store.Reader
	// String names the store, without secrets.
	String() string
}

// Object is a pending object of the document.
type Object struct {
	Name string `json:"name"`
	// Lines is the number of lines that its commit gave it.
	Lines int                 `json:"lines"`
	State archive.ObjectState `json:"state"`
}

// lastRun is the report of the last collect on any host with its history, as it was
// read.
type lastRun struct {
	state   State
	content *report.LastRun // nil unless state is Readable
}

// history returns the content. If it has no history, because an earlier version of the
// program wrote it, the report becomes its only run.
func (r lastRun) history() *report.LastRun {
	if r.content != nil && len(r.content.Hosts) == 0 && len(r.content.Runs) == 0 {
		return r.content.Add(r.content.Report, r.content.StoredCommit)
	}
	return r.content
}

// readRest reads the report of the last run, and finds the states of the
// document's pending objects. It returns the objects in the document's order. A document
// without a commit takes over the backup in the report, as the next run will do.
func (d *Document) readRest(ctx context.Context, concurrency int) (lastRun, []Object, error) {
	var run lastRun
	pending := make([]Object, len(d.parsed.Pending))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(concurrency, 1))
	g.Go(func() (err error) {
		run, err = readLastRun(ctx, d.store)
		return err
	})
	g.Go(func() error {
		states, err := archive.CheckPending(ctx, d.store, d.parsed.Pending, concurrency-1)
		for i, state := range states {
			p := d.parsed.Pending[i]
			pending[i] = Object{Name: p.Name, Lines: bytes.Count(p.Content, []byte("\n")), State: state}
		}
		return err
	})
	err := g.Wait()
	if run.content != nil && d.State == Readable {
		d.parsed.Take(archive.ParseBackup(run.content.DocumentBackup))
	}
	return run, pending, err
}

// readLastRun reads the report of the last run. A report that is too large or has
// another MD5 counts as damaged, since the next run replaces it. The error is the store's.
func readLastRun(ctx context.Context, s store.Reader) (lastRun, error) {
	body, cond, err := archive.ReadLastRun(ctx, s)
	if err != nil {
		return lastRun{}, err
	}
	if cond == store.IfAbsent() {
		return lastRun{state: Missing}, nil
	}
	content, err := report.ParseLastRun(body)
	if err != nil {
		return lastRun{state: Damaged}, nil
	}
	return lastRun{state: Readable, content: content}, nil
}
