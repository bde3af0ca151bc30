package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"polisen-events-collector/pkg/text"
)

// The limits of a [LastRun].
const (
	// MaxHosts is the largest number of hosts, MaxRuns that of runs.
	MaxHosts = 16
	MaxRuns  = 50

	// maxLastRun is the largest size in bytes that [ParseLastRun] reads. The largest
	// report has 100,000 objects, each with a name of some 100 bytes.
	maxLastRun = 16 << 20
	// maxSuccesses is the largest number of successes of a host.
	maxSuccesses = 3
	// maxName and maxError are the largest lengths in bytes of the name of a host and
	// of its error.
	maxName  = 255
	maxError = 200
)

// LastRun is the content of metadata/last_run.json: the report of the newest collect
// on any host, and a short history.
type LastRun struct {
	Report
	// StoredCommit is the commit whose objects were all known to be stored at the end
	// of the run; nil if that is unknown.
	StoredCommit *StoredCommit `json:"stored_commit,omitempty"`
	// DocumentBackup is the backup of the metadata document, as package archive defines it:
	// what a rebuilt document takes over. It is that of the latest commit that a run has
	// reported.
	DocumentBackup json.RawMessage `json:"document_backup,omitempty"`
	// Hosts are the hosts that collected from the API, at most [MaxHosts], in the
	// order of their last run, newest first.
	Hosts []Host `json:"hosts"`
	// Runs are the last runs of collect, at most [MaxRuns], newest first.
	Runs []Run `json:"runs"`
}

// StoredCommit identifies a commit, as archive.Commit does.
type StoredCommit struct {
	// ID is the RunID of the run that made the commit.
	ID string `json:"id"`
	// Sequence is the number of the commit, counted from 1.
	Sequence int64 `json:"sequence"`
	// Timestamp, in Unix seconds, is part of the names of the commit's objects.
	Timestamp int64 `json:"timestamp"`
}

// Host shows whether the collects of one host succeed. A run succeeds with the exit
// codes 0 and 3: see [Report.Succeeded].
type Host struct {
	Name string `json:"name"`
	// LastRun is the time at which the host's last run ended, in UTC.
	LastRun time.Time `json:"last_run"`
	// Successes are the times at which its last successful runs ended, at most three,
	// newest first, in UTC.
	Successes []time.Time `json:"successes"`
	// FailingSince is the time at which the first of the failed runs since the last
	// success ended; nil if the last run was a success.
	FailingSince *time.Time `json:"failing_since,omitempty"`
	// Failures is the number of failed runs since the last success.
	Failures int `json:"failures"`
	// ExitCode and Error are those of the last run if it failed. Error is one line of
	// at most 200 bytes.
	ExitCode int    `json:"exit_code,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Run is a collect in short. The fields have the meanings that they have in [Report]
// and [Counts].
type Run struct {
	RunID    string    `json:"run_id"`
	Started  time.Time `json:"started"`
	Host     string    `json:"host"`
	ExitCode int       `json:"exit_code"`
	Fetched  int       `json:"fetched"`
	New      int       `json:"new"`
	Revised  int       `json:"revised"`
	Rejected int       `json:"rejected"`
	Invalid  int       `json:"invalid"`
	Duration Seconds   `json:"duration_s"`
	Lag      *Seconds  `json:"lag_s,omitempty"`
	// Window is the length of the window.
	Window *Seconds `json:"window_s,omitempty"`
	Saved  bool     `json:"saved,omitempty"`
}

// ManyRevised reports whether half or more of the known events of a response, and of at
// least 20, were revised at once, so that the API's format may have changed. In 2,974
// recorded polls at most 3 of some 490 known events were revised at once.
func ManyRevised(revised, known int) bool { return known >= 20 && 2*revised >= known }

// Known returns the number of valid events in the responses of the run that the archive
// had before.
func (r Run) Known() int { return r.Fetched - r.Invalid - r.New }

// LagText returns the lag as text such as "25m", "saved response" if the run read
// one, and "" if the lag is unknown.
func (r Run) LagText() string {
	switch {
	case r.Saved:
		return "saved response"
	case r.Lag != nil:
		return text.Duration(time.Duration(*r.Lag))
	}
	return ""
}

// ParseLastRun parses the content of metadata/last_run.json. Content without a history,
// as earlier versions of the program wrote it, has no hosts and no runs. Rows that no
// version of the program writes are left out. The error means that the content is damaged.
func ParseLastRun(body []byte) (*LastRun, error) {
	if len(body) > maxLastRun {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(body), maxLastRun)
	}
	l := new(LastRun)
	if err := json.Unmarshal(body, l); err != nil {
		return nil, err
	}
	if l.Finished.IsZero() {
		return nil, errors.New("it does not say when the run finished")
	}
	l.Hosts = limit(slices.DeleteFunc(l.Hosts, Host.isTooLong), MaxHosts)
	for i, h := range l.Hosts {
		l.Hosts[i].Successes = limit(h.Successes, maxSuccesses)
	}
	l.Runs = limit(slices.DeleteFunc(l.Runs, Run.isTooLong), MaxRuns)
	return l, nil
}

// isTooLong reports whether a text of the row is longer than any that the program
// writes. Such rows would stay for many runs.
func (h Host) isTooLong() bool { return len(h.Name) > maxName || len(h.Error) > maxError }

func (r Run) isTooLong() bool { return len(r.RunID) > maxName || len(r.Host) > maxName }

// JSON returns the content of metadata/last_run.json.
func (l *LastRun) JSON() ([]byte, error) {
	body, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the last run: %w", err)
	}
	return append(body, '\n'), nil
}

// Has reports whether the history has the run with this id. l may be nil.
func (l *LastRun) Has(runID string) bool {
	return l != nil && slices.ContainsFunc(l.Runs, func(r Run) bool { return r.RunID == runID })
}

// Add returns the content that follows l after another run: its report and the commit
// whose objects are all stored (nil if that is unknown), and the history of l with the
// run. It does not change l, which is nil if there is no history.
func (l *LastRun) Add(r Report, stored *StoredCommit) *LastRun {
	if l == nil {
		l = new(LastRun)
	}
	next := &LastRun{Report: r, StoredCommit: stored, DocumentBackup: l.DocumentBackup, Hosts: l.Hosts}
	if !r.Saved {
		next.Hosts = addHost(l.Hosts, r)
	}
	next.Hosts = limit(next.Hosts, MaxHosts)
	next.Runs = limit(append([]Run{shortRun(r)}, l.Runs...), MaxRuns)
	return next
}

// limit returns the first n of the rows. It never returns nil.
func limit[T any](rows []T, n int) []T {
	return append([]T{}, rows[:min(n, len(rows))]...)
}

// addHost returns the hosts after a run: the host of the run is first.
func addHost(hosts []Host, r Report) []Host {
	h := Host{Name: r.Host}
	isRunning := func(h Host) bool { return h.Name == r.Host }
	if i := slices.IndexFunc(hosts, isRunning); i >= 0 {
		h = hosts[i]
	}
	return append([]Host{h.after(r)}, slices.DeleteFunc(slices.Clone(hosts), isRunning)...)
}

// after returns the host after one more run.
func (h Host) after(r Report) Host {
	h.LastRun = r.Finished
	if r.Succeeded() {
		successes := append([]time.Time{r.Finished}, h.Successes...)
		return Host{Name: h.Name, LastRun: h.LastRun, Successes: limit(successes, maxSuccesses)}
	}
	h.Successes = limit(h.Successes, maxSuccesses) // [] rather than null in JSON
	if h.FailingSince == nil {
		h.FailingSince, h.Failures = &r.Finished, 0
	}
	h.Failures++
	h.ExitCode, h.Error = r.ExitCode, text.Short(r.Error, maxError-len("..."))
	return h
}

func shortRun(r Report) Run {
	n := r.Counts
	run := Run{
		RunID: r.RunID, Started: r.Started, Host: r.Host, ExitCode: r.ExitCode,
		Fetched: n.Fetched, New: n.New, Revised: n.Revised, Rejected: n.Rejected, Invalid: n.Invalid,
		Duration: r.Duration, Lag: r.Lag, Saved: r.Saved,
	}
	if r.Window != nil {
		length := Seconds(r.Window.To.Sub(r.Window.From))
		run.Window = &length
	}
	return run
}
