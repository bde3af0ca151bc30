package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// check looks for signs of problems at the end of a run; outcome is that of the
// response to the query for the newest events. It returns a [*PartialError] if there are
// problems that a person should look at, and records warnings for other problems. If the
// run has failed it raises no alarms, since an error is more urgent.
func (c *collect) check(ctx context.Context, outcome archive.Outcome, ok bool) error {
	c.checkDocument(outcome)
	c.checkResponse()
	var alarms []alarm
	var printed []string
	if ok && !c.options.Saved && !c.options.Filtered {
		alarms = c.alarms(ctx, outcome)
		printed = c.printedBefore(ctx, alarms)
	}
	var reasons []string
	for _, a := range alarms {
		reasons = append(reasons, a.Text)
	}
	raised := func(name string) bool {
		return slices.ContainsFunc(alarms, func(a alarm) bool { return a.Name == name })
	}
	if n := c.outcome.Rejected; n > 0 && !raised(alarmRejected) {
		reason := fmt.Sprintf("%d of %d items rejected", n, c.report.Counts.Fetched)
		if len(c.response.Rejected) > 0 {
			reason += fmt.Sprintf(" (first: %s)", c.response.Rejected[0].Reason)
		}
		reasons = append(reasons, reason+"; rejected items go under rejected/ in the archive")
	}
	if c.response.Cut != nil && !raised(alarmCut) {
		reasons = append(reasons, cutReason(c.response))
	}
	if len(reasons) == 0 {
		return nil
	}
	return &PartialError{Reasons: reasons, Printed: printed}
}

// alarm is a state of the API or of the archive that lasts for several runs, and that a
// person should look at. Its texts are of one line.
type alarm struct {
	// Name is one of the names below. A run has at most one alarm of each name.
	Name string `json:"name"`
	// Key is the part of the state whose change has to be printed at once.
	Key string `json:"key"`
	// Text describes the state to a user.
	Text string `json:"text"`
}

// The names of the alarms.
const (
	alarmStale    = "stale"    // the API shows no new events
	alarmGap      = "gap"      // the document has open gaps
	alarmRejected = "rejected" // half or more of a full response is rejected
	alarmRevised  = "revised"  // half or more of the known events were revised at once
	alarmCut      = "cut"      // the API sends no whole response
)

// alarms returns the alarms after a response of the API. Only a full response says
// something about the API's format.
func (c *collect) alarms(ctx context.Context, outcome archive.Outcome) (alarms []alarm) {
	full := c.response.IsFull()
	add := func(name, key, format string, args ...any) {
		alarms = append(alarms, alarm{name, key, fmt.Sprintf(format, args...)})
	}
	// Not the newest event of this response: a cache may answer with an old one.
	// If responses are cut, that alarm says why none is full.
	if newest := c.writer.Document().Covered(); newest != nil && c.response.Cut == nil && c.response.FetchedAt.Sub(*newest) > c.options.MaxLag {
		isNew := c.response.FetchedAt.Sub(c.span.To) <= c.options.MaxLag
		if isNew && !full && !c.isMismatched() {
			add(alarmStale, "", "the API's responses have new events, but fewer than %d items since %s, longer ago than %v (--max-lag), so runs do not notice missed events; look for a newer version of this program",
				polisen.FullResponse, formatTime(*newest), c.options.MaxLag)
		} else {
			add(alarmStale, "", "the API is stale: the newest event of its full responses is from %s, longer ago than %v (--max-lag); see whether its website shows newer events, and whether a proxy answers in its place",
				formatTime(*newest), c.options.MaxLag)
		}
	}
	if days, _ := c.writer.Document().GapDays(); len(days) > 0 {
		first, last := days[0], days[len(days)-1]
		add(alarmGap, c.lastGap(), "events of %s may be missing, from %s to %s; %s", text.Count(len(days), "day"), first, last, c.gapAdvice(days))
	}
	if n, all := len(c.response.Rejected), c.response.Items(); full && 2*n >= all {
		example, changes := rejectedExample(c.response.Rejected)
		add(alarmRejected, changes, "%d of %d items rejected: the API's format may have changed (%s); nothing is lost, since rejected items go under rejected/ in the archive; look for a newer version of this program",
			n, all, example)
	}
	if n, known := outcome.Revised, outcome.Revised+outcome.Seen; full && report.ManyRevised(n, known) {
		add(alarmRevised, "", "%d of %d known events revised at once: the API's format may have changed (%s); the new versions are under revisions/ in the archive",
			n, known, revisedExample(ctx, c.store, c.response.Events, outcome.Classes))
	}
	if c.response.Cut != nil {
		add(alarmCut, "", "%s", cutReason(c.response))
	}
	return alarms
}

// lastGap returns the time at which the last of the open gaps was found.
func (c *collect) lastGap() string {
	var last time.Time
	for _, g := range c.writer.Document().Gaps {
		if !g.Unserved && g.Since.After(last) {
			last = g.Since
		}
	}
	return last.UTC().Format(time.RFC3339)
}

// gapAdvice returns the way to close the gaps of these days. It names no days that the
// API no longer serves.
func (c *collect) gapAdvice(days []string) string {
	if c.options.GapSource != nil {
		return "later runs fetch these days from the API"
	}
	served := archive.ServedDays(days, c.options.Clock.Now())
	if len(served) == 0 {
		return fmt.Sprintf("the API serves about %d months; if you have saved responses of these days, store them with backfill --input", archive.ServedMonths)
	}
	return "fetch them with: " + c.options.Command(fmt.Sprintf("backfill --from %s --to %s", served[0], served[len(served)-1]))
}

// printedBefore notes the alarms of this run in the state of this host. It returns the
// texts of the alarms that need not be printed, because earlier runs have printed them
// less than a day ago. A run that cannot use the state prints all.
func (c *collect) printedBefore(ctx context.Context, alarms []alarm) (printed []string) {
	o := c.options
	if o.HostState == nil || o.DryRun {
		return nil
	}
	err := o.HostState.update(ctx, c.location, func(a *archiveState) bool {
		changed := len(a.Alarms)+len(alarms) > 0
		printed = a.setAlarms(alarms, c.response.IsFull(), o.Clock.Now(), o.PrintAlarms)
		return changed
	})
	if err != nil {
		c.warnAboutState(err)
		return nil
	}
	return printed
}

// cutReason says what is wrong with a response that is cut.
func cutReason(response *polisen.Response) string {
	return fmt.Sprintf("no whole response: %v; what could be read is stored: %s", response.Cut, text.Count(len(response.Events), "event"))
}

// checkRebuilt warns if the run has rebuilt the metadata document.
func (r *run) checkRebuilt(outcome archive.Outcome) {
	warn := r.options.Recorder.Warn
	if name := outcome.DamagedCopy; name != "" {
		warn(slog.LevelWarn, "the metadata document was damaged: it was rebuilt from the archive, and a copy of the damaged one is kept as %s", name)
	} else if outcome.Rebuilt {
		done := "it was rebuilt"
		if r.options.DryRun { // there is no copy of a damaged one either
			done = "a run would rebuild it"
		}
		warn(slog.LevelWarn, "the metadata document was missing, damaged or written by another program: %s from the archive", done)
	}
}

// checkDocument warns if the metadata document was rebuilt, or does not say above which
// id it is complete.
func (c *collect) checkDocument(outcome archive.Outcome) {
	c.checkRebuilt(outcome)
	if d := c.writer.Document(); !c.options.DryRun && d.CompleteAbove == nil {
		c.options.Recorder.Warn(slog.LevelInfo, "the metadata document does not say above which id its list is complete, so runs read more of the archive than necessary; fix this with: %s",
			c.options.Command("verify --repair"))
	}
}

// checkResponse warns if the response is mismatched, or older than the last response.
// The cause of both is the API's cache, and neither needs an action. A response that is cut
// shows neither.
func (c *collect) checkResponse() {
	highest, seen := highestID(c.response.Events), c.previous.SeenIDs
	switch {
	case c.response.Cut != nil:
	case c.isMismatched():
		c.options.Recorder.Warn(slog.LevelInfo, "mismatched response: %d events over %.0f days, probably a cached answer to another query; stored as usual",
			len(c.response.Events), c.span.Days())
	case len(c.response.Events) > 0 && len(seen) > 0 && highest < seen[0]:
		c.options.Recorder.Warn(slog.LevelInfo, "the response is older than the last one: its highest id is %d, but %d was seen before; stored as usual",
			highest, seen[0])
	}
}

// minEventsPerDay is the smallest number of events per day in a response to the query
// for the newest events. In 29,357 recorded polls such a response has 60 to 80 events
// per day. A mismatched response has less than one: 40 to 79 events over six months.
const minEventsPerDay = 5

// isMismatched reports whether the response is mismatched: the answer to another query.
// A full response shows that by its long window instead; see [polisen.MaxWindow].
func (c *collect) isMismatched() bool {
	days := c.span.Days()
	return !c.response.IsFull() && days > 1 && float64(len(c.response.Events))/days < minEventsPerDay
}

// highestID returns the highest event id; 0 if there is no event.
func highestID(events []polisen.Event) (highest int64) {
	for _, e := range events {
		highest = max(highest, e.ID)
	}
	return highest
}
