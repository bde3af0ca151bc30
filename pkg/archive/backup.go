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

// Take makes d take over a backup, unless d has a commit or the backup is empty.
func (d *Document) Take(b Backup) {
	if d.Commit == nil && b.Timestamp > 0 {
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
	var lastRun struct {
		Backup json.RawMessage `json:"document_backup"`
		Stored Commit          `json:"stored_commit"`
	}
	if json.Unmarshal(body, &lastRun) != nil {
		return Backup{}, LastRunName + " is damaged", nil
	}
	b = ParseBackup(lastRun.Backup)
	if b.Timestamp == 0 {
		b.Timestamp = min(max(lastRun.Stored.Timestamp, 0), maxTimestamp)
		if b.Timestamp > 0 || lastRun.Backup != nil { // otherwise the run knew of no commit
			lost = LastRunName + " has no backup of it"
		}
	}
	return b, lost, nil
}
