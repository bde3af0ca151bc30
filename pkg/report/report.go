// Package report defines the report of a run: counts, stored objects, timings and
// warnings. A [Report] has a text form of one line, a JSON form and a diagram of its
// stages.
//
// A [Recorder] collects timings, store retries and warnings during the run. The
// caller sets all other fields; this package makes no decisions.
package report

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"polisen-events-collector/pkg/text"
)

// Report describes one run. In the JSON form times are RFC 3339 in UTC, and
// durations are in seconds. Readers should ignore fields that they do not know,
// since later versions of the program may add some.
type Report struct {
	// RunID is a random text, unique to this run. The metadata document has the
	// RunID of the run that wrote it.
	RunID string `json:"run_id"`
	// Command is the command: "collect" or "backfill".
	Command string `json:"command"`
	// Program is the version of the program.
	Program string `json:"program"`
	// Host is the name of the host: that of the machine, unless the user sets another.
	Host string `json:"host,omitempty"`
	// Store is the address of the archive, such as "oci://namespace/bucket".
	Store string `json:"store"`
	// Source is where the events came from: the API's URL, with the range of
	// days if it is a backfill, or the paths of saved responses.
	Source string `json:"source"`
	// Saved is true for a collect of a saved response.
	Saved bool `json:"saved,omitempty"`
	// NoContact is true if the API's rules ask for a contact in the User-Agent, and
	// the run had none.
	NoContact bool `json:"no_contact,omitempty"`
	// Started and Finished are the times of the run's start and end.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Duration is the time from Started to Finished.
	Duration Seconds `json:"duration_s"`

	// OK is true if the run stored everything and found no problem. It is also
	// false for a partial success.
	OK bool `json:"ok"`
	// ExitCode is the exit code of the process.
	ExitCode int `json:"exit_code"`
	// Error is the message of the error that ended the run; empty if OK.
	Error string `json:"error,omitempty"`
	// DryRun is true if nothing was written. Counts and Objects then say what
	// a run would have stored.
	DryRun bool `json:"dry_run,omitempty"`

	Counts Counts `json:"counts"`
	// Objects are the data objects that the run stored, in any order.
	Objects []Object `json:"objects"`
	// Window is the window of the API's response to a collect. It is nil for a
	// backfill, for a saved or filtered response, and for one that is cut, not full or
	// mismatched.
	Window *Window `json:"window,omitempty"`
	// Lag is the age of the newest event of the response with this window, at the
	// time of the response; nil without a window.
	Lag *Seconds `json:"lag_s,omitempty"`
	// Gaps are the numbers of gaps that the metadata document has at the end of the
	// run; nil if the run could not read it.
	Gaps *Gaps `json:"gaps,omitempty"`
	API  API   `json:"api"`
	// StoreRetries is the number of requests to the store that the run repeated.
	StoreRetries int `json:"store_retries"`
	// Stages are in the order of their start.
	Stages []Stage `json:"stages"`
	// Warnings are in the order in which the run recorded them. No text occurs
	// twice. If there were more than 100, the last one counts the others.
	Warnings []Warning `json:"warnings"`
}

// Counts are the numbers of items in the run's responses. Most items are events.
type Counts struct {
	// Fetched is the number of items in all responses.
	Fetched int `json:"fetched"`
	// New is the number of events stored for the first time.
	New int `json:"new"`
	// Revised is the number of later versions stored under revisions/.
	Revised int `json:"revised"`
	// Rejected is the number of items stored under rejected/, because they are
	// not valid events.
	Rejected int `json:"rejected"`
	// Invalid is the number of items that are not valid events, whether they were
	// stored before or not.
	Invalid int `json:"invalid"`
	// AlreadySeen is the number of items that were already in the archive.
	AlreadySeen int `json:"already_seen"`
	// Waiting is the number of items that wait for a later run, because an
	// object that may hold them could not be read.
	Waiting int `json:"waiting"`
	// Repeated is the number of items that are the same as an earlier item in
	// the run.
	Repeated int `json:"repeated"`
	// LookedUp is the number of events that the run looked for in the
	// partitions, because the metadata document did not say whether they are
	// stored.
	LookedUp int `json:"looked_up"`
	// Healed is the number of missing objects of earlier commits that the run
	// put into the store.
	Healed int `json:"healed"`
	// CommitConflicts is the number of commits that failed because another run
	// had committed first.
	CommitConflicts int `json:"commit_conflicts"`
	// CommitUnknownOutcomes is the number of commits that ended with an error
	// which leaves open whether the commit went in. The run then read the
	// metadata document again to find out.
	CommitUnknownOutcomes int `json:"commit_unknown_outcomes"`
}

// Object is a data object that the run stored.
type Object struct {
	// Name is the object's name below the store's prefix.
	Name string `json:"name"`
	// Lines is the number of lines. Each line is one item.
	Lines int `json:"lines"`
	// Bytes is the size of the object.
	Bytes int `json:"bytes"`
}

// Window is the time span of the events of one response, without the oldest 5 % of
// them. These can be months older than the others.
type Window struct {
	// From is the time of the oldest event that counts, and To that of the newest.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Hours is the time from From to To in hours, to two decimals.
	Hours float64 `json:"hours"`
	// EventsPerHour is the number of events that count divided by Hours, to two
	// decimals; zero if Hours is zero.
	EventsPerHour float64 `json:"events_per_hour"`
}

// NewWindow returns the window of n events between two times.
func NewWindow(from, to time.Time, n int) *Window {
	w := &Window{From: from.UTC(), To: to.UTC(), Hours: round(to.Sub(from).Hours(), 2)}
	if w.Hours > 0 {
		w.EventsPerHour = round(float64(n)/w.Hours, 2)
	}
	return w
}

// Gaps are the numbers of days whose events may be missing from the archive.
type Gaps struct {
	// Open is the number of days that collects still ask the API for.
	Open int `json:"open"`
	// Unserved is the number of days that the API does not serve.
	Unserved int `json:"unserved"`
}

// API describes the run's calls to the API.
type API struct {
	// Calls is the number of calls, including retries and redirects.
	Calls int `json:"calls"`
	// WireBytes is the size of all responses as received, Bytes their size
	// after decompression.
	WireBytes int64 `json:"wire_bytes"`
	Bytes     int64 `json:"bytes"`
	// Waited is the time that the run waited for the rate limiter and before
	// retries.
	Waited Seconds `json:"waited_s"`

	// The remaining fields are the phases of the last call that succeeded: DNS
	// lookup, TCP connect, TLS handshake, the wait between the end of the
	// request and the first byte of the response, and the transfer of the
	// response.
	DNS      Seconds `json:"dns_s"`
	Connect  Seconds `json:"connect_s"`
	TLS      Seconds `json:"tls_s"`
	Wait     Seconds `json:"wait_s"`
	Transfer Seconds `json:"transfer_s"`
	// Received is the time from the start of the run to the end of the transfer; zero
	// if no call succeeded.
	Received Seconds `json:"received_s"`
}

// The stages that [Report.Waterfall] knows. Packages archive and pipeline have the others.
const (
	// StageFetch is a fetch from the API, with its retries and waits.
	StageFetch = "fetch"
	// StageGaps is the closing of gaps, with its fetches and commits.
	StageGaps = "gaps"
)

// Stage is a part of the run, such as "fetch". Stages may overlap, and a name may
// occur more than once.
type Stage struct {
	Name string `json:"name"`
	// Start is the time since the start of the run.
	Start    Seconds `json:"start_s"`
	Duration Seconds `json:"duration_s"`
}

// Warning is a problem that did not stop the run.
type Warning struct {
	// Level is "WARN" for a problem that the user should see even if the run
	// succeeds, and "INFO" for one that needs no action.
	Level slog.Level `json:"level"`
	// Text is one line.
	Text string `json:"text"`
}

// Seconds is a duration whose JSON form is a number of seconds, to four
// decimals.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(round(time.Duration(s).Seconds(), 4))
}

// UnmarshalJSON implements [json.Unmarshaler]. A number that is out of the range of a
// [time.Duration], about 292 years, becomes the nearest duration in it.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	switch ns := math.Round(f * float64(time.Second)); {
	case ns >= math.MaxInt64:
		*s = math.MaxInt64
	case ns <= math.MinInt64:
		*s = math.MinInt64
	default:
		*s = Seconds(ns)
	}
	return nil
}

// round returns f with a number of decimals.
func round(f float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(f*scale) / scale
}

// ExitPartial is the exit code of a run that stored everything it could, but found
// problems that a person should look at.
const ExitPartial = 3

// Succeeded reports whether the run stored everything it could: with the exit code 0, or
// with [ExitPartial].
func (r *Report) Succeeded() bool { return r.OK || r.ExitCode == ExitPartial }

// Summary returns the report as one line of text, without a line end.
func (r *Report) Summary() string {
	var b strings.Builder
	c := r.Counts
	if r.DryRun {
		b.WriteString("dry run, nothing written: ")
	}
	fmt.Fprintf(&b, "%s: %s new, %s revised, %s rejected, %s already seen", text.Count(c.Fetched, "event"),
		text.Number(c.New), text.Number(c.Revised), text.Number(c.Rejected), text.Number(c.AlreadySeen))
	if c.Repeated > 0 {
		fmt.Fprintf(&b, ", %s repeated", text.Number(c.Repeated))
	}
	if c.Waiting > 0 {
		fmt.Fprintf(&b, ", %s waiting", text.Number(c.Waiting))
	}
	if n := len(r.Objects); n > 0 {
		fmt.Fprintf(&b, "; %s", text.Count(n, "object"))
	}
	if c.Healed > 0 {
		fmt.Fprintf(&b, "; %d healed", c.Healed)
	}
	if r.Window != nil {
		fmt.Fprintf(&b, "; window %.1f days", r.Window.Hours/24)
	}
	fmt.Fprintf(&b, "; %.2fs; %s", time.Duration(r.Duration).Seconds(), r.Store)
	return text.Clean(b.String())
}
