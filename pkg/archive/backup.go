package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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

// ParseBackup parses the JSON form of a backup. It returns an empty one if there is none, or
// a damaged one.
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

// readBackup returns the backup for a document without a commit: one that is rebuilt, or that
// another program wrote. If the store refuses access to the backup, it is empty. All other
// errors of the store are errors, since the gaps would be lost.
func (w *Writer) readBackup(ctx context.Context) (Backup, error) {
	body, _, err := ReadLastRun(ctx, w.store)
	switch {
	case errors.Is(err, store.ErrAccess):
		w.opts.Warn(slog.LevelWarn, fmt.Sprintf("the days whose events may be missing are lost with the metadata document, since their backup cannot be read: %v", err))
		return Backup{}, nil
	case err != nil:
		return Backup{}, fmt.Errorf("rebuild the metadata document: %w", err)
	}
	var lastRun struct {
		Backup json.RawMessage `json:"document_backup"`
	}
	_ = json.Unmarshal(body, &lastRun) // a damaged report has no backup
	return ParseBackup(lastRun.Backup), nil
}
