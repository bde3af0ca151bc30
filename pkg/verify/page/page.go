// Package page renders the result of an audit, the health of the archive and its last runs
// as one HTML page with diagrams. The page is complete in itself: it loads nothing and needs
// no script.
//
// It only renders. The audit in package verify finds and counts, and package status checks
// the health. Other programs may have written the names and messages, so they are cleaned,
// shortened and escaped.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"

	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/verify"
)

// Content is the content of a page.
type Content struct {
	Result *verify.Result
	Health *status.Health
	// Runs are the last runs of collect, newest first.
	Runs []report.Run
	// Now is the time of the audit. Its location is the time zone that the page shows
	// beside UTC.
	Now time.Time
	// Program is the name and the version of this program.
	Program string
	// Command is the shell command that prints all findings.
	Command string
}

// source is the template of the page.
//
//go:embed page.html
var source string

// Render returns the page in UTF-8.
func Render(c Content) ([]byte, error) {
	// Templates are parsed only when there is something to render, since parsing them at the
	// start of the program would make every command slower.
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"number": text.Number[int], "count": text.Count, "bytes": text.Bytes, "clean": clean, "utc": utc,
	}).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse the template of the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newView(c)); err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	return b.Bytes(), nil
}

// view is the data of the template.
type view struct {
	Content
	Verdict  verdict
	Health   health
	Calendar calendar
	Weeks    weeks
	Findings []group
	Runs     runs
}

// When returns the time of the audit.
func (v view) When() string { return text.Time(v.Now, v.Now.Location()) }

// Limited says which days were read; it is empty if all were.
func (v view) Limited() string {
	r := v.Result
	switch {
	case r.From != "" && r.To != "":
		return "from " + r.From + " to " + r.To
	case r.From != "":
		return "from " + r.From
	case r.To != "":
		return "to " + r.To
	}
	return ""
}

// DayNumbers returns the days of a month.
func (v view) DayNumbers() (days [31]int) {
	for i := range days {
		days[i] = i + 1
	}
	return days
}

func newView(c Content) view {
	v := view{Content: c, Verdict: newVerdict(c.Result), Health: newHealth(c.Health), Findings: groups(c.Result), Runs: newRuns(c.Runs)}
	years, others := drawnYears(c.Result, c.Now.Year())
	v.Calendar = newCalendar(c.Result, years)
	v.Calendar.Others = others
	v.Weeks = newWeeks(c.Result.Timeline.Weeks, years)
	return v
}

// verdict is the result of the audit in short.
type verdict struct {
	OK   bool
	Word string // "OK", or the number of problems
	Text string // a sentence that explains it
}

func newVerdict(r *verify.Result) verdict {
	v := verdict{OK: r.OK, Word: "OK", Text: "The audit found no problems"}
	if !r.OK {
		v.Word = text.Count(r.Problems, "problem")
		v.Text = "The audit found " + v.Word
	}
	if r.Notices > 0 {
		v.Text += " and " + text.Count(r.Notices, "notice")
	}
	v.Text += "."
	if r.Problems+r.Notices > 0 {
		v.Text += " The findings below say how to fix them."
	}
	return v
}

// maxText is the maximum number of bytes of a text that another program may have written.
const maxText = 400

// clean returns a text, which another program may have written, in a form that is safe to
// show.
func clean(s any) string { return text.Short(fmt.Sprint(s), maxText) }

// utc returns a time in UTC to the minute.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
