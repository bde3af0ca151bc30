// Package verify audits an archive: it reads every object, holds the lines
// against each other and against the metadata document, and returns what is
// wrong as values. Repair is a separate step, which writes by the archive's
// commit protocol alone; Quick is a health check that reads no data objects.
//
// What a line, a name or a document is, and how to write one, is the archive
// package's business. What could not be read is an error, never a finding.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// ErrFindings says that the check was made and its answer is no.
var ErrFindings = errors.New("the archive is not as it should be")

// Options says what to read, and how.
type Options struct {
	// Concurrency bounds the calls to the store that are under way at a time.
	Concurrency int
	// From and To bound the days whose objects are read, themselves included;
	// the zero Date is no bound. With a bound the document's ids cannot all be
	// looked for in the archive.
	From, To archive.Date
	// Now tells the time.
	Now func() time.Time
	// Flags are what a command that mends something needs to be about this
	// archive, as for a shell; empty if it needs none.
	Flags string
}

func (o Options) includes(d archive.Date) bool {
	return (o.From == archive.Date{} || d.Compare(o.From) >= 0) && (o.To == archive.Date{} || d.Compare(o.To) <= 0)
}

func (o Options) bounded() bool { return o.From != archive.Date{} || o.To != archive.Date{} }

// Archive is what an audit reads.
type Archive interface {
	store.Reader
	// String names the store.
	String() string
}

// Audit reads the archive and returns what it found. It writes nothing. Runs
// that commit meanwhile do no harm: the audit then looks again at what is new.
//
// The error, if any, says that the archive could not be read: it wraps the
// store's, or archive.ErrNewerFormat.
func Audit(ctx context.Context, s Archive, o Options) (*Result, error) {
	sc := newScan(s, o)
	if err := sc.look(ctx); err != nil {
		return nil, err
	}
	j, err := sc.judge()
	if err != nil {
		return nil, err
	}
	return j.result(s.String()), nil
}

// Err returns nil, or an error that wraps ErrFindings if there are problems.
func (r *Result) Err() error {
	if r.OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrFindings, plural(r.Problems, "problem"))
}
