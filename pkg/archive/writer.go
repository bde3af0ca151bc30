package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

const (
	// maxConflicts is the maximum number of conflicts per change. Each conflict is
	// another run's success, so a run does not reach this limit in practice.
	maxConflicts = 100
	// maxUnknownOutcomes is the maximum number of commits with an unknown outcome
	// per change. The store has tried each of them several times already.
	maxUnknownOutcomes = 5
	// maxRefusals is the maximum number of commits in a row that the store refuses
	// although the document has not changed. A retention rule, for example,
	// refuses them for good.
	maxRefusals = 4
	// maxRenames is the maximum number of new names to try for an object if
	// another program's objects have its names.
	maxRenames = 10
)

// Writer stores batches and repairs in an archive by the commit protocol. It
// must not be used by several goroutines at the same time. Any number of
// Writers, in any number of processes, may write to the same archive at the
// same time.
type Writer struct {
	store store.Store
	opts  Options

	doc            *Document
	etag           store.ETag         // of doc; empty if the archive has no document
	listed         map[int64]Versions // doc.SeenIDs with their fingerprints
	listedRejected map[string]bool    // doc.Rejected.Hashes
	noDocument     bool               // the document is missing or damaged
	lastRun        LastRun            // the last report
	damaged        []byte             // the content of a damaged document, else nil
	accepted       bool               // the document is older than a known commit, and so its lists do not count

	checkedData bool // without a document: the store was asked for data objects
	noData      bool // the store has none

	loaded    bool            // doc was read from the store or committed, and is healed
	unhealed  bool            // step 2 waits until it is needed, although loaded is true
	unflushed bool            // doc is our own commit, and its objects may be missing
	allStored bool            // all pending objects are known to be stored
	changed   []changedObject // pending objects to decide on in step 3
	held      []heldObject    // pending objects that the next document has to contain

	waiting map[waitingItem]waitReason // items that wait, and why

	healed      []string // the objects that this Writer healed
	damagedCopy string   // the object that holds a copy of damaged

	index *index
}

// NewWriter returns a Writer for the archive in s. It does not call the store.
func NewWriter(s store.Store, o Options) *Writer {
	if o.Pause == nil {
		o.Pause = func(context.Context, int) error { return nil }
	}
	if o.Stage == nil {
		o.Stage = func(string) func() { return func() {} }
	}
	if o.Warn == nil {
		o.Warn = func(slog.Level, string) {}
	}
	return &Writer{store: s, opts: o, index: newIndex(s, o.Warn), waiting: make(map[waitingItem]waitReason)}
}

// Document returns the document that was last read or committed. It is nil
// before the first call of [Writer.Open], and empty if the archive has no
// document that can be read.
func (w *Writer) Document() *Document { return w.doc }

// Healed returns the number of objects of earlier commits that this Writer has
// put because they were missing. A dry run counts those that it would put.
func (w *Writer) Healed() int { return len(w.healed) }

// HealedObjects returns the names of the objects that [Writer.Healed] counts.
func (w *Writer) HealedObjects() []string { return slices.Clone(w.healed) }

// StoredCommit returns the commit of the document if all its objects are known to
// be stored with their content, for the report of this run. Otherwise
// it returns nil. Call it after [Writer.Flush].
func (w *Writer) StoredCommit() *Commit {
	if w.doc == nil || w.doc.Commit == nil || !w.allStored {
		return nil
	}
	c := *w.doc.Commit
	return &c
}

// Add stores the new items of a batch: steps 1 to 5 of the protocol, repeated
// as long as other runs commit first. If it returns nil, each item of the batch
// is committed, by this run or an earlier one, or waits: see [Writer.Unfinished].
// Objects of the last commit may still be missing until [Writer.Flush] has
// returned.
//
// After an error the Outcome counts the items that are known to be committed.
// It is safe to call Add again with the same batch, in this or any later run.
//
// The error wraps [ErrNewerFormat] or [ErrLostCommits] as that of [Writer.Open].
// All other errors are the store's, or come from Options.Pause.
func (w *Writer) Add(ctx context.Context, b Batch) (Outcome, error) {
	if len(w.index.versions) > maxIndexed && !w.unflushed && !w.opts.DryRun { // a dry run has stored nothing that it could read again
		w.index = w.index.renew()
	}
	c := newBatchChange(b)
	a, err := w.commitChange(ctx, c)
	o := c.result()
	o.Conflicts, o.UnknownOutcomes = a.conflicts, a.unknownOutcomes
	o.DamagedCopy = a.damagedCopy
	if c.last != nil {
		w.waiting = w.waitingAfter(c.last)
	}
	return o, err
}

// change is something to commit: a batch or a repair.
type change interface {
	// next decides what to commit, given the document that w has read. It returns
	// nil if nothing is left to commit.
	next(ctx context.Context, w *Writer) (*Document, error)
	// committed is called once for each document from next that has been
	// committed. It reports whether nothing is left to commit.
	committed(w *Writer, c Commit) (complete bool)
}

// attempts describes the attempts to commit a change.
type attempts struct {
	conflicts, unknownOutcomes int    // the numbers of failed commits
	damagedCopy                string // the copy of a damaged document
}

// commitChange commits a change, in one or more commits. It tries again after a
// conflict or an unknown outcome.
func (w *Writer) commitChange(ctx context.Context, c change) (a attempts, err error) {
	unresolved := make(map[Commit]bool) // failed commits that may have taken effect
	var refused error                   // of the last commit, if the store refused it
	var refusedETag store.ETag          // of the document that it was to replace
	failed, refusals := 0, 0
	for {
		if !w.loaded || w.unflushed {
			if err := w.Open(ctx); err != nil {
				return a, err
			}
			switch {
			case refused == nil:
			case w.etag != refusedETag: // another run has committed
				a.conflicts++
				refusals = 0
				if a.conflicts > maxConflicts {
					return a, fmt.Errorf("gave up after %d conflicts with other runs: %w", maxConflicts, refused)
				}
			default:
				refusals++
				if refusals == maxRefusals {
					// The answer goes in as text, because it is no conflict.
					return a, fmt.Errorf("the store refused %d tries, although no other run has committed: %v; see whether a retention rule or another program protects %s", maxRefusals, refused, DocumentName)
				}
			}
			refused = nil
			if last := w.doc.Commit; last != nil && unresolved[*last] {
				delete(unresolved, *last)
				w.damagedCopy = ""
				if c.committed(w, *last) {
					return a, nil
				}
			}
		}
		next, err := c.next(ctx, w)
		if err != nil {
			w.loaded = false // its decisions may be incomplete
		}
		if err != nil || next == nil {
			return a, err
		}
		done := w.opts.Stage(StageCommit)
		err = w.replaceDocument(ctx, next)
		done()
		a.damagedCopy = cmp.Or(w.damagedCopy, a.damagedCopy)
		if err != nil {
			w.loaded = false
			unresolved[*next.Commit] = true
			failed++
			switch {
			case errors.Is(err, store.ErrPrecondition): // also if the store has repeated a request that had succeeded
				refused, refusedETag = err, w.etag
			case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
				return a, err
			default:
				a.unknownOutcomes++
				if a.unknownOutcomes == maxUnknownOutcomes {
					// The reader of the message need not know that the last commit may have
					// taken effect: the next run finds out.
					return a, fmt.Errorf("gave up after %d tries: %w", maxUnknownOutcomes, err)
				}
			}
			if err := w.opts.Pause(ctx, failed); err != nil {
				return a, err
			}
			continue
		}
		refusals = 0
		delete(unresolved, *next.Commit)
		w.damagedCopy = ""
		if c.committed(w, *next.Commit) {
			return a, nil
		}
		if err := w.Flush(ctx); err != nil {
			return a, err
		}
	}
}

// Open reads the document and heals: steps 1 and 2 of the protocol. If
// Options.LastRun says that the objects of the document's commit are stored, and they are not
// large, Open leaves step 2 until it is needed. Add calls Open if necessary. A caller that calls
// it first can fetch a batch in the meantime.
//
// The error wraps [ErrNewerFormat] if this release cannot continue the archive, and
// [ErrLostCommits] if the archive lacks the commit of Options.KnownCommit. All other
// errors are the store's.
func (w *Writer) Open(ctx context.Context) error {
	w.loaded = false
	done := w.opts.Stage(StageDocument)
	err := w.readDocument(ctx)
	done()
	if err != nil {
		return err
	}
	if err := w.checkKnownCommit(ctx); err != nil {
		return err
	}
	if w.canHealLater() {
		w.unhealed, w.allStored = true, true
	} else if err := w.heal(ctx); err != nil {
		return err
	}
	w.loaded = true
	return nil
}

// maxUnchecked is the largest number of bytes of the last commit's objects that a
// commit keeps in the document in place of step 2. A first commit of 500 events has
// 180 kB.
const maxUnchecked = 512 << 10

// canHealLater reports whether step 2 may wait: an earlier run is known to have found
// all pending objects in the store, and a commit may keep those of the last commit in
// the document. A dry run looks at them in any case.
func (w *Writer) canHealLater() bool {
	if w.opts.DryRun || w.opts.LastRun == nil || w.doc.Commit == nil {
		return false
	}
	size := 0
	for _, p := range w.doc.ownPending() {
		size += len(p.Content)
	}
	stored := w.lastRun.Stored
	return stored != nil && *stored == *w.doc.Commit && size <= maxUnchecked
}

// checkKnownCommit returns an error that wraps [ErrLostCommits] if the archive lacks
// the commit that is known to have been made in it.
func (w *Writer) checkKnownCommit(ctx context.Context) error {
	known := w.opts.KnownCommit
	if known == 0 || w.opts.AcceptArchive || w.damaged != nil {
		return nil
	}
	if w.noDocument {
		if err := w.checkEmpty(ctx); err != nil || !w.noData {
			return err
		}
		return fmt.Errorf("%w: it is empty, but it had a commit of %s", ErrLostCommits, unixTime(known))
	}
	last := lastCommit(w.doc)
	if last >= known {
		return nil
	}
	return fmt.Errorf("%w: its last one is of %s, but it had one of %s", ErrLostCommits, unixTime(last), unixTime(known))
}

// lastCommit returns the time of the document's commit in Unix seconds.
func lastCommit(d *Document) int64 { return cmp.Or(d.timestamp(), d.LastUpdated.Unix()) }

// unixTime returns the text of a time in Unix seconds.
func unixTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// readDocument is step 1 of the protocol.
func (w *Writer) readDocument(ctx context.Context) error {
	d, err := w.getDocument(ctx)
	if err != nil {
		return err
	}
	if w.lastRun, err = w.readLastRun(ctx, d.doc); err != nil {
		return fmt.Errorf("look for a later commit: %w", err)
	}
	isOlder := func() bool { return d.doc.Commit != nil && d.doc.timestamp() < w.lastRun.Known() }
	if isOlder() { // a run may have committed between the two calls
		if d, err = w.getDocument(ctx); err != nil {
			return err
		}
	}
	if d.etag != w.etag { // another run has committed
		w.index = w.index.renew()
	}
	accepted := isOlder() || w.opts.AcceptArchive && !d.missing && lastCommit(d.doc) < w.opts.KnownCommit
	d.doc.Take(ParseBackup(w.lastRun.Backup))
	if accepted { // later commits may have stored more items, and more versions of the listed events
		d.doc.SeenIDs, d.doc.CompleteAbove, d.doc.Fingerprints, d.doc.Rejected = nil, nil, nil, nil
		d.doc.Stored, d.doc.Forgotten = nil, nil
	}
	w.setDocument(d.doc, d.etag)
	w.noDocument, w.damaged, w.accepted = d.missing, d.damaged, accepted
	return nil
}

// readLastRun returns the last report, for a document that was read before.
func (w *Writer) readLastRun(ctx context.Context, doc *Document) (LastRun, error) {
	if w.opts.LastRun != nil && doc.Commit != nil {
		if l, err := w.opts.LastRun(); err == nil {
			return l, nil
		}
	}
	return readLastRun(ctx, w.store)
}

// storedDocument is the document as it was read.
type storedDocument struct {
	doc     *Document  // empty if it is missing
	etag    store.ETag // empty if the store has no document
	missing bool       // or damaged
	damaged []byte     // the content of a damaged document, else nil
}

// getDocument reads the document.
func (w *Writer) getDocument(ctx context.Context) (storedDocument, error) {
	d := storedDocument{doc: &Document{}}
	object, err := w.store.Get(ctx, DocumentName)
	if errors.Is(err, store.ErrNotExist) {
		d.missing = true
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("read the metadata document: %w", err)
	}
	d.etag = object.ETag
	parsed, err := ParseDocument(object.Body)
	switch {
	case errors.Is(err, ErrNewerFormat):
		return d, err
	case err != nil:
		d.missing, d.damaged = true, object.Body
	default:
		d.doc = parsed
	}
	return d, nil
}

// setDocument makes doc the document to continue from.
func (w *Writer) setDocument(doc *Document, etag store.ETag) {
	w.doc, w.etag = doc, etag
	w.unhealed, w.unflushed, w.allStored = false, false, false
	w.checkedData, w.noData, w.accepted = false, false, false
	w.changed, w.held = nil, nil
	w.listed = make(map[int64]Versions, len(doc.SeenIDs))
	for _, id := range doc.SeenIDs {
		w.listed[id] = doc.Fingerprints[id]
	}
	w.listedRejected = make(map[string]bool)
	if doc.Rejected != nil {
		for _, hash := range doc.Rejected.Hashes {
			w.listedRejected[hash] = true
		}
	}
}

// heal is step 2 of the protocol.
func (w *Writer) heal(ctx context.Context) error {
	defer w.opts.Stage(StageHeal)()
	if err := w.putPending(ctx, false); err != nil {
		return fmt.Errorf("check the objects of the last commit: %w", err)
	}
	return nil
}

// unchecked returns the objects that the last commit made, if step 2 was not taken yet.
// A commit keeps them in the document, and [Writer.Flush] then looks at them. Older
// pending objects need no second look: the run that made the last commit has looked at
// them.
func (w *Writer) unchecked() []Pending {
	if !w.unhealed {
		return nil
	}
	return w.doc.ownPending()
}

// healDeferred is step 2 of the protocol if it was not taken yet. It is necessary
// before a lookup, which has to find the lines of the last commit.
func (w *Writer) healDeferred(ctx context.Context) error {
	if !w.unhealed {
		return nil
	}
	w.unhealed = false
	return w.heal(ctx)
}

// putPending makes sure that the pending objects of doc exist, and sets w.changed
// and w.held. With putFirst it expects those of the last commit to be missing. A dry
// run puts none, and counts the lines of missing objects as stored. The error concerns
// the store as a whole.
func (w *Writer) putPending(ctx context.Context, putFirst bool) error {
	found := make([]presence, len(w.doc.Pending))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, p := range w.doc.Pending {
		g.Go(func() (err error) {
			if w.opts.DryRun {
				found[i].state, found[i].content, found[i].err = p.look(gctx, w.store)
				return nil
			}
			found[i], err = p.ensure(gctx, w.store, putFirst && w.doc.isOwn(p))
			return err
		})
	}
	err := g.Wait()
	errs := make([]error, len(found))
	w.changed, w.held, w.allStored = nil, nil, err == nil
	var unhealed []Pending // in a dry run
	for i, p := range w.doc.Pending {
		f := found[i]
		errs[i] = f.err
		w.allStored = w.allStored && f.err == nil && f.state == Stored
		switch {
		case f.err != nil:
			w.held = append(w.held, heldObject{p, f.err})
		case f.state == Different:
			missing, all := p.missingFrom(f.content)
			w.changed = append(w.changed, changedObject{p, missing, all})
			w.index = w.index.renew() // to see where the lines are now
		case f.state == Missing:
			unhealed = append(unhealed, p)
			w.healed = append(w.healed, p.Name)
		case f.created && !(w.doc.isOwn(p) && w.doc.Commit.ID == w.opts.RunID):
			w.healed = append(w.healed, p.Name)
		}
	}
	w.index.addPending(unhealed)
	return cmp.Or(err, w.index.wholeStore(ctx, errs))
}

// replaceDocument is step 5 of the protocol: it replaces the document that was
// read by next. The error wraps [store.ErrPrecondition] if another run has
// committed since. A dry run writes nothing and continues as if it had.
func (w *Writer) replaceDocument(ctx context.Context, next *Document) error {
	if w.opts.DryRun {
		held := w.held // the store cannot answer more
		w.noDocument, w.damaged = false, nil
		w.setDocument(next, w.etag)
		w.held = held
		w.index.addPending(next.Pending)
		return nil
	}
	if w.damaged != nil && w.damagedCopy == "" {
		name, err := w.copyDamaged(ctx, next.Commit.Timestamp)
		if err != nil {
			return err
		}
		w.damagedCopy = name
	}
	body, err := next.encode()
	if err != nil {
		return err
	}
	cond := store.IfAbsent()
	if w.etag != "" {
		cond = store.IfMatch(w.etag)
	}
	etag, err := w.store.Put(ctx, DocumentName, body, cond)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.noDocument, w.damaged = false, nil
	w.setDocument(next, etag)
	w.unflushed = true
	return nil
}

// copyDamaged copies a damaged document, before it is replaced, and returns the
// name of the copy.
func (w *Writer) copyDamaged(ctx context.Context, timestamp int64) (string, error) {
	for range maxRenames {
		p := Pending{Name: corruptName(timestamp), Content: w.damaged}
		found, err := p.ensure(ctx, w.store, true)
		if err = cmp.Or(err, found.err); err != nil {
			return "", fmt.Errorf("copy the damaged metadata document: %w", err)
		}
		if found.state == Stored {
			return p.Name, nil
		}
		timestamp++
	}
	return "", fmt.Errorf("copy the damaged metadata document: %d objects up to %s hold other copies; remove old copies",
		maxRenames, corruptName(timestamp-1))
}

// Flush puts the objects of the last commit: step 6 of the protocol. If another
// program has changed one of them, Flush commits those lines again that are
// nowhere, under another name. After an error the next run puts the objects,
// because it heals first. Errors are the store's.
func (w *Writer) Flush(ctx context.Context) error {
	for range maxRenames {
		if w.unflushed {
			done := w.opts.Stage(StagePut)
			err := w.putPending(ctx, true)
			done()
			if err != nil {
				return fmt.Errorf("put the objects of commit %d: %w; %s contains these objects and the next run puts them",
					w.doc.sequence(), err, DocumentName)
			}
			w.unflushed = false
		}
		if len(w.changed) == 0 {
			return nil
		}
		if _, err := w.Add(ctx, Batch{}); err != nil {
			return err
		}
	}
	names := make([]string, len(w.changed))
	for i, o := range w.changed {
		names[i] = o.Name
	}
	return fmt.Errorf("put the objects of commit %d: gave up after %d new names: another program changes the objects %q; "+
		"stop that program", w.doc.sequence(), maxRenames, names)
}
