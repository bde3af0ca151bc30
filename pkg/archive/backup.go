package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"polisen-events-collector/pkg/store"
)

// Backup is the part of a document that the data objects do not show. Runs keep it in
// [LastRunName], and a document that is rebuilt takes it over.
type Backup struct {
	// Timestamp is that of the document's commit, in Unix seconds.
	Timestamp int64 `json:"timestamp"`
	// CoveredUntil, Gaps and AcceptedDays are those of the document.
	CoveredUntil *time.Time `json:"covered_until,omitempty"`
	Gaps         []Gap      `json:"gaps,omitempty"`
	AcceptedDays []string   `json:"accepted_days,omitempty"`
}

// maxTimestamp is the largest timestamp of a backup that counts: the end of the year 9999.
// Commits after it would soon have no timestamps left.
const maxTimestamp = 253402300799

// Backup returns the backup of the document; nil if the document has no commit.
func (d *Document) Backup() *Backup {
	if d.Commit == nil {
		return nil
	}
	return &Backup{Timestamp: d.Commit.Timestamp, CoveredUntil: d.Covered(), Gaps: d.Gaps, AcceptedDays: d.AcceptedDays}
}

// ParseBackup parses the JSON form of a backup. The result is empty if there is no backup, or
// if it is damaged.
func ParseBackup(text []byte) Backup {
	var b Backup
	if json.Unmarshal(text, &b) != nil || b.Timestamp > maxTimestamp {
		return Backup{}
	}
	for _, g := range b.Gaps {
		if _, err := ParseDate(g.Day); err != nil {
			return Backup{}
		}
	}
	return b
}

// Take makes d take over a backup of a later document. A document without a commit is
// older than all backups.
func (d *Document) Take(b Backup) {
	if d.timestamp() < b.Timestamp {
		d.CoveredUntil, d.Gaps, d.AcceptedDays = cmp.Or(b.CoveredUntil, d.CoveredUntil), b.Gaps, b.AcceptedDays
	}
}

// LastRun is what the protocol takes from the report in [LastRunName]. It is empty if there is no
// report.
type LastRun struct {
	// Stored is a commit whose objects are all known to be stored; nil if none is.
	Stored *Commit `json:"stored_commit"`
	// Backup is the JSON form of a [Backup].
	Backup json.RawMessage `json:"document_backup"`

	damage string // why the report cannot be used
}

// Known returns the timestamp of the newest commit that the report knows, in Unix seconds; 0
// if it knows none.
func (l LastRun) Known() int64 {
	known := ParseBackup(l.Backup).Timestamp
	if l.Stored != nil {
		known = max(known, min(l.Stored.Timestamp, maxTimestamp))
	}
	return known
}

// lost says why the report may lack gaps that the last document had. It is empty if the backup
// is whole, or if there was nothing to back up.
func (l LastRun) lost() string {
	hasBackup := ParseBackup(l.Backup).Timestamp > 0
	if l.damage == "" && !hasBackup && (l.Known() > 0 || l.Backup != nil) { // otherwise the run knew of no commit
		return LastRunName + " has no backup of it"
	}
	return l.damage
}

// readLastRun reads and parses the report. The error is the store's. If the store refuses access,
// the report counts as damaged, because the store would refuse later runs too.
func readLastRun(ctx context.Context, s store.Reader) (l LastRun, err error) {
	body, cond, err := ReadLastRun(ctx, s)
	switch {
	case errors.Is(err, store.ErrAccess):
		return LastRun{damage: err.Error()}, nil
	case err != nil:
		return LastRun{}, err
	case cond == store.IfAbsent():
		return LastRun{}, nil
	}
	if json.Unmarshal(body, &l) != nil {
		return LastRun{damage: LastRunName + " is damaged"}, nil
	}
	return l, nil
}

// ReadBackup returns the backup in the last report; an empty one if it has none. The error is
// the store's, but nil if it refuses access.
func ReadBackup(ctx context.Context, s store.Reader) (Backup, error) {
	l, err := readLastRun(ctx, s)
	return ParseBackup(l.Backup), err
}
