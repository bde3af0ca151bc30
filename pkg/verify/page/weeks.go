package page

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// weeks shows the new events and their delay by week.
type weeks struct {
	Years   []weekYear // the newest first
	Delays  bool       // some events have a delay that is drawn
	HasLate bool       // some events were stored late
}

// weekYear holds the pictures and the table of one year. A week belongs to the year of its
// Thursday, as in ISO 8601.
type weekYear struct {
	Number  int
	Summary string
	Months  []tick // the first letters of months
	Events  chart
	Delay   chart // empty if no week has a delay
	Rows    []weekRow
}

// chart is a picture with a vertical axis.
type chart struct {
	Lines []tick  // lines of the axis with their labels
	Bars  []shape // by week
}

// shape is a path in a chart.
type shape struct{ Class, Path, Title string }

// weekRow is a week in the table of a year.
type weekRow struct {
	Monday       string
	Events, Late int
	Seen         bool // some events were not late, so that there is a delay
	Median, P90  string
}

// The geometry of a chart in units of its picture.
const (
	chartLeft   = 46
	chartWidth  = 366
	chartTop    = 8
	chartHeight = 84
	weekPitch   = (chartWidth - chartLeft - 2) / 53.0
	barWidth    = 4.6
)

// newWeeks shows the weeks of which at least one day is in one of these years.
func newWeeks(all []verify.Week, years []int) weeks {
	var v weeks
	most := 0
	byYear := make(map[int][]verify.Week)
	for _, w := range all {
		if !slices.Contains(years, w.Monday.Year) && !slices.Contains(years, w.Monday.AddDays(6).Year) {
			continue
		}
		byYear[yearOf(w)] = append(byYear[yearOf(w)], w)
		most = max(most, w.Events)
		v.Delays = v.Delays || w.Events > w.Late
		v.HasLate = v.HasLate || w.Late > 0
	}
	step := niceStep(most, axisLines)
	for _, y := range slices.Backward(slices.Sorted(maps.Keys(byYear))) {
		v.Years = append(v.Years, newWeekYear(y, byYear[y], step))
	}
	return v
}

// thursday returns the Thursday of the week.
func thursday(w verify.Week) time.Time { return midnight(w.Monday.AddDays(3)) }

func yearOf(w verify.Week) int { return thursday(w).Year() }

// axisLines is the number of lines of the axis of events above zero.
const axisLines = 3

// newWeekYear returns the pictures and the table of a year with these weeks.
func newWeekYear(y int, all []verify.Week, step int) weekYear {
	v := weekYear{Number: y}
	for m := time.January; m <= time.December; m++ {
		x := chartLeft + int(float64(time.Date(y, m, 15, 0, 0, 0, 0, time.UTC).YearDay()-1)/7*weekPitch)
		v.Months = append(v.Months, tick{x, 0, m.String()[:1]})
	}
	for i := range axisLines + 1 {
		v.Events.Lines = append(v.Events.Lines, tick{0, eventsY(i*step, step), text.Number(i * step)})
	}
	events, late, highest := 0, 0, 0
	for _, w := range all {
		v.addWeek(w, step)
		events, late, highest = events+w.Events, late+w.Late, max(highest, w.Events)
	}
	v.Summary = fmt.Sprintf("%s in %s, at most %s in a week", text.Count(events, "event"), text.Count(len(all), "week"), text.Number(highest))
	if late > 0 {
		v.Summary += fmt.Sprintf("; %s of them stored more than a week after their datetime", text.Number(late))
	}
	if v.Delay.Bars != nil {
		v.Delay.Lines = delayLines()
	}
	return v
}

// eventsY returns the y coordinate of a number of events in the picture.
func eventsY(n, step int) int {
	return chartTop + chartHeight - n*chartHeight/(axisLines*step)
}

// addWeek adds a week to the pictures and to the table.
func (v *weekYear) addWeek(w verify.Week, step int) {
	x := chartLeft + float64(thursday(w).YearDay()-1)/7*weekPitch
	title := fmt.Sprintf("Week from %s: %s", w.Monday, text.Count(w.Events, "event"))
	if w.Late > 0 {
		title += fmt.Sprintf(", %s stored late", text.Number(w.Late))
	}
	seen, top := eventsY(w.Events-w.Late, step), eventsY(w.Events, step)
	if w.Events > w.Late {
		v.Events.Bars = append(v.Events.Bars, shape{"bar", bar(x, seen, eventsY(0, step)), title})
	}
	if w.Late > 0 {
		v.Events.Bars = append(v.Events.Bars, shape{"late", bar(x, top, seen), title})
	}
	row := weekRow{Monday: w.Monday.String(), Events: w.Events, Late: w.Late}
	if w.Events > w.Late {
		row.Seen, row.Median, row.P90 = true, text.Duration(w.Median), text.Duration(w.P90)
		title := fmt.Sprintf("Week from %s: half within %s, 90 %% within %s", w.Monday, row.Median, row.P90)
		median, p90 := delayY(w.Median), delayY(w.P90)
		v.Delay.Bars = append(v.Delay.Bars,
			shape{"span", bar(x, p90, max(median, p90+1)), title},
			shape{"median", bar(x, median-1, median+2), ""})
	}
	v.Rows = append(v.Rows, row)
}

// bar returns the path of a rectangle that begins at x.
func bar(x float64, top, bottom int) string {
	return fmt.Sprintf("M%.1f %dh%.1fv%dh-%.1fz", x, top, barWidth, bottom-top, barWidth)
}

// delayY returns the y coordinate of a delay in the picture, whose axis is logarithmic.
func delayY(d time.Duration) int {
	share := math.Log(max(d.Minutes(), 1)) / math.Log(verify.LateAfter.Minutes())
	return chartTop + chartHeight - int(share*chartHeight)
}

// delayLines returns the lines of the axis of delays.
func delayLines() (lines []tick) {
	for _, l := range []struct {
		at   time.Duration
		text string
	}{{time.Minute, "1 min"}, {10 * time.Minute, "10 min"}, {time.Hour, "1 h"}, {6 * time.Hour, "6 h"}, {24 * time.Hour, "1 d"}, {verify.LateAfter, "7 d"}} {
		lines = append(lines, tick{0, delayY(l.at), l.text})
	}
	return lines
}
