package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// HealthOptions are the limits of a health check.
type HealthOptions struct {
	// MaxAge is the longest allowed time since the last collect from the API that
	// succeeded.
	MaxAge time.Duration
	// MaxLag is the longest allowed time since the newest event of a full response.
	MaxLag time.Duration
	// Hosts is the number of hosts that must have succeeded within MaxAge; 0 if one is
	// enough.
	Hosts int
	// Concurrency is the maximum number of concurrent store calls.
	Concurrency int
	// Now is the time of the check.
	Now time.Time
	// Command completes a command of this program, such as "verify --repair=gaps", so
	// that it works on this archive.
	Command func(args string) string
}

// HealthStatus is the status of a health check in the words of monitoring plugins
// (https://www.monitoring-plugins.org/doc/guidelines.html).
type HealthStatus string

// The statuses.
const (
	HealthOK       HealthStatus = "OK"
	HealthWarning  HealthStatus = "WARNING"  // healthy, but a person should look at something
	HealthCritical HealthStatus = "CRITICAL" // not healthy
	HealthUnknown  HealthStatus = "UNKNOWN"  // the check failed
)

// Health is the result of a health check. Its JSON fields are stable: new ones
// may be added. Fields are nil or zero if the archive does not have their value.
type Health struct {
	Status HealthStatus `json:"status"`
	// OK is true if Status is HealthOK or HealthWarning.
	OK bool `json:"ok"`
	// Store is the address of the archive, without secrets; empty if the settings are
	// invalid.
	Store string `json:"store"`
	// Problems say why the archive is not healthy, or why the check failed. Warnings
	// say what a person should look at. Both are in order of importance.
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`

	// Host is the host of the last run, and LastRunAge the time since that run ended.
	// A collect of a saved response counts only if there are no others. An age is
	// negative if the time is in the future.
	Host       string          `json:"host,omitempty"`
	LastRunAge *report.Seconds `json:"last_run_age_s,omitempty"`
	// New is the number of new events that the last run stored, and ExitCode its exit
	// code.
	New      int `json:"new"`
	ExitCode int `json:"exit_code"`
	// Age is the time since the last collect from the API that succeeded on any host,
	// MaxAge its limit.
	Age    *report.Seconds `json:"age_s,omitempty"`
	MaxAge report.Seconds  `json:"max_age_s"`
	// Lag is the time since the archive's covered_until, the time of the newest event
	// of the API's full responses. MaxLag is its limit.
	Lag    *report.Seconds `json:"lag_s,omitempty"`
	MaxLag report.Seconds  `json:"max_lag_s"`
	// Headroom is the time until events may be missed if no run comes. It is zero or
	// negative if that time is over.
	Headroom *report.Seconds `json:"headroom_s,omitempty"`
	// Gaps are the numbers of days whose events may be missing.
	Gaps report.Gaps `json:"gaps"`
	// Hosts is the number of hosts in the history, HealthyHosts that of those which
	// succeeded within MaxAge.
	Hosts        int `json:"hosts"`
	HealthyHosts int `json:"healthy_hosts"`
	// Listed is the number of ids in the document.
	Listed int `json:"listed"`
	// Pending is the number of the document's pending objects. Missing counts those
	// that do not exist, and Different those that lack a line which is nowhere else
	// in the archive.
	Pending   int `json:"pending"`
	Missing   int `json:"missing"`
	Different int `json:"different"`

	minHosts int
}

// CheckHealth checks that a collect from the API succeeded recently, that the API
// shows new events, that the objects of the last commit are stored, that no events
// may be missing, and that the next run will be in time to miss none. It reads events
// only if another program has changed one of these objects.
//
// An archive that only saved responses have filled is healthy if the last collect
// succeeded, however long ago, and the objects of the last commit are stored.
//
// The error is the store's. All other trouble is in the Health, a document of a
// newer format too.
func CheckHealth(ctx context.Context, s Archive, o HealthOptions) (*Health, error) {
	return checkHealth(ctx, s, o, false)
}

// checkHealth is CheckHealth. If the document is older than the last run, it reads both
// again, unless again is true.
func checkHealth(ctx context.Context, s Archive, o HealthOptions, again bool) (*Health, error) {
	doc, docErr := ReadDocument(ctx, s)
	newer := errors.Is(docErr, archive.ErrNewerFormat)
	if newer {
		doc = &Document{store: s}
	} else if docErr != nil {
		return nil, docErr
	}
	run, pending, err := doc.readRest(ctx, o.Concurrency)
	if err == nil && !newer && !again && doc.laterCommit(run.history()) > 0 {
		return checkHealth(ctx, s, o, true) // a run may have committed since the document was read
	}
	if err != nil {
		return nil, err
	}
	h := newHealth(s.String(), o)
	c := check{h, o, run.history(), doc}
	if c.onlySaved() {
		c.checkSaved()
	} else {
		c.checkRuns(run.state)
		c.checkResponses()
	}
	c.checkHosts()
	if newer {
		h.problem("%v", docErr)
	} else {
		c.checkDocument(pending)
	}
	switch {
	case len(h.Problems) > 0:
		h.Status = HealthCritical
	case len(h.Warnings) > 0:
		h.Status = HealthWarning
	}
	h.OK = h.Status != HealthCritical
	return h, nil
}

// UnknownHealth returns the result of a check that failed with err. The address of the
// store is empty if it is not known.
func UnknownHealth(store string, o HealthOptions, err error) *Health {
	h := newHealth(store, o)
	h.Status = HealthUnknown
	h.problem("%s", text.OneLine(err.Error()))
	return h
}

// newHealth returns a result without problems.
func newHealth(store string, o HealthOptions) *Health {
	return &Health{
		Status: HealthOK, Store: store, MaxAge: report.Seconds(o.MaxAge), MaxLag: report.Seconds(o.MaxLag), minHosts: o.Hosts,
		Problems: []string{}, Warnings: []string{}, // in JSON empty lists, not null
	}
}

func (h *Health) problem(format string, args ...any) {
	h.Problems = append(h.Problems, fmt.Sprintf(format, args...))
}

func (h *Health) warn(format string, args ...any) {
	h.Warnings = append(h.Warnings, fmt.Sprintf(format, args...))
}

// check is the state of one CheckHealth.
type check struct {
	*Health
	o    HealthOptions
	last *report.LastRun // nil if it is missing or damaged
	doc  *Document
}

// age returns the time since t.
func (c *check) age(t time.Time) time.Duration { return c.o.Now.Sub(t) }

// seconds returns the JSON form of a duration.
func seconds(d time.Duration) *report.Seconds { return new(report.Seconds(d)) }

// onlySaved reports whether only saved responses have filled the archive, as far as
// its history and its document show.
func (c *check) onlySaved() bool {
	return c.last != nil && c.last.Saved && len(c.last.Hosts) == 0 && c.doc.parsed.CoveredUntil == nil
}

// checkSaved checks the last collect of a saved response.
func (c *check) checkSaved() {
	r := c.last.Report
	c.Host, c.LastRunAge, c.New, c.ExitCode = r.Host, seconds(c.age(r.Finished)), r.Counts.New, r.ExitCode
	if !r.Succeeded() {
		c.problem("the last run failed with exit code %d (%s)", r.ExitCode, r.Error)
	}
}

// checkRuns checks the time of the last success. state is the state of the report of
// the last run.
func (c *check) checkRuns(state State) {
	switch {
	case state == Damaged:
		c.problem("%s is damaged; the next collect replaces it", archive.LastRunName)
		return
	case (c.last == nil || len(c.last.Hosts) == 0) && c.doc.parsed.CoveredUntil != nil:
		c.problem("%s has no collect from the API, although the archive has what one has fetched: the report was lost or could not be written, so see the messages of the runs; the next collect writes it", archive.LastRunName)
		return
	case c.last == nil || len(c.last.Hosts) == 0:
		c.problem("no collect from the API has ever finished in %s; check that this is the right store and that its disk is mounted, and then run collect; if collect runs as another user, that user's settings may name another store", c.Store)
		return
	}
	latest := c.last.Hosts[0]
	c.Host, c.LastRunAge = latest.Name, seconds(c.age(latest.LastRun))
	if r := c.newestRun(func(report.Run) bool { return true }); r != nil {
		c.New, c.ExitCode = r.New, r.ExitCode
	}
	reason := "check the scheduler and the messages of the runs; a run that cannot write to the archive leaves no report in it"
	if latest.Failures > 0 {
		reason = c.failure(latest)
	}
	success, ok := c.lastSuccess()
	if ok {
		c.Age = seconds(c.age(success))
	}
	switch {
	case !ok:
		c.problem("no collect has ever succeeded; %s", reason)
	case c.age(success) > c.o.MaxAge:
		c.problem("the last successful collect ended %s, more than %v (--max-age); %s", text.Ago(c.age(success)), c.o.MaxAge, reason)
	case c.age(success) < -MaxSkew: // it would hide for a long time that runs have stopped
		c.problem("the last successful collect ended %s: check the clocks", text.Ago(c.age(success)))
	default:
		c.warnAboutHost(latest)
	}
}

// lastSuccess returns the time of the last success on any host. It takes a time that
// is in the future only if there is no other.
func (c *check) lastSuccess() (last time.Time, ok bool) {
	for _, h := range c.last.Hosts {
		for _, t := range h.Successes {
			isFuture, lastIsFuture := c.age(t) < -MaxSkew, c.age(last) < -MaxSkew
			if !ok || lastIsFuture && !isFuture || isFuture == lastIsFuture && t.After(last) {
				last, ok = t, true
			}
		}
	}
	return last, ok
}

// newestRun returns the newest collect from the API that matches; nil if there is none in
// the history.
func (c *check) newestRun(matches func(report.Run) bool) *report.Run {
	for i, r := range c.last.Runs {
		if !r.Saved && matches(r) {
			return &c.last.Runs[i]
		}
	}
	return nil
}

// onHost returns the part of a message that names the host of a run. Reports of earlier
// versions of the program have no name.
func onHost(name string) string {
	if name == "" {
		return ""
	}
	return " on " + name
}

// failure describes the last runs of a host, which failed.
func (c *check) failure(h report.Host) string {
	on, age := onHost(h.Name), text.Ago(c.age(h.LastRun))
	if h.Failures == 1 {
		return fmt.Sprintf("the last run%s failed %s with exit code %d (%s)", on, age, h.ExitCode, h.Error)
	}
	return fmt.Sprintf("the last %d runs%s failed, the last of them %s with exit code %d (%s)", h.Failures, on, age, h.ExitCode, h.Error)
}

// recent is the time for which the health check warns about a host that has stopped or
// only fails. After that the host counts as given up.
const recent = 7 * 24 * time.Hour

// lastDay is the time for which the health check warns about a run in which the API's
// format seemed to change. The next run has no such sign, since it knows the new versions.
const lastDay = 24 * time.Hour

// warnAboutHost warns about a host that fails, has stopped, or has a wrong clock.
func (c *check) warnAboutHost(h report.Host) {
	switch {
	case c.age(h.LastRun) < -MaxSkew:
		c.warn("the last run%s ended %s: check the clocks", onHost(h.Name), text.Ago(c.age(h.LastRun)))
	case h.Failures > 0 && c.age(h.LastRun) <= recent:
		c.warn("%s", c.failure(h))
	case h.Failures == 0 && len(h.Successes) == 3 && c.age(h.Successes[2]) <= recent && c.age(h.Successes[0]) > c.o.MaxAge:
		c.warn("the last run%s ended %s; check its scheduler and the messages of its runs", onHost(h.Name), text.Ago(c.age(h.LastRun)))
	}
}

// checkHosts counts the healthy hosts, and checks all hosts but that of the last run.
func (c *check) checkHosts() {
	if c.last != nil {
		c.Hosts = len(c.last.Hosts)
		for i, h := range c.last.Hosts {
			if c.isHealthy(h) {
				c.HealthyHosts++
			}
			if i > 0 {
				c.warnAboutHost(h)
			}
		}
	}
	if c.HealthyHosts < c.o.Hosts {
		c.problem("%s succeeded within %v (--max-age), fewer than %d (--hosts)", text.Count(c.HealthyHosts, "host"), c.o.MaxAge, c.o.Hosts)
	}
}

// isHealthy reports whether the host has succeeded within MaxAge.
func (c *check) isHealthy(h report.Host) bool {
	for _, t := range h.Successes {
		if age := c.age(t); -MaxSkew <= age && age <= c.o.MaxAge {
			return true
		}
	}
	return false
}

// checkResponses checks the age of the newest event, the time until events may be
// missed, and the last response.
func (c *check) checkResponses() {
	covered := c.doc.parsed.Covered()
	if covered != nil {
		since := c.age(*covered)
		c.Lag = seconds(since)
		switch {
		case since > c.o.MaxLag:
			advice := "; see whether the API's website shows newer events, and whether each collect has a filter (--location, --type)"
			if c.Age == nil || time.Duration(*c.Age) > c.o.MaxLag {
				advice = "" // the reason is that no run succeeded, which is a problem too
			}
			c.problem("the archive is stale: the newest event in full responses of the API is from %s, more than %v (--max-lag)%s", text.Ago(since), c.o.MaxLag, advice)
		case since < -MaxSkew:
			c.warn("covered_until of the document is %s, in the future, and until then runs do not notice a gap: check the clocks", covered.Format(time.RFC3339))
		}
	}
	if c.last == nil {
		return
	}
	hasWindow := func(r report.Run) bool { return r.Window != nil && *r.Window > 0 }
	if r := c.newestRun(hasWindow); r != nil && covered != nil {
		window := time.Duration(*r.Window)
		headroom := window - max(c.age(*covered), 0)
		c.Headroom = seconds(headroom)
		if headroom <= 0 {
			c.problem("the next run may miss events: the last full response covers %s, and the archive has all events up to %s", text.Duration(window), text.Ago(c.age(*covered)))
		} else if headroom <= c.o.MaxAge {
			c.problem("the next run must start within %s to miss no events: the last full response covers %s, and the archive has all events up to %s",
				text.Duration(headroom), text.Duration(window), text.Ago(c.age(*covered)))
		}
	}
	if r := c.newestRun(func(r report.Run) bool { return r.Fetched > 0 }); r != nil && 2*r.Invalid >= r.Fetched {
		c.problem("%d of %d items in the last responses are no valid events: the API's format may have changed; look for a newer version of this program", r.Invalid, r.Fetched)
	}
	isRevised := func(r report.Run) bool {
		return r.Fetched >= polisen.FullResponse && report.ManyRevised(r.Revised, r.Known()) && c.age(r.Started) <= lastDay
	}
	if r := c.newestRun(isRevised); r != nil {
		c.warn("%d of %d known events were revised at once %s: the API's format may have changed; compare the new versions, which are under revisions/ in the archive, with the former ones",
			r.Revised, r.Known(), text.Ago(c.age(r.Started)))
	}
	if c.last.NoContact {
		c.warn("the calls to the API have no contact, which its rules ask for, and it may block them: set --contact (API_CONTACT_EMAIL) for collect")
	}
}

// checkDocument checks the gaps of the document and the objects of the last commit.
func (c *check) checkDocument(pending []Object) {
	d := &c.doc.parsed
	switch c.doc.State {
	case Missing:
		if c.last == nil { // checkRuns has said what to do
			c.problem("there is no %s", archive.DocumentName)
		} else {
			c.problem("there is no %s; the next collect creates it", archive.DocumentName)
		}
		return
	case Damaged:
		c.problem("%s; the next collect saves a copy and rebuilds it", c.doc.Damage)
		return
	}
	c.Listed, c.Pending = len(d.SeenIDs), len(pending)
	for _, p := range pending {
		switch p.State {
		case archive.Missing:
			c.Missing++
		case archive.Different:
			c.Different++
		}
	}
	if c.age(d.LastUpdated).Abs() >= PutGrace {
		c.checkPending()
	}
	if later := c.doc.laterCommit(c.last); later > 0 {
		c.problem("the metadata document is older than the last run, which knew a commit of %s: it may be an older copy; restore the newest one, or leave it to the next collect, which looks up each event in the archive",
			time.Unix(later, 0).UTC().Format(time.RFC3339))
	}
	if c.age(d.LastUpdated) < -MaxSkew {
		c.warn("last_updated of the document is %s, in the future: check the clocks", d.LastUpdated.Format(time.RFC3339))
	}
	open, unserved := d.GapDays()
	c.Gaps = report.Gaps{Open: len(open), Unserved: len(unserved)}
	if c.onlySaved() {
		return
	}
	if len(open) > 0 {
		advice := "later collects ask the API for them"
		if served := archive.ServedDays(open, c.o.Now); len(served) > 0 {
			advice = "later collects fetch them, and so does: " + c.o.Command(fmt.Sprintf("backfill --from %s --to %s", served[0], served[len(served)-1]))
		}
		c.problem("events of %s may be missing, %s to %s; %s", text.Count(len(open), "day"), open[0], open[len(open)-1], advice)
	}
	if n := len(unserved); n > 0 {
		c.warn("events of %s may be missing that the API does not serve, %s to %s; accept this with: %s", text.Count(n, "day"),
			unserved[0], unserved[n-1], c.o.Command("verify --repair=gaps"))
	}
}

// checkPending reports objects of the last commit that are missing or lack lines. A run that
// knows that they were stored looks at them only before a lookup or when it commits, and its
// commit drops the pending objects of earlier commits without a look.
func (c *check) checkPending() {
	d := &c.doc.parsed
	wereStored := c.last != nil && c.last.StoredCommit != nil && d.Commit != nil && archive.Commit(*c.last.StoredCommit) == *d.Commit
	switch {
	case c.Missing > 0 && wereStored:
		c.problem("objects of the last commit are gone, although all were stored: %d of %d; the next run may not look for them and then drops their lines, so store them now with: %s",
			c.Missing, c.Pending, c.o.Command("verify --repair"))
	case c.Missing > 0:
		c.problem("objects of the last commit are missing: %d of %d; the next run stores them", c.Missing, c.Pending)
	}
	switch {
	case c.Different > 0 && wereStored:
		c.problem("objects of the last commit have lost lines that are nowhere in the archive: %d of %d; the next run may not look at them and then drops these lines, so store them now with: %s",
			c.Different, c.Pending, c.o.Command("verify --repair"))
	case c.Different > 0:
		c.problem("objects of the last commit lack lines that are nowhere in the archive: %d of %d; the next run stores these lines again", c.Different, c.Pending)
	}
}

// Err returns nil, or an error that wraps [ErrUnhealthy] and lists the problems.
func (h *Health) Err() error {
	if h.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnhealthy, text.Clean(strings.Join(h.Problems, "; ")))
}

// String returns one line in the format of monitoring plugins: the status, a
// text, and after "|" the measured values and their thresholds
// (https://www.monitoring-plugins.org/doc/guidelines.html).
func (h *Health) String() string { return h.Line(text.Style{}) }

// Line is [Health.String] with a status in colour, if the style has colours.
func (h *Health) Line(style text.Style) string {
	parts := append(append([]string{}, h.Problems...), h.Warnings...)
	var data []string
	if h.Status != HealthUnknown {
		parts = append(parts, strings.Join(h.facts(), ", "))
		data = h.data()
	} else if h.Store != "" {
		parts = append(parts, "archive "+h.Store)
	}
	colours := map[HealthStatus]text.Colour{HealthOK: text.Green, HealthWarning: text.Yellow, HealthCritical: text.Red}
	line := style.Paint(colours[h.Status], string(h.Status)) + " - " + strings.ReplaceAll(text.Clean(strings.Join(parts, "; ")), "|", " ")
	if len(data) > 0 {
		line += " | " + strings.Join(data, " ")
	}
	return line
}

// facts returns the measured values as texts, such as "lag 25m".
func (h *Health) facts() []string {
	facts := []string{"archive " + h.Store}
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if h.LastRunAge != nil {
		add("last run %s%s with %d new and exit code %d", text.Ago(time.Duration(*h.LastRunAge)), onHost(h.Host), h.New, h.ExitCode)
	}
	if h.Age != nil {
		add("last success %s", text.Ago(time.Duration(*h.Age)))
	}
	if h.Lag != nil {
		add("lag %s", text.Duration(time.Duration(*h.Lag)))
	} else if h.Age != nil {
		add("lag and gaps unknown without a full response")
	}
	if h.Headroom != nil {
		add("headroom %s", text.Duration(time.Duration(*h.Headroom)))
	}
	add("%s", text.Count(h.Gaps.Open, "open gap"))
	add("%d of %s missing", h.Missing, text.Count(h.Pending, "pending object"))
	return facts
}

// data returns the performance data: label=value, unit, range of warnings, range of
// problems, minimum and maximum.
func (h *Health) data() []string {
	var data []string
	add := func(format string, args ...any) { data = append(data, fmt.Sprintf(format, args...)) }
	in := func(s report.Seconds) float64 { return time.Duration(s).Seconds() }
	if h.Age != nil {
		add("age=%.0fs;;%.0f;0", in(*h.Age), in(h.MaxAge))
	}
	if h.Lag != nil {
		add("lag=%.0fs;;%.0f;0", in(*h.Lag), in(h.MaxLag))
	}
	if h.Headroom != nil {
		add("headroom=%.0fs;;%.0f:", in(*h.Headroom), in(h.MaxAge))
	}
	add("gaps=%d;;0;0", h.Gaps.Open)
	add("unserved=%d;0;;0", h.Gaps.Unserved)
	add("missing=%d;;0;0", h.Missing)
	add("different=%d;;0;0", h.Different)
	add("hosts=%d;;%d:;0", h.HealthyHosts, h.minHosts)
	add("listed=%d;;;0;%d", h.Listed, archive.MaxSeen)
	return data
}
