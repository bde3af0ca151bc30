package report

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Recorder collects what happens during a run. It is safe for concurrent use.
type Recorder struct {
	now     func() time.Time
	started time.Time

	mu       sync.Mutex
	stages   []Stage
	retries  int
	warnings []string
	told     []string // of warnings, those that need not be told again
}

// NewRecorder returns a Recorder for a run that starts now.
func NewRecorder(now func() time.Time) *Recorder {
	return &Recorder{now: now, started: now()}
}

// Started returns the start of the run.
func (r *Recorder) Started() time.Time { return r.started }

// Stage notes the start of a stage; the function it returns notes its end.
func (r *Recorder) Stage(name string) (done func()) {
	start := r.now()
	return func() {
		end := r.now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stages = append(r.stages, Stage{name, Seconds(start.Sub(r.started)), Seconds(end.Sub(start))})
	}
}

// StoreRetry notes that a request to the store is repeated.
func (r *Recorder) StoreRetry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retries++
}

// Warn notes a warning. The same text counts once.
func (r *Recorder) Warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// Told notes a warning that somebody has been told of already.
func (r *Recorder) Told(text string) {
	r.Warn("%s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, text)
}

// Untold returns the other warnings.
func (r *Recorder) Untold() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.warnings), func(text string) bool { return slices.Contains(r.told, text) })
}

// Finish fills in what was recorded: times, stages in order of their start,
// retries and warnings. A run may be finished more than once.
func (r *Recorder) Finish(to *Report) {
	end := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	to.Started, to.Finished = r.started.UTC(), end.UTC()
	to.Duration = Seconds(end.Sub(r.started))
	to.StoreRetries = r.retries
	to.Stages = slices.Clone(r.stages)
	slices.SortStableFunc(to.Stages, func(a, b Stage) int { return cmp.Compare(a.Start, b.Start) })
	to.Warnings = append([]string{}, r.warnings...)
	if to.Objects == nil {
		to.Objects = []Object{} // an empty list, not null, for readers of the JSON
	}
}
