package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// maxYears is the maximum number of years that are drawn. Dates of events may be wrong, so
// that an archive may seem to have thousands of years.
const maxYears = 10

// drawnYears returns the years with events or gaps, oldest first: the last maxYears of those
// that are at most the year after now and less than 200 years before it. The text says which
// events lie in other years; it is empty if there are none.
func drawnYears(r *verify.Result, now int) (years []int, others string) {
	t := r.Timeline
	has := make(map[int]bool)
	for _, d := range t.Days {
		has[d.Date.Year] = true
	}
	for _, dates := range [][]archive.Date{t.Open, t.Unserved, t.Accepted} {
		for _, d := range dates {
			has[d.Year] = true
		}
	}
	for y := now + 1; y > now+1-200 && len(years) < maxYears; y-- {
		if has[y] {
			years = append(years, y)
		}
	}
	slices.Reverse(years)
	days, events := 0, 0
	for _, d := range t.Days {
		if !slices.Contains(years, d.Date.Year) {
			days++
			events += d.Events
		}
	}
	if days > 0 {
		others = fmt.Sprintf("%s on %s of other years are not drawn. The first day with events is %s, the last is %s.",
			text.Count(events, "event"), text.Count(days, "day"), r.Checked.First, r.Checked.Last)
	}
	return years, others
}

// mark is the sign of a day with a gap or with findings. Each mark has a shape of its own, so
// that readers who see no colours can tell it from others.
type mark struct {
	Name  string // for the legend
	Word  string // for the table
	Sign  string // for the table: a character
	path  string // the shape within a cell, as the d attribute of a path
	class string // of the path: "m" for a line, "f" for a filled shape
}

// The marks. Their order is that of the legend.
var (
	markOpen     = mark{"Gap: events may be missing, and collects still ask for them", "gap", "/", "M1 10L10 1", "m"}
	markUnserved = mark{"Gap that the API does not serve", "unserved gap", "–", "M1.5 5.5h8", "m"}
	markAccepted = mark{"Accepted gap", "accepted gap", "○", "M5.5 3a2.5 2.5 0 1 0 .01 0z", "m"}
	markMissing  = mark{"No events at all", "missing", "×", "M2.5 2.5l6 6M8.5 2.5l-6 6", "m"}
	markFindings = mark{"Findings about files of this day", "findings", "▲", "M11 3v8h-8z", "f"}
)

// calendar shows the number of events of each day.
type calendar struct {
	Years  []year // the newest first
	Levels []level
	Marks  []legendMark // those that occur
	Others string       // which days are not drawn
}

// level is a range of numbers of events that have the same colour.
type level struct{ Class, Text string }

// legendMark is a mark as the template shows it.
type legendMark struct{ Class, Name, Path string }

// year is one year of a calendar.
type year struct {
	Number  int
	Summary string
	Halves  []half
	Months  []month // without those that have nothing to show
}

// half is the picture of half a year. Two halves fit side by side on a screen, and one above
// the other on a phone.
type half struct {
	Label  string
	Months []tick
	Cells  []cell
	Plain  string // the path of the squares of all days that have nothing to show
	Marks  []placed
}

// tick is a label of an axis.
type tick struct {
	X, Y int
	Text string
}

// cell is the square of a day.
type cell struct{ Class, Path, Title string }

// placed is a mark in a picture.
type placed struct {
	legendMark
	X, Y int
}

// month is a row of the table of a year.
type month struct {
	Name  string
	Days  []tableDay
	Total int
}

// tableDay is a day in the table of a year.
type tableDay struct {
	Text, Sign, Word string
}

// The geometry of a half year in units of its picture: a column is a week.
const (
	cellSize  = 11
	cellPitch = 12
	cellLeft  = 30
	cellTop   = 16
)

// dayFacts are the facts about a day of a calendar.
type dayFacts struct {
	events            int
	state             *mark // nil if nothing is missing
	problems, notices int
}

func newCalendar(r *verify.Result, years []int) calendar {
	days := make(map[archive.Date]*dayFacts)
	at := func(d archive.Date) *dayFacts {
		if days[d] == nil {
			days[d] = new(dayFacts)
		}
		return days[d]
	}
	drawn := func(y int) bool { return slices.Contains(years, y) }
	var numbers []int
	for _, d := range r.Timeline.Days {
		if drawn(d.Date.Year) {
			at(d.Date).events = d.Events
			numbers = append(numbers, d.Events)
		}
	}
	for _, y := range years {
		first, last := archive.Date{Year: y, Month: time.January, Day: 1}, archive.Date{Year: y, Month: time.December, Day: 31}
		for _, missing := range r.Timeline.Missing {
			from := slices.MaxFunc([]archive.Date{missing.From, first}, archive.Date.Compare)
			to := slices.MinFunc([]archive.Date{missing.To, last}, archive.Date.Compare)
			for d := from; d.Compare(to) <= 0; d = d.Next() {
				at(d).state = &markMissing
			}
		}
	}
	for _, g := range []struct {
		mark  *mark
		dates []archive.Date
	}{{&markAccepted, r.Timeline.Accepted}, {&markUnserved, r.Timeline.Unserved}, {&markOpen, r.Timeline.Open}} {
		for _, d := range g.dates {
			if drawn(d.Year) {
				at(d).state = g.mark
			}
		}
	}
	for _, f := range r.Findings {
		d, ok := dayOf(f.Object)
		switch {
		case !ok || !drawn(d.Year) || f.Check == verify.MissingDays || f.Check == verify.OpenGap || f.Check == verify.UnservedGap:
			// The state of the days shows these checks.
		case f.Severity == verify.Problem:
			at(d).problems++
		default:
			at(d).notices++
		}
	}
	step := levelStep(numbers)
	c := calendar{Levels: levels(step)}
	for _, y := range slices.Backward(years) {
		c.Years = append(c.Years, newYear(y, days, step))
	}
	c.Marks = legend(days)
	return c
}

// legend returns the marks that some of the days have.
func legend(days map[archive.Date]*dayFacts) (marks []legendMark) {
	found := make(map[*mark]bool)
	for _, f := range days {
		found[f.state] = true
		if f.problems+f.notices > 0 {
			found[&markFindings] = true
		}
	}
	for _, m := range []*mark{&markOpen, &markUnserved, &markAccepted, &markMissing, &markFindings} {
		if found[m] {
			marks = append(marks, m.legendMark())
		}
	}
	return marks
}

func (m *mark) legendMark() legendMark { return legendMark{m.class, m.Name, m.path} }

// numLevels is the number of colours of days with events.
const numLevels = 5

// levelStep returns how many numbers share a colour. The last colour begins at about the
// 90th percentile, so that a few days with very many events do not make all others pale.
func levelStep(numbers []int) int {
	if len(numbers) == 0 {
		return 1
	}
	slices.Sort(numbers)
	return niceStep(numbers[(len(numbers)*9-1)/10], numLevels-1)
}

// niceStep returns a round number so that this many steps of it reach the number n.
func niceStep(n, steps int) int {
	for unit := 1; ; unit *= 10 {
		for _, digits := range []int{1, 2, 3, 4, 5, 6, 8} {
			if step := digits * unit; step*steps >= n {
				return step
			}
		}
	}
}

// levels returns the ranges of the colours.
func levels(step int) (all []level) {
	for i := range numLevels {
		from, to := i*step+1, (i+1)*step
		name := fmt.Sprintf("%s–%s", text.Number(from), text.Number(to))
		switch {
		case i == numLevels-1:
			name = text.Number(from) + " or more"
		case from == to:
			name = text.Number(from)
		}
		all = append(all, level{fmt.Sprintf("l%d", i+1), name})
	}
	return all
}

// newYear returns the pictures and the table of one year.
func newYear(y int, days map[archive.Date]*dayFacts, step int) year {
	v := year{Number: y, Halves: []half{{Label: fmt.Sprintf("January to June %d", y)}, {Label: fmt.Sprintf("July to December %d", y)}}}
	total, withEvents, withFindings := 0, 0, 0
	states := make(map[*mark]int)
	for m := time.January; m <= time.December; m++ {
		row := month{Name: m.String()[:3]}
		h := &v.Halves[int(m-1)/6]
		start := archive.Date{Year: y, Month: (m-1)/6*6 + 1, Day: 1}
		for d := (archive.Date{Year: y, Month: m, Day: 1}); d.Month == m; d = d.Next() {
			f := dayFacts{}
			if known := days[d]; known != nil {
				f = *known
			}
			column := (daysBetween(start, d) + weekday(start)) / 7
			x, top := cellLeft+column*cellPitch, cellTop+weekday(d)*cellPitch
			if d.Day == 1 {
				if weekday(d) > 0 && m != start.Month {
					x += cellPitch // the first whole week
				}
				h.Months = append(h.Months, tick{x, 0, row.Name})
				x = cellLeft + column*cellPitch
			}
			h.draw(x, top, d, f, step)
			row.Days = append(row.Days, f.inTable())
			row.Total += f.events
			total += f.events
			if f.events > 0 {
				withEvents++
			}
			if f.problems+f.notices > 0 {
				withFindings++
			}
			states[f.state]++
		}
		for len(row.Days) < 31 {
			row.Days = append(row.Days, tableDay{})
		}
		if slices.ContainsFunc(row.Days, func(d tableDay) bool { return d != tableDay{} }) {
			v.Months = append(v.Months, row)
		}
	}
	facts := []string{text.Count(total, "event") + " on " + text.Count(withEvents, "day")}
	for _, m := range []*mark{&markOpen, &markUnserved, &markAccepted, &markMissing} {
		if n := states[m]; n > 0 {
			facts = append(facts, fmt.Sprintf("%s: %s", m.Word, text.Count(n, "day")))
		}
	}
	if withFindings > 0 {
		facts = append(facts, "findings: "+text.Count(withFindings, "day"))
	}
	v.Summary = strings.Join(facts, "; ")
	return v
}

// draw adds the cell of a day, and its marks.
func (h *half) draw(x, y int, d archive.Date, f dayFacts, step int) {
	c := cell{Class: "l0", Path: fmt.Sprintf("M%d %dh%dv%dh-%dz", x, y, cellSize, cellSize, cellSize)}
	if f.events > 0 {
		c.Class = fmt.Sprintf("l%d", min((f.events-1)/step+1, numLevels))
	}
	if f.events > 0 || f.state != nil || f.problems+f.notices > 0 {
		c.Title = fmt.Sprintf("%d %s: %s", d.Day, d.Month.String()[:3], f.text())
	}
	if c.Title == "" {
		h.Plain += c.Path
	} else {
		h.Cells = append(h.Cells, c)
	}
	if f.state != nil {
		h.Marks = append(h.Marks, placed{f.state.legendMark(), x, y})
	}
	if f.problems+f.notices > 0 {
		h.Marks = append(h.Marks, placed{markFindings.legendMark(), x, y})
	}
}

// text returns the facts in words.
func (f dayFacts) text() string {
	parts := []string{text.Count(f.events, "event")}
	if f.state != nil {
		parts = append(parts, f.state.Word)
	}
	if f.problems > 0 {
		parts = append(parts, text.Count(f.problems, "problem"))
	}
	if f.notices > 0 {
		parts = append(parts, text.Count(f.notices, "notice"))
	}
	return strings.Join(parts, ", ")
}

// inTable returns the day in the table of its year. Days without facts are empty there.
func (f dayFacts) inTable() tableDay {
	var d tableDay
	if f.events > 0 || f.state != nil {
		d.Text = text.Number(f.events)
	}
	if f.state != nil {
		d.Sign, d.Word = f.state.Sign, f.state.Word
	}
	if n := f.problems + f.notices; n > 0 {
		d.Sign += markFindings.Sign
		d.Word = strings.TrimPrefix(d.Word+", "+text.Count(n, "finding"), ", ")
	}
	return d
}

// dayOf returns the day that an object's name, or the prefix of a day's objects, has.
func dayOf(object string) (archive.Date, bool) {
	if n, ok := archive.ParseName(object); ok {
		return n.Date, true
	}
	parts := strings.Split(object, "/")
	if len(parts) < 4 {
		return archive.Date{}, false
	}
	d, err := archive.ParseDate(strings.Join(parts[1:4], "-"))
	return d, err == nil
}

// weekday returns the number of days since the Monday before d.
func weekday(d archive.Date) int { return (int(midnight(d).Weekday()) + 6) % 7 }

func daysBetween(from, to archive.Date) int {
	return int(midnight(to).Sub(midnight(from)).Hours() / 24)
}

// midnight returns the start of the day in UTC.
func midnight(d archive.Date) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}
