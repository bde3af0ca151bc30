package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/text"
)

// health shows the result of the health check.
type health struct {
	*status.Health
	Facts []fact
}

// fact is a measured value with its limit, which may be empty.
type fact struct{ Name, Value, Limit string }

func newHealth(h *status.Health) health {
	v := health{Health: h}
	if h.Status == status.HealthUnknown {
		return v
	}
	add := func(name, value, limit string) { v.Facts = append(v.Facts, fact{name, value, limit}) }
	if h.LastRunAge != nil {
		where := ""
		if h.Host != "" {
			where = " on " + h.Host
		}
		add("Last run", fmt.Sprintf("%s%s, %s, exit code %d", text.Ago(time.Duration(*h.LastRunAge)), where, text.Count(h.New, "new event"), h.ExitCode), "")
	}
	if h.Age != nil {
		add("Last successful run", text.Ago(time.Duration(*h.Age)), "at most "+inWords(h.MaxAge))
	}
	if h.Lag != nil {
		add("Newest event", text.Ago(time.Duration(*h.Lag)), "at most "+inWords(h.MaxLag))
	}
	if h.Headroom != nil {
		add("Time until events may be missed", inWords(*h.Headroom), "more than "+inWords(h.MaxAge))
	}
	add("Days that may lack events", text.Number(h.Gaps.Open), "none")
	if h.Gaps.Unserved > 0 {
		add("Such days that the API does not serve", text.Number(h.Gaps.Unserved), "none")
	}
	add("Objects of the last commit that are missing", fmt.Sprintf("%s of %s", text.Number(h.Missing), text.Number(h.Pending)), "none")
	if h.Hosts > 0 {
		add("Hosts that succeeded recently", fmt.Sprintf("%s of %s", text.Number(h.HealthyHosts), text.Number(h.Hosts)), "")
	}
	return v
}

// inWords returns a duration in words, and "none" if it is negative.
func inWords(s report.Seconds) string {
	if s < 0 {
		return "none"
	}
	return text.InWords(time.Duration(s))
}

// Sign returns a character for the status.
func (h health) Sign() string {
	switch h.Status {
	case status.HealthOK:
		return "✓"
	case status.HealthWarning:
		return "!"
	case status.HealthUnknown:
		return "?"
	}
	return "✕"
}

// Class returns the class of the status.
func (h health) Class() string { return strings.ToLower(string(h.Status)) }

// runs shows the last runs.
type runs struct {
	Rows []run
	// Strip has a bar for each run, oldest first. Its height is the square root of the
	// number of new events, so that a run with very many leaves the others visible.
	Strip   []shape
	Summary string
}

// run is a row of the table of runs.
type run struct {
	report.Run
	Ended string
	Took  string
}

// shownRuns is the number of runs in the table that is always open.
const shownRuns = 10

// First returns the newest runs, and Rest all others.
func (r runs) First() []run { return r.Rows[:min(len(r.Rows), shownRuns)] }

// Rest returns the runs that First leaves out.
func (r runs) Rest() []run { return r.Rows[min(len(r.Rows), shownRuns):] }

// The geometry of the strip of runs in units of its picture.
const (
	runPitch    = 7
	runHeight   = 40
	failedWidth = 5
)

func newRuns(all []report.Run) runs {
	var v runs
	most, failed, fresh := 0, 0, 0
	for _, r := range all {
		most = max(most, r.New)
	}
	for i, r := range all {
		row := run{Run: r, Ended: "ok", Took: fmt.Sprintf("%.1f s", time.Duration(r.Duration).Seconds())}
		x := (report.MaxRuns - 1 - i) * runPitch
		title := fmt.Sprintf("%s UTC: %s", utc(r.Started), text.Count(r.New, "new event"))
		switch {
		case r.ExitCode == report.ExitPartial:
			row.Ended = "partial"
		case r.ExitCode != 0:
			row.Ended = "failed"
		}
		v.Rows = append(v.Rows, row)
		fresh += r.New
		if row.Ended == "failed" {
			failed++
			v.Strip = append(v.Strip, shape{"failed", fmt.Sprintf("M%d %dl%d %dm0 -%dl-%d %d", x, runHeight-failedWidth-1, failedWidth, failedWidth, failedWidth, failedWidth, failedWidth), title + ", failed"})
			continue
		}
		height := max(int(runHeight*math.Sqrt(float64(r.New)/float64(max(most, 1)))), 1)
		v.Strip = append(v.Strip, shape{"bar", fmt.Sprintf("M%d %dh%dv%dh-%dz", x, runHeight-height, failedWidth, height, failedWidth), title})
	}
	v.Summary = fmt.Sprintf("%s, %s, %s failed; at most %s in a run", text.Count(len(all), "run"), text.Count(fresh, "new event"), text.Number(failed), text.Count(most, "new event"))
	return v
}
