// Package archive defines the format of an archive of Polisen events and is the only
// code that writes its document and its data objects: object names, partitions, JSON lines, the
// metadata document, the lookup in partitions, and the commit protocol, which
// stores each event exactly once.
//
// # Commit protocol
//
// The document (metadata/last_seen.json) is a redo log with one atomic commit
// point, a conditional PUT. A run takes these steps:
//
//  1. Read the document and its ETag.
//  2. Heal: put the objects of the last commit (the document's pending objects)
//     that are missing. If another program has changed one, look up the lines
//     that it no longer holds, and commit those again that are nowhere.
//  3. Decide which items are new, by the ids that the document lists and, where
//     the list is not enough, by a lookup in the partitions.
//  4. Stop if nothing is new, no day becomes a gap or stops being one, and
//     covered_until stays. Otherwise build the next document, which contains
//     the new objects in full.
//  5. Commit: put the document on condition that its ETag is still the one from
//     step 1. After a conflict with another run, or if the outcome is unknown,
//     start again at step 1.
//  6. Put the new objects, each on condition that it does not exist yet.
//
// At each commit, every line of the earlier commits is in an object or in the
// pending objects of the new document. A run may therefore be killed at any
// point, and any number of runs may work at the same time.
//
// The package reads no clock and opens no connection: [Options] supplies the
// time, and a [store.Store] holds the objects. Package pipeline fetches the events
// and reports to the user.
//
// PROTOCOL.md in this folder explains why the protocol is correct.
package archive

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrNewerFormat is the error for a document that a later release of this
// program wrote and that this release cannot continue.
var ErrNewerFormat = errors.New("unsupported newer format")

// ErrLostCommits is the error for an archive that lacks a commit which is known to
// have been made in it: it has no document and no data, or an older document. See
// [Options].
var ErrLostCommits = errors.New("commits of this archive are missing")

// Options are the settings of a [Writer].
type Options struct {
	// RunID identifies this run in the document, so that the run recognises its
	// own commits. It must be unique among all runs.
	RunID string
	// Now returns the current time, for object names and last_updated.
	Now func() time.Time
	// Pause, if not nil, is called before a failed commit is tried again, with
	// the number of commits that have failed so far. If it returns an error, the
	// Writer gives up with that error.
	Pause func(ctx context.Context, failed int) error
	// Stage, if not nil, is called at the start of each stage of the protocol
	// with one of the Stage constants. The function that it returns is called at
	// the end of the stage.
	Stage func(name string) (done func())
	// Warn, if not nil, is called with messages for the user, one line each: those
	// with [slog.LevelWarn] need attention, others do not. The same message may
	// come more than once.
	Warn func(level slog.Level, text string)
	// KnownCommit is the timestamp of a commit that is known to have been made in
	// this archive, in Unix seconds; 0 if none is known. If the archive is empty or
	// its document is older, the Writer writes nothing and returns an error that
	// wraps [ErrLostCommits]. A damaged document, or data without a document, passes,
	// because it is rebuilt. The commits of the Writer are later than it.
	KnownCommit int64
	// AcceptArchive makes the Writer continue with an archive that lacks KnownCommit. If
	// the document is older, its lists of ids and rejected items do not count, since the
	// archive may hold the items of later commits.
	AcceptArchive bool
	// LastRun, if not nil, is called after each read of the document. It returns the report
	// that the caller has read in this run. If this says that all objects of the document's
	// commit are stored, and they are not large, the Writer checks them only before it reads
	// partitions, or after it has committed. Without LastRun, the Writer checks them first.
	// It reads the report itself without LastRun, after an error, and if the document has no
	// commit.
	LastRun func() (LastRun, error)
	// Revisions makes the Writer store changed versions of stored events.
	Revisions bool
	// DryRun makes the Writer decide what it would store without writing
	// anything, not even to heal.
	DryRun bool
}

// The names of the stages, for Options.Stage. A run may go through a stage more
// than once.
const (
	StageDocument = "document" // step 1
	StageHeal     = "heal"     // step 2
	StageDedup    = "dedup"    // step 3, lookups included
	StageCommit   = "commit"   // step 5
	StagePut      = "put"      // step 6
)

// concurrency is the maximum number of calls to the store at the same time. Most
// runs make fewer: 93 % of the recorded polls with new events touch one or two
// dates.
const concurrency = 16
