package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
)

// Days is a range of days to ask the API for, one call each.
type Days struct {
	// From and To are the first and the last day.
	From, To archive.Date
	// Served is the first day of which the API has events without doubt, so
	// that an answer without any is none. Zero if there is no such day.
	Served archive.Date
	// Query has the filters; its DateTime is set for each day.
	Query  polisen.Query
	Source Source
	// Done are the days that need not be asked for again, and take those that
	// have been.
	Done DoneDays
	// OnDay, if not nil, is told of each day.
	OnDay func(Day)
}

// DoneDays remembers which days a backfill has asked for.
type DoneDays interface {
	Has(day archive.Date) bool
	Add(day archive.Date) error
}

// Day is what became of one day.
type Day struct {
	Date archive.Date
	// Left is the number of days that are still to be asked for.
	Left    int
	Fetched int
	// Stray says that another query's answer came, or none. Its events are
	// stored like any, but the day is not done.
	Stray bool
	archive.Outcome
}

// Dates returns the days from From to To that are to be asked for, and the
// number of those that are done.
func (d Days) Dates() (todo []archive.Date, done int) {
	for date := d.From; date.Compare(d.To) <= 0; date = date.Next() {
		if d.Done.Has(date) {
			done++
		} else {
			todo = append(todo, date)
		}
	}
	return todo, done
}

// Feed returns the feed of these days, oldest first. A day whose response is
// full is asked for again by the hour; an hour that is full too becomes a
// warning, since the API shows no more of it. That and stray answers make a
// *PartialError.
func (d Days) Feed(ctx context.Context, run *Options, sink Sink) error {
	var stray []archive.Date
	fullHours := 0
	todo, _ := d.Dates()
	for i, date := range todo {
		day := Day{Date: date, Left: len(todo) - i - 1}
		full, err := d.askDay(ctx, run, sink, &day)
		fullHours += full
		if err != nil {
			return fmt.Errorf("day %s: %w", date, err)
		}
		if day.Stray {
			stray = append(stray, date)
		} else if over(date, run.Clock.Now()) {
			if err := d.Done.Add(date); err != nil {
				run.Recorder.Warn("%v; an interrupted backfill will ask for %s again", err, date)
			}
		}
		if d.OnDay != nil {
			d.OnDay(day)
		}
	}
	var reasons []string
	if n := run.Report.Counts.Rejected; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%d items rejected; they are %s", n, run.kept()))
	}
	if fullHours > 0 {
		reasons = append(reasons, fmt.Sprintf("full hours, of which the API shows no more than %d events each: %d; "+
			"ask by --location or --type for the rest", polisen.FullResponse, fullHours))
	}
	if len(stray) > 0 {
		reasons = append(reasons, fmt.Sprintf("another query's answer, or an empty one, came for %d of %d days (first: %s); its events are stored, "+
			"but the days are not done: ask again with the same command and --resume", len(stray), len(todo), stray[0]))
	}
	if len(reasons) > 0 {
		return &PartialError{Reasons: reasons}
	}
	return nil
}

// askDay asks for a day, and for its hours if there is more of it than one
// answer holds. It returns how many of these are full.
func (d Days) askDay(ctx context.Context, run *Options, sink Sink, day *Day) (fullHours int, err error) {
	err = d.ask(ctx, run, sink, day.Date.String(), day)
	switch {
	case err != nil:
	case day.Fetched == 0:
		day.Stray = d.mustHaveEvents(day.Date, run.Clock.Now())
	case day.Fetched >= polisen.FullResponse && !day.Stray:
		return d.askHours(ctx, run, sink, day)
	}
	return 0, err
}

// askHours adds the hours of a day to it. They hold what its own answer held
// and more, or one of theirs was stray, or empty.
func (d Days) askHours(ctx context.Context, run *Options, sink Sink, day *Day) (full int, err error) {
	whole := day.Fetched
	for hour := 0; hour < 24 && err == nil; hour++ {
		part := Day{Date: day.Date}
		err = d.ask(ctx, run, sink, fmt.Sprintf("%s %02d", day.Date, hour), &part)
		day.Stray = day.Stray || part.Stray
		if part.Fetched >= polisen.FullResponse && !part.Stray {
			full++
			run.Recorder.Warn("the hour %02d of %s is full: the API shows no more than %d events of it; ask by --location or --type for the rest",
				hour, day.Date, polisen.FullResponse)
		}
		day.Fetched += part.Fetched
		day.Outcome = day.Outcome.Plus(part.Outcome)
	}
	day.Stray = day.Stray || day.Fetched-whole < whole
	return full, err
}

// mustHaveEvents reports whether no answer for this day can be empty: there are
// 60 to 80 events a day.
func (d Days) mustHaveEvents(date archive.Date, now time.Time) bool {
	unfiltered := len(d.Query.Locations) == 0 && len(d.Query.Types) == 0
	return unfiltered && d.Served != archive.Date{} && d.Served.Compare(date) <= 0 && over(date, now)
}

// ask makes one call and stores what it brings.
func (d Days) ask(ctx context.Context, run *Options, sink Sink, dateTime string, day *Day) error {
	q := d.Query
	q.DateTime = dateTime
	done := run.Recorder.Stage(stageFetch)
	r, err := d.Source.Fetch(ctx, q)
	done()
	if r != nil {
		day.Fetched = len(r.Events) + len(r.Rejected)
		run.count(r)
	}
	if err != nil {
		return fetchError(err)
	}
	day.Stray = isStrayOf(dateTime, r.Events)
	day.Outcome, err = sink(ctx, archive.Batch{Events: r.Events, Rejected: r.Rejected, ObservedAt: r.FetchedAt})
	run.Report.Counts.Rejected += day.Outcome.Rejected
	return err
}

// isStrayOf reports whether what came in answer to a query for a day, or an hour
// of it, is another query's answer, as the API's cache gives now and then
// (20 times in 29,357 recorded polls): most events are of other times.
func isStrayOf(dateTime string, events []polisen.Event) bool {
	others := 0
	for _, e := range events {
		if !strings.HasPrefix(e.Time.Format("2006-01-02 15"), dateTime) {
			others++
		}
	}
	return others > len(events)/2
}

// count adds a response to the report. The parts of the call are the last's.
func (o *Options) count(r *polisen.Response) {
	t, api := r.Timings, &o.Report.API
	o.Report.Counts.Fetched += len(r.Events) + len(r.Rejected)
	api.Calls += r.Calls
	api.WireBytes += r.WireBytes
	api.Bytes += r.Bytes
	api.Waited += report.Seconds(r.Waited)
	api.DNS, api.Connect, api.TLS = report.Seconds(t.DNS), report.Seconds(t.Connect), report.Seconds(t.TLS)
	api.Wait, api.Transfer = report.Seconds(t.Wait), report.Seconds(t.Transfer)
}

// fetchError marks an error as the API's, unless no call was made.
func fetchError(err error) error {
	if errors.Is(err, ratelimit.ErrExceeded) {
		return fmt.Errorf("fetch events: %w", err)
	}
	return fmt.Errorf("%w: fetch events: %w", ErrAPI, err)
}

// over reports whether a day has surely ended in Sweden, whose clock is ahead
// of UTC: until then its events are still coming.
func over(date archive.Date, now time.Time) bool {
	return date.Compare(archive.DateOf(now.UTC())) < 0
}
