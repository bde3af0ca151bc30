// Package archive is the archive's format and the only way to write to it:
// object names, partitions, JSON lines, the metadata document, the lookup in
// partitions and the commit protocol that stores each event exactly once.
//
// # The protocol
//
// The document (metadata/last_seen.json) is a redo log with one atomic commit
// point, a conditional PUT:
//
//  1. read the document and its ETag;
//  2. heal: make sure that each object of the last commit (pending) exists;
//  3. decide what is new, by the document's list and, where that cannot tell,
//     by looking into the archive;
//  4. nothing new: stop. Otherwise build the next document, which holds the
//     new objects whole;
//  5. commit: PUT the document if its ETag is still the one read. If another
//     run was faster, or the outcome is unknown, begin again at 1;
//  6. PUT the new objects, each only if it is absent.
//
// Each run heals before it commits, so at any commit all objects of all
// earlier commits exist: a run may be killed anywhere, and any number may run
// at once.
//
// The package keeps no clock and knows no network: the time comes with the
// options, the objects go to a store.Store. What to fetch and when, and what
// to tell people about it, is the pipeline's business.
package archive

import (
	"context"
	"errors"
	"time"
)

// ErrNewerFormat is returned for a document written by a later version of this
// program than this one can continue.
var ErrNewerFormat = errors.New("the metadata document is of a newer format")

// Options says how a Writer works.
type Options struct {
	// RunID names this run in the document, so that it can tell its own commit
	// from another run's. It must be unique among all runs.
	RunID string
	// Now tells the time for object names and last_updated.
	Now func() time.Time
	// Pause, if not nil, is called before a lost commit is tried again, with
	// the number of commits lost so far; an error from it ends the attempt.
	Pause func(ctx context.Context, lost int) error
	// Stage, if not nil, is called at the start of each stage of the protocol
	// (one of the Stage constants); the function it returns is called at the end.
	Stage func(name string) (done func())
	// Revisions says whether changed versions of stored events are stored.
	Revisions bool
	// DryRun lets Add decide without writing anything, not even to heal.
	DryRun bool
}

// The stages that Options.Stage hears of. Each may happen more than once.
const (
	StageDocument = "document" // step 1
	StageHeal     = "heal"     // step 2
	StageDedup    = "dedup"    // step 3, lookups included
	StageCommit   = "commit"   // steps 4 and 5
	StagePut      = "put"      // step 6
)

// concurrency bounds the calls to the store that are under way at a time.
const concurrency = 16
