package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

const (
	// maxLost bounds the commits of one batch that other runs are faster with.
	// Each of them is another run's success, so this is never met in practice.
	maxLost = 100
	// maxUnknown bounds the commits of one batch with an unknown outcome.
	maxUnknown = 4
	// maxRenames bounds how often objects get new names because a stranger's
	// object has theirs.
	maxRenames = 10
)

// Writer stores batches in an archive by the commit protocol. It is for one
// goroutine. Any number of Writers, in any processes, may work on the same
// archive at once.
type Writer struct {
	store store.Store
	opts  Options

	doc      *Document
	etag     store.ETag         // of the document as read; "" if there is none
	seen     map[int64]Versions // doc.SeenIDs with their fingerprints
	unusable bool               // there is no document, or it is damaged
	damaged  []byte             // the content of a damaged document

	loaded    bool      // doc is what the store held when last asked, and is healed
	unflushed bool      // doc is our own commit, its objects not known to exist
	carry     []Pending // objects of doc whose names a stranger's objects have
	healed    []string
	keptAs    string // where the damaged document was copied to

	index *index
}

// NewWriter returns a Writer to the archive in s. It does nothing yet.
func NewWriter(s store.Store, o Options) *Writer {
	if o.Pause == nil {
		o.Pause = func(context.Context, int) error { return nil }
	}
	if o.Stage == nil {
		o.Stage = func(string) func() { return func() {} }
	}
	return &Writer{store: s, opts: o, index: newIndex(s)}
}

// Document returns the document as last read or committed; before Open, nil.
// It is empty, not nil, if the archive has none that can be read.
func (w *Writer) Document() *Document { return w.doc }

// Healed returns how many objects of earlier commits this Writer had to put.
func (w *Writer) Healed() int { return len(w.healed) }

// HealedObjects returns the names of these objects.
func (w *Writer) HealedObjects() []string { return slices.Clone(w.healed) }

// Open reads the document and heals what an earlier run left undone: steps 1
// and 2 of the protocol. It need not be called: Add begins with it. Calling it
// first lets it run beside the fetch of the batch.
func (w *Writer) Open(ctx context.Context) error {
	w.loaded = false
	done := w.opts.Stage(StageDocument)
	err := w.read(ctx)
	done()
	if err != nil {
		return err
	}
	done = w.opts.Stage(StageHeal)
	err = w.heal(ctx)
	done()
	if err != nil {
		return err
	}
	w.loaded = true
	return nil
}

// read is step 1.
func (w *Writer) read(ctx context.Context) error {
	object, err := w.store.Get(ctx, DocumentName)
	doc := &Document{}
	unusable, damaged := false, []byte(nil)
	switch {
	case errors.Is(err, store.ErrNotExist):
		unusable = true
	case err != nil:
		return fmt.Errorf("read %s in %s: %w", DocumentName, w.store, err)
	default:
		parsed, err := ParseDocument(object.Body)
		switch {
		case errors.Is(err, ErrNewerFormat):
			return err
		case err != nil:
			unusable, damaged = true, object.Body
		default:
			doc = parsed
		}
	}
	if object.ETag != w.etag {
		w.index.stale()
	}
	w.unusable, w.damaged = unusable, damaged
	w.setDocument(doc, object.ETag)
	return nil
}

func (w *Writer) setDocument(doc *Document, etag store.ETag) {
	w.doc, w.etag, w.carry, w.unflushed = doc, etag, nil, false
	if w.opts.DryRun {
		w.index.keep(doc.Pending)
	}
	w.seen = make(map[int64]Versions, len(doc.SeenIDs))
	for _, id := range doc.SeenIDs {
		w.seen[id] = doc.Fingerprints[id]
	}
}

// heal is step 2.
func (w *Writer) heal(ctx context.Context) error {
	if w.opts.DryRun {
		return nil // lookups count the lines of pending as stored anyway
	}
	return w.putPending(ctx, false)
}

// putPending makes sure that the objects of doc exist. With putFirst it
// expects them to be absent, else to be there.
func (w *Writer) putPending(ctx context.Context, putFirst bool) error {
	found := make([]presence, len(w.doc.Pending))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, p := range w.doc.Pending {
		g.Go(func() (err error) {
			found[i], err = ensure(gctx, w.store, p, putFirst)
			return err
		})
	}
	err := g.Wait()
	for i, f := range found {
		switch {
		case f == foreign:
			w.carry = append(w.carry, w.doc.Pending[i])
		case f == created && !putFirst:
			w.healed = append(w.healed, w.doc.Pending[i].Name)
		}
	}
	return err
}

// Add stores what is new in the batch: steps 3 to 5, and 1 to 5 again as long
// as other runs are faster. When it returns nil, each of the batch's items is
// committed, by this run or an earlier one; only the objects of the last
// commit may not exist yet, which Flush sees to.
//
// On an error the Outcome counts what is known to be committed. Nothing is
// lost by calling Add again, in this or any later run.
func (w *Writer) Add(ctx context.Context, b Batch) (Outcome, error) {
	p := newProgress(b)
	for {
		last, err := w.addOnce(ctx, p)
		if err != nil || last != nil {
			outcome := p.finish(last)
			outcome.Warnings = append(outcome.Warnings, w.index.warnings...)
			w.index.warnings = nil
			return outcome, err
		}
	}
}

// addOnce goes through the steps once. It returns the plan by which nothing is
// left to store, or nil if the steps have to be gone through again.
func (w *Writer) addOnce(ctx context.Context, b *progress) (last *plan, err error) {
	if !w.loaded || w.unflushed {
		if err := w.Open(ctx); err != nil {
			return nil, err
		}
		w.recognise(b)
	}
	done := w.opts.Stage(StageDedup)
	p, err := w.decide(ctx, b)
	done()
	if err != nil || p.empty() {
		return p, err
	}
	w.build(p, b)
	done = w.opts.Stage(StageCommit)
	err = w.commit(ctx, p, b)
	done()
	if err == nil {
		b.credit(p)
		if !p.more {
			return p, nil
		}
		return nil, w.Flush(ctx)
	}
	b.attempts[p.next.sequence()] = p
	switch {
	case errors.Is(err, store.ErrPrecondition): // or a repeated request met its own success
		b.outcome.Conflicts++
		if b.outcome.Conflicts > maxLost {
			return nil, fmt.Errorf("commit %s: gave up after other runs were faster %d times: %w", DocumentName, maxLost, err)
		}
	case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
		return nil, err
	default:
		b.outcome.UnknownOutcomes++
		if b.outcome.UnknownOutcomes > maxUnknown {
			return nil, fmt.Errorf("commit %s: gave up after %d tries: %w", DocumentName, maxUnknown, err)
		}
	}
	w.loaded = false
	return nil, w.opts.Pause(ctx, b.outcome.Conflicts+b.outcome.UnknownOutcomes)
}

// commit is step 5. If it succeeds the Writer goes on from the document that
// it wrote.
func (w *Writer) commit(ctx context.Context, p *plan, b *progress) error {
	err := w.replace(ctx, p.next)
	b.outcome.DamagedCopy = cmp.Or(w.keptAs, b.outcome.DamagedCopy)
	if err != nil {
		return err
	}
	w.keptAs = ""
	for i, c := range p.events {
		if c == New || c == Revised {
			e := b.Events[i]
			w.index.note(DateOf(e.Time), e.ID, e.Fingerprint)
		}
	}
	for i, c := range p.rejected {
		if c == New {
			w.index.noteRejected(b.rejectedFingerprints[i])
		}
	}
	return nil
}

// replace puts next in the place of the document that was read. ErrPrecondition
// if another run was faster. A dry run only goes on as if it had.
func (w *Writer) replace(ctx context.Context, next *Document) error {
	if w.opts.DryRun {
		w.unusable, w.damaged = false, nil
		w.setDocument(next, w.etag)
		return nil
	}
	if w.damaged != nil && w.keptAs == "" {
		name, err := w.keepAside(ctx, next.Commit.Timestamp)
		if err != nil {
			return err
		}
		w.keptAs = name
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
		return fmt.Errorf("commit %s in %s: %w", DocumentName, w.store, err)
	}
	w.unusable, w.damaged = false, nil
	w.setDocument(next, etag)
	w.unflushed = true
	return nil
}

// keepAside copies a damaged document before it is replaced.
func (w *Writer) keepAside(ctx context.Context, timestamp int64) (string, error) {
	for range maxRenames {
		p := Pending{Name: corruptName(timestamp), Content: w.damaged}
		switch found, err := ensure(ctx, w.store, p, true); {
		case err != nil:
			return "", fmt.Errorf("keep damaged %s: %w", DocumentName, err)
		case found != foreign:
			return p.Name, nil
		}
		timestamp++
	}
	return "", fmt.Errorf("keep damaged %s: all names up to %s are taken; remove old copies", DocumentName, corruptName(timestamp))
}

// recognise finds out whether the document as it now stands is our own commit
// whose outcome was unknown.
func (w *Writer) recognise(b *progress) {
	if c := w.doc.Commit; c != nil && c.ID == w.opts.RunID {
		if p := b.attempts[c.Sequence]; p != nil {
			b.credit(p)
			delete(b.attempts, c.Sequence)
		}
	}
}

// Flush puts the objects of the last commit: step 6. If a stranger's object
// has the name of one, it commits the same lines again under another name.
// An error leaves the objects to the next run, which heals before all else.
func (w *Writer) Flush(ctx context.Context) error {
	for range maxRenames {
		if w.unflushed {
			done := w.opts.Stage(StagePut)
			err := w.putPending(ctx, true)
			done()
			if err != nil {
				return fmt.Errorf("put the objects of commit %d: %w; they are safe in %s and the next run puts them",
					w.doc.sequence(), err, DocumentName)
			}
			w.unflushed = false
		}
		if len(w.carry) == 0 {
			return nil
		}
		if _, err := w.Add(ctx, Batch{}); err != nil {
			return err
		}
	}
	var names []string
	for _, p := range w.carry {
		names = append(names, p.Name)
	}
	return fmt.Errorf("put the objects of commit %d: other objects have their names, even after %d renames: %q",
		w.doc.sequence(), maxRenames, names)
}
