package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

const (
	// maxConflicts is how often a repair tries again because another run has
	// committed first.
	maxConflicts = 20
	// maxSteps is the maximum number of steps of a repair. A repair reaches it
	// only by a bug: the audit finds problems that the repair has just fixed.
	maxSteps = 10_000
)

// RepairOptions are the settings of a repair.
type RepairOptions struct {
	// Duplicates lets the repair remove duplicates from data objects. Without it,
	// the repair changes only the document, and stores missing objects of the last
	// commit and rejected items that can be read as events now.
	Duplicates bool
	// Counts lets the repair set the document's numbers of stored items to those in
	// the archive.
	Counts bool
	// Gaps lets the repair accept the days that the API does not serve.
	Gaps bool
	// Writer are the settings of its commits. With DryRun the repair returns
	// its actions and writes nothing.
	Writer archive.Options
}

// Repair fixes what it can without losing data, and returns its actions and the
// remaining findings. Other runs and repairs may work at the same time, and it may
// be killed at any time. The options must not limit the days.
//
// The error wraps that of the store, or [archive.ErrNewerFormat]. The result
// then holds the actions so far.
func Repair(ctx context.Context, s store.Store, o Options, ro RepairOptions) (*Result, error) {
	if o.limited() {
		return nil, fmt.Errorf("repair: %w: it needs all days", store.ErrInvalid)
	}
	ro.Writer.Revisions = true // a rejected item may be a later version of an event
	r := &repair{options: ro, store: s, snapshot: newSnapshot(s, o), writer: archive.NewWriter(s, ro.Writer)}
	result, err := r.run(ctx)
	if result == nil {
		result = &Result{Store: s.String(), Findings: []Finding{}}
	}
	result.Actions, result.DryRun = r.actions, ro.Writer.DryRun
	return result, err
}

type repair struct {
	options        RepairOptions
	store          store.Store
	snapshot       *snapshot
	writer         *archive.Writer
	actions        []Action
	healed         int // number of healed objects that are in actions
	conflicts      int
	storedReadable bool // the repair has stored rejected items that can be read now
}

// run repairs the archive step by step, until it can fix nothing more.
func (r *repair) run(ctx context.Context) (*Result, error) {
	for range maxSteps {
		if err := r.finishEarlier(ctx); err != nil {
			return nil, err
		}
		if err := r.snapshot.read(ctx); err != nil {
			return nil, err
		}
		a := r.snapshot.audit()
		if s := r.snapshot; s.unlisted != nil {
			return nil, fmt.Errorf("repair: %w; %s", s.unlisted[0].err, a.options.replaceEntry().Advice)
		}
		if a.unreadable != nil {
			o := a.unreadable[0]
			return nil, fmt.Errorf("repair: read %s: %w; make the object readable or replace it with an undamaged copy first", o.key(), o.unreadable)
		}
		if r.options.Writer.DryRun {
			r.predict(a)
			return a.result(), nil
		}
		done, err := r.step(ctx, a)
		if errors.Is(err, store.ErrPrecondition) {
			err = r.waitAfterConflict(ctx, err)
		}
		if err != nil {
			return nil, err
		}
		if done {
			return a.result(), nil
		}
	}
	return nil, fmt.Errorf("repair: gave up after %d steps, because there are still problems; please report this as a bug", maxSteps)
}

// step fixes as much as it can after one audit. It reports whether there is
// nothing to fix. An error that wraps [store.ErrPrecondition] means that the
// archive has changed since the audit.
func (r *repair) step(ctx context.Context, a *audit) (done bool, err error) {
	duplicates := r.options.Duplicates && len(a.removals) > 0
	switch {
	case duplicates && slices.Contains(r.snapshot.pending, archive.Missing):
		// Another run has committed since this one healed. A line counts as a copy
		// only if it is stored.
		return false, fmt.Errorf("repair: objects of the last commit are not stored yet: %w", store.ErrPrecondition)
	case a.documentWrong || r.setsCounts(a) || len(r.acceptedDays(a)) > 0 || duplicates && (a.copyFirst || a.removesPending()):
		return false, r.commit(ctx, a)
	case duplicates:
		return false, r.removeLines(ctx, a)
	case len(a.readable) > 0 && !r.storedReadable:
		return false, r.storeReadable(ctx, a)
	}
	return true, nil
}

// setsCounts reports whether the repair has to set the document's counts. If the document
// has none, it accepts no loss, so it needs no option.
func (r *repair) setsCounts(a *audit) bool {
	return a.doc != nil && (a.doc.Stored == nil || r.options.Counts && len(a.countsDiffer) > 0)
}

// setCounts gives the corrected document the counts of the archive, if the present document
// does not have them.
func (r *repair) setCounts(a *audit, next *archive.Document) {
	if a.doc == nil || r.setsCounts(a) {
		next.Stored, next.Forgotten = a.stored, nil
	}
}

// acceptedDays returns the days that the repair has to accept.
func (r *repair) acceptedDays(a *audit) []string {
	if !r.options.Gaps || a.doc == nil {
		return nil
	}
	_, unserved := a.doc.GapDays()
	return unserved
}

// removesPending reports whether lines are to be removed from objects of the last
// commit. After another commit they are objects of an earlier one, which no run compares
// with its pending content.
func (a *audit) removesPending() bool {
	if a.doc == nil {
		return false
	}
	return slices.ContainsFunc(a.doc.Pending, func(p archive.Pending) bool { return len(a.removals[a.snapshot.objects[p.Name]]) > 0 })
}

// waitAfterConflict returns nil when the repair may try again.
func (r *repair) waitAfterConflict(ctx context.Context, err error) error {
	r.conflicts++
	if r.conflicts > maxConflicts {
		return fmt.Errorf("repair: gave up after other runs committed first %d times: %w; try again when fewer runs are active", maxConflicts, err)
	}
	if r.options.Writer.Pause == nil {
		return nil
	}
	return r.options.Writer.Pause(ctx, r.conflicts)
}

// finishEarlier finishes the work of the last commit: it stores its missing
// objects, and lines of it that are stored nowhere.
func (r *repair) finishEarlier(ctx context.Context) error {
	err := r.writer.Open(ctx)
	for _, name := range r.writer.HealedObjects()[r.healed:] {
		r.healed++
		r.addAction("put", name, 0, "missing object of the last commit")
	}
	if err != nil {
		return err
	}
	before := r.writer.Document()
	err = r.writer.Flush(ctx) // stores lines again that are nowhere
	if after := r.writer.Document(); after != before && after.Commit != nil && after.Commit.ID == r.options.Writer.RunID {
		for _, p := range after.Pending {
			r.addAction("put", p.Name, 0, "lines of the last commit that its objects no longer hold")
		}
	}
	return err
}

// commit corrects the document, and stores copies of later versions under
// revisions/, as many as one commit may hold.
func (r *repair) commit(ctx context.Context, a *audit) error {
	c := archive.Repair{BasedOn: r.snapshot.document.etag, Document: a.correctDocument(), AcceptUnserved: r.options.Gaps && a.doc != nil}
	if r.options.Duplicates {
		var err error
		if c.Lines, err = r.laterVersions(ctx, a); err != nil {
			return err
		}
	}
	if len(c.Lines) == 0 { // the audit does not count lines that the commit adds; a later step sets the counts
		r.setCounts(a, &c.Document)
	}
	actions := r.documentActions(a, &c.Document)
	objects, damagedCopy, err := r.writer.CommitRepair(ctx, c)
	if damagedCopy != "" {
		r.addAction("save", damagedCopy, 0, "a copy of the damaged document")
	}
	if err != nil {
		return err
	}
	r.actions = append(r.actions, actions...)
	if err := r.writer.Flush(ctx); err != nil {
		return err
	}
	for _, o := range objects {
		r.addAction("put", o.Name, 0, text.Count(o.Lines, "line"))
	}
	return nil
}

// documentActions describes the changes from the document to next.
func (r *repair) documentActions(a *audit, next *archive.Document) []Action {
	return slices.Concat(a.listActions(next), a.countActions(next), r.gapActions(a))
}

// countActions describes the changes of the document's counts.
func (a *audit) countActions(next *archive.Document) (actions []Action) {
	if a.doc == nil || next.Stored == nil {
		return nil
	}
	if a.doc.Stored == nil {
		return []Action{{"update", archive.DocumentName, 0, "counts the stored items of " + text.Count(len(a.stored), "month")}}
	}
	for _, c := range a.countsDiffer {
		actions = append(actions, Action{"update", archive.DocumentName, 0, fmt.Sprintf("counts %s of %s instead of %d", c.noun(c.stored), c.month, c.counted)})
	}
	return actions
}

// gapActions describes the days that the repair accepts.
func (r *repair) gapActions(a *audit) (actions []Action) {
	for _, day := range r.acceptedDays(a) {
		actions = append(actions, Action{"accept", archive.DocumentName, 0, day + ", which the API does not serve"})
	}
	return actions
}

// listActions describes the changes of the document's lists.
func (a *audit) listActions(next *archive.Document) []Action {
	if !a.documentWrong {
		return nil
	}
	verb := "update"
	if a.doc == nil {
		verb = "rebuild"
	}
	detail := fmt.Sprintf("lists %d of %s, complete_above %d", len(next.SeenIDs), text.Count(a.ids, "stored id"), *next.CompleteAbove)
	actions := []Action{{verb, archive.DocumentName, 0, detail}}
	for _, id := range a.notStored {
		actions = append(actions, Action{"forget", archive.DocumentName, id, fmt.Sprintf("id %d, which is not in the archive; the next run stores it if the API still shows it", id)})
	}
	return actions
}

// laterVersions reads the later versions that have no copy under revisions/, as
// many as one commit may hold, and removes the white space between their tokens.
// Each goes to the partition of its own day, where lookups find it.
func (r *repair) laterVersions(ctx context.Context, a *audit) (map[archive.Partition][][]byte, error) {
	lines := make(map[archive.Partition][][]byte)
	size := 0
	for _, o := range a.objectsToRewrite() {
		if !slices.ContainsFunc(a.removals[o], removal.mustCopy) {
			continue
		}
		got, err := r.store.Get(ctx, o.key())
		switch {
		case errors.Is(err, store.ErrNotExist), err == nil && got.ETag != o.etag:
			delete(r.snapshot.objects, o.key())
			return nil, fmt.Errorf("repair: %s has changed since it was read: %w", o.key(), store.ErrPrecondition)
		case err != nil:
			return nil, fmt.Errorf("repair: %w", err)
		}
		for number, raw := range archive.Lines(got.Body) {
			i, found := slices.BinarySearchFunc(a.removals[o], number, func(r removal, n int) int { return cmp.Compare(int(r.number), n) })
			if !found || !a.removals[o][i].mustCopy() {
				continue
			}
			var line bytes.Buffer
			_ = json.Compact(&line, raw) // the audit has parsed it
			if size += line.Len(); size > line.Len() && size > archive.MaxCommitBytes {
				return lines, nil
			}
			parsed, _ := archive.ParseLine(archive.Events, raw)
			to := archive.Partition{Kind: archive.Revisions, Date: parsed.Date}
			lines[to] = append(lines[to], line.Bytes())
		}
	}
	return lines, nil
}

func (r removal) mustCopy() bool { return r.later && !r.copied }

// objectsToRewrite returns the objects with removals, sorted by name.
func (a *audit) objectsToRewrite() []*object {
	return slices.SortedFunc(maps.Keys(a.removals), func(o, p *object) int { return strings.Compare(o.key(), p.key()) })
}

// removeLines removes all lines that the audit has found stored elsewhere.
func (r *repair) removeLines(ctx context.Context, a *audit) error {
	objects := a.objectsToRewrite()
	done := make([]bool, len(objects))
	var g errgroup.Group // one object's failure leaves the others in progress
	g.SetLimit(max(a.options.Concurrency, 1))
	for i, o := range objects {
		g.Go(func() error {
			var numbers []int
			for _, l := range a.removals[o] {
				numbers = append(numbers, int(l.number))
			}
			err := archive.RemoveLines(ctx, r.store, store.Attrs{Name: o.key(), ETag: o.etag, MD5: o.md5}, numbers)
			done[i] = err == nil
			return err
		})
	}
	err := g.Wait()
	for i, o := range objects {
		delete(r.snapshot.objects, o.key()) // the next audit reads it again
		if done[i] {
			r.actions = append(r.actions, rewriteAction(o, a.removals[o]))
		}
	}
	return err
}

func rewriteAction(o *object, removals []removal) Action {
	var parts []string
	moved := 0
	for _, r := range removals {
		if r.later {
			moved++
		}
	}
	if n := len(removals) - moved; n > 0 {
		parts = append(parts, "removes "+text.Count(n, "duplicate"))
	}
	if moved > 0 {
		parts = append(parts, "moves "+text.Count(moved, "later version")+" to revisions/")
	}
	return Action{"rewrite", o.key(), 0, strings.Join(parts, ", ")}
}

// predict adds the actions that a repair would take after finishEarlier.
func (r *repair) predict(a *audit) {
	next := a.correctDocument()
	r.setCounts(a, &next)
	r.actions = append(r.actions, r.documentActions(a, &next)...)
	for _, e := range a.readable {
		to := archive.Partition{Kind: archive.Events, Date: e.day}
		r.addAction("put", to.Prefix(), 0, fmt.Sprintf("event %d of a rejected item that can be read now", e.event.id))
	}
	if !r.options.Duplicates {
		return
	}
	for _, o := range a.objectsToRewrite() {
		r.actions = append(r.actions, rewriteAction(o, a.removals[o]))
	}
}

// storeReadable stores the rejected items that can be read as events now, as a run stores
// the items of a response. They stay in rejected/ too.
func (r *repair) storeReadable(ctx context.Context, a *audit) error {
	batch := archive.Batch{ObservedAt: a.now}
	for rest := a.readable; len(rest) > 0; {
		o := a.lines.object(&rest[0].line)
		n := slices.IndexFunc(rest, func(e rejectedEvent) bool { return a.lines.object(&e.line) != o })
		if n < 0 {
			n = len(rest)
		}
		got, err := r.store.Get(ctx, o.key())
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		for number, raw := range archive.Lines(got.Body) {
			if !slices.ContainsFunc(rest[:n], func(e rejectedEvent) bool { return int(e.number) == number }) {
				continue
			}
			if event, ok := archive.ParseRejectedEvent(raw); ok {
				batch.Events = append(batch.Events, event)
			}
		}
		rest = rest[n:]
	}
	outcome, err := r.writer.Add(ctx, batch)
	if err == nil {
		err = r.writer.Flush(ctx)
	}
	if err != nil {
		return err
	}
	r.storedReadable = true
	for _, o := range outcome.Objects {
		r.addAction("put", o.Name, 0, text.Count(o.Lines, "event")+" of rejected items that can be read now")
	}
	return nil
}

func (r *repair) addAction(verb, object string, id int64, detail string) {
	r.actions = append(r.actions, Action{verb, object, id, detail})
}
