package verify

import (
	"maps"
	"math"
	"slices"
	"time"

	"polisen-events-collector/pkg/archive"
)

// Timeline holds numbers of an archive by day and by week. All dates are the local dates
// of events, and all lists are in ascending order.
type Timeline struct {
	// Days are the days with events.
	Days []Day
	// Weeks are the weeks with events.
	Weeks []Week
	// Missing are the days without events that the check [MissingDays] reports.
	Missing []DayRange
	// Open and Unserved are the days of the document's gaps: those that collects still ask
	// the API for, and those that the API does not serve. Accepted are days that the API
	// does not serve and that a repair has accepted.
	Open, Unserved, Accepted []archive.Date
}

// Day is the number of events of one day.
type Day struct {
	Date   archive.Date
	Events int // ids whose first version is stored under this date
}

// Week holds the numbers of one week.
type Week struct {
	Monday archive.Date // the first day
	Events int          // as Day.Events
	// Late is the number of events that were stored more than [LateAfter] after their
	// datetime, as by a backfill.
	Late int
	// Median and P90 are the median and the 90th percentile of the delay of all other
	// events: the time from an event's datetime to the commit that stored it, rounded down
	// to minutes. Both are zero if there are no other events.
	Median, P90 time.Duration
}

// LateAfter is the delay from which an event counts as [Week.Late]. An event that a collect
// stores is hardly ever older: 99 % of them are at most 6.7 hours old when they are first seen.
const LateAfter = 7 * 24 * time.Hour

// maxDelay is the largest delay of a line in minutes, which is 45 days.
const maxDelay = math.MaxUint16

// delay returns the time from an event's datetime to the commit with this timestamp, as
// object.delays holds it.
func delay(event time.Time, timestamp int64) uint16 {
	return uint16(min(max(timestamp-event.Unix(), 0)/60, maxDelay))
}

// timeline returns the numbers by day and by week.
func (a *audit) timeline() Timeline {
	if !a.options.Timeline {
		return Timeline{}
	}
	t := Timeline{Missing: a.missing}
	days, weeks := make(map[archive.Date]int), make(map[archive.Date][]uint16)
	for lines := range a.byID() {
		first := &lines[0]
		if name := a.lines.object(first).name; name.Kind == archive.Events {
			days[name.Date]++
			monday := mondayOf(name.Date)
			weeks[monday] = append(weeks[monday], a.lines.delay(first))
		}
	}
	for _, day := range slices.SortedFunc(maps.Keys(days), archive.Date.Compare) {
		t.Days = append(t.Days, Day{day, days[day]})
	}
	for _, monday := range slices.SortedFunc(maps.Keys(weeks), archive.Date.Compare) {
		t.Weeks = append(t.Weeks, newWeek(monday, weeks[monday]))
	}
	if a.doc == nil {
		return t
	}
	open, unserved := a.doc.GapDays()
	t.Open, t.Unserved, t.Accepted = a.includedDates(open), a.includedDates(unserved), a.includedDates(a.doc.AcceptedDays)
	return t
}

// newWeek returns the numbers of a week whose events have these delays, which it sorts.
func newWeek(monday archive.Date, delays []uint16) Week {
	slices.Sort(delays)
	late, _ := slices.BinarySearch(delays, uint16(LateAfter/time.Minute)+1)
	w := Week{Monday: monday, Events: len(delays), Late: len(delays) - late}
	if late > 0 {
		w.Median = time.Duration(delays[(late-1)/2]) * time.Minute
		w.P90 = time.Duration(delays[(late*9-1)/10]) * time.Minute
	}
	return w
}

// mondayOf returns the first day of the week of d.
func mondayOf(d archive.Date) archive.Date {
	weekday := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
	return d.AddDays(-(int(weekday) + 6) % 7)
}

// includedDates parses days of the document, and returns those that are read.
func (a *audit) includedDates(days []string) (dates []archive.Date) {
	for _, text := range days {
		if day, err := archive.ParseDate(text); err == nil && a.options.includes(day) {
			dates = append(dates, day)
		}
	}
	return dates
}
