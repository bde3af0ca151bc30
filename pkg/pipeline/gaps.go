package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// gapReserve is the longest part of the time for a run's work that closing gaps leaves
// for the rest of the run.
const gapReserve = 15 * time.Second

// errGapTime is the cause of fetches that end because closing gaps may take no more
// time.
var errGapTime = errors.New("no time left for gaps in this run")

// gapSource is a source whose fetches end at a deadline.
type gapSource struct {
	Source
	deadline time.Time
}

func (s gapSource) Fetch(ctx context.Context, q polisen.Query) (*polisen.Response, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, s.deadline, errGapTime)
	defer cancel()
	return s.Source.Fetch(ctx, q)
}

// closeGaps fetches and stores the days that are gaps, oldest first, from
// Options.GapSource. It stops without an error when the time of the run is nearly used
// up, when the rate limiter allows no more calls, and when a fetch fails, since the API
// then has a problem that more calls do not solve. The error is that of the store, or
// the cause of ctx.
func (c *collect) closeGaps(ctx context.Context) error {
	if c.options.GapSource == nil || c.options.DryRun || ctx.Err() != nil || len(c.askableGaps(nil)) == 0 {
		return nil
	}
	done := c.options.Recorder.Stage(report.StageGaps)
	defer done()
	d := Days{Source: c.options.GapSource, newest: c.response.Events}
	if deadline, ok := ctx.Deadline(); ok {
		left := deadline.Sub(c.options.Clock.Now())
		d.Source = gapSource{d.Source, deadline.Add(-min(left/4, gapReserve))}
	}
	_, unserved := c.writer.Document().GapDays()
	before := c.outcome
	var asked []archive.Date
	var stopped error
	closed := 0
	for {
		dates := c.askableGaps(asked)
		if len(dates) == 0 {
			break
		}
		day := Day{Date: dates[0], nextHour: c.nextHour(dates[0])}
		asked = append(asked, day.Date)
		if _, stopped = d.addGapDay(ctx, c.run, &day); stopped != nil {
			if ctx.Err() != nil || errors.Is(stopped, ErrStore) {
				return fmt.Errorf("close the gap of %s: %w", day.Date, stopped)
			}
			break
		}
		if !c.isGap(day.Date) {
			closed++
		}
		if stopped = day.Cut; stopped != nil {
			break
		}
	}
	open, nowUnserved := c.writer.Document().GapDays()
	line := fmt.Sprintf("gaps: %s closed with %s, %s left",
		text.Count(closed, "day"), text.Count(c.outcome.New-before.New, "new event"), text.Count(len(open), "day"))
	if n := len(nowUnserved) - len(unserved); n > 0 {
		line += fmt.Sprintf("; the API does not serve %s", text.Count(n, "other day"))
	}
	if stopped != nil {
		line += fmt.Sprintf("; stopped at %s: %v", asked[len(asked)-1], stopped)
	}
	c.options.Recorder.Warn(slog.LevelInfo, "%s", line)
	return nil
}

// askableGaps returns the days to ask the API for now, without the days in except,
// oldest first.
func (c *collect) askableGaps(except []archive.Date) (dates []archive.Date) {
	for _, g := range c.writer.Document().Gaps {
		date, err := archive.ParseDate(g.Day)
		if err == nil && !slices.Contains(except, date) && !slices.Contains(dates, date) && c.shouldAsk(g) {
			dates = append(dates, date)
		}
	}
	return dates
}

// shouldAsk reports whether to ask the API for the day of a gap now.
func (c *collect) shouldAsk(g archive.Gap) bool {
	if g.Unserved || !g.AttemptCounts(c.options.Clock.Now()) {
		return false
	}
	return g.Reason != archive.Unreadable || !c.responseHas(g)
}

// responseHas reports whether the response has all items that wait because of the gap.
// A collect then stores them without a query for the day.
func (c *collect) responseHas(g archive.Gap) bool {
	if len(g.IDs)+len(g.Hashes) == 0 {
		return false // they are unknown
	}
	ids, hashes := make(map[int64]bool), make(map[string]bool)
	for _, e := range c.response.Events {
		ids[e.ID] = true
	}
	for _, r := range c.response.Rejected {
		hashes[polisen.Fingerprint(r.JSON())] = true
	}
	lacksID := func(id int64) bool { return !ids[id] }
	lacksHash := func(hash string) bool { return !hashes[hash] }
	return !slices.ContainsFunc(g.IDs, lacksID) && !slices.ContainsFunc(g.Hashes, lacksHash)
}

// nextHour returns the hour with which the queries for the hours of a gap begin.
func (c *collect) nextHour(date archive.Date) int {
	next := 23
	for _, g := range c.writer.Document().Gaps {
		if g.Day == date.String() {
			next = min(next, g.NextHour)
		}
	}
	return max(next, 0) // the document may be damaged
}

// isGap reports whether a day is a gap.
func (c *collect) isGap(date archive.Date) bool {
	return slices.ContainsFunc(c.writer.Document().Gaps, func(g archive.Gap) bool { return g.Day == date.String() })
}

// addGapDay is like addDay. It then records the API's answer in the gaps of the day, if
// there are any.
func (d Days) addGapDay(ctx context.Context, r *run, day *Day) (fullHours int, err error) {
	fullHours, err = d.addDay(ctx, r, day)
	kind, ok := d.answer(*day, fullHours, r.options.Clock.Now(), err)
	if !ok || ctx.Err() != nil {
		return fullHours, err
	}
	answer := archive.DayAnswer{Day: day.Date, Kind: kind}
	if kind != archive.AnswerWhole {
		answer.NextHour = day.nextHour
	}
	_, answerErr := r.add(ctx, archive.Batch{ObservedAt: r.options.Clock.Now(), Answer: &answer})
	if answerErr != nil {
		err = answerErr // an error of the store matters more than one of the API
	}
	return fullHours, err
}

// answer returns the kind of the API's answer to the query for a day, given the results
// of addDay. ok is false if the run shows nothing about the day: the query has a filter,
// the store failed, the run made no call, for lack of time or because of the limits, or a
// backfill cannot tell whether the answer for a day that is not over is new.
func (d Days) answer(day Day, fullHours int, now time.Time, err error) (kind archive.AnswerKind, ok bool) {
	noCall := errors.Is(err, errGapTime) || errors.Is(err, ratelimit.ErrExceeded)
	switch {
	case d.isFiltered(), errors.Is(err, ErrStore), noCall && day.Fetched == 0:
		return 0, false
	case d.newest == nil && !isOver(day.Date, now): // the answer may be an old one
		return 0, false
	case noCall && !day.Mismatched && !day.blocked:
		return archive.AnswerPart, true
	// The day answered, but not all of its hours.
	case day.Fetched >= polisen.FullResponse && (err != nil || len(day.NotFound) > 0):
		return archive.AnswerOther, true
	case len(day.NotFound) > 0:
		return archive.AnswerNotFound, true
	case err != nil, day.Mismatched, day.Fetched == 0, fullHours > 0:
		return archive.AnswerOther, true
	}
	return archive.AnswerWhole, true
}

// isFiltered reports whether the answers may have only some of a day's events.
func (d Days) isFiltered() bool {
	return d.Filtered || len(d.Query.Locations)+len(d.Query.Types) > 0
}

// isNotFound reports whether err, the error of a query for a day or an hour, says that the
// API answered 404 to this query, now or before. It reports false for the error after a 404
// to the query for the newest events, which forbids all queries.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*polisen.StatusError](err)
	return ok && e.NotFound() || errors.Is(err, ratelimit.ErrQueryNotFound)
}
