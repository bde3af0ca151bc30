// Package report is what a run did: counts, objects written, stage timings and
// warnings, as a value that renders as one line of text or as JSON.
//
// It measures nothing by itself but the stages it is told of, and it decides
// nothing: the pipeline fills it in.
package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Report is what one run did. Its JSON form is stable: fields are added, never
// renamed, and readers ignore those they do not know. Times are RFC 3339 in
// UTC, durations are seconds.
type Report struct {
	// RunID is unique among all runs; the document names its last writer by it.
	RunID string `json:"run_id"`
	// Command is the subcommand that ran.
	Command string `json:"command"`
	// Program is the program's version.
	Program string `json:"program"`
	// Host is the name of the machine.
	Host  string `json:"host,omitempty"`
	Store string `json:"store"`
	// Source is where the events came from.
	Source   string    `json:"source"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Duration Seconds   `json:"duration_s"`

	// OK says that the run did all it was to do.
	OK       bool   `json:"ok"`
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error,omitempty"`
	// DryRun says that nothing was written, and that counts and objects are
	// what a run would have stored.
	DryRun bool `json:"dry_run,omitempty"`

	Counts  Counts   `json:"counts"`
	Objects []Object `json:"objects"`
	// Window is the span of the response's events; nil without any.
	Window *Window `json:"window,omitempty"`
	API    API     `json:"api"`
	// StoreRetries counts the store requests that had to be repeated.
	StoreRetries int      `json:"store_retries"`
	Stages       []Stage  `json:"stages"`
	Warnings     []string `json:"warnings"`
}

// Counts are numbers of events, or of items where that is said.
type Counts struct {
	// Fetched is the number of items in the response.
	Fetched  int `json:"fetched"`
	New      int `json:"new"`
	Revised  int `json:"revised"`
	Rejected int `json:"rejected"`
	// AlreadySeen counts the items whose version was stored before.
	AlreadySeen int `json:"already_seen"`
	// Repeated counts versions that the response held more than once.
	Repeated int `json:"repeated"`
	// LookedUp counts the events for which the archive itself was consulted.
	LookedUp int `json:"looked_up"`
	// Healed counts the objects of earlier commits that were missing and put.
	Healed int `json:"healed"`
	// LostCommits counts the commits that another run was faster with, and
	// UnknownCommits those whose outcome had to be found out.
	LostCommits    int `json:"lost_commits"`
	UnknownCommits int `json:"unknown_commits"`
}

// Object is a data object that the run stored.
type Object struct {
	Name  string `json:"name"`
	Lines int    `json:"lines"`
	Bytes int    `json:"bytes"`
}

// Window is the span of time that a response covers.
type Window struct {
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
	Hours  float64   `json:"hours"`
	// EventsPerHour is the response's number of events over the window.
	EventsPerHour float64 `json:"events_per_hour"`
}

// NewWindow returns the window of n events from oldest to newest.
func NewWindow(oldest, newest time.Time, n int) *Window {
	w := &Window{Oldest: oldest.UTC(), Newest: newest.UTC(), Hours: round(newest.Sub(oldest).Hours(), 2)}
	if w.Hours > 0 {
		w.EventsPerHour = round(float64(n)/w.Hours, 2)
	}
	return w
}

// API is what fetching the events took.
type API struct {
	// Calls counts the calls made, retries included.
	Calls int `json:"calls"`
	// WireBytes is the size of the response as received, Bytes its size
	// without compression.
	WireBytes int64 `json:"wire_bytes"`
	Bytes     int64 `json:"bytes"`
	// Waited is the time spent waiting for the run's turn and between retries.
	Waited Seconds `json:"waited_s"`
	// The parts of the call that succeeded. Wait is from the request's last
	// byte to the response's first.
	DNS      Seconds `json:"dns_s"`
	Connect  Seconds `json:"connect_s"`
	TLS      Seconds `json:"tls_s"`
	Wait     Seconds `json:"wait_s"`
	Transfer Seconds `json:"transfer_s"`
}

// Stage is a part of the run. Stages may overlap, and one name may come more
// than once.
type Stage struct {
	Name string `json:"name"`
	// Start is counted from the start of the run.
	Start    Seconds `json:"start_s"`
	Duration Seconds `json:"duration_s"`
}

// Seconds is a duration whose JSON form is a number of seconds, to the tenth
// of a millisecond.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(round(time.Duration(s).Seconds(), 4))
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

func round(f float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(f*scale) / scale
}

// JSON returns the report as indented JSON with a final newline.
func (r *Report) JSON() ([]byte, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return append(body, '\n'), nil
}

// Summary returns the report as one line of text, without a line end.
func (r *Report) Summary() string {
	var b strings.Builder
	c := r.Counts
	if r.DryRun {
		b.WriteString("dry run, nothing written: ")
	}
	fmt.Fprintf(&b, "%d events: %d new, %d revised, %d rejected, %d already seen", c.Fetched, c.New, c.Revised, c.Rejected, c.AlreadySeen)
	if c.Repeated > 0 {
		fmt.Fprintf(&b, ", %d repeated", c.Repeated)
	}
	if n := len(r.Objects); n > 0 {
		fmt.Fprintf(&b, "; %d %s", n, plural(n, "object"))
	}
	if c.Healed > 0 {
		fmt.Fprintf(&b, "; %d healed", c.Healed)
	}
	if r.Window != nil {
		fmt.Fprintf(&b, "; window %.1f days", r.Window.Hours/24)
	}
	fmt.Fprintf(&b, "; %.2fs; %s", time.Duration(r.Duration).Seconds(), r.Store)
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
