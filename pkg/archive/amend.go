package archive

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/store"
)

// MaxRepairBytes is about how many bytes of lines one [Repair] should hold, so
// that the document stays small.
const MaxRepairBytes = maxCommitBytes

// Repair is a commit that corrects the archive rather than adding
// events to it.
type Repair struct {
	// BasedOn is the ETag of the document on which the decision rests, "" if there
	// was none: the repair is right only as long as nobody else commits.
	BasedOn store.ETag
	// Document holds the fields that the caller decides on: SeenIDs, CompleteAbove,
	// Fingerprints, Rejected and Superseded. The others are the commit's own.
	Document Document
	// Lines are those of new objects, without their ends.
	Lines map[Partition][][]byte
}

// CommitRepair commits a repair: steps 4 and 5 of the protocol. As after Add, the
// objects of the commit may not exist until Flush has returned; superseded ones
// are there until DeleteSuperseded. It returns the objects, and where a damaged
// document was copied to, if there was one.
//
// ErrPrecondition says that the document is no longer the one of BasedOn, and that
// nothing was stored: look at the archive again.
func (w *Writer) CommitRepair(ctx context.Context, a Repair) (objects []Object, keptAs string, err error) {
	if !w.loaded || w.unflushed {
		if err := w.Open(ctx); err != nil {
			return nil, "", err
		}
	}
	next := a.Document
	objects = w.frame(&next, a.Lines)
	next.SeenIDs = append([]int64{}, next.SeenIDs...) // an empty list, not null
	next.TotalTracked = len(next.SeenIDs)
	for unknown := 0; ; {
		if w.etag != a.BasedOn || len(w.carry) > 0 {
			return nil, "", fmt.Errorf("amend %s: %w: another run has committed since it was read", DocumentName, store.ErrPrecondition)
		}
		if w.opts.DryRun {
			return objects, "", nil
		}
		done := w.opts.Stage(StageCommit)
		err := w.replace(ctx, &next)
		done()
		keptAs = w.keptAs
		switch {
		case err == nil:
			w.keptAs = ""
			return objects, keptAs, nil
		case ctx.Err() != nil, errors.Is(err, store.ErrAccess), errors.Is(err, store.ErrInvalid):
			return nil, keptAs, err
		case !errors.Is(err, store.ErrPrecondition):
			unknown++
			if unknown > maxUnknown {
				return nil, keptAs, fmt.Errorf("commit %s: gave up after %d tries: %w", DocumentName, maxUnknown, err)
			}
			if err := w.opts.Pause(ctx, unknown); err != nil {
				return nil, keptAs, err
			}
		}
		if err := w.Open(ctx); err != nil {
			return nil, keptAs, err
		}
		if c := w.doc.Commit; c != nil && *c == *next.Commit {
			w.keptAs = ""
			return objects, keptAs, nil // ours after all, and healed
		}
	}
}

// DeleteSuperseded deletes what is left of the document's superseded objects,
// once the objects that hold their lines exist, and returns their names. An
// object that has changed since stays.
func (w *Writer) DeleteSuperseded(ctx context.Context) ([]string, error) {
	if err := w.Flush(ctx); err != nil {
		return nil, err
	}
	removed := make([]bool, len(w.doc.Superseded))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, s := range w.doc.Superseded {
		g.Go(func() (err error) {
			removed[i], err = remove(gctx, w.store, s)
			return err
		})
	}
	err := g.Wait()
	var names []string
	for i, s := range w.doc.Superseded {
		if removed[i] {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// remove deletes an object, and reports whether that is known to be its doing.
// It returns nil only if no delete of this state can have an effect any more.
func remove(ctx context.Context, s store.Store, old Superseded) (bool, error) {
	err := s.Delete(ctx, old.Name, old.ETag)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	case errors.Is(err, store.ErrPrecondition): // another state, or another call was under way
		attrs, statErr := s.Stat(ctx, old.Name)
		if errors.Is(statErr, store.ErrNotExist) || statErr == nil && attrs.ETag != old.ETag {
			return false, nil
		}
		err = errors.Join(err, statErr)
	}
	return false, fmt.Errorf("delete %s: %w; its lines stand elsewhere, and the next repair deletes it", old.Name, err)
}
