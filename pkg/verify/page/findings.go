package page

import (
	"strconv"
	"strings"

	"polisen-events-collector/pkg/verify"
)

// The page shows at most maxRows findings of a group, and openRows of them without a click.
const (
	maxRows  = 50
	openRows = 8
)

// group is a group of findings as the page shows it.
type group struct {
	verify.Group
	More int // number of findings that the page does not show
	// Expected, Actual and Fix are those of all the findings; empty if they differ.
	Expected, Actual string
	Fix              verify.Fix
	Rows             []finding
}

// finding is a row of a group.
type finding struct {
	Where            string // the object, the line and the id
	Expected, Actual string
	Fix              verify.Fix
}

// groups returns the findings by check, problems first.
func groups(r *verify.Result) (all []group) {
	for _, found := range r.Groups() {
		first := found.Findings[0]
		g := group{Group: found, Expected: first.Expected, Actual: first.Actual, Fix: first.Fix}
		for _, f := range found.Findings {
			g.add(f)
		}
		g.More = g.Total - len(g.Rows)
		all = append(all, g)
	}
	return all
}

// add adds a finding.
func (g *group) add(f verify.Finding) {
	if f.Expected != g.Expected {
		g.Expected = ""
	}
	if f.Actual != g.Actual {
		g.Actual = ""
	}
	if f.Fix != g.Fix {
		g.Fix = verify.Fix{}
	}
	if len(g.Rows) == maxRows {
		return
	}
	where := []string{f.Object}
	if f.Line > 0 {
		where = append(where, "line "+strconv.Itoa(f.Line))
	}
	if f.ID != 0 {
		where = append(where, "event "+strconv.FormatInt(f.ID, 10))
	}
	g.Rows = append(g.Rows, finding{strings.Join(where, ", "), f.Expected, f.Actual, f.Fix})
}

// HasFix reports whether all findings of the group have the same fix.
func (g group) HasFix() bool { return g.Fix != verify.Fix{} }

// First returns the findings that are always shown, and Rest all others on the page.
func (g group) First() groupRows { return groupRows{g, g.Rows[:min(len(g.Rows), openRows)]} }

// Rest returns the findings that First leaves out.
func (g group) Rest() groupRows { return groupRows{g, g.Rows[min(len(g.Rows), openRows):]} }

// groupRows are some rows of a group.
type groupRows struct {
	group
	Some []finding
}
