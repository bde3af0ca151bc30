package polisen_test

import (
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
		w, ok := polisen.NewWindow(hoursBefore(tt.hours...))
		if !ok || w.Length() != tt.length || !w.To.Equal(newest) || !w.From.Equal(newest.Add(-tt.length)) {
			t.Errorf("%s: window %v, %t, want a length of %v", name, w, ok, tt.length)
		}
	}
	if w, ok := polisen.NewWindow(nil); ok {
		t.Errorf("no events have the window %v", w)
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
