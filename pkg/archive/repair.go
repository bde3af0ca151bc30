package archive

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

// MaxRepairBytes is about the maximum total size of the lines of one [Repair],
// because the document contains them.
const MaxRepairBytes = maxCommitBytes

// Repair is a commit that corrects the archive rather than adding a batch.
type Repair struct {
	// BasedOn is the ETag of the document that the repair was derived from, empty
	// if there was none. The repair is only right if no other run commits before
	// it.
	BasedOn store.ETag
	// Document holds the fields that the caller sets: SeenIDs, CompleteAbove,
	// Fingerprints, Rejected and Superseded. The commit sets all others.
	Document Document
	// Lines are the lines of new objects, without line ends.
	Lines map[Partition][][]byte
}

// CommitRepair commits a repair: steps 1 to 5 of the protocol, without step 3.
// As after [Writer.Add], the objects of the commit may be missing until
// [Writer.Flush] has returned. Superseded objects remain until
// [Writer.DeleteSuperseded] is called. CommitRepair returns the new objects, and
// the name of the copy of a damaged document if there was one.
//
// The error wraps [store.ErrPrecondition] if the document is no longer the one
// that the repair is based on. Nothing was stored then, and the caller has to
// read the archive again.
func (w *Writer) CommitRepair(ctx context.Context, r Repair) (objects []Object, damagedCopy string, err error) {
	c := &repairChange{repair: r, objects: make(map[Commit][]Object)}
	a, err := w.commitChange(ctx, c)
	if err != nil {
		return nil, a.damagedCopy, err
	}
	return c.result, a.damagedCopy, nil
}

// repairChange is the [change] that commits a repair.
type repairChange struct {
	repair  Repair
	objects map[Commit][]Object // of each commit that was tried
	result  []Object            // of the commit that succeeded
}

// next implements [change].
func (c *repairChange) next(_ context.Context, w *Writer) (*Document, error) {
	// While changed is not empty, only the document may contain some lines.
	if w.etag != c.repair.BasedOn || len(w.changed) > 0 {
		return nil, fmt.Errorf("repair %s: %w: another run has committed since it was read", DocumentName, store.ErrPrecondition)
	}
	if len(w.held) > 0 {
		return nil, fmt.Errorf("repair %s: %w", DocumentName, w.held[0].err)
	}
	next := c.repair.Document
	objects := w.setCommit(&next, c.repair.Lines)
	next.SeenIDs = append([]int64{}, next.SeenIDs...) // not nil, whose JSON form is null
	next.TotalTracked = len(next.SeenIDs)
	if w.opts.DryRun {
		c.result = objects
		return nil, nil
	}
	c.objects[*next.Commit] = objects
	return &next, nil
}

// committed implements [change].
func (c *repairChange) committed(_ *Writer, commit Commit) (complete bool) {
	c.result = c.objects[commit]
	return true
}

// DeleteSuperseded calls [Writer.Flush], and then deletes the superseded objects
// that the document lists. It returns the names of the objects that it deleted.
// An object that has changed since it was superseded stays.
func (w *Writer) DeleteSuperseded(ctx context.Context) ([]string, error) {
	if err := w.Flush(ctx); err != nil {
		return nil, err
	}
	deleted := make([]bool, len(w.doc.Superseded))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, s := range w.doc.Superseded {
		g.Go(func() (err error) {
			deleted[i], err = s.delete(gctx, w.store)
			return err
		})
	}
	err := g.Wait()
	var names []string
	for i, s := range w.doc.Superseded {
		if deleted[i] {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// delete deletes a superseded object, and reports whether this call is known to
// have deleted it. If it returns nil, no earlier call can still delete the
// object in this state.
func (o Superseded) delete(ctx context.Context, s store.Store) (bool, error) {
	err := s.Delete(ctx, o.Name, o.ETag)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	case errors.Is(err, store.ErrPrecondition): // the object has changed, or another call was in progress
		attrs, statErr := s.Stat(ctx, o.Name)
		if errors.Is(statErr, store.ErrNotExist) || statErr == nil && attrs.ETag != o.ETag {
			return false, nil
		}
		err = errors.Join(err, statErr)
	}
	return false, fmt.Errorf("%w; the lines of this object are stored in another object, and the next repair deletes it", err)
}
