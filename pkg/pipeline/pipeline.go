// Package pipeline is the cycle: fetch, drop what was seen, partition, put. It
// joins a source of events with the archive, runs side by side what does not
// depend on each other, and reports what was done.
//
// It holds no rule of the API (polisen does), no rule of the archive (archive
// does), and prints nothing.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

var (
	// ErrAPI is wrapped by errors that come from fetching events.
	ErrAPI = errors.New("the API failed")
	// ErrStore is wrapped by errors that come from the store.
	ErrStore = errors.New("storage failed")
)

// PartialError says that a run did its work and stored what it could, but that
// something needs a person's eye.
type PartialError struct {
	// Reasons are one line each.
	Reasons []string
}

func (e *PartialError) Error() string { return strings.Join(e.Reasons, "; ") }

// Source is where a run's events come from.
type Source interface {
	// Fetch returns one response. It may return a response with an error, for
	// the counters in it.
	Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error)
}

// Options are what every run needs.
type Options struct {
	// Report identifies the run: RunID, Command, Program, Host, Store, Source.
	Report report.Report
	// Recorder has been started with the run.
	Recorder *report.Recorder
	Clock    retry.Clock
	// OpenStore finds credentials and opens the store; it may take its time.
	OpenStore func(ctx context.Context) (store.Store, error)
	// Revisions says whether changed versions of stored events are stored.
	Revisions bool
	// DryRun says that nothing is to be written.
	DryRun bool
	// Flags are what another command needs to be about this archive, as for a
	// shell; empty if it needs none.
	Flags string
	// Alert is told of what somebody has to see to even if the run goes well,
	// and puts it into the report; nil leaves it at the report.
	Alert func(text string)
	// ExitCode gives the process's exit code for an error, for the report.
	ExitCode func(error) int
}

// stageCredentials is the stage in which OpenStore runs, and stageFetch that
// in which the response is fetched. The others are the archive's.
const (
	stageCredentials = "credentials"
	stageFetch       = "fetch"
)

// open finds credentials, opens the store, reads the document and heals.
func open(ctx context.Context, o *Options) (store.Store, *archive.Writer, error) {
	done := o.Recorder.Stage(stageCredentials)
	s, err := o.OpenStore(ctx)
	done()
	if err != nil {
		return nil, nil, err
	}
	w := archive.NewWriter(s, archive.Options{
		RunID:     o.Report.RunID,
		Now:       o.Clock.Now,
		Pause:     Pause(o.Clock),
		Stage:     o.Recorder.Stage,
		Revisions: o.Revisions,
		DryRun:    o.DryRun,
	})
	if err := w.Open(ctx); err != nil {
		return s, nil, storeError(err)
	}
	return s, w, nil
}

// Pause spreads runs that lost a commit to each other: a random wait that grows
// with the number of losses up to about a second.
func Pause(clock retry.Clock) func(context.Context, int) error {
	return func(ctx context.Context, lost int) error {
		most := 20 * time.Millisecond << min(lost, 6)
		return clock.Sleep(ctx, rand.N(most))
	}
}

// storeError marks an error as the store's.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// finish completes the report of a run that ends with err. The writer is nil
// if the store could not be opened.
func (o *Options) finish(out archive.Outcome, w *archive.Writer, err error) {
	r := &o.Report
	r.DryRun = o.DryRun
	r.OK, r.ExitCode, r.Error = err == nil, o.ExitCode(err), ""
	if err != nil {
		r.Error = err.Error()
	}
	n := &r.Counts
	n.New, n.Revised, n.Rejected = out.New, out.Revised, out.Rejected
	n.AlreadySeen, n.Repeated, n.LookedUp = out.Seen+out.SeenRejected, out.Repeated, out.LookedUp
	n.LostCommits, n.UnknownCommits = out.Conflicts, out.UnknownOutcomes
	if w != nil {
		n.Healed = w.Healed()
	}
	r.Objects = nil
	for _, object := range out.Objects {
		r.Objects = append(r.Objects, report.Object(object))
	}
	for _, text := range out.Warnings {
		o.Recorder.Warn("%s", text)
	}
	o.Recorder.Finish(r)
}

// publishTimeout bounds the publishing of a failed run's report, which happens
// even when the run's own time is up.
const publishTimeout = 10 * time.Second

// publish puts the report where health checks read it.
func publish(ctx context.Context, s store.Store, r report.Report) error {
	body, err := r.JSON()
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, archive.LastRunName, body, store.Always()); err != nil {
		return fmt.Errorf("put %s: %w", archive.LastRunName, err)
	}
	return nil
}
