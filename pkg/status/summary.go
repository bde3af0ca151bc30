package status

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
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
	// Pending are the objects of the last commit.
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

	now  time.Time
	zone *time.Location // of the times in the text
}

// when returns a time and its age for the text.
func (s *Summary) when(t time.Time) string {
	return text.Time(t, s.zone) + ", " + text.Ago(s.now.Sub(t))
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
func (s *Summary) Text(w io.Writer, zone *time.Location) error {
	s.zone = zone
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, text.Clean(fmt.Sprintf(format, args...)))
	}
	row("store", "%s", s.Store)
	switch s.State {
	case Missing:
		row("document", "missing")
	case Damaged:
		row("document", "damaged: %s; the next collect saves a copy and rebuilds it", s.Damage)
	default:
		s.writeDocument(row)
	}
	s.writeLastRun(row)
	return t.Flush()
}

func (s *Summary) writeDocument(row func(string, string, ...any)) {
	row("tracked", "%s of %s%s", text.Number(s.Tracked), text.Count(s.Cap, "id"), nearCap(s.Tracked, s.Cap))
	if s.Highest != nil {
		row("highest id", "%d", *s.Highest)
		row("lowest id", "%d", *s.Lowest)
	}
	if s.CompleteAbove != nil {
		row("complete above", "%d: every stored id above it is listed", *s.CompleteAbove)
	} else {
		row("complete above", "unknown: unlisted ids may be stored too, so runs look them up in the archive")
	}
	if s.LastUpdated != nil {
		row("last updated", "%s", s.when(*s.LastUpdated))
	}
	if s.CoveredUntil != nil {
		row("covered until", "%s", s.when(*s.CoveredUntil))
	} else {
		row("covered until", "unknown: there was no full response of the API yet")
	}
	if n := len(s.OpenGaps); n > 0 {
		row("gaps", "%s, %s to %s, whose events may be missing; collects fetch them", text.Count(n, "day"), s.OpenGaps[0], s.OpenGaps[n-1])
	}
	if n := len(s.UnservedGaps); n > 0 {
		row("gaps", "%s, %s to %s, that the API does not serve", text.Count(n, "day"), s.UnservedGaps[0], s.UnservedGaps[n-1])
	}
	if len(s.OpenGaps)+len(s.UnservedGaps) == 0 {
		row("gaps", "none")
	}
	if s.Stored != nil {
		row("stored", "%s, %s, %s", text.Count(s.Stored.Events, "event"), text.Count(s.Stored.Revisions, "revision"), text.Count(s.Stored.Rejected, "rejected item"))
	} else {
		row("stored", "unknown: verify --repair=counts counts the items")
	}
	if s.Commit != nil {
		row("commit", "%d by run %s, format version %d", s.Commit.Sequence, s.Commit.ID, s.Version)
	} else {
		row("commit", "none: another program wrote the document")
	}
	s.writePending(row)
}

// writePending writes one line about the objects of the last commit, and one for each
// object that is not stored.
func (s *Summary) writePending(row func(string, string, ...any)) {
	if len(s.Pending) == 0 {
		row("pending", "none")
		return
	}
	lines := 0
	var others []Object
	for _, p := range s.Pending {
		lines += p.Lines
		if p.State != archive.Stored {
			others = append(others, p)
		}
	}
	state := "all stored"
	if n := len(others); n > 0 {
		state = fmt.Sprintf("%s stored, %s not", text.Number(len(s.Pending)-n), text.Number(n))
	}
	row("pending", "%s of the last commit, %s: %s", text.Count(len(s.Pending), "object"), text.Count(lines, "line"), state)
	for _, p := range others {
		row("", "%s, %s: %s", p.Name, text.Count(p.Lines, "line"), p.State)
	}
}

func (s *Summary) writeLastRun(row func(string, string, ...any)) {
	switch s.LastRunState {
	case Missing:
		row("last run", "none: there is no %s", archive.LastRunName)
		return
	case Damaged:
		row("last run", "%s is damaged; the next collect replaces it", archive.LastRunName)
		return
	}
	r := s.LastRun
	row("last run", "%s%s: %s", s.when(r.Finished), onHost(r.Host), outcome(&r.Report))
	n := r.Counts
	row("", "%s fetched: %s new, %s revised, %s rejected, %s already seen", text.Number(n.Fetched), text.Number(n.New),
		text.Number(n.Revised), text.Number(n.Rejected), text.Number(n.AlreadySeen))
	if r.Window != nil {
		row("", "its events cover %s:", text.Duration(time.Duration(r.Window.Hours*float64(time.Hour))))
		row("", "  from %s", text.Time(r.Window.From, s.zone))
		row("", "  to   %s", text.Time(r.Window.To, s.zone))
	}
	for _, h := range r.Hosts {
		state := "ok"
		if h.Failures > 0 {
			state = fmt.Sprintf("%s since the last success, the last with exit code %d: %s", text.Count(h.Failures, "failure"), h.ExitCode, h.Error)
		}
		row("host", "%s, last run %s: %s", h.Name, text.Ago(s.now.Sub(h.LastRun)), state)
	}
}

// outcome returns how the run ended.
func outcome(r *report.Report) string {
	if r.OK {
		return "ok"
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
