package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// Days is a range of days to fetch from the API, with one query for each day.
type Days struct {
	// From and To are the first and the last day.
	From, To archive.Date
	// ServedFrom is the first day that the API surely still serves. An empty
	// response for a day from then on is an error of the API. Zero: unknown.
	ServedFrom archive.Date
	// Query holds the filters. BackfillDays sets its DateTime for each day.
	Query  polisen.Query
	Source Source
	// Done holds the days to skip. BackfillDays adds those that it finishes.
	Done *DoneDays
	// OnDay, if not nil, is called after each day.
	OnDay func(Day)
}

// Day is the result of fetching one day.
type Day struct {
	Date archive.Date
	// Left is the number of days that remain to be fetched.
	Left int
	// Fetched is the number of items in the responses for the day.
	Fetched int
	// Mismatched is true if a response was mismatched, or empty although the
	// day must have events. What came is stored, but the day is not done.
	Mismatched bool
	// Outcome says what became of the items.
	archive.Outcome
}

// Dates returns the days to fetch, oldest first, and the number of days that
// are done.
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

// BackfillDays fetches days from the API, oldest first, and stores their events.
// What was stored before an error or a cancellation stays. The errors are those
// of [Collect], and the report is returned with every error.
//
// A day whose response is full is fetched again hour by hour. The API shows no
// more of an hour that is full too, which makes a [*PartialError]; so do
// mismatched responses and rejected items.
func BackfillDays(ctx context.Context, o Options, d Days) (report.Report, error) {
	return backfill(ctx, o, d.addAll)
}

func (d Days) addAll(ctx context.Context, r *run) error {
	var mismatched []archive.Date
	fullHours := 0
	todo, _ := d.Dates()
	for i, date := range todo {
		day := Day{Date: date, Left: len(todo) - i - 1}
		full, err := d.addDay(ctx, r, &day)
		fullHours += full
		if err != nil {
			return fmt.Errorf("day %s: %w", date, err)
		}
		if day.Mismatched {
			mismatched = append(mismatched, date)
		} else if day.Waiting == 0 && isOver(date, r.options.Clock.Now()) {
			if err := d.Done.Add(date); err != nil {
				r.options.Recorder.Warn(slog.LevelWarn, "%v; if this backfill is interrupted, --resume fetches %s again", err, date)
			}
		}
		if d.OnDay != nil {
			d.OnDay(day)
		}
	}
	var reasons []string
	if n := r.outcome.Rejected; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%s rejected; rejected items go under rejected/ in the archive", text.Count(n, "item")))
	}
	if fullHours > 0 {
		reasons = append(reasons, fmt.Sprintf("%s: the API shows at most %d events for an hour, so some may be missing; fetch them with --location or --type",
			text.Count(fullHours, "full hour"), polisen.FullResponse))
	}
	if len(mismatched) > 0 {
		reasons = append(reasons, fmt.Sprintf("mismatched or empty response for %d of %d days (first: %s); repeat the command with --resume to fetch these days again",
			len(mismatched), len(todo), mismatched[0]))
	}
	return partial(reasons)
}

// isOver reports whether a day is over in Sweden at the time now. It waits for
// the end of the day in UTC, which is one or two hours later.
func isOver(date archive.Date, now time.Time) bool {
	return date.Compare(archive.DateOf(now.UTC())) < 0
}

// addDay fetches and stores a day, and then its hours if there is more of it
// than one response shows. It returns the number of hours that are full.
func (d Days) addDay(ctx context.Context, r *run, day *Day) (fullHours int, err error) {
	err = d.addResponse(ctx, r, day.Date.String(), day)
	switch {
	case err != nil:
		return 0, err
	case day.Fetched == 0:
		day.Mismatched = d.mustHaveEvents(day.Date, r.options.Clock.Now())
	case day.Fetched >= polisen.FullResponse && !day.Mismatched:
		return d.addHours(ctx, r, day)
	}
	return 0, nil
}

// mustHaveEvents reports whether a query for this day must return events. The
// police publish 60 to 80 of them a day.
func (d Days) mustHaveEvents(date archive.Date, now time.Time) bool {
	unfiltered := len(d.Query.Locations) == 0 && len(d.Query.Types) == 0
	return unfiltered && d.ServedFrom != archive.Date{} && d.ServedFrom.Compare(date) <= 0 && isOver(date, now)
}

// addHours fetches and stores the hours of a day. If they hold fewer events
// than the response for the whole day, one of them was mismatched or empty.
func (d Days) addHours(ctx context.Context, r *run, day *Day) (full int, err error) {
	whole, hours := day.Fetched, 0
	for hour := range 24 {
		part := Day{Date: day.Date}
		err = d.addResponse(ctx, r, fmt.Sprintf("%s %02d", day.Date, hour), &part)
		hours += part.Fetched
		day.Fetched += part.Fetched
		day.Outcome = day.Outcome.Plus(part.Outcome)
		if err != nil {
			return full, err
		}
		day.Mismatched = day.Mismatched || part.Mismatched
		if part.Fetched >= polisen.FullResponse && !part.Mismatched {
			full++
			r.options.Recorder.Warn(slog.LevelWarn, "hour %02d of %s is full: the API shows at most %d events for an hour, so some may be missing; fetch them with --location or --type",
				hour, day.Date, polisen.FullResponse)
		}
	}
	day.Mismatched = day.Mismatched || hours < whole
	return full, nil
}

// addResponse fetches and stores the response for a day or an hour, as the API
// writes them: "2026-01-31" or "2026-01-31 09". It sets the day's other fields.
func (d Days) addResponse(ctx context.Context, r *run, dateTime string, day *Day) error {
	q := d.Query
	q.DateTime = dateTime
	response, err := r.fetch(ctx, d.Source, q)
	if err != nil {
		return err
	}
	day.Fetched = len(response.Events) + len(response.Rejected)
	day.Mismatched = mostlyOutside(dateTime, response.Events)
	day.Outcome, err = r.add(ctx, archive.Batch{
		Events:     response.Events,
		Rejected:   response.Rejected,
		ObservedAt: response.FetchedAt,
	})
	return err
}

// mostlyOutside reports whether most events are from outside of the day or hour,
// and the response thus mismatched. The API's cache sent such responses to 20
// of 29,357 recorded polls.
func mostlyOutside(dateTime string, events []polisen.Event) bool {
	outside := 0
	for _, e := range events {
		if !strings.HasPrefix(e.Time.Format("2006-01-02 15"), dateTime) {
			outside++
		}
	}
	return outside > len(events)/2
}
