package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// QuickOptions says what is healthy.
type QuickOptions struct {
	// MaxAge is how long ago the last run may have finished.
	MaxAge      time.Duration
	Concurrency int
	Now         func() time.Time
}

// Health is the answer of a health check. Durations are in seconds.
type Health struct {
	OK bool `json:"ok"`
	// Problems are why it is not, a line each, the gravest first.
	Problems []string `json:"problems"`
	// Age is the time since the last run finished, MaxAge the most allowed.
	Age    *report.Seconds `json:"age_s,omitempty"`
	MaxAge report.Seconds  `json:"max_age_s"`
	// New is what the last run stored.
	New int `json:"new"`
	// Listed is the number of ids in the document.
	Listed int `json:"listed"`
	// Pending are the objects of the last commit, Missing those that are not
	// there yet.
	Pending int `json:"pending"`
	Missing int `json:"missing"`
	// Headroom is the time left until a response may no longer reach back to
	// the last one, so that events would be missed. It is nil if the last
	// response was not full: then the API shows all it has.
	Headroom *report.Seconds `json:"headroom_s,omitempty"`
}

// Quick makes the health check of an archive that is collected into: that its
// document and the report of its last run can be read, that this run was well
// and not too long ago, that the last commit is complete, and that the next run
// still comes in time. It reads no data objects but their attributes.
//
// The error, if any, is the store's; what is wrong is in Health.
func Quick(ctx context.Context, s store.Reader, o QuickOptions) (Health, error) {
	q := &quick{o: o, store: s, now: o.Now()}
	q.MaxAge = report.Seconds(o.MaxAge)
	q.Problems = []string{} // an empty list, not null, for readers of the JSON
	var document, lastRun store.Object
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.Concurrency, 1))
	g.Go(func() (err error) { document, err = get(gctx, s, archive.DocumentName); return err })
	g.Go(func() (err error) { lastRun, err = get(gctx, s, archive.LastRunName); return err })
	if err := g.Wait(); err != nil {
		return Health{}, err
	}
	q.judgeRun(lastRun)
	if err := q.judgeDocument(ctx, document); err != nil {
		return Health{}, err
	}
	q.Health.OK = len(q.Problems) == 0
	return q.Health, nil
}

type quick struct {
	Health
	o     QuickOptions
	store store.Reader
	now   time.Time
}

// get returns the object, or one without ETag if there is none.
func get(ctx context.Context, s store.Reader, name string) (store.Object, error) {
	o, err := s.Get(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return store.Object{}, fmt.Errorf("read %s: %w", name, err)
	}
	return o, nil
}

func (q *quick) problem(format string, args ...any) {
	q.Problems = append(q.Problems, fmt.Sprintf(format, args...))
}

func (q *quick) judgeRun(o store.Object) {
	var r report.Report
	switch {
	case o.ETag == "":
		q.problem("no run has ever finished: there is no %s", archive.LastRunName)
		return
	case json.Unmarshal(o.Body, &r) != nil || r.Finished.IsZero():
		q.problem("%s cannot be read", archive.LastRunName)
		return
	}
	age := q.now.Sub(r.Finished)
	q.Age = new(report.Seconds)
	*q.Age = report.Seconds(age)
	q.New = r.Counts.New
	switch {
	case age > q.o.MaxAge:
		q.problem("the last run finished %v ago, more than %v", short(age), q.o.MaxAge)
	case age < -skew:
		q.problem("the last run finished %v in the future: check the clocks", short(-age))
	}
	if !r.OK {
		q.problem("the last run ended with exit code %d: %s", r.ExitCode, r.Error)
	}
	if r.Window != nil && r.Counts.Fetched >= polisen.FullResponse {
		headroom := time.Duration(r.Window.Hours*float64(time.Hour)) - age
		q.Headroom = new(report.Seconds)
		*q.Headroom = report.Seconds(headroom)
		if headroom < q.o.MaxAge {
			q.problem("events are missed if no run comes within %v: a response spans no more than %.1f hours", short(headroom), r.Window.Hours)
		}
	}
}

func (q *quick) judgeDocument(ctx context.Context, o store.Object) error {
	doc, err := archive.ParseDocument(o.Body)
	switch {
	case o.ETag == "":
		q.problem("there is no %s", archive.DocumentName)
		return nil
	case err != nil:
		q.problem("%v", err)
		return nil
	}
	q.Listed, q.Pending = len(doc.SeenIDs), len(doc.Pending)
	healed := make([]bool, len(doc.Pending))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(q.o.Concurrency, 1))
	for i, p := range doc.Pending {
		g.Go(func() error {
			attrs, err := q.store.Stat(ctx, p.Name)
			if err != nil && !errors.Is(err, store.ErrNotExist) {
				return fmt.Errorf("look for %s: %w", p.Name, err)
			}
			healed[i] = err == nil && (attrs.MD5 == "" || attrs.MD5 == store.MD5(p.Content))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, ok := range healed {
		if !ok {
			q.Missing++
		}
	}
	if q.Missing > 0 && q.now.Sub(doc.LastUpdated) >= underWay {
		q.problem("%s of the last commit missing, which the next run puts", plural(q.Missing, "object"))
	}
	if doc.LastUpdated.Sub(q.now) > skew {
		q.problem("last_updated %s is in the future: check the clocks", doc.LastUpdated.Format(time.RFC3339))
	}
	return nil
}

// Err returns nil, or an error that wraps ErrFindings.
func (h Health) Err() error {
	if h.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrFindings, oneLine(strings.Join(h.Problems, "; ")))
}

// String returns one line in the form of monitoring plugins: status, text, and
// after a bar the measurements with their thresholds
// (https://www.monitoring-plugins.org/doc/guidelines.html).
func (h Health) String() string {
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
		facts = append(facts, fmt.Sprintf("last run %v ago, %d new", short(age), h.New))
		data = append(data, fmt.Sprintf("age=%.0fs;;%.0f;0", age.Seconds(), maxAge))
	}
	facts = append(facts, plural(h.Listed, "listed id"), fmt.Sprintf("%d of %d pending stored", h.Pending-h.Missing, h.Pending))
	data = append(data, fmt.Sprintf("listed=%d;;;0;%d", h.Listed, archive.MaxSeen), fmt.Sprintf("missing=%d;;0;0", h.Missing))
	if h.Headroom != nil {
		headroom := time.Duration(*h.Headroom)
		facts = append(facts, "headroom "+short(headroom))
		data = append(data, fmt.Sprintf("headroom=%.0fs;;%.0f:", headroom.Seconds(), maxAge))
	}
	b.WriteString(strings.Join(facts, ", "))
	return oneLine(b.String()) + " | " + strings.Join(data, " ")
}

// oneLine keeps text that others may have written on one line, and off the bar.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || slices.Contains([]rune{'|', 0x7f}, r) {
			return ' '
		}
		return r
	}, text)
}

// short is a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d >= time.Minute:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
