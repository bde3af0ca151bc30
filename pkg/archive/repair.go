package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"polisen-events-collector/pkg/store"
)

// Repair is a commit that corrects the archive rather than adding a batch.
type Repair struct {
	// BasedOn is the ETag of the document that the repair was derived from, empty
	// if there was none. The repair is only right if no other run commits before
	// it.
	BasedOn store.ETag
	// Document holds the fields that the caller sets: SeenIDs, CompleteAbove,
	// Fingerprints, Rejected and Forgotten, and Stored if the counts are to change. The
	// commit sets all others.
	Document Document
	// AcceptUnserved makes the gaps that are unserved accepted days.
	AcceptUnserved bool
	// Lines are the lines of new objects, without line ends.
	Lines map[Partition][][]byte
}

// CommitRepair commits a repair: steps 1 to 5 of the protocol, without step 3.
// As after [Writer.Add], the objects of the commit may be missing until
// [Writer.Flush] has returned. CommitRepair returns the new objects, and the name
// of the copy of a damaged document if there was one.
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
func (c *repairChange) next(ctx context.Context, w *Writer) (*Document, error) {
	if err := w.healDeferred(ctx); err != nil {
		return nil, err
	}
	// While changed is not empty, only the document may contain some lines.
	if w.etag != c.repair.BasedOn || len(w.changed) > 0 {
		return nil, fmt.Errorf("repair %s: %w: another run has committed since it was read", DocumentName, store.ErrPrecondition)
	}
	if len(w.held) > 0 {
		return nil, fmt.Errorf("repair %s: %w", DocumentName, w.held[0].err)
	}
	next := c.repair.Document
	objects := w.setCommit(&next, c.repair.Lines)
	if stored := c.repair.Document.Stored; stored != nil {
		next.Stored = stored
	}
	if c.repair.AcceptUnserved {
		next.acceptUnserved()
	}
	next.SeenIDs = append([]int64{}, next.SeenIDs...) // not nil, whose JSON form is null
	next.TotalTracked = len(next.SeenIDs)
	if w.opts.DryRun {
		c.result = objects
		return nil, nil
	}
	c.objects[*next.Commit] = objects
	return &next, nil
}

// acceptUnserved makes the gaps that are unserved accepted days.
func (d *Document) acceptUnserved() {
	_, unserved := d.GapDays()
	d.Gaps = slices.DeleteFunc(slices.Clone(d.Gaps), func(g Gap) bool { return g.Unserved })
	d.AcceptedDays = slices.Concat(d.AcceptedDays, unserved)
	slices.Sort(d.AcceptedDays)
	d.AcceptedDays = slices.Compact(d.AcceptedDays)
}

// committed implements [change].
func (c *repairChange) committed(_ *Writer, commit Commit) (complete bool) {
	c.result = c.objects[commit]
	return true
}

// RemoveLines removes the lines with these numbers, which are ascending and count
// as in [Lines], from a data object. It overwrites the object with the lines that stay, as they are and
// in their order; an object may become empty. It is the only way in which this
// program changes a data object, and the caller must only remove lines that are
// stored elsewhere. read holds the object's name, and the ETag and the MD5 of the content
// in which the caller has found the lines.
//
// The error wraps [store.ErrPrecondition] if the object no longer has that ETag, or if the
// store now returns other content with it, such as half of the object. All other errors
// are the store's.
func RemoveLines(ctx context.Context, s store.Store, read store.Attrs, numbers []int) error {
	object, err := s.Get(ctx, read.Name)
	switch {
	case errors.Is(err, store.ErrNotExist), err == nil && (object.ETag != read.ETag || store.MD5(object.Body) != read.MD5):
		return fmt.Errorf("remove lines from %s: %w: the object has changed since it was read", read.Name, store.ErrPrecondition)
	case err != nil:
		return fmt.Errorf("remove lines: %w", err)
	}
	var stay []byte
	number := 0
	for line := range bytes.Lines(object.Body) {
		number++
		if _, remove := slices.BinarySearch(numbers, number); !remove {
			stay = append(stay, line...)
		}
	}
	if _, err := s.Put(ctx, read.Name, stay, store.IfMatch(read.ETag)); err != nil {
		return fmt.Errorf("remove lines: %w", err)
	}
	return nil
}
