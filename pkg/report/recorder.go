package report

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"polisen-events-collector/pkg/text"
)

// Recorder collects the stages, store retries and warnings of a run. It is safe for
// concurrent use.
type Recorder struct {
	now     func() time.Time
	started time.Time

	mu       sync.Mutex
	stages   []Stage
	retries  int
	warnings []Warning           // at most maxWarnings
	warned   map[string]struct{} // their texts
	more     Warning             // counts the others, if there are any
	dropped  int
}

// maxWarnings is the largest number of warnings that a Recorder keeps. A damaged
// object may cause one for each of its lines.
const maxWarnings = 100

// NewRecorder returns a Recorder for a run that starts now. It calls now for each
// time that it records.
func NewRecorder(now func() time.Time) *Recorder {
	return &Recorder{now: now, started: now(), warned: make(map[string]struct{})}
}

// Stage starts a stage. The function that it returns ends the stage and records it.
func (r *Recorder) Stage(name string) (done func()) {
	start := r.now()
	return func() {
		end := r.now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stages = append(r.stages, Stage{name, Seconds(start.Sub(r.started)), Seconds(end.Sub(start))})
	}
}

// Elapsed returns the time from the start of the run to t.
func (r *Recorder) Elapsed(t time.Time) Seconds { return Seconds(t.Sub(r.started)) }

// StoreRetry counts one repeated request to the store.
func (r *Recorder) StoreRetry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retries++
}

// Warn records a warning, unless it has recorded the same text before. For the
// level see [Warning]. It keeps the first 100 warnings; the last of [Recorder.Warnings]
// then counts the others, with the highest of their levels.
func (r *Recorder) Warn(level slog.Level, format string, args ...any) {
	w := Warning{Level: level, Text: fmt.Sprintf(format, args...)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.warned[w.Text]; ok {
		return
	}
	if len(r.warnings) < maxWarnings {
		r.warnings = append(r.warnings, w)
		r.warned[w.Text] = struct{}{}
		return
	}
	if r.dropped == 0 || level > r.more.Level {
		r.more.Level = level
	}
	r.dropped++
	r.more.Text = text.Count(r.dropped, "more warning")
}

// Warnings returns the warnings recorded so far, oldest first.
func (r *Recorder) Warnings() []Warning {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append([]Warning{}, r.warnings...) // [] rather than null in JSON
	if r.dropped > 0 {
		all = append(all, r.more)
	}
	return all
}

// Finish sets the fields of the report that r has recorded: the times of the run,
// the stages that have ended, the store retries and the warnings. The run ends now.
// A later Finish may set them again.
func (r *Recorder) Finish(to *Report) {
	end := r.now()
	to.Warnings = r.Warnings()
	r.mu.Lock()
	defer r.mu.Unlock()
	to.Started, to.Finished = r.started.UTC(), end.UTC()
	to.Duration = Seconds(end.Sub(r.started))
	to.StoreRetries = r.retries
	to.Stages = append([]Stage{}, r.stages...) // [] rather than null in JSON
	slices.SortStableFunc(to.Stages, func(a, b Stage) int { return cmp.Compare(a.Start, b.Start) })
	if to.Objects == nil {
		to.Objects = []Object{} // [] rather than null in JSON
	}
}
