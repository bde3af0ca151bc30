package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/filelock"
	"polisen-events-collector/pkg/statefile"
	"polisen-events-collector/pkg/store"
)

// HostState is what this host remembers of its archives between runs: for each
// archive the newest commit that a run has seen, and the alarms that last. It has one
// file for each archive in the state folder.
type HostState struct {
	dir      string
	readOnly bool
}

// NewHostState returns the state in this state folder. It reads and writes nothing
// yet.
func NewHostState(stateDir string) *HostState { return &HostState{dir: stateDir} }

// ReadOnly returns the state in the same folder for a run with saved responses: its commit
// does not become known, unless the host knows the archive already. So a person can try saved
// responses, and delete the archive afterwards.
func (h *HostState) ReadOnly() *HostState { return &HostState{dir: h.dir, readOnly: true} }

// archiveState is the state of one archive: the content of its file.
type archiveState struct {
	// Store is the location of the archive; see locate.
	Store string `json:"store"`
	// Commit is the newest known commit; nil if none is known.
	Commit *knownCommit `json:"commit,omitempty"`
	// Alarms are the alarms that last.
	Alarms []lastingAlarm `json:"alarms"`
}

// knownCommit is a commit that was made in an archive.
type knownCommit struct {
	// Timestamp is the commit's timestamp, in Unix seconds.
	Timestamp int64 `json:"timestamp"`
	// Seen is the time, in UTC, at which a run on this host first saw it.
	Seen time.Time `json:"seen"`
}

// lastingAlarm is an alarm that began in this or an earlier run.
type lastingAlarm struct {
	alarm
	// Since is the time, in UTC, of the run in which the alarm began.
	Since time.Time `json:"since"`
	// Printed is the time, in UTC, of the last run that printed the alarm; zero if
	// none has.
	Printed time.Time `json:"printed,omitzero"`
}

// locator is a store whose address does not say which service holds it.
type locator interface {
	// Location returns the address of the store, with the service that holds it.
	Location(ctx context.Context) (string, error)
}

// locate returns a text that identifies the archive in a store: the store's address
// and, for a bucket, the endpoint of the service. The error is the store's.
func locate(ctx context.Context, s store.Store) (string, error) {
	if l, ok := s.(locator); ok {
		return l.Location(ctx)
	}
	return s.String(), nil
}

// path returns the path of the file of the archive at this location.
func (h *HostState) path(location string) string {
	key := sha256.Sum256([]byte(location))
	return filepath.Join(h.dir, fmt.Sprintf("archive-%x.json", key[:8]))
}

// read returns the state of the archive at this location; an empty one if the host
// does not know the archive. After an error, which names the file, the state is empty
// too.
func (h *HostState) read(location string) (archiveState, error) {
	state := archiveState{}
	err := statefile.Read(h.path(location), &state)
	if err != nil {
		state = archiveState{}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	state.Store = location
	return state, err
}

// lockTimeout bounds the wait for another run on this host that changes the state,
// which takes milliseconds.
const lockTimeout = 5 * time.Second

// update changes the state of the archive at this location, while no other run can
// change it. It writes the file if change returns true. A damaged file is replaced.
func (h *HostState) update(ctx context.Context, location string, change func(*archiveState) bool) error {
	path := h.path(location)
	defer blocking.Call(ctx, "change "+path)()
	if err := os.MkdirAll(h.dir, 0o750); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := filelock.Create(ctx, strings.TrimSuffix(path, ".json")+".lock")
	if err != nil {
		return err
	}
	defer lock.Release()
	state, _ := h.read(location)
	if !change(&state) {
		return nil
	}
	if state.Alarms == nil {
		state.Alarms = []lastingAlarm{} // [] rather than null in JSON
	}
	return statefile.Write(path, state)
}

// setCommit notes a commit that a run has seen. Unless accept is true it keeps a newer
// one. It reports whether the state has changed.
func (a *archiveState) setCommit(timestamp int64, now time.Time, accept bool) bool {
	if a.Commit != nil && (a.Commit.Timestamp == timestamp || a.Commit.Timestamp > timestamp && !accept) {
		return false
	}
	a.Commit = &knownCommit{Timestamp: timestamp, Seen: now.UTC().Truncate(time.Second)}
	return true
}

// printEvery is the time after which an alarm that lasts is printed again.
const printEvery = 24 * time.Hour

// setAlarms replaces the alarms by those of a run at the time now, and returns the
// texts of those that earlier runs have printed less than printEvery ago. The run
// prints the others. If printAll is true it prints all, which does not count as
// printed here. If full is false, the response says nothing about the API's format, so
// that alarms about the format stay.
func (a *archiveState) setAlarms(alarms []alarm, full bool, now time.Time, printAll bool) (printed []string) {
	former := a.Alarms
	a.Alarms = nil
	for _, current := range alarms {
		next := lastingAlarm{alarm: current, Since: now.UTC().Truncate(time.Second)}
		i := slices.IndexFunc(former, func(f lastingAlarm) bool { return f.Name == current.Name })
		if i >= 0 {
			next.Since = former[i].Since
			if former[i].Key == current.Key { // otherwise the alarm has changed
				next.Printed = former[i].Printed
			}
		}
		age := now.Sub(next.Printed)
		switch {
		case printAll:
		case 0 <= age && age < printEvery:
			printed = append(printed, current.Text)
		default:
			next.Printed = now.UTC().Truncate(time.Second)
		}
		a.Alarms = append(a.Alarms, next)
	}
	for _, f := range former {
		if !full && (f.Name == alarmRejected || f.Name == alarmRevised) {
			a.Alarms = append(a.Alarms, f)
		}
	}
	return printed
}

// readHostState reads the newest known commit of the archive. If the state cannot be
// read, no commit is known. If the run accepts the archive that is there in place of
// another, no day counts as finished any more. The error is the store's.
func (r *run) readHostState(ctx context.Context) error {
	h := r.options.HostState
	if h == nil {
		return nil
	}
	location, err := locate(ctx, r.store)
	if err != nil {
		return err
	}
	r.location = location
	end := blocking.Call(ctx, "read "+h.path(location))
	state, err := h.read(location)
	end()
	if err != nil {
		r.options.Recorder.Warn(slog.LevelWarn, "this run does not notice if the archive was lost, because it cannot read which commits this host knows: %v; make the file readable, or delete it if it is damaged", err)
	}
	r.known = state.Commit
	if r.options.AcceptArchive && !r.options.DryRun {
		end := blocking.Call(ctx, "delete files in "+h.dir)
		err := forgetDoneDays(h.dir)
		end()
		if err != nil {
			r.options.Recorder.Warn(slog.LevelWarn, "%v; a backfill with --resume may skip days that this archive lacks", err)
		}
	}
	return nil
}

// warnAboutState warns that the state of this host cannot be written.
func (r *run) warnAboutState(err error) {
	r.options.Recorder.Warn(slog.LevelWarn, "this host cannot remember the archive, so later runs do not notice if it is lost, and print each alarm again: %v; %s", err, statefile.Advice(err))
}

// knownTimestamp returns the timestamp of the last commit that this host has seen; 0 if
// it has seen none.
func (r *run) knownTimestamp() int64 {
	if r.known == nil {
		return 0
	}
	return r.known.Timestamp
}

// explainRefusal adds to an error of archive.ErrLostCommits where and when this host saw
// the commit, and what to do.
func (r *run) explainRefusal(err error) error {
	if !errors.Is(err, archive.ErrLostCommits) {
		return err
	}
	next := "with: " + r.options.Command("collect --accept-archive")
	if r.options.Report.Command != "collect" { // its other flags are not known here
		next = "by adding --accept-archive to this command"
	}
	return fmt.Errorf("%w; this host saw that commit on %s in %s: if it is on a disk or a network folder, see whether it is mounted; otherwise continue with the archive that is there %s",
		err, formatTime(r.known.Seen), r.store, next)
}

// formatTime returns a time for messages, to the minute.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// noteCommit notes the last commit of the document in the state of this host, unless it
// is known, and warns if this run has begun the archive. With a read-only state it does
// neither for an archive that the host does not know.
func (r *run) noteCommit(ctx context.Context) {
	h, commit := r.options.HostState, r.writer.Document().Commit
	if h == nil || h.readOnly && r.known == nil || r.options.DryRun || commit == nil {
		return
	}
	if commit.ID == r.options.Report.RunID && commit.Sequence == 1 && !r.outcome.Rebuilt {
		r.options.Recorder.Warn(slog.LevelWarn, "began a new archive in %s", r.store)
		if r.options.Filtered && r.report.Counts.Fetched == 0 {
			r.options.Recorder.Warn(slog.LevelWarn, "the API has no events for this filter now: check the spelling of --location and --type, or of the filter in the API's URL")
		}
		if r.options.NoContact {
			r.options.Recorder.Warn(slog.LevelWarn, noContact)
		}
	}
	if r.known != nil && r.known.Timestamp == commit.Timestamp {
		return
	}
	err := h.update(ctx, r.location, func(a *archiveState) bool {
		changed := a.setCommit(commit.Timestamp, r.options.Clock.Now(), r.options.AcceptArchive)
		r.known = a.Commit
		return changed
	})
	if err != nil {
		r.warnAboutState(err)
	}
}

// noContact warns about a missing contact.
const noContact = "the calls to the API have no contact, which its rules ask for, and it may block them: set --contact (API_CONTACT_EMAIL) to your mail or web address"
