package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// Days is a range of days to fetch from the API, with one query for each day.
type Days struct {
	// From and To are the first and the last day.
	From, To archive.Date
	// ServedFrom is the first day whose events the API certainly still has; zero
	// if it is unknown. An empty response for that day or a later one is an error
	// of the API.
	ServedFrom archive.Date
	// Query has the filters. BackfillDays sets its DateTime for each day.
	Query polisen.Query
	// Filtered is true if the URL of Source has filters of its own.
	Filtered bool
	Source   Source
	// Done has the days to skip. BackfillDays adds each day that it finishes.
	Done *DoneDays
	// newest are the events of a response to the query for the newest events; see isOld.
	newest []polisen.Event
	// OnDay is called after each day, unless it is nil.
	OnDay func(Day)
}

// Day is the result of fetching one day.
type Day struct {
	Date archive.Date
	// Left is the number of days that are still to be fetched after this one.
	Left int
	// Fetched is the number of items in the responses for the day.
	Fetched int
	// Done is true if the day is over, and all its events that the API serves are stored.
	Done bool
	// Mismatched is true if a response was mismatched or cut, or empty although the day
	// must have events. Its items are stored, but the day is not done.
	Mismatched bool
	// Cut is the error of the last response that was cut; nil if none was.
	Cut error
	// nextHour is the first hour of the day that was not fetched whole, or of which items
	// wait. addHours begins with it, and raises it.
	nextHour int
	// blocked says that nextHour cannot rise: the query for this hour got a 404 or a full
	// response. A run that begins with it again would not get further.
	blocked bool
	// NotFound are the queries that the API answered with 404, now or before: the day,
	// such as "2026-01-31", or hours of it, such as "2026-01-31 09". The day is then not
	// done.
	NotFound        []string
	archive.Outcome // of the items
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
// Events that are stored before an error or a cancellation stay stored. The errors
// are those of [Collect]. BackfillDays always returns a report.
//
// If the response for a day is full, BackfillDays fetches the day again hour by hour.
// The error is a [*PartialError] if the response for an hour is full too, since the
// API then does not show all events, if a response is mismatched, if an item is
// rejected, or if the API answered 404 to the query for a day or an hour, which
// BackfillDays then passes over.
func BackfillDays(ctx context.Context, o Options, d Days) (report.Report, error) {
	return backfill(ctx, o, d.addAll)
}

// addAll fetches and stores the days.
func (d Days) addAll(ctx context.Context, r *run) error {
	var mismatched, notFound []archive.Date
	fullHours := 0
	todo, _ := d.Dates()
	for i, date := range todo {
		day := Day{Date: date, Left: len(todo) - i - 1}
		full, err := d.addGapDay(ctx, r, &day)
		fullHours += full
		if err != nil {
			return fmt.Errorf("day %s: %w", date, err)
		}
		for _, dateTime := range day.NotFound {
			r.options.Recorder.Warn(slog.LevelWarn, "%s is passed over: the API answered 404 to the query for it", dateTime)
		}
		if len(day.NotFound) > 0 {
			notFound = append(notFound, date)
		}
		if day.Mismatched {
			mismatched = append(mismatched, date)
		}
		day.Done = !day.Mismatched && len(day.NotFound) == 0 && day.Waiting == 0 && isOver(date, r.options.Clock.Now())
		if day.Done {
			d.markDone(ctx, r, date)
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
		reasons = append(reasons, fmt.Sprintf("mismatched, cut or empty response for %d of %d days (first: %s); repeat the command with --resume to fetch these days again",
			len(mismatched), len(todo), mismatched[0]))
	}
	if len(notFound) > 0 {
		reasons = append(reasons, fmt.Sprintf("the API answered 404 for %d of %d days (first: %s): check the filters and the API's URL; the API's rules make a 404 permanent, so only --resume with --retry-not-found fetches these days again",
			len(notFound), len(todo), notFound[0]))
	}
	return partial(reasons)
}

// markDone adds a day to Done, and warns if it cannot write the file.
func (d Days) markDone(ctx context.Context, r *run, date archive.Date) {
	defer blocking.Call(ctx, "write "+d.Done.path)()
	if err := d.Done.Add(date); err != nil {
		r.options.Recorder.Warn(slog.LevelWarn, "%v; if this backfill is interrupted, --resume fetches %s again", err, date)
	}
}

// isOver reports whether a day is over in Sweden at the time now. It uses the end of the
// day in UTC, which is one or two hours later.
func isOver(date archive.Date, now time.Time) bool {
	return date.Compare(archive.DateOf(now.UTC())) < 0
}

// addDay fetches and stores a day, and then its hours if the response for the day is
// full. It returns the number of full hours.
func (d Days) addDay(ctx context.Context, r *run, day *Day) (fullHours int, err error) {
	now := r.options.Clock.Now()
	response, err := d.addResponse(ctx, r, day.Date.String(), day)
	switch {
	case err != nil || response == nil:
		return 0, err
	case d.isOld(response, day.Date, now):
		day.Mismatched = true
	case day.Fetched == 0:
		day.Mismatched = d.mustHaveEvents(day.Date, now)
	case response.IsFull() && !day.Mismatched:
		return d.addHours(ctx, r, day, hoursOf(response, day.Date, now))
	}
	return 0, nil
}

// isOld reports whether the response to the query for a day that is not over lacks the
// latest event of the day that the run has seen before. A cache then answered with an older
// response.
func (d Days) isOld(response *polisen.Response, date archive.Date, now time.Time) bool {
	var latest polisen.Event
	for _, e := range d.newest {
		if archive.DateOf(e.Time) == date && e.Time.After(latest.Time) {
			latest = e
		}
	}
	isLatest := func(e polisen.Event) bool { return e.ID == latest.ID }
	return !latest.Time.IsZero() && !isOver(date, now) && !slices.ContainsFunc(response.Events, isLatest)
}

// hoursOf returns the numbers of events in the response to the query for a day, by hour.
// It leaves out the hours that are still to come.
func hoursOf(response *polisen.Response, date archive.Date, now time.Time) []int {
	hours := make([]int, 24)
	last := len(hours) - 1
	if date == archive.Today(now) {
		last = polisen.InSweden(now).Hour()
	}
	for _, e := range response.Events {
		if archive.DateOf(e.Time) == date {
			hours[e.Time.Hour()]++
			last = max(last, e.Time.Hour())
		}
	}
	return hours[:last+1]
}

// mustHaveEvents reports whether the response for this day must have events. The
// police publish 60 to 80 events a day.
func (d Days) mustHaveEvents(date archive.Date, now time.Time) bool {
	return !d.isFiltered() && d.ServedFrom != archive.Date{} && d.ServedFrom.Compare(date) <= 0 && isOver(date, now)
}

// addHours fetches and stores the hours of a day, from day.nextHour on. The numbers of events
// by hour are those of the response for the day. If an hour has less than half of them, its
// response was mismatched or empty. addHours returns the number of full hours, and sets
// day.blocked.
func (d Days) addHours(ctx context.Context, r *run, day *Day, hours []int) (full int, err error) {
	first := day.nextHour
	for hour := first; hour < len(hours); hour++ {
		part := Day{Date: day.Date}
		_, err = d.addResponse(ctx, r, fmt.Sprintf("%s %02d", day.Date, hour), &part)
		day.Fetched += part.Fetched
		day.Outcome = day.Outcome.Plus(part.Outcome)
		if err != nil {
			return full, err
		}
		notFound := len(part.NotFound) > 0
		mismatched := part.Mismatched || !notFound && 2*part.Fetched < hours[hour]
		day.Mismatched = day.Mismatched || mismatched
		day.Cut = cmp.Or(part.Cut, day.Cut)
		day.NotFound = append(day.NotFound, part.NotFound...)
		isFull := part.Fetched >= polisen.FullResponse && !mismatched
		if isFull {
			full++
			r.options.Recorder.Warn(slog.LevelWarn, "hour %02d of %s is full: the API shows at most %d events for an hour, so some may be missing; fetch them with --location or --type",
				hour, day.Date, polisen.FullResponse)
		}
		if day.nextHour == hour && !mismatched && !notFound && !isFull && part.Waiting == 0 {
			day.nextHour++
		}
		day.blocked = day.blocked || hour == first && (notFound || isFull)
	}
	return full, nil
}

// addResponse fetches and stores the response for a day or an hour, such as
// "2026-01-31" or "2026-01-31 09". It sets the fields of day that describe the response. A
// 404 is no error; the response is then nil.
func (d Days) addResponse(ctx context.Context, r *run, dateTime string, day *Day) (*polisen.Response, error) {
	q := d.Query
	q.DateTime = dateTime
	response, err := r.fetch(ctx, d.Source, q)
	if isNotFound(err) {
		day.NotFound = []string{dateTime}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	day.Fetched = response.Items()
	day.Mismatched = mostlyOutside(dateTime, response) || response.Cut != nil
	if day.Cut = response.Cut; day.Cut != nil {
		r.options.Recorder.Warn(slog.LevelWarn, "%s: %s", dateTime, cutReason(response))
	}
	day.Outcome, err = r.add(ctx, archive.Batch{
		Events:     response.Events,
		Rejected:   response.Rejected,
		ObservedAt: response.FetchedAt,
	})
	return response, err
}

// mostlyOutside reports whether most items are not events of the day or hour, which
// means that the response is mismatched. Of 29,357 recorded polls 20 have such a
// response, from the API's cache.
func mostlyOutside(dateTime string, response *polisen.Response) bool {
	outside := len(response.Rejected)
	for _, e := range response.Events {
		if !strings.HasPrefix(e.Time.Format("2006-01-02 15"), dateTime) {
			outside++
		}
	}
	return outside > response.Items()/2
}
