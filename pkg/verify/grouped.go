package verify

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"polisen-events-collector/pkg/text"
)

// maxPlaces is the number of places of each group that [Result.Grouped] shows.
const maxPlaces = 5

// GroupedOptions are the settings of [Result.Grouped].
type GroupedOptions struct {
	Style text.Style
	// All shows all actions and findings of the result, and not only the first five of
	// each group.
	All bool
	// Brief leaves out the summary if there are no findings.
	Brief bool
}

// Grouped writes the result for people at a terminal: the actions grouped by verb, then
// the findings grouped by check, problems before notices, and last what was checked and
// the verdict. A text that is the same for all findings of a group is written once. Programs
// should read the JSON form, or the lines of [Result.Text].
func (r *Result) Grouped(w io.Writer, o GroupedOptions) error {
	g := grouper{o: o}
	g.writeActions(r)
	for _, group := range r.Groups() {
		g.writeGroup(group)
	}
	if !o.Brief || len(r.Findings) > 0 {
		g.writeSummary(r)
	}
	_, err := io.WriteString(w, g.b.String())
	return err
}

// Group is the findings of one check that have the same severity.
type Group struct {
	Check    Check
	Severity Severity
	// Findings are those that the result holds, at least one.
	Findings []Finding
	// Total also counts the findings that the result does not hold.
	Total int
}

// Groups returns the findings in groups: problems before notices, and then in the order in
// which the checks first occur. Findings that the result does not hold count as problems if
// it holds a problem of their check.
func (r *Result) Groups() (groups []Group) {
	held := make(map[Check]int)
	for _, severity := range []Severity{Problem, Notice} {
		index := make(map[Check]int)
		for _, f := range r.Findings {
			if f.Severity != severity {
				continue
			}
			held[f.Check]++
			i, ok := index[f.Check]
			if !ok {
				i = len(groups)
				index[f.Check], groups = i, append(groups, Group{Check: f.Check, Severity: severity})
			}
			groups[i].Findings = append(groups[i].Findings, f)
		}
	}
	for i := range groups {
		g := &groups[i]
		others := max(r.ByCheck[g.Check]-held[g.Check], 0)
		g.Total = len(g.Findings) + others
		held[g.Check] += others // a later group of the check does not count them again
	}
	return groups
}

// grouper writes a grouped result.
type grouper struct {
	o GroupedOptions
	b strings.Builder
}

// line writes a text, in which names and values may come from other programs, wrapped at the
// terminal's width. Continued lines are indented further.
func (g *grouper) line(indent, s string) {
	const further = "  "
	wrapped := text.Wrap(text.Clean(s), indent+further, g.o.Style.Width)
	g.b.WriteString(strings.TrimPrefix(wrapped, further))
}

// places calls write for each of n places, or for the first five, and then writes the
// number of the others. The total also counts places that the result does not hold.
func (g *grouper) places(n, total int, write func(i int, last bool)) {
	shown := n
	if !g.o.All {
		shown = min(n, maxPlaces)
	}
	for i := range shown {
		write(i, i == shown-1)
	}
	if more := total - shown; more > 0 {
		hint := "--all"
		if g.o.All {
			hint = fmt.Sprintf("only the first %s are kept", text.Number(maxFindings))
		}
		fmt.Fprintf(&g.b, "    and %s more (%s)\n", text.Number(more), hint)
	}
}

// writeActions writes the actions of a repair, grouped by verb.
func (g *grouper) writeActions(r *Result) {
	var verbs []string
	byVerb := make(map[string][]Action)
	for _, a := range r.Actions {
		if byVerb[a.Verb] == nil {
			verbs = append(verbs, a.Verb)
		}
		byVerb[a.Verb] = append(byVerb[a.Verb], a)
	}
	for _, verb := range verbs {
		actions := byVerb[verb]
		title := verb
		if r.DryRun {
			title = "would " + verb
		}
		g.heading(title, text.Count(len(actions), "action"), text.Green)
		g.places(len(actions), len(actions), func(i int, _ bool) {
			g.line("    ", quoteName(actions[i].Object)+": "+actions[i].Detail)
		})
		g.b.WriteByte('\n')
	}
}

// heading writes a heading: a name, and a number in the colour.
func (g *grouper) heading(name, number string, c text.Colour) {
	fmt.Fprintf(&g.b, "%s: %s\n", g.o.Style.Paint(text.Bold, text.Clean(name)), g.o.Style.Paint(c, number))
}

// writeGroup writes a group of findings.
func (g *grouper) writeGroup(group Group) {
	all, total, colour := group.Findings, group.Total, text.Red
	if group.Severity == Notice {
		colour = text.Yellow
	}
	g.heading(string(group.Check), text.Count(total, string(group.Severity)), colour)
	same := func(property func(Finding) string) bool {
		return !slices.ContainsFunc(all, func(f Finding) bool { return property(f) != property(all[0]) })
	}
	sameExpected := same(func(f Finding) string { return f.Expected })
	sameActual := same(func(f Finding) string { return f.Actual })
	sameFix := same(func(f Finding) string { return f.Fix.String() })
	if sameExpected {
		g.labelled("  expected: ", all[0].Expected)
	}
	if sameActual {
		g.labelled("  found:    ", all[0].Actual)
	}
	switch {
	case total == 1:
		g.labelled("  at:       ", all[0].place())
	case sameActual:
		g.b.WriteString("  at:\n")
	default:
		g.b.WriteString("  found:\n")
	}
	g.places(len(all), total, func(i int, last bool) {
		f := all[i]
		line := f.place()
		switch {
		case total == 1:
			return
		case !sameExpected && !sameActual:
			line += fmt.Sprintf(": expected %s; found %s", f.Expected, f.Actual)
		case !sameExpected:
			line += ": expected " + f.Expected
		case !sameActual:
			line += ": " + f.Actual
		}
		g.line("    ", line)
		if !sameFix && (last || f.Fix != all[i+1].Fix) {
			g.writeFix("      fix: ", f.Fix)
		}
	})
	if sameFix {
		g.writeFix("  fix:      ", all[0].Fix)
	}
	g.b.WriteByte('\n')
}

// labelled writes a text like line, but after a label. Continued lines begin below the text.
func (g *grouper) labelled(label, s string) {
	rest := strings.Repeat(" ", len(label))
	g.b.WriteString(label + strings.TrimPrefix(text.Wrap(text.Clean(s), rest, g.o.Style.Width), rest))
}

// writeFix writes a fix. A command stays on one line, so that it can be copied.
func (g *grouper) writeFix(label string, f Fix) {
	if f.Command == "" {
		g.labelled(label, f.Advice)
		return
	}
	g.b.WriteString(label + g.o.Style.Paint(text.Bold, text.Clean(f.Command)) + "\n")
	if f.Advice != "" {
		g.labelled(strings.Repeat(" ", len(label)), "("+f.Advice+")")
	}
}

// writeSummary writes what was checked and, last, the verdict.
func (g *grouper) writeSummary(r *Result) {
	c := r.Checked
	checked := fmt.Sprintf("read %s (%s): %s, %s, %s", text.Count(c.Objects, "object"), text.Bytes(c.Bytes), text.Count(c.Events, "event"),
		text.Count(c.Revisions, "revision"), text.Count(c.Rejected, "rejected item"))
	if c.Days > 0 {
		checked += fmt.Sprintf("; %s with events, %s to %s", text.Count(c.Days, "day"), c.First, c.Last)
	}
	limits := r.limits()
	if limits == "" {
		checked += "; " + text.Count(c.Listed, "listed id")
	}
	g.b.WriteString(text.Wrap(checked, "", g.o.Style.Width))
	if limits != "" {
		g.b.WriteString(text.Wrap(limits, "", g.o.Style.Width))
	}
	verdict := g.o.Style.Paint(text.Green, "ok: no problems")
	if !r.OK {
		verdict = g.o.Style.Paint(text.Red, text.Count(r.Problems, "problem"))
	}
	if r.Notices > 0 {
		verdict += ", " + g.o.Style.Paint(text.Yellow, text.Count(r.Notices, "notice"))
	}
	fmt.Fprintf(&g.b, "%s in %s\n", verdict, text.Clean(r.Store))
}
