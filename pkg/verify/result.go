package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Act is one step of a repair.
type Act struct {
	// Verb is one of put, forget, list, rebuild, keep, rewrite, delete, leave.
	Verb   string `json:"act"`
	Object string `json:"object"`
	ID     int64  `json:"id,omitempty"`
	Detail string `json:"detail"`
}

// Counts says what was checked.
type Counts struct {
	// Objects and Bytes are the data objects that were read.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Events is the number of ids in events/, Revisions and Rejected that of lines.
	Events    int `json:"events"`
	Revisions int `json:"revisions"`
	Rejected  int `json:"rejected"`
	// Days is the number of days with events, First and Last are among them.
	Days  int    `json:"days"`
	First string `json:"first_day,omitempty"`
	Last  string `json:"last_day,omitempty"`
	// Listed is the number of ids in the document.
	Listed int `json:"listed"`
}

// Result is what an audit found and a repair did. Its JSON form is stable:
// fields are added, never renamed.
type Result struct {
	Store string `json:"store"`
	// OK says that there is no problem; there may be notices.
	OK bool `json:"ok"`
	// From and To bound the days that were read, if not all were.
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Checked Counts `json:"checked"`
	// Problems and Notices count the findings.
	Problems int           `json:"problems"`
	Notices  int           `json:"notices"`
	ByCheck  map[Check]int `json:"by_check"`
	Findings []Finding     `json:"findings"`
	DryRun   bool          `json:"dry_run,omitempty"`
	Acts     []Act         `json:"acts,omitempty"`
}

// Text writes the acts, the findings and the verdict, a line each. With brief
// it leaves out the verdict on an archive without findings.
func (r *Result) Text(w io.Writer, brief bool) error {
	if err := r.ActsText(w); err != nil {
		return err
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	if !brief || len(r.Findings) > 0 {
		fmt.Fprintln(&b, r.Verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ActsText writes the acts alone.
func (r *Result) ActsText(w io.Writer) error {
	var b strings.Builder
	would := ""
	if r.DryRun {
		would = "would "
	}
	for _, a := range r.Acts {
		fmt.Fprintf(&b, "%s%s %s: %s\n", would, a.Verb, printable(a.Object), a.Detail)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Verdict returns one line that says what was checked and what was found.
func (r *Result) Verdict() string {
	var b strings.Builder
	if r.OK {
		b.WriteString("ok: no problems")
	} else {
		b.WriteString(plural(r.Problems, "problem"))
	}
	if r.Notices > 0 {
		fmt.Fprintf(&b, ", %s", plural(r.Notices, "notice"))
	}
	var kinds []string
	for check, n := range r.ByCheck {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, check))
	}
	if slices.Sort(kinds); len(kinds) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(kinds, ", "))
	}
	c := r.Checked
	fmt.Fprintf(&b, " in %s, %s and %s, %s, %s read from %s", plural(c.Events, "event"), plural(c.Revisions, "revision"),
		plural(c.Rejected, "rejected item"), plural(c.Objects, "object"), plural(int(c.Bytes), "byte"), r.Store)
	if c.Days > 0 {
		fmt.Fprintf(&b, "; %s with events, %s to %s", plural(c.Days, "day"), c.First, c.Last)
	}
	if r.From != "" || r.To != "" {
		fmt.Fprintf(&b, "; only days from %s to %s, so not whether each listed id is stored", cmp.Or(r.From, "the first"), cmp.Or(r.To, "the last"))
	} else {
		fmt.Fprintf(&b, "; %s", plural(c.Listed, "listed id"))
	}
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
