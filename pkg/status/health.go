package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// HealthOptions are the limits of a health check.
type HealthOptions struct {
	// MaxAge is the longest allowed time since the last run finished.
	MaxAge time.Duration
	// Concurrency is the maximum number of concurrent store calls.
	Concurrency int
	// Now is the time of the check.
	Now time.Time
}

// Health is the result of a health check. Its JSON fields are stable: new ones
// may be added.
type Health struct {
	// OK says that there are no problems.
	OK bool `json:"ok"`
	// Problems say why the archive is not healthy, the most serious first.
	Problems []string `json:"problems"`
	// Age is the time since the last run finished, MaxAge its limit. Age is nil if
	// there is no report of a run, and negative if the run finished in the future.
	Age    *report.Seconds `json:"age_s,omitempty"`
	MaxAge report.Seconds  `json:"max_age_s"`
	// New is the number of new events that the last run stored.
	New int `json:"new"`
	// Listed is the number of ids in the document.
	Listed int `json:"listed"`
	// Pending is the number of objects of the last commit. Missing counts those
	// that do not exist, and Different those of which a line is nowhere in the
	// archive.
	Pending   int `json:"pending"`
	Missing   int `json:"missing"`
	Different int `json:"different"`
	// Headroom is the time until the API's response no longer reaches back to the
	// last run, so that the next run may miss events. It is nil if the last
	// response was not full, because then it held every event that the API shows.
	Headroom *report.Seconds `json:"headroom_s,omitempty"`
}

// CheckHealth checks that the last run succeeded recently, that the objects of
// the last commit are stored, and that the next run will be in time to miss no
// events. It reads events only if another program has changed one of these objects.
//
// The error is the store's. All other trouble is in Health.Problems, a document
// of a newer format too.
func CheckHealth(ctx context.Context, s Archive, o HealthOptions) (*Health, error) {
	doc, docErr := ReadDocument(ctx, s)
	newer := errors.Is(docErr, archive.ErrNewerFormat)
	if newer {
		doc = &Document{store: s}
	} else if docErr != nil {
		return nil, docErr
	}
	run, pending, err := doc.readRest(ctx, o.Concurrency)
	if err != nil {
		return nil, err
	}
	h := &Health{MaxAge: report.Seconds(o.MaxAge), Problems: []string{}} // in JSON an empty list, not null
	h.checkRun(run, o)
	if newer {
		h.problem("%v", docErr)
	} else {
		h.checkDocument(doc, pending, o.Now)
	}
	h.OK = len(h.Problems) == 0
	return h, nil
}

func (h *Health) problem(format string, args ...any) {
	h.Problems = append(h.Problems, fmt.Sprintf(format, args...))
}

func (h *Health) checkRun(run lastRun, o HealthOptions) {
	switch run.state {
	case Missing:
		h.problem("no collect has finished yet: there is no %s", archive.LastRunName)
		return
	case Damaged:
		h.problem("%s is damaged; the next collect replaces it", archive.LastRunName)
		return
	}
	r := run.content
	age := o.Now.Sub(r.Finished)
	h.Age = new(report.Seconds)
	*h.Age = report.Seconds(age)
	h.New = r.Counts.New
	switch {
	case age > o.MaxAge:
		h.problem("the last run finished %s, more than %v: check the scheduler", text.Ago(age), o.MaxAge)
	case age < -MaxSkew:
		h.problem("the last run finished %s: check the clocks", text.Ago(age))
	}
	if !r.OK {
		h.problem("the last run ended with exit code %d: %s", r.ExitCode, r.Error)
	}
	if r.Window != nil && r.Counts.Fetched >= polisen.FullResponse {
		headroom := time.Duration(r.Window.Hours*float64(time.Hour)) - age
		h.Headroom = new(report.Seconds)
		*h.Headroom = report.Seconds(headroom)
		if headroom < o.MaxAge {
			h.problem("the next run must start within %s to miss no events: the last response spans only %.1f hours",
				text.Duration(headroom), r.Window.Hours)
		}
	}
}

func (h *Health) checkDocument(d *Document, pending []Object, now time.Time) {
	switch d.State {
	case Missing:
		h.problem("there is no %s; the next collect creates it", archive.DocumentName)
		return
	case Damaged:
		h.problem("%s; the next collect saves a copy and rebuilds it", d.Damage)
		return
	}
	h.Listed, h.Pending = len(d.parsed.SeenIDs), len(pending)
	for _, p := range pending {
		switch p.State {
		case archive.Missing:
			h.Missing++
		case archive.Different:
			h.Different++
		}
	}
	if now.Sub(d.parsed.LastUpdated) >= PutGrace {
		if h.Missing > 0 {
			h.problem("objects of the last commit are missing: %d of %d; the next run stores them", h.Missing, h.Pending)
		}
		if h.Different > 0 {
			h.problem("objects of the last commit lack lines that are nowhere in the archive: %d of %d; the next run stores these lines again", h.Different, h.Pending)
		}
	}
	if d.parsed.LastUpdated.Sub(now) > MaxSkew {
		h.problem("last_updated of the document is %s, in the future: check the clocks", d.parsed.LastUpdated.Format(time.RFC3339))
	}
}

// Err returns nil, or an error that wraps [ErrUnhealthy] and lists the problems.
func (h *Health) Err() error {
	if h.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnhealthy, text.Clean(strings.Join(h.Problems, "; ")))
}

// String returns one line in the format of monitoring plugins: the status, a
// text, and after "|" the measured values and their thresholds
// (https://www.monitoring-plugins.org/doc/guidelines.html).
func (h *Health) String() string {
	var b strings.Builder
	if h.OK {
		b.WriteString("OK - ")
	} else {
		b.WriteString("CRITICAL - " + strings.Join(h.Problems, "; ") + "; ")
	}
	var facts, data []string
	maxAge := time.Duration(h.MaxAge).Seconds()
	if h.Age != nil {
		age := time.Duration(*h.Age)
		facts = append(facts, fmt.Sprintf("last run %s, %d new", text.Ago(age), h.New))
		data = append(data, fmt.Sprintf("age=%.0fs;;%.0f;0", age.Seconds(), maxAge))
	}
	stored := h.Pending - h.Missing - h.Different
	facts = append(facts, text.Count(h.Listed, "listed id"), fmt.Sprintf("%d of %d pending objects stored", stored, h.Pending))
	data = append(data, fmt.Sprintf("listed=%d;;;0;%d", h.Listed, archive.MaxSeen),
		fmt.Sprintf("missing=%d;;0;0", h.Missing), fmt.Sprintf("different=%d;;0;0", h.Different))
	if h.Headroom != nil {
		headroom := time.Duration(*h.Headroom)
		facts = append(facts, "headroom "+text.Duration(headroom))
		data = append(data, fmt.Sprintf("headroom=%.0fs;;%.0f:", headroom.Seconds(), maxAge))
	}
	b.WriteString(strings.Join(facts, ", "))
	return strings.ReplaceAll(text.Clean(b.String()), "|", " ") + " | " + strings.Join(data, " ")
}
