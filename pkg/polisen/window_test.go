package polisen_test

import (
	"slices"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
)

func TestWindow(t *testing.T) {
	newest := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	hoursBefore := func(hours ...int) (events []polisen.Event) {
		for _, h := range hours {
			events = append(events, polisen.Event{Time: newest.Add(-time.Duration(h) * time.Hour)})
		}
		return events
	}
	twenty := []int{5, 2400, 3, 4} // one of twenty events is 100 days old
	for h := range 16 {
		twenty = append(twenty, h)
	}
	for name, tt := range map[string]struct {
		hours  []int
		length time.Duration
	}{
		"one event":                       {[]int{0}, 0},
		"too few events to leave one out": {[]int{3, 0, 7, 1}, 7 * time.Hour},
		"one of twenty left out":          {twenty, 15 * time.Hour},
	} {
		w, ok := polisen.NewWindow(hoursBefore(tt.hours...), newest)
		if !ok || w.Length() != tt.length || !w.To.Equal(newest) || !w.From.Equal(newest.Add(-tt.length)) {
			t.Errorf("%s: window %v, %t, want a length of %v", name, w, ok, tt.length)
		}
	}
	if w, ok := polisen.NewWindow(nil, newest); ok {
		t.Errorf("no events have the window %v", w)
	}
}

// TestWindowWrongTimes checks that a window leaves out events with a time after the fetch,
// and an event of the first year, but that the window of a host with a wrong clock has all
// events.
func TestWindowWrongTimes(t *testing.T) {
	newest := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	var events []polisen.Event
	for h := range 40 {
		events = append(events, polisen.Event{Time: newest.Add(-time.Duration(h) * time.Hour)})
	}
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		fetched  time.Time
		more     []time.Time
		from, to time.Duration // before newest
	}{
		{"at the time of the newest event", newest, nil, 37 * time.Hour, 0},
		{"a nanosecond before", newest.Add(-1), nil, 38 * time.Hour, time.Hour},
		{"the year 9999", newest, []time.Time{last}, 37 * time.Hour, 0},
		{"the year 1", newest, []time.Time{first}, 38 * time.Hour, 0},
		{"both", newest, []time.Time{first, last}, 38 * time.Hour, 0},
		{"a minute later", newest, []time.Time{newest.Add(time.Minute)}, 37 * time.Hour, 0},
		{"a clock that is a month behind", newest.AddDate(0, -1, 0), nil, 37 * time.Hour, 0},
	} {
		all := slices.Clone(events)
		for _, at := range tt.more {
			all = append(all, polisen.Event{Time: at})
		}
		w, ok := polisen.NewWindow(all, tt.fetched)
		if !ok || newest.Sub(w.From) != tt.from || newest.Sub(w.To) != tt.to {
			t.Errorf("%s: window from %v to %v, want %v and %v before %v", tt.name, w.From, w.To, tt.from, tt.to, newest)
		}
	}
}

// TestInSweden compares Swedish local time with the time zone database, at the
// changes of the years for which the rule is fixed and shortly beside them.
func TestInSweden(t *testing.T) {
	stockholm, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Skipf("no time zone database: %v", err)
	}
	for at := time.Date(1996, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2037; at = at.Add(30 * time.Minute) {
		if got, want := polisen.InSweden(at).Format(time.RFC3339), at.In(stockholm).Format(time.RFC3339); got != want {
			t.Fatalf("%v is %s in Sweden, want %s", at, got, want)
		}
	}
}
