package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// Summary is what the metadata says. Times are in UTC.
type Summary struct {
	Store  string `json:"store"`
	State  State  `json:"document"`
	Damage string `json:"damage,omitempty"`
	// Tracked is the number of listed ids, of Cap at most.
	Tracked int    `json:"tracked"`
	Cap     int    `json:"cap"`
	Highest *int64 `json:"highest_id"`
	Lowest  *int64 `json:"lowest_id"`
	// CompleteAbove is nil if it is unknown.
	CompleteAbove *int64     `json:"complete_above"`
	LastUpdated   *time.Time `json:"last_updated"`
	// Age is how long before now that was; negative if it is in the future.
	Age     *report.Seconds `json:"age_s"`
	Version int             `json:"version"`
	Commit  *archive.Commit `json:"commit"`
	Pending []Pending       `json:"pending"`
	// LastRun is the report of the newest finished run; nil without one that
	// can be read, and LastRunState then says which.
	LastRun      *report.Report `json:"last_run"`
	LastRunState State          `json:"last_run_state"`

	now time.Time
}

// Pending is an object of the last commit.
type Pending struct {
	Name  string `json:"name"`
	Lines int    `json:"lines"`
	// State is stored, missing or differs.
	State string `json:"state"`
}

// Summary looks for the pending objects and the last run, and sums up.
func (v *View) Summary(ctx context.Context, now time.Time) (*Summary, error) {
	d := &v.document
	s := &Summary{
		Store: v.name, State: v.State, Damage: v.Damage, Tracked: len(d.SeenIDs), Cap: archive.MaxSeen,
		CompleteAbove: d.CompleteAbove, Version: d.Version, Commit: d.Commit, Pending: make([]Pending, len(d.Pending)), now: now,
	}
	if n := len(d.SeenIDs); n > 0 {
		s.Highest, s.Lowest = &d.SeenIDs[0], &d.SeenIDs[n-1]
	}
	if !d.LastUpdated.IsZero() {
		at, age := d.LastUpdated.UTC(), report.Seconds(now.Sub(d.LastUpdated))
		s.LastUpdated, s.Age = &at, &age
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	g.Go(func() error { return s.readLastRun(ctx, v.store) })
	for i, p := range d.Pending {
		g.Go(func() (err error) {
			s.Pending[i], err = v.pending(ctx, p)
			return err
		})
	}
	return s, g.Wait()
}

func (v *View) pending(ctx context.Context, p archive.Pending) (Pending, error) {
	got := Pending{Name: p.Name, Lines: bytes.Count(p.Content, []byte("\n")), State: "stored"}
	attrs, err := v.store.Stat(ctx, p.Name)
	switch {
	case errors.Is(err, store.ErrNotExist):
		got.State = "missing"
	case err != nil:
		return got, fmt.Errorf("look for %s: %w", p.Name, err)
	case attrs.Size != int64(len(p.Content)), attrs.MD5 != "" && attrs.MD5 != store.MD5(p.Content):
		got.State = "differs"
	}
	return got, nil
}

func (s *Summary) readLastRun(ctx context.Context, r store.Reader) error {
	object, err := r.Get(ctx, archive.LastRunName)
	if errors.Is(err, store.ErrNotExist) {
		s.LastRunState = Missing
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", archive.LastRunName, err)
	}
	var run report.Report
	if json.Unmarshal(object.Body, &run) != nil || run.Finished.IsZero() {
		s.LastRunState = Damaged
		return nil
	}
	s.LastRun, s.LastRunState = &run, Readable
	return nil
}

// Text writes the summary for people.
func (s *Summary) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	row("store", "%s", s.Store)
	switch s.State {
	case Missing:
		row("document", "none yet; the first collect makes it")
	case Damaged:
		row("document", "damaged: %s; the next collect keeps it aside and rebuilds it", s.Damage)
	default:
		s.documentText(row)
	}
	s.lastRunText(row)
	return t.Flush()
}

func (s *Summary) documentText(row func(string, string, ...any)) {
	row("tracked", "%d of %d ids%s", s.Tracked, s.Cap, nearCap(s.Tracked, s.Cap))
	if s.Highest != nil {
		row("highest id", "%d", *s.Highest)
		row("lowest id", "%d", *s.Lowest)
	}
	if s.CompleteAbove != nil {
		row("complete above", "%d: a higher id that is not listed was never seen", *s.CompleteAbove)
	} else {
		row("complete above", "unknown: an id that is not listed may be stored all the same, and is looked for in the archive")
	}
	if s.LastUpdated != nil {
		row("last updated", "%s, %s", s.LastUpdated.Format(time.RFC3339), age(time.Duration(*s.Age)))
	}
	if s.Commit != nil {
		row("commit", "%d by run %s, format %d", s.Commit.Sequence, s.Commit.ID, s.Version)
	} else {
		row("commit", "none: the document has the plain published format")
	}
	if len(s.Pending) == 0 {
		row("pending", "none")
	}
	for _, p := range s.Pending {
		row("pending", "%s, %d lines: %s", p.Name, p.Lines, p.State)
	}
}

func (s *Summary) lastRunText(row func(string, string, ...any)) {
	switch s.LastRunState {
	case Missing:
		row("last run", "none: there is no %s", archive.LastRunName)
		return
	case Damaged:
		row("last run", "%s cannot be read", archive.LastRunName)
		return
	}
	r := s.LastRun
	row("last run", "%s, %s: %s", r.Finished.UTC().Format(time.RFC3339), age(s.now.Sub(r.Finished)), outcome(r))
	n := r.Counts
	row("", "%d fetched: %d new, %d revised, %d rejected, %d already seen", n.Fetched, n.New, n.Revised, n.Rejected, n.AlreadySeen)
	if r.Window != nil {
		row("", "window %s to %s, %.2f hours", r.Window.Oldest.Format(time.RFC3339), r.Window.Newest.Format(time.RFC3339), r.Window.Hours)
	}
}

func outcome(r *report.Report) string {
	if r.OK {
		return "ok"
	}
	return fmt.Sprintf("failed with exit code %d: %s", r.ExitCode, r.Error)
}

// nearCap explains a list that is almost full.
func nearCap(n, most int) string {
	if n*10 < most*9 {
		return ""
	}
	return "; the lowest are dropped when it is full, and looked for in the archive if they come again"
}

// age is a duration as people say it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return (-d).Round(time.Second).String() + " in the future"
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days ago", d.Hours()/24)
	}
	return d.Round(time.Second).String() + " ago"
}

// oneLine keeps text that others may have written on one line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
