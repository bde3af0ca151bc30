package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"polisen-events-collector/pkg/text"
)

// Action is one step of a repair.
type Action struct {
	// Verb is one of:
	//
	//	put      store an object
	//	rewrite  remove lines from an object that are stored elsewhere
	//	update   update the document
	//	rebuild  write a new document
	//	forget   remove an id from the document
	//	accept   accept a day that the API does not serve
	//	save     store a copy of a damaged document
	Verb   string `json:"action"`
	Object string `json:"object"`
	ID     int64  `json:"id,omitempty"`
	Detail string `json:"detail"`
}

// Counts are the numbers of things that an audit checked.
type Counts struct {
	// Objects and Bytes count the data objects that were read.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Events counts the ids in events/, Revisions and Rejected count lines.
	Events    int `json:"events"`
	Revisions int `json:"revisions"`
	Rejected  int `json:"rejected"`
	// Days is the number of days with events, First and Last are the first and
	// the last of them, as 2026-01-31.
	Days  int    `json:"days"`
	First string `json:"first_day,omitempty"`
	Last  string `json:"last_day,omitempty"`
	// Listed is the number of ids in the document.
	Listed int `json:"listed"`
}

// Result is the result of an audit or a repair. Its JSON fields are stable: new
// ones may be added.
type Result struct {
	Store string `json:"store"`
	// OK says that there are no problems; there may be notices.
	OK bool `json:"ok"`
	// From and To are the limits of the days that were read, as 2026-01-31;
	// empty without a limit.
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Checked Counts `json:"checked"`
	// Problems and Notices count all findings by severity, ByCheck by check.
	Problems int           `json:"problems"`
	Notices  int           `json:"notices"`
	ByCheck  map[Check]int `json:"by_check"`
	// Findings are the first 1000 of each check, sorted by object and line.
	Findings []Finding `json:"findings"`
	// Timeline shows the archive over time. It is for diagrams, not part of the JSON form, and
	// empty without [Options.Timeline].
	Timeline Timeline `json:"-"`
	// Actions are the steps that a repair took, or would take if DryRun is true.
	DryRun  bool     `json:"dry_run,omitempty"`
	Actions []Action `json:"actions,omitempty"`
}

// Text writes one line per action and finding, and a summary. If brief is true
// and there are no findings, it leaves out the summary. [Result.Grouped] is the form for
// terminals.
func (r *Result) Text(w io.Writer, brief bool) error {
	if err := r.ActionsText(w); err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	if more := r.Problems + r.Notices - len(r.Findings); more > 0 {
		fmt.Fprintf(&b, "%s not shown: only the first %d of each check are\n", text.Count(more, "finding"), maxFindings)
	}
	if !brief || len(r.Findings) > 0 {
		fmt.Fprintln(&b, r.Summary())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ActionsText writes one line per action.
func (r *Result) ActionsText(w io.Writer) error {
	var b strings.Builder
	would := ""
	if r.DryRun {
		would = "would "
	}
	for _, a := range r.Actions {
		fmt.Fprintln(&b, text.Clean(fmt.Sprintf("%s%s %s: %s", would, a.Verb, quoteName(a.Object), a.Detail)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary returns one line: how many problems there are, and what was checked.
func (r *Result) Summary() string {
	var b strings.Builder
	if r.OK {
		b.WriteString("ok: no problems")
	} else {
		b.WriteString(text.Count(r.Problems, "problem"))
	}
	if r.Notices > 0 {
		fmt.Fprintf(&b, ", %s", text.Count(r.Notices, "notice"))
	}
	var checks []string
	for check, n := range r.ByCheck {
		checks = append(checks, fmt.Sprintf("%d %s", n, check))
	}
	if slices.Sort(checks); len(checks) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(checks, ", "))
	}
	c := r.Checked
	fmt.Fprintf(&b, " in %s, %s and %s, %s, %s read from %s", text.Count(c.Events, "event"), text.Count(c.Revisions, "revision"),
		text.Count(c.Rejected, "rejected item"), text.Count(c.Objects, "object"), text.Count(int(c.Bytes), "byte"), r.Store)
	if c.Days > 0 {
		fmt.Fprintf(&b, "; %s with events, %s to %s", text.Count(c.Days, "day"), c.First, c.Last)
	}
	fmt.Fprintf(&b, "; %s", cmp.Or(r.limits(), text.Count(c.Listed, "listed id")))
	return text.Clean(b.String())
}

// limits says which days were read, and is empty if all were.
func (r *Result) limits() string {
	if r.From == "" && r.To == "" {
		return ""
	}
	return fmt.Sprintf("only the days from %s to %s were read, so the listed ids were not checked", cmp.Or(r.From, "the first"), cmp.Or(r.To, "the last"))
}
