// Package pipeline runs the cycle of the program: fetch events, drop those that
// are stored, partition the rest by date, put them into the archive, and report.
//
// [Collect] stores the newest events of the API, [BackfillDays] those of past
// days, and [BackfillSaved] those of saved responses. All three write through
// an [archive.Writer]; they differ only in where the events come from.
//
// The rules for calling the API are in package polisen, and those of the
// archive in package archive. This package prints nothing.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

var (
	// ErrAPI is wrapped by errors of fetching events.
	ErrAPI = errors.New("the API failed")
	// ErrStore is wrapped by errors of the store.
	ErrStore = errors.New("storage failed")
)

// StoreError returns err wrapped in [ErrStore]; nil if err is nil.
func StoreError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// PartialError is the error of a run that stored all it could, but found
// problems that a person should look at.
type PartialError struct {
	// Reasons are the problems, one line each.
	Reasons []string
}

func (e *PartialError) Error() string { return strings.Join(e.Reasons, "; ") }

// partial returns the reasons as a [*PartialError]; nil if there are none.
func partial(reasons []string) error {
	if len(reasons) == 0 {
		return nil
	}
	return &PartialError{Reasons: reasons}
}

// Source fetches responses: [polisen.Client] from the API, and [saved.Source]
// from a file.
type Source interface {
	// Fetch returns the response to a query. With an error it may return a
	// response too, which counts the calls that were made.
	Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error)
}

// Options are the settings of a run. A run does not change them.
type Options struct {
	// Report holds the fields that identify the run: RunID, Command, Program,
	// Host, Store and Source. The run fills in the others.
	Report report.Report
	// Recorder collects timings and warnings. It was made when the run started.
	Recorder *report.Recorder
	// Clock is the clock for commits and for waits before retries.
	Clock retry.Clock
	// OpenStore finds credentials and opens the store.
	OpenStore func(ctx context.Context) (store.Store, error)
	// Revisions is true if changed versions of stored events are stored.
	Revisions bool
	// DryRun is true if nothing is written.
	DryRun bool
	// Command completes a suggested command: given "verify --repair" it
	// returns a shell command that works on this archive.
	Command func(args string) string
	// ExitCode returns the exit code of the process for an error.
	ExitCode func(error) int
}
