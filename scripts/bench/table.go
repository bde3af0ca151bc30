package main

import (
	"fmt"
	"io"
	"strings"
)

// row is a row of the main table.
type row struct {
	work string
	// result is the measured value, or its ratio to the bound.
	result  float64
	digits  int    // of result and goal
	unit    string // of result and goal
	goal    float64
	atLeast bool // the goal is the smallest good result, and not the largest
	// measured and bound describe the values behind the result.
	measured, bound string
	// missing says why the bound was not measured; empty if it was.
	missing string
}

// cells returns the cells of the row.
func (r row) cells() []string {
	limit, good := "at most", r.result <= r.goal
	if r.atLeast {
		limit, good = "at least", r.result >= r.goal
	}
	goal := limit + " " + r.number(r.goal)
	if r.missing != "" {
		return []string{r.work, "unknown", goal, "", r.measured, r.missing + "; " + r.bound}
	}
	reached := map[bool]string{true: "yes", false: "no"}[good]
	return []string{r.work, r.number(r.result), goal, reached, r.measured, r.bound}
}

// number returns a value with the unit of the row.
func (r row) number(v float64) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", thousands(fmt.Sprintf("%.*f", r.digits, v)), r.unit))
}

// thousands separates the thousands of a number without a sign by commas.
func thousands(number string) string {
	whole, rest, _ := strings.Cut(number, ".")
	if rest != "" {
		rest = "." + rest
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole + rest
}

// figure is a row of the table of other figures.
type figure struct{ name, measured, budget string }

// table holds the rows that the measurements add.
type table struct {
	rows    []row
	figures []figure
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

func (t *table) note(name, measured, budget string) {
	t.figures = append(t.figures, figure{name, measured, budget})
}

// write writes both tables as Markdown.
func (t *table) write(w io.Writer) {
	writeRow(w, "work", "result", "goal", "reached", "measured", "bound")
	writeRow(w, "---", "---", "---", "---", "---", "---")
	for _, r := range t.rows {
		writeRow(w, r.cells()...)
	}
	fmt.Fprintln(w)
	writeRow(w, "other figures", "measured", "budget")
	writeRow(w, "---", "---", "---")
	for _, f := range t.figures {
		writeRow(w, f.name, f.measured, f.budget)
	}
}

func writeRow(w io.Writer, cells ...string) {
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}
