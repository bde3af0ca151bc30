package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

const (
	// maxConflicts is how often a repair tries again because another run has
	// committed first.
	maxConflicts = 20
	// maxCommits is the maximum number of commits of a repair. A repair reaches
	// it only by a bug: the audit finds problems in the document that the repair
	// has just written.
	maxCommits = 10_000
	// maxSuperseded is the number of objects that one commit rewrites, so that
	// the document stays small.
	maxSuperseded = 256
)

// RepairOptions are the settings of a repair.
type RepairOptions struct {
	// Duplicates lets the repair remove duplicates, which rewrites objects under
	// new names. Without it, the repair changes only the document and stores
	// missing objects of the last commit.
	Duplicates bool
	// Writer are the settings of its commits. With DryRun the repair returns
	// its actions and writes nothing.
	Writer archive.Options
}

// Repair fixes what it can without losing data, and returns its actions and the
// remaining findings. It writes by the commit protocol, so other runs may work
// at the same time, and it may be killed at any time. The options must not limit
// the days.
//
// The error wraps that of the store, or [archive.ErrNewerFormat]. The result
// then holds the actions so far.
func Repair(ctx context.Context, s store.Store, o Options, ro RepairOptions) (*Result, error) {
	if o.limited() {
		return nil, fmt.Errorf("repair: %w: it needs all days", store.ErrInvalid)
	}
	r := &repair{options: ro, store: s, snapshot: newSnapshot(s, o), writer: archive.NewWriter(s, ro.Writer)}
	result, err := r.run(ctx)
	if result == nil {
		result = &Result{Store: s.String(), Findings: []Finding{}}
	}
	result.Actions, result.DryRun = r.actions, ro.Writer.DryRun
	return result, err
}

type repair struct {
	options   RepairOptions
	store     store.Store
	snapshot  *snapshot
	writer    *archive.Writer
	actions   []Action
	healed    int // number of healed objects that are in actions
	conflicts int
}

// run repairs the archive commit by commit, until it can fix nothing more.
func (r *repair) run(ctx context.Context) (*Result, error) {
	for range maxCommits {
		if err := r.finishEarlier(ctx); err != nil {
			return nil, err
		}
		if err := r.snapshot.read(ctx); err != nil {
			return nil, err
		}
		a := r.snapshot.audit()
		if a.unreadable != nil {
			return nil, fmt.Errorf("repair: read %s: %w; replace the object with an undamaged copy first", a.unreadable[0].key, store.ErrDamaged)
		}
		if r.options.Writer.DryRun {
			r.predict(a)
			return a.result(), nil
		}
		if !r.canFix(a) {
			r.reportKept(a)
			return a.result(), nil
		}
		err := r.commit(ctx, a)
		if errors.Is(err, store.ErrPrecondition) {
			err = r.waitAfterConflict(ctx, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("repair: gave up after %d commits, because there are still problems; please report this as a bug", maxCommits)
}

// waitAfterConflict returns nil when the repair may try again.
func (r *repair) waitAfterConflict(ctx context.Context, err error) error {
	r.conflicts++
	if r.conflicts > maxConflicts {
		return fmt.Errorf("repair: gave up after other runs committed first %d times: %w", maxConflicts, err)
	}
	if r.options.Writer.Pause == nil {
		return nil
	}
	return r.options.Writer.Pause(ctx, r.conflicts)
}

// finishEarlier finishes the work of earlier commits: it stores their missing
// objects and deletes the objects that they replaced.
func (r *repair) finishEarlier(ctx context.Context) error {
	err := r.writer.Open(ctx)
	for _, name := range r.writer.HealedObjects()[r.healed:] {
		r.healed++
		r.act("put", name, 0, "missing object of the last commit")
	}
	if err != nil || r.options.Writer.DryRun {
		return err
	}
	before := r.writer.Document()
	err = r.writer.Flush(ctx) // stores lines again if another object has taken their object's name
	if after := r.writer.Document(); after != before && after.Commit.ID == r.options.Writer.RunID {
		for _, p := range after.Pending {
			r.act("put", p.Name, 0, "lines of the last commit, whose object name another object had")
		}
	}
	if err != nil || !r.options.Duplicates {
		return err
	}
	names, err := r.writer.DeleteSuperseded(ctx)
	for _, name := range names {
		r.act("delete", name, 0, "its lines are in another object")
	}
	return err
}

// canFix reports whether a commit can fix a finding.
func (r *repair) canFix(a *audit) bool {
	return a.documentWrong || r.options.Duplicates && (len(a.removals) > 0 || a.doc != nil && len(a.doc.Superseded) > 0)
}

// commit corrects the document, and removes as many duplicates as one commit may.
func (r *repair) commit(ctx context.Context, a *audit) error {
	c := archive.Repair{BasedOn: r.snapshot.document.etag, Document: a.correctDocument()}
	actions := a.documentActions(&c.Document)
	if r.options.Duplicates {
		rewrites, err := r.rewriteObjects(ctx, a, &c)
		if err != nil {
			return err
		}
		actions = append(actions, rewrites...)
	}
	objects, damagedCopy, err := r.writer.CommitRepair(ctx, c)
	if damagedCopy != "" {
		r.act("save", damagedCopy, 0, "a copy of the damaged document")
	}
	if err != nil {
		return err
	}
	r.actions = append(r.actions, actions...)
	if err := r.writer.Flush(ctx); err != nil {
		return err
	}
	for _, o := range objects {
		r.act("put", o.Name, 0, text.Count(o.Lines, "line"))
	}
	return nil
}

// documentActions describes the changes from the document to next.
func (a *audit) documentActions(next *archive.Document) []Action {
	if !a.documentWrong {
		return nil
	}
	verb := "update"
	if a.doc == nil {
		verb = "rebuild"
	}
	detail := fmt.Sprintf("lists %d of %s, complete_above %d", len(next.SeenIDs), text.Count(len(a.versions), "stored id"), *next.CompleteAbove)
	actions := []Action{{verb, archive.DocumentName, 0, detail}}
	for _, id := range a.notStored {
		actions = append(actions, Action{"forget", archive.DocumentName, id, fmt.Sprintf("id %d, which is not in the archive; the next run stores it if the API still shows it", id)})
	}
	return actions
}

// rewriteObjects adds the remaining lines of objects with removals to the commit.
func (r *repair) rewriteObjects(ctx context.Context, a *audit, c *archive.Repair) ([]Action, error) {
	c.Document.Superseded, c.Lines = nil, make(map[archive.Partition][][]byte)
	var actions []Action
	var size int64
	for _, o := range a.objectsToRewrite() {
		if size += o.size; len(actions) > 0 && (size > archive.MaxRepairBytes || len(actions) == maxSuperseded) {
			break
		}
		got, err := r.store.Get(ctx, o.key)
		switch {
		case errors.Is(err, store.ErrNotExist), err == nil && got.ETag != o.etag:
			delete(r.snapshot.objects, o.key)
			return nil, fmt.Errorf("rewrite %s: it has changed since it was read: %w", o.key, store.ErrPrecondition)
		case err != nil:
			return nil, fmt.Errorf("rewrite %s: %w", o.key, err)
		}
		o.addRemaining(got.Body, a.removals[o], c.Lines)
		c.Document.Superseded = append(c.Document.Superseded, archive.Superseded{Name: o.key, ETag: got.ETag})
		actions = append(actions, rewriteAction(o, a.removals[o]))
	}
	return actions, nil
}

// objectsToRewrite returns the objects with removals, newest first. The
// rewritten object gets a newer timestamp, so in this order it stays newer than
// all objects with earlier versions of its events.
func (a *audit) objectsToRewrite() []*object {
	return slices.SortedFunc(maps.Keys(a.removals), func(o, p *object) int {
		return cmp.Or(cmp.Compare(p.name.Timestamp, o.name.Timestamp), strings.Compare(o.key, p.key))
	})
}

// addRemaining adds the lines of an object, without the removals, to the lines
// of their partitions.
func (o *object) addRemaining(body []byte, removals []removal, lines map[archive.Partition][][]byte) {
	for number, raw := range archive.Lines(body) {
		to := archive.Partition{Kind: o.name.Kind, Date: o.name.Date}
		if i := slices.IndexFunc(removals, func(r removal) bool { return int(r.number) == number }); i >= 0 {
			if !removals[i].toRevisions {
				continue
			}
			to.Kind = archive.Revisions
		}
		lines[to] = append(lines[to], raw)
	}
}

func rewriteAction(o *object, removals []removal) Action {
	moved := 0
	for _, r := range removals {
		if r.toRevisions {
			moved++
		}
	}
	detail := "removes " + text.Count(len(removals)-moved, "duplicate")
	if moved > 0 {
		detail += ", moves " + text.Count(moved, "later version") + " to revisions/"
	}
	return Action{"rewrite", o.key, 0, detail}
}

// predict adds the actions that a repair would take.
func (r *repair) predict(a *audit) {
	for _, f := range a.findings {
		if f.Check == PendingMissing || f.Check == PendingDifferent {
			r.act("put", f.Object, 0, "lines of the last commit")
		}
	}
	next := a.correctDocument()
	r.actions = append(r.actions, a.documentActions(&next)...)
	if !r.options.Duplicates {
		return
	}
	if a.doc != nil {
		for _, s := range a.doc.Superseded {
			r.act("delete", s.Name, 0, "its lines are in another object")
		}
	}
	for _, o := range a.objectsToRewrite() {
		r.actions = append(r.actions, rewriteAction(o, a.removals[o]))
	}
	r.reportKept(a)
}

// reportKept adds an action for each object whose duplicates stay.
func (r *repair) reportKept(a *audit) {
	if !r.options.Duplicates {
		return
	}
	for _, o := range slices.SortedFunc(maps.Keys(a.kept), func(o, p *object) int { return cmp.Compare(o.key, p.key) }) {
		r.act("skip", o.key, 0, text.Count(a.kept[o], "duplicate")+" left: "+a.whyNotRewritten(o))
	}
}

func (r *repair) act(verb, object string, id int64, detail string) {
	r.actions = append(r.actions, Action{verb, object, id, detail})
}
