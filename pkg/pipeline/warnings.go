package pipeline

import (
	"fmt"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
)

// check looks for signs of problems after the commit. It returns a [*PartialError] if
// there are problems that a person should look at, and records warnings for other
// problems.
func (c *collect) check(outcome archive.Outcome) error {
	c.checkDocument(outcome)
	full := c.report.Counts.Fetched >= polisen.FullResponse
	c.checkResponse(full)
	var reasons []string
	if oldest, _, ok := span(c.response.Events); ok && full && sharesNothing(outcome) {
		from, to := c.previous.LastUpdated, oldest
		if to.Before(from) {
			from, to = to, from
		}
		reasons = append(reasons, fmt.Sprintf("events may be missing: the response is full and has no event in common with the last one; fetch the days between with: %s",
			c.options.Command(fmt.Sprintf("backfill --from %s --to %s", from.Format(time.DateOnly), to.Format(time.DateOnly)))))
	}
	if n := outcome.Rejected; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%d of %d items rejected (first: %s); rejected items go under rejected/ in the archive",
			n, c.report.Counts.Fetched, c.response.Rejected[0].Reason))
	}
	return partial(reasons)
}

// checkDocument warns if the metadata document was rebuilt, or does not say above which
// id it is complete.
func (c *collect) checkDocument(outcome archive.Outcome) {
	warn := c.options.Recorder.Warn
	if name := outcome.DamagedCopy; name != "" {
		warn(slog.LevelWarn, "the metadata document was damaged: it was rebuilt from the archive, and a copy of the damaged one is kept as %s", name)
	} else if outcome.Rebuilt {
		warn(slog.LevelWarn, "the metadata document was missing or written by another program: it was rebuilt from the archive")
	}
	if d := c.writer.Document(); !c.options.DryRun && d.CompleteAbove == nil {
		warn(slog.LevelInfo, "the metadata document does not say above which id its list is complete, so runs read more of the archive than necessary; fix this with: %s",
			c.options.Command("verify --repair"))
	}
}

// checkResponse warns if the response is mismatched, or older than the last response.
// The cause of both is the API's cache, and neither needs an action.
func (c *collect) checkResponse(full bool) {
	highest, seen := highestID(c.response.Events), c.previous.SeenIDs
	oldest, newest, _ := span(c.response.Events)
	days := newest.Sub(oldest).Hours() / 24
	switch {
	case !full && isMismatched(len(c.response.Events), days):
		c.options.Recorder.Warn(slog.LevelInfo, "mismatched response: %d events over %.0f days, probably a cached answer to another query; stored as usual",
			len(c.response.Events), days)
	case len(c.response.Events) > 0 && len(seen) > 0 && highest < seen[0]:
		c.options.Recorder.Warn(slog.LevelInfo, "the response is older than the last one: its highest id is %d, but %d was seen before; stored as usual",
			highest, seen[0])
	}
}

// minEventsPerDay is the smallest number of events per day in a response to the query
// for the newest events. In 29,357 recorded polls such a response has 60 to 80 events
// per day. A mismatched response has less than one: 40 to 79 events over six months.
const minEventsPerDay = 5

// isMismatched reports whether a response that is not full, with this number of events
// over these days, is mismatched: the answer to another query.
func isMismatched(events int, days float64) bool {
	return days > 1 && float64(events)/days < minEventsPerDay
}

// sharesNothing reports whether no event of the response was in the metadata document,
// and some events are new. A response so old that its ids have left the document has no
// new events.
func sharesNothing(outcome archive.Outcome) bool {
	return outcome.Listed > 0 && outcome.Overlap == 0 && outcome.New > 0
}

// highestID returns the highest event id; 0 if there is no event.
func highestID(events []polisen.Event) (highest int64) {
	for _, e := range events {
		highest = max(highest, e.ID)
	}
	return highest
}

// span returns the times of the oldest and the newest event. ok is false if there is no
// event.
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
