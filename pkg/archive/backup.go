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

	// partial says that only the Timestamp is known.
	partial bool
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
	if d.timestamp() < b.Timestamp && !b.partial {
		d.CoveredUntil, d.Gaps, d.AcceptedDays = cmp.Or(b.CoveredUntil, d.CoveredUntil), b.Gaps, b.AcceptedDays
	}
}

// ReadBackup returns the backup in the last report, for a document without a commit: one that is
// missing, damaged or written by another program. lost says why the report may lack gaps that
// the last document had; it is empty if the backup is whole, or if there was nothing to back up.
// The error is the store's. If the store refuses access, lost says so and the error is nil,
// because it would refuse later runs too.
func ReadBackup(ctx context.Context, s store.Reader) (b Backup, lost string, err error) {
	body, cond, err := ReadLastRun(ctx, s)
	switch {
	case errors.Is(err, store.ErrAccess):
		return Backup{}, err.Error(), nil
	case err != nil:
		return Backup{}, "", err
	case cond == store.IfAbsent():
		return Backup{}, "", nil
	}
	l := parseLastRun(body)
	return l.backup, l.lost, nil
}

// lastRun is what the protocol takes from [LastRunName].
type lastRun struct {
	stored *Commit // a commit whose objects are all known to be stored; nil if none is
	backup Backup
	lost   string // see ReadBackup
}

// parseLastRun parses the content of [LastRunName].
func parseLastRun(body []byte) (l lastRun) {
	var fields struct {
		Backup json.RawMessage `json:"document_backup"`
		Stored *Commit         `json:"stored_commit"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return lastRun{lost: LastRunName + " is damaged"}
	}
	l = lastRun{stored: fields.Stored, backup: ParseBackup(fields.Backup)}
	if l.backup.Timestamp == 0 {
		l.backup = Backup{partial: true}
		if l.stored != nil {
			l.backup.Timestamp = min(max(l.stored.Timestamp, 0), maxTimestamp)
		}
		if l.backup.Timestamp > 0 || fields.Backup != nil { // otherwise the run knew of no commit
			l.lost = LastRunName + " has no backup of it"
		}
	}
	return l
}
