// Package verify audits an archive: it reads every object, checks each line
// against the others and against the metadata document, and returns the
// findings as values. A repair is a separate step. It deletes no object: it commits
// as a run does, and removes duplicates by conditional overwrites.
//
// The archive package defines names, lines and the document. An object that the
// store cannot read is an error, not a finding, unless its content is damaged or the
// store cannot list it.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/text"
)

// ErrFindings says that an audit found problems.
var ErrFindings = errors.New("verification failed")

// Options are the settings of an audit.
type Options struct {
	// Concurrency is the maximum number of concurrent store calls.
	Concurrency int
	// From and To are the first and last day whose objects are read; the zero
	// Date sets no limit. With a limit, the audit cannot check whether each id
	// of the document is stored.
	From, To archive.Date
	// Timeline makes the audit fill [Result.Timeline], for which it keeps the delays of all
	// events.
	Timeline bool
	// Now returns the current time.
	Now func() time.Time
	// Command turns arguments, such as "verify --repair", into a whole shell
	// command for this archive. If it is nil, fixes name only the arguments.
	Command func(args string) string
	// OnProgress is called when the progress changes, unless it is nil. The calls come from
	// several goroutines, one after the other.
	OnProgress func(Progress)
}

// Progress is the progress of an audit.
type Progress struct {
	// Objects is the number of data objects that were read, and Bytes their size.
	Objects int
	Bytes   int64
	// Listed is the number of data objects that the store has listed so far. They are all
	// if Complete is true.
	Listed   int
	Complete bool
	// Lines is the number of valid lines in the objects that were read, and Counted the
	// number of all lines by the document; zero if it does not count them or some days are
	// not read.
	Lines, Counted int
}

// includes reports whether the objects of the day are read.
func (o Options) includes(d archive.Date) bool {
	return (o.From == archive.Date{} || d.Compare(o.From) >= 0) && (o.To == archive.Date{} || d.Compare(o.To) <= 0)
}

// limited reports whether some days are not read.
func (o Options) limited() bool { return o.From != archive.Date{} || o.To != archive.Date{} }

// Audit reads the archive and returns its findings. It writes nothing. Other
// runs may commit meanwhile: the audit then also reads what they stored.
//
// The error says that the archive could not be read. It wraps the store's
// error or [archive.ErrNewerFormat].
func Audit(ctx context.Context, s status.Archive, o Options) (*Result, error) {
	snap := newSnapshot(s, o)
	if err := snap.read(ctx); err != nil {
		return nil, err
	}
	return snap.audit().result(), nil
}

// Err returns nil, or an error that wraps [ErrFindings] if there are problems.
func (r *Result) Err() error {
	if r.OK {
		return nil
	}
	return fmt.Errorf("%w: %s found", ErrFindings, text.Count(r.Problems, "problem"))
}
