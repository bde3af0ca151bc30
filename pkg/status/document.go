package status

import (
	"context"
	"errors"
	"fmt"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
)

// State says whether a metadata object could be read.
type State string

// The states of a metadata object.
const (
	Readable State = "readable"
	Missing  State = "missing"
	Damaged  State = "damaged"
)

// Document is the metadata document of an archive as it was read.
type Document struct {
	State State
	// Damage says why a damaged document cannot be parsed. It names the document,
	// and is empty in the other states.
	Damage string
	// Body is the stored text, also of a damaged document; nil if the document is
	// missing.
	Body []byte

	store  Archive
	parsed archive.Document // empty unless State is Readable
}

// ReadDocument reads the metadata document. For a missing or damaged document it
// returns no error, but sets Document.State. The error is the store's, or wraps
// [archive.ErrNewerFormat].
func ReadDocument(ctx context.Context, s Archive) (*Document, error) {
	d := &Document{State: Readable, store: s}
	object, err := s.Get(ctx, archive.DocumentName)
	if errors.Is(err, store.ErrNotExist) {
		d.State = Missing
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", archive.DocumentName, err)
	}
	d.Body = object.Body
	parsed, err := archive.ParseDocument(object.Body)
	switch {
	case errors.Is(err, archive.ErrNewerFormat):
		return nil, err
	case err != nil:
		d.State, d.Damage = Damaged, err.Error()
	default:
		d.parsed = *parsed
	}
	return d, nil
}

// Err returns nil if the document is readable, and an error that wraps
// [ErrNotFound] if it is missing or damaged.
func (d *Document) Err() error {
	switch d.State {
	case Missing:
		return fmt.Errorf("%w: there is no %s in %s; check that this is the right store and that its disk is mounted; then the next collect creates it", ErrNotFound, archive.DocumentName, d.store)
	case Damaged:
		return fmt.Errorf("%w: the document is damaged: %s; the next collect saves a copy and rebuilds it", ErrNotFound, d.Damage)
	}
	return nil
}

// IDs returns the listed ids in descending order. It never returns nil.
func (d *Document) IDs() []int64 { return append([]int64{}, d.parsed.SeenIDs...) }

// laterCommit returns the timestamp of a commit that the last run knew, if the document's
// commit is older, and otherwise 0.
func (d *Document) laterCommit(last *report.LastRun) (timestamp int64) {
	if last == nil || d.parsed.Commit == nil {
		return 0
	}
	timestamp = archive.LastRun{Stored: (*archive.Commit)(last.StoredCommit), Backup: last.DocumentBackup}.Known()
	if timestamp <= d.parsed.Commit.Timestamp {
		return 0
	}
	return timestamp
}

// provesMissing reports whether the document shows that an id which it does not
// list is not stored: its list is complete above a lower id.
func (d *Document) provesMissing(id int64) bool {
	return d.parsed.CompleteAbove != nil && id > *d.parsed.CompleteAbove
}
