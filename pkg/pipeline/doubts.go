package pipeline

import (
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// strayPerDay is the density below which a response that is not full is
// another query's answer: the newest events come at 60 to 80 a day, strays (40
// to 79 events over six months) at less than one. Measured over 29,357
// recorded polls.
const strayPerDay = 5

// doubts looks at what a run stored for signs that something is amiss. What
// the next run mends by itself becomes a warning in the report; what needs a
// person's eye is returned as a *PartialError.
func (c *collect) doubts() error {
	c.warnOfDocument()
	full := c.Report.Counts.Fetched >= polisen.FullResponse
	stray := c.isStray(full)
	switch {
	case stray:
		c.Recorder.Warn("stray response: %d events over %.0f days, another query's answer by a cache; its events are stored like any",
			len(c.response.Events), c.Report.Window.Hours/24)
	case c.isOlder():
		c.Recorder.Warn("the response is older than the last one: its highest id is below %d, which was seen before", c.previous.SeenIDs[0])
	}
	var reasons []string
	// An old response shares nothing with the list either, but is all stored.
	if oldest, _, ok := span(c.response.Events); ok && full && c.outcome.Listed > 0 && c.outcome.Overlap == 0 && c.outcome.New > 0 {
		from, to := c.previous.LastUpdated, oldest
		if to.Before(from) {
			from, to = to, from
		}
		reasons = append(reasons, fmt.Sprintf("events may have been missed: the response is full and shares no event with the last one; "+
			"fetch them with: %s --from %s --to %s",
			c.command("backfill"), from.Format(time.DateOnly), to.Format(time.DateOnly)))
	}
	if n := c.outcome.Rejected; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%d of %d items rejected (first: %s); they are %s",
			n, c.Report.Counts.Fetched, c.response.Rejected[0].Reason, c.kept()))
	}
	if len(reasons) > 0 {
		return &PartialError{Reasons: reasons}
	}
	return nil
}

// command is one of the program's, about the same archive.
func (o *Options) command(name string) string {
	return strings.TrimSpace("polisen-events-collector " + name + " " + o.Flags)
}

// kept is what has become of rejected items.
func (o *Options) kept() string {
	if o.DryRun {
		return "left out, as this is a dry run"
	}
	return "kept under rejected/"
}

func (c *collect) warnOfDocument() {
	if name := c.outcome.DamagedCopy; name != "" {
		c.Alert(fmt.Sprintf("the metadata document could not be read; it is kept as %s and was rebuilt from the archive", name))
	} else if c.outcome.Rebuilt {
		c.Alert("the metadata document was missing or another program's; it was rebuilt from the archive")
	}
	if d := c.writer.Document(); !c.DryRun && d.CompleteAbove == nil {
		c.Recorder.Warn("the metadata document cannot tell new ids from old ones, so each costs a look into the archive; mend it with: %s --repair", c.command("verify"))
	}
}

func (c *collect) isStray(full bool) bool {
	w := c.Report.Window
	return !full && w != nil && w.Hours > 24 && w.EventsPerHour*24 < strayPerDay
}

// isOlder reports whether the highest id of the response is below one that was
// seen before: the newest event stays in the response for days.
func (c *collect) isOlder() bool {
	if len(c.previous.SeenIDs) == 0 || len(c.response.Events) == 0 {
		return false
	}
	highest := c.response.Events[0].ID
	for _, e := range c.response.Events {
		highest = max(highest, e.ID)
	}
	return highest < c.previous.SeenIDs[0]
}

// span returns the times of the oldest and the newest event.
func span(events []polisen.Event) (oldest, newest time.Time, ok bool) {
	for i, e := range events {
		if i == 0 || e.Time.Before(oldest) {
			oldest = e.Time
		}
		if i == 0 || e.Time.After(newest) {
			newest = e.Time
		}
	}
	return oldest, newest, len(events) > 0
}
