package status

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// History shows the last runs of collect, and how many more events and calls there
// could be. Its JSON fields are stable: new ones may be added. Fields are nil or zero if
// there were too few runs to know their value.
type History struct {
	// Store is the address of the archive, without secrets.
	Store string `json:"store"`
	// Runs are the last collects on all hosts, newest first.
	Runs []report.Run `json:"runs"`

	// EventsPerHour is the number of events that the API publishes in an hour, and
	// Window the time that a full response covers, both by the last full response.
	EventsPerHour float64         `json:"events_per_hour,omitempty"`
	Window        *report.Seconds `json:"window_s,omitempty"`
	// Interval is the time between two collects from the API: the median, without times
	// of less than a minute, which no schedule has.
	Interval *report.Seconds `json:"interval_s,omitempty"`
	// RateFactor is how many times as many events the API could publish before a
	// response no longer covers Interval.
	RateFactor float64 `json:"rate_factor,omitempty"`

	// RunsPerDay is the number of collects from the API in a day on the host with the
	// most. A collect makes one call, and more if it repeats one or fetches missed days.
	// MaxPerDay and MaxPerHour are the API's limits for calls.
	RunsPerDay float64 `json:"runs_per_day,omitempty"`
	MaxPerDay  int     `json:"max_calls_per_day"`
	MaxPerHour int     `json:"max_calls_per_hour"`

	// BestInterval is the interval to choose: the longest one at which a response
	// covers at least 20 polls. ShortenAt is how many times as many events the API could
	// publish before a response covers fewer.
	BestInterval *report.Seconds `json:"best_interval_s,omitempty"`
	ShortenAt    float64         `json:"shorten_at_factor,omitempty"`
}

// pollsPerWindow is the number of polls that a response should cover. With a poll every
// 30 minutes, 20 polls are ten hours in which runs may fail and no event is missed.
const pollsPerWindow = 20

// intervals returns the intervals to choose from, longest first. A longer one than half
// an hour would miss more of the notices that the police withdraw, and a shorter one
// than a minute would exceed the API's limits.
func intervals() []time.Duration {
	return []time.Duration{30 * time.Minute, 15 * time.Minute, 10 * time.Minute, 5 * time.Minute, 2 * time.Minute, time.Minute}
}

// ReadHistory reads the history of an archive. The error is the store's, or wraps
// [ErrNotFound] if there is no history.
func ReadHistory(ctx context.Context, s Archive, now time.Time) (*History, error) {
	run, err := readLastRun(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case run.state == Missing:
		return nil, fmt.Errorf("%w: there is no %s in %s yet; the next collect creates it", ErrNotFound, archive.LastRunName, s)
	case run.state == Damaged:
		return nil, fmt.Errorf("%w: %s in %s is damaged; the next collect replaces it", ErrNotFound, archive.LastRunName, s)
	}
	h := &History{Store: s.String(), Runs: run.history().Runs, MaxPerDay: ratelimit.CallsPerDay, MaxPerHour: ratelimit.CallsPerHour}
	h.measureRuns(now)
	h.measureWindow()
	return h, nil
}

// measureRuns sets the time between two collects, and their number in a day.
func (h *History) measureRuns(now time.Time) {
	var starts []time.Time
	since := now.Add(-24 * time.Hour)
	perHost := map[string]int{}
	for _, r := range h.Runs {
		if r.Saved {
			continue
		}
		starts = append(starts, r.Started)
		if r.Started.After(since) {
			perHost[r.Host]++
		}
	}
	if len(starts) < 2 {
		return
	}
	slices.SortFunc(starts, time.Time.Compare)
	var between []time.Duration
	for i, start := range starts[1:] {
		if d := start.Sub(starts[i]); d >= time.Minute {
			between = append(between, d)
		}
	}
	if slices.Sort(between); len(between) > 0 {
		h.Interval = seconds(between[len(between)/2])
	}
	most := 0
	for _, n := range perHost {
		most = max(most, n)
	}
	h.RunsPerDay = float64(most)
	if oldest := starts[0]; len(h.Runs) == report.MaxRuns && oldest.After(since) { // there were more in this day
		h.RunsPerDay = round(float64(most) * 24 / now.Sub(oldest).Hours())
	}
}

// measureWindow sets the fields that depend on the window of the last full response.
func (h *History) measureWindow() {
	i := slices.IndexFunc(h.Runs, func(r report.Run) bool { return r.Window != nil && *r.Window > 0 })
	if i < 0 {
		return
	}
	h.Window = h.Runs[i].Window
	window := time.Duration(*h.Window)
	const inWindow = polisen.FullResponse - polisen.FullResponse/20 // see polisen.Window
	h.EventsPerHour = round(inWindow / window.Hours())
	if h.Interval != nil {
		h.RateFactor = round(float64(window) / float64(*h.Interval))
	}
	best := time.Minute
	for _, interval := range intervals() {
		if window >= pollsPerWindow*interval {
			best = interval
			break
		}
	}
	h.BestInterval = seconds(best)
	h.ShortenAt = round(float64(window) / float64(pollsPerWindow*best))
}

// round returns f to one decimal.
func round(f float64) float64 { return math.Round(f*10) / 10 }

// Text writes the runs as a table, oldest first, with times in the zone, and what
// follows from them.
func (h *History) Text(w io.Writer, zone *time.Location, style text.Style) error {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "started\thost\texit\tnew\trevised\trejected\tduration\tlag")
	var fresh, durations []float64
	for _, r := range slices.Backward(h.Runs) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%.1fs\t%s\n", r.Started.In(zone).Format(time.DateTime+" MST"), text.Clean(r.Host),
			r.ExitCode, r.New, r.Revised, r.Rejected, time.Duration(r.Duration).Seconds(), cmp.Or(r.LagText(), "-"))
		fresh, durations = append(fresh, float64(r.New)), append(durations, time.Duration(r.Duration).Seconds())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	head, rows, _ := strings.Cut(table.String(), "\n")
	lines := []string{style.Paint(text.Bold, head), rows, "new       " + sparkline(fresh, style.ASCII) + fmt.Sprintf("  at most %.0f", slices.Max(append(fresh, 0))),
		"duration  " + sparkline(durations, style.ASCII) + fmt.Sprintf("  at most %.1fs", slices.Max(append(durations, 0))), ""}
	for _, advice := range []string{h.eventsText(), h.callsText(), h.intervalText()} {
		lines = append(lines, strings.TrimSuffix(text.Wrap(advice, "", style.Width), "\n"))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// sparkline returns a diagram of the values in one line, with one character for each.
func sparkline(values []float64, ascii bool) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		levels = []rune("_.-=+*#@")
	}
	highest := slices.Max(append(values, 0))
	var b strings.Builder
	for _, v := range values {
		level := 0
		if highest > 0 {
			level = int(v / highest * float64(len(levels)-1))
		}
		b.WriteRune(levels[min(max(level, 0), len(levels)-1)])
	}
	return b.String()
}

// eventsText says how many times as many events a poll could hold.
func (h *History) eventsText() string {
	if h.Window == nil {
		return "events: unknown, since no run of the history has a full response of the API"
	}
	line := fmt.Sprintf("events: about %.1f an hour, so a response of %d covers %s", h.EventsPerHour, polisen.FullResponse, text.Duration(time.Duration(*h.Window)))
	if h.Interval == nil {
		return line
	}
	return line + fmt.Sprintf("; with a poll every %s it could hold %.1f times as many events", text.Duration(time.Duration(*h.Interval)), h.RateFactor)
}

// callsText compares the calls with the limits.
func (h *History) callsText() string {
	limits := fmt.Sprintf("the API allows %s calls a day and %d an hour", text.Number(h.MaxPerDay), h.MaxPerHour)
	if h.RunsPerDay == 0 {
		return "calls: no two runs in the last day; " + limits
	}
	return fmt.Sprintf("calls: %.0f runs a day on the busiest host, with one call each unless one is repeated; %s, %.1f times as many",
		h.RunsPerDay, limits, float64(h.MaxPerDay)/h.RunsPerDay)
}

// intervalText says which poll interval to choose.
func (h *History) intervalText() string {
	if h.BestInterval == nil {
		return "poll interval: 30m, unless a full response shows that events come more often"
	}
	best := time.Duration(*h.BestInterval)
	polls := time.Duration(*h.Window) / best
	all := intervals()
	if best == all[len(all)-1] {
		return fmt.Sprintf("poll interval: %s, the shortest that the API's limits allow; a response covers %d polls", text.Duration(best), polls)
	}
	shorter := all[slices.Index(all, best)+1]
	return fmt.Sprintf("poll interval: %s, since a response covers %d polls; choose %s if events come %.1f times as often", text.Duration(best), polls, text.Duration(shorter), h.ShortenAt)
}
