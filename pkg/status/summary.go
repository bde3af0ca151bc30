package status

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// Summary shows the metadata of an archive. Times are in UTC. Its JSON fields
// are stable: new ones may be added.
type Summary struct {
	// Store is the address of the archive, without secrets.
	Store string `json:"store"`
	// State is the state of the document. Unless it is Readable, the fields from
	// Tracked to Pending are zero or empty, except Cap.
	State State `json:"document"`
	// Damage says why a damaged document cannot be parsed.
	Damage string `json:"damage,omitempty"`
	// Tracked is the number of listed ids, Cap the maximum number.
	Tracked int `json:"tracked"`
	Cap     int `json:"cap"`
	// Highest and Lowest are listed ids; nil if none is listed.
	Highest *int64 `json:"highest_id"`
	Lowest  *int64 `json:"lowest_id"`
	// CompleteAbove is the id above which every stored id is listed; nil if it is
	// unknown.
	CompleteAbove *int64 `json:"complete_above"`
	// LastUpdated is the time of the last commit.
	LastUpdated *time.Time `json:"last_updated"`
	// Age is the time since LastUpdated; negative if that is in the future.
	Age *report.Seconds `json:"age_s"`
	// Version is the version of the document's format, and Commit the commit that
	// wrote it; 0 and nil if another program did.
	Version int             `json:"version"`
	Commit  *archive.Commit `json:"commit"`
	// Pending are the document's pending objects.
	Pending []Object `json:"pending"`
	// CoveredUntil is the time up to which the archive has all events, apart from those
	// of the gaps: see [archive.Document.Covered]; nil before the first full response.
	CoveredUntil *time.Time `json:"covered_until"`
	// OpenGaps are the days whose events may be missing and that collects still ask
	// the API for. UnservedGaps are those that the API does not serve. Both are in
	// ascending order.
	OpenGaps     []string `json:"open_gaps"`
	UnservedGaps []string `json:"unserved_gaps"`
	// Stored are the numbers of stored items of all months; nil if they are not known.
	Stored *archive.Counts `json:"stored"`
	// LastRun is the report of the last collect on any host with its history; nil unless
	// LastRunState is Readable.
	LastRun      *report.LastRun `json:"last_run"`
	LastRunState State           `json:"last_run_state"`

	now time.Time
}

// Summarize reads the last run and the states of the pending objects, and
// returns the summary. The error is the store's.
func (d *Document) Summarize(ctx context.Context, now time.Time) (*Summary, error) {
	run, pending, err := d.readRest(ctx, concurrency)
	if err != nil {
		return nil, err
	}
	doc := &d.parsed
	s := &Summary{
		Store: d.store.String(), State: d.State, Damage: d.Damage, Tracked: len(doc.SeenIDs), Cap: archive.MaxSeen,
		CompleteAbove: doc.CompleteAbove, Version: doc.Version, Commit: doc.Commit, Pending: pending,
		LastRun: run.content, LastRunState: run.state, now: now,
	}
	if n := len(doc.SeenIDs); n > 0 {
		s.Highest, s.Lowest = &doc.SeenIDs[0], &doc.SeenIDs[n-1]
	}
	if !doc.LastUpdated.IsZero() {
		at, age := doc.LastUpdated.UTC(), report.Seconds(now.Sub(doc.LastUpdated))
		s.LastUpdated, s.Age = &at, &age
	}
	if covered := doc.Covered(); covered != nil {
		at := covered.UTC()
		s.CoveredUntil = &at
	}
	open, unserved := doc.GapDays()
	s.OpenGaps, s.UnservedGaps = append([]string{}, open...), append([]string{}, unserved...) // in JSON empty lists, not null
	if doc.Stored != nil {
		s.Stored = new(archive.Counts)
		for _, month := range doc.Stored {
			*s.Stored = s.Stored.Plus(month)
		}
	}
	return s, nil
}

// Text writes the summary as a table, with times in the zone and in UTC.
func (s *Summary) Text(w io.Writer, zone *time.Location, style text.Style) error {
	t := &summaryText{Summary: s, zone: zone, style: style}
	t.row("store", "%s", s.Store)
	switch s.State {
	case Missing:
		t.row("document", "missing")
	case Damaged:
		t.row("document", "damaged: %s; the next collect saves a copy and rebuilds it", s.Damage)
	default:
		t.writeDocument()
	}
	t.writeLastRun()
	_, err := io.WriteString(w, t.text())
	return err
}

// summaryText is a summary that is being written as text.
type summaryText struct {
	*Summary
	zone  *time.Location
	style text.Style
	rows  []summaryRow
}

// summaryRow is a row of a summary. The name is empty if the row belongs to the one before.
type summaryRow struct {
	name, value string
	colour      text.Colour // of the value
}

// row adds a row.
func (t *summaryText) row(name, format string, args ...any) {
	t.rows = append(t.rows, summaryRow{name: name, value: text.Clean(fmt.Sprintf(format, args...))})
}

// rowIf adds a row whose value is good or bad.
func (t *summaryText) rowIf(good bool, name, format string, args ...any) {
	t.row(name, format, args...)
	colour := text.Red
	if good {
		colour = text.Green
	}
	t.rows[len(t.rows)-1].colour = colour
}

// text returns the rows.
func (t *summaryText) text() string {
	width := 0
	for _, r := range t.rows {
		width = max(width, len(r.name)+2)
	}
	indent := strings.Repeat(" ", width)
	var b strings.Builder
	for _, r := range t.rows {
		value := strings.TrimSpace(text.Wrap(r.value, indent, t.style.Width))
		fmt.Fprintf(&b, "%-*s%s\n", width, r.name, t.style.Paint(r.colour, value))
	}
	return b.String()
}

// when returns a time and its age.
func (t *summaryText) when(at time.Time) string {
	return text.Time(at, t.zone) + ", " + text.Ago(t.now.Sub(at))
}

func (t *summaryText) writeDocument() {
	t.row("listed ids", "%s of at most %s%s", text.Number(t.Tracked), text.Number(t.Cap), nearCap(t.Tracked, t.Cap))
	if t.Highest != nil {
		t.row("highest id", "%d", *t.Highest)
		t.row("lowest id", "%d", *t.Lowest)
	}
	if t.CompleteAbove != nil {
		t.row("complete above", "%d: every stored id above it is listed", *t.CompleteAbove)
	} else {
		t.row("complete above", "unknown: unlisted ids may be stored too, so runs look them up in the archive")
	}
	if t.LastUpdated != nil {
		t.row("last updated", "%s", t.when(*t.LastUpdated))
	}
	if t.CoveredUntil != nil {
		t.row("covered until", "%s", t.when(*t.CoveredUntil))
	} else {
		t.row("covered until", "unknown: there was no full response of the API yet")
	}
	if n := len(t.OpenGaps); n > 0 {
		t.rowIf(false, "gaps", "%s, %s to %s, whose events may be missing; collects fetch them", text.Count(n, "day"), t.OpenGaps[0], t.OpenGaps[n-1])
	}
	if n := len(t.UnservedGaps); n > 0 {
		t.row("gaps", "%s, %s to %s, that the API does not serve", text.Count(n, "day"), t.UnservedGaps[0], t.UnservedGaps[n-1])
	}
	if len(t.OpenGaps)+len(t.UnservedGaps) == 0 {
		t.row("gaps", "none")
	}
	if t.Stored != nil {
		t.row("stored", "%s, %s, %s", text.Count(t.Stored.Events, "event"), text.Count(t.Stored.Revisions, "revision"), text.Count(t.Stored.Rejected, "rejected item"))
	} else {
		t.row("stored", "unknown: verify --repair counts the items")
	}
	if t.Commit != nil {
		t.row("commit", "number %d, by run %s; format version %d", t.Commit.Sequence, t.Commit.ID, t.Version)
	} else {
		t.row("commit", "none: another program wrote the document")
	}
	t.writePending()
}

// writePending writes one line about the objects of the last commit, and one for each
// object that is not stored.
func (t *summaryText) writePending() {
	if len(t.Pending) == 0 {
		t.row("pending", "none")
		return
	}
	lines := 0
	var others []Object
	for _, p := range t.Pending {
		lines += p.Lines
		if p.State != archive.Stored {
			others = append(others, p)
		}
	}
	state := "all stored"
	if n := len(others); n > 0 {
		state = fmt.Sprintf("%s stored, %s not", text.Number(len(t.Pending)-n), text.Number(n))
	}
	t.rowIf(len(others) == 0, "pending", "%s of the last commit, %s: %s", text.Count(len(t.Pending), "object"), text.Count(lines, "line"), state)
	for _, p := range others {
		t.row("", "%s, %s: %s", p.Name, text.Count(p.Lines, "line"), p.State)
	}
}

func (t *summaryText) writeLastRun() {
	switch t.LastRunState {
	case Missing:
		t.row("last run", "none: there is no %s", archive.LastRunName)
		return
	case Damaged:
		t.row("last run", "%s is damaged; the next collect replaces it", archive.LastRunName)
		return
	}
	r := t.LastRun
	t.rowIf(r.OK, "last run", "%s%s: %s", t.when(r.Finished), onHost(r.Host), outcome(&r.Report))
	n := r.Counts
	t.row("", "%s fetched: %s new, %s revised, %s rejected, %s already seen", text.Number(n.Fetched), text.Number(n.New),
		text.Number(n.Revised), text.Number(n.Rejected), text.Number(n.AlreadySeen))
	if r.Window != nil {
		t.row("", "its events cover %s, from %s to %s", text.Duration(time.Duration(r.Window.Hours*float64(time.Hour))),
			text.Time(r.Window.From, t.zone), text.Time(r.Window.To, t.zone))
	}
	for _, h := range r.Hosts {
		state := "ok"
		if h.Failures > 0 {
			state = fmt.Sprintf("%s since the last success, the last with exit code %d: %s", text.Count(h.Failures, "failure"), h.ExitCode, h.Error)
		}
		t.rowIf(h.Failures == 0, "host", "%s, last run %s: %s", h.Name, text.Ago(t.now.Sub(h.LastRun)), state)
	}
}

// outcome returns how the run ended.
func outcome(r *report.Report) string {
	switch {
	case r.OK:
		return "ok"
	case r.ExitCode == report.ExitPartial: // all that was fetched is stored
		return fmt.Sprintf("ended with exit code %d: %s", r.ExitCode, r.Error)
	}
	return fmt.Sprintf("failed with exit code %d: %s", r.ExitCode, r.Error)
}

// nearCap returns a note about a list that is at least nine tenths full, and ""
// for any other.
func nearCap(tracked, most int) string {
	if tracked*10 < most*9 {
		return ""
	}
	return "; a full list drops its lowest ids, and runs look those up in the archive"
}
