// Package pipeline runs the cycle of the program: fetch events, drop the events that
// are stored already, partition the rest by date, store them, and report.
//
// [Collect] stores the newest events of the API, [BackfillDays] the events of past
// days, and [BackfillSaved] the events in saved responses. All three write with an
// [archive.Writer], and differ only in where the events come from.
//
// Package polisen has the rules for calls to the API, and package archive the rules
// for the archive. This package prints nothing.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
)

var (
	// ErrAPI is wrapped by the errors of failed fetches.
	ErrAPI = errors.New("the API failed")
	// ErrStore is wrapped by the errors of the store.
	ErrStore = errors.New("storage failed")
)

// storeError returns err wrapped in [ErrStore], or nil if err is nil.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// PartialError is the error of a run that stored everything it could, but found
// problems that a person should look at.
type PartialError struct {
	// Reasons are the problems, one line each.
	Reasons []string
	// Printed are those of the Reasons that last, and that earlier runs on this host
	// have printed less than a day ago. They need not be printed again.
	Printed []string
}

func (e *PartialError) Error() string { return strings.Join(e.Reasons, "; ") }

// Unprinted returns the error without the reasons that were printed before; nil if none
// is left.
func (e *PartialError) Unprinted() error {
	return partial(slices.DeleteFunc(slices.Clone(e.Reasons), func(reason string) bool { return slices.Contains(e.Printed, reason) }))
}

// partial returns a [*PartialError] with the reasons, or nil if there are none.
func partial(reasons []string) error {
	if len(reasons) == 0 {
		return nil
	}
	return &PartialError{Reasons: reasons}
}

// Source fetches responses: a [polisen.Client] from the API, and a [saved.Source]
// from a file.
type Source interface {
	// Fetch returns the response to a query. With an error it may return a
	// response too, for the number of calls and the time it waited.
	Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error)
}

// Options are the settings of a run. A run does not change them.
type Options struct {
	// Report has the fields that identify the run: RunID, Command, Program, Host,
	// Store and Source. The run sets the other fields.
	Report report.Report
	// Recorder records stages and warnings. Create it when the run starts.
	Recorder *report.Recorder
	// Clock is the clock for commits and for waits before retries.
	Clock retry.Clock
	// OpenStore finds credentials and opens the store.
	OpenStore func(ctx context.Context) (store.Store, error)
	// Revisions is true if the run stores later versions of stored events.
	Revisions bool
	// Saved is true if the source is a saved response. It says nothing about the
	// API's present state, so the report has no window and no lag.
	Saved bool
	// Query selects the events that Collect fetches. The zero Query selects the newest.
	Query polisen.Query
	// Filtered is true if the URL of the API or Query has filters. The report then has
	// no window and no lag either.
	Filtered bool
	// GapSource is the source of the days that are gaps: the API, with
	// [polisen.Options].LeaveRoom. If it is nil, a run records gaps, but does not
	// close them.
	GapSource Source
	// DryRun is true if the run writes nothing.
	DryRun bool
	// Command returns a command to suggest to the user: for the arguments
	// "verify --repair" a shell command that repairs this archive.
	Command func(args string) string
	// ReportTime is the time after the deadline of Collect's context in which the run
	// may still store its report.
	ReportTime time.Duration
	// MaxLag is the age of the newest event from which the API counts as stale.
	MaxLag time.Duration
	// HostState is what this host remembers of the archive: [HostState.ReadOnly] if the
	// source is a saved response. If it is nil, the run accepts every archive.
	HostState *HostState
	// PrintAlarms is true if the run prints every alarm, for example because a person
	// watches it. Otherwise it leaves out those that other runs have printed less than
	// a day ago.
	PrintAlarms bool
	// NoContact is true if the API's rules ask for a contact in the User-Agent, and
	// there is none.
	NoContact bool
	// AcceptArchive is true if the run goes on with an archive that is empty, or
	// older than the one that HostState remembers.
	AcceptArchive bool
	// ExitCode returns the exit code of the process for an error or nil.
	ExitCode func(error) int
}
