package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/text"
)

const (
	// maxRows is the number of stages with the same name that have a row each. One
	// more row shows all others.
	maxRows = 4
	// minBar is the smallest number of columns for the bars. On a narrower terminal
	// a waterfall has none.
	minBar = 10
)

// The colours of bars: calls to the API and requests to the store have different ones.
const (
	colourAPI   = text.Cyan
	colourStore = text.Green
	colourGaps  = text.Yellow // both
)

// waterfallRow is one line of a waterfall.
type waterfallRow struct {
	label  string
	spans  []timeSpan  // in the order of their start
	fill   rune        // what the bar consists of
	colour text.Colour // empty for none
}

// timeSpan is a part of the run. Its times count from the start of the run.
type timeSpan struct{ start, end time.Duration }

// duration returns the sum of the row's spans.
func (w waterfallRow) duration() (sum time.Duration) {
	for _, s := range w.spans {
		sum += s.end - s.start
	}
	return sum
}

// Waterfall returns a diagram of the run's stages, one line for each, with bars to scale
// and durations. The first line is the whole run. The stages follow in the order of their
// start, with the phases of the last successful call to the API below their fetch. Of
// more than four stages with the same name, the fifth and all later ones share a line,
// which shows the sum of their durations. A bar of less than half a column is a thin mark.
// At the end are the waits for the API and the repeated requests to the store, if there
// are any. Bars are left out if a line is too short for them.
func (r *Report) Waterfall(style text.Style) string {
	rows := r.waterfallRows(style)
	labels, durations := 0, 0
	for _, row := range rows {
		labels = max(labels, len(row.label))
		durations = max(durations, len(shortDuration(row.duration())))
	}
	const space = 2
	columns := style.Width - labels - durations - 2*space // of the bars
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-*s", labels+space, row.label)
		if columns >= minBar {
			b.WriteString(row.bar(columns, rows[0].duration(), style) + strings.Repeat(" ", space))
		}
		fmt.Fprintf(&b, "%*s\n", durations, shortDuration(row.duration()))
	}
	if r.API.Waited > 0 || r.API.Calls > 1 {
		fmt.Fprintf(&b, "API: %s, waited %s (rate limits, retries)\n", text.Count(r.API.Calls, "call"), shortDuration(time.Duration(r.API.Waited)))
	}
	if r.StoreRetries > 0 {
		fmt.Fprintf(&b, "store: %s repeated\n", text.Count(r.StoreRetries, "request"))
	}
	return b.String()
}

// waterfallRows returns all rows. The first is the run.
func (r *Report) waterfallRows(style text.Style) []waterfallRow {
	line, block, shade := '─', '█', '▒'
	if style.ASCII {
		line, block, shade = '-', '#', '='
	}
	run := timeSpan{end: time.Duration(r.Duration)}
	rows := []waterfallRow{{label: "run", fill: line}}
	received, called := time.Duration(r.API.Received), 0 // called is the row of the fetch with the phases
	seen, last := map[string]int{}, map[string]int{}     // by name: number of stages, and the last row
	for _, s := range r.Stages {
		span := timeSpan{time.Duration(s.Start), time.Duration(s.Start + s.Duration)}
		run.end = max(run.end, span.end)
		if seen[s.Name]++; seen[s.Name] <= maxRows+1 {
			last[s.Name] = len(rows)
			rows = append(rows, waterfallRow{label: s.Name, fill: block, colour: stageColour(s.Name)})
		}
		row := last[s.Name]
		rows[row].spans = append(rows[row].spans, span)
		if s.Name == StageFetch && span.start < received && received <= span.end {
			called = row
		}
	}
	rows[0].spans = []timeSpan{run}
	for name, i := range last {
		if n := len(rows[i].spans); n > 1 {
			rows[i].label = fmt.Sprintf("%s (%d more)", name, n)
		}
	}
	if called > 0 {
		rows = slices.Insert(rows, called+1, r.API.phaseRows(shade)...)
	}
	return rows
}

// phaseRows returns the rows of the phases that the last successful call had. Between
// the phases there is next to no time, so each ends where the next one starts.
func (a API) phaseRows(fill rune) (rows []waterfallRow) {
	end := time.Duration(a.Received)
	for _, phase := range []struct {
		name     string
		duration Seconds
	}{{"transfer", a.Transfer}, {"wait", a.Wait}, {"tls", a.TLS}, {"connect", a.Connect}, {"dns", a.DNS}} {
		if phase.duration > 0 {
			start := end - time.Duration(phase.duration)
			rows = append(rows, waterfallRow{"  " + phase.name, []timeSpan{{start, end}}, fill, colourAPI})
			end = start
		}
	}
	slices.Reverse(rows)
	return rows
}

// stageColour returns the colour of a stage.
func stageColour(name string) text.Colour {
	switch name {
	case StageFetch:
		return colourAPI
	case StageGaps:
		return colourGaps
	}
	return colourStore
}

// bar returns the row's bar in this number of columns, which show a run of length run.
// It leaves out what lies before or after the run.
func (w waterfallRow) bar(columns int, run time.Duration, style text.Style) string {
	cells := slices.Repeat([]rune{' '}, columns)
	scale := float64(columns) / float64(max(run, 1))
	thin := '▏'
	if style.ASCII {
		thin = '|'
	}
	for _, s := range w.spans {
		start, end := float64(s.start)*scale, float64(s.end)*scale
		first, after := int(math.Round(start)), int(math.Round(end))
		for i := max(first, 0); i < min(after, columns); i++ {
			cells[i] = w.fill
		}
		if i := max(min(int(start), columns-1), 0); first == after && cells[i] == ' ' {
			cells[i] = thin
		}
	}
	return style.Paint(w.colour, string(cells))
}

// shortDuration returns a duration with three digits or so: "4.1ms", "312ms", "1.52s" or
// "2m5s".
func shortDuration(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1fms", ms)
	case d < 999500*time.Microsecond:
		return fmt.Sprintf("%.0fms", ms)
	case d < 59995*time.Millisecond:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
