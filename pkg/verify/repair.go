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
)

const (
	// maxLost bounds the commits of a repair that other runs are faster with.
	maxLost = 20
	// maxCommits bounds a repair, which would else go on for ever if a mended
	// document were found wrong again.
	maxCommits = 10_000
	// maxSuperseded bounds the objects that one commit supersedes, so that the
	// document stays small.
	maxSuperseded = 256
)

// RepairOptions says what a repair may do.
type RepairOptions struct {
	// Duplicates lets it take doubles out of their objects, which it rewrites
	// under new names. Otherwise it mends the document and heals, no more.
	Duplicates bool
	// Writer is how it commits. DryRun lets it only say what it would do.
	Writer archive.Options
}

// Repair mends what can be mended without losing anything, and returns what it
// did and what is left. It writes by the commit protocol: any number of other
// runs may work at the same time, and it may be killed anywhere. Options must
// not bound the days.
//
// On an error the result holds the acts up to then.
func Repair(ctx context.Context, s store.Store, o Options, ro RepairOptions) (*Result, error) {
	if o.bounded() {
		return nil, fmt.Errorf("repair: %w: it needs all days", store.ErrInvalid)
	}
	r := &repair{RepairOptions: ro, store: s, scan: newScan(s, o), writer: archive.NewWriter(s, ro.Writer)}
	result, err := r.run(ctx)
	if result == nil {
		result = &Result{Store: s.String(), Findings: []Finding{}}
	}
	result.Acts, result.DryRun = r.acts, ro.Writer.DryRun
	return result, err
}

type repair struct {
	RepairOptions
	store  store.Store
	scan   *scan
	writer *archive.Writer
	acts   []Act
	healed int // of the writer's, those that are among the acts
	lost   int
}

// run mends, commit by commit, until nothing is left that it may mend.
func (r *repair) run(ctx context.Context) (*Result, error) {
	for range maxCommits {
		if err := r.prepare(ctx); err != nil {
			return nil, err
		}
		if err := r.scan.look(ctx); err != nil {
			return nil, err
		}
		j, err := r.scan.judge()
		if err != nil {
			return nil, err
		}
		if j.unreadable != nil {
			return nil, fmt.Errorf("repair: %s: %w: nothing can be decided without its lines; put a sound copy in its place first", j.unreadable[0].text, store.ErrDamaged)
		}
		if r.Writer.DryRun {
			r.foresee(j)
			return j.result(r.store.String()), nil
		}
		if !r.needed(j) {
			r.leave(j)
			return j.result(r.store.String()), nil
		}
		if err := r.commit(ctx, j); errors.Is(err, store.ErrPrecondition) {
			r.lost++
			if r.lost > maxLost {
				return nil, fmt.Errorf("gave up after other runs were faster %d times: %w", maxLost, err)
			}
			if r.Writer.Pause != nil {
				if err := r.Writer.Pause(ctx, r.lost); err != nil {
					return nil, err
				}
			}
		} else if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("repair: problems are left after %d commits", maxCommits)
}

// prepare heals, and deletes what an earlier commit has superseded.
func (r *repair) prepare(ctx context.Context) error {
	err := r.writer.Open(ctx)
	for _, name := range r.writer.HealedObjects()[r.healed:] {
		r.healed++
		r.act("put", name, 0, "the last commit holds it, and it was missing")
	}
	if err != nil || r.Writer.DryRun {
		return err
	}
	before := r.writer.Document()
	err = r.writer.Flush(ctx) // puts again what other objects stand in the way of
	if after := r.writer.Document(); after != before && after.Commit.ID == r.Writer.RunID {
		for _, p := range after.Pending {
			r.act("put", p.Name, 0, "the last commit holds its lines, and another object had its name")
		}
	}
	if err != nil || !r.Duplicates {
		return err
	}
	names, err := r.writer.DeleteSuperseded(ctx)
	for _, name := range names {
		r.act("delete", name, 0, "its lines stand elsewhere")
	}
	return err
}

// needed reports whether a commit has something to mend.
func (r *repair) needed(j *judgement) bool {
	return j.mendDocument || r.Duplicates && (len(j.doubles) > 0 || j.doc != nil && len(j.doc.Superseded) > 0)
}

// commit mends the document, and takes out as many doubles as one commit may.
func (r *repair) commit(ctx context.Context, j *judgement) error {
	a := archive.Repair{BasedOn: r.scan.document.ETag, Document: j.rightDocument()}
	acts := documentActs(j, &a.Document)
	if r.Duplicates {
		rewrites, err := r.rewrite(ctx, j, &a)
		if err != nil {
			return err
		}
		acts = append(acts, rewrites...)
	}
	objects, keptAs, err := r.writer.CommitRepair(ctx, a)
	if keptAs != "" {
		r.act("keep", keptAs, 0, "a copy of the document that could not be read")
	}
	if err != nil {
		return err
	}
	r.acts = append(r.acts, acts...)
	if err := r.writer.Flush(ctx); err != nil {
		return err
	}
	for _, o := range objects {
		r.act("put", o.Name, 0, plural(o.Lines, "line"))
	}
	return nil
}

// documentActs says what is done to the document to make it next.
func documentActs(j *judgement, next *archive.Document) []Act {
	if !j.mendDocument {
		return nil
	}
	act := Act{Object: archive.DocumentName, Verb: "list"}
	if j.doc == nil {
		act.Verb = "rebuild"
	}
	act.Detail = fmt.Sprintf("%d of %s, complete_above %d", len(next.SeenIDs), plural(len(j.stored), "stored id"), *next.CompleteAbove)
	acts := []Act{act}
	for _, id := range j.forgotten {
		acts = append(acts, Act{"forget", archive.DocumentName, id, fmt.Sprintf("id %d, which is stored nowhere, so that the next run stores it", id)})
	}
	return acts
}

// rewrite puts into the amendment the lines that stay of objects with doubles.
func (r *repair) rewrite(ctx context.Context, j *judgement, a *archive.Repair) ([]Act, error) {
	a.Document.Superseded, a.Lines = nil, make(map[archive.Partition][][]byte)
	var acts []Act
	var size int64
	for _, o := range j.objectsWithDoubles() {
		if size += o.size; len(acts) > 0 && (size > archive.MaxRepairBytes || len(acts) == maxSuperseded) {
			break
		}
		got, err := r.store.Get(ctx, o.text)
		switch {
		case errors.Is(err, store.ErrNotExist), err == nil && got.ETag != o.etag:
			delete(r.scan.objects, o.text)
			return nil, fmt.Errorf("rewrite %s: it has changed since it was read: %w", o.text, store.ErrPrecondition)
		case err != nil:
			return nil, fmt.Errorf("rewrite %s: %w", o.text, err)
		}
		o.rewrite(got.Body, j.doubles[o], a.Lines)
		a.Document.Superseded = append(a.Document.Superseded, archive.Superseded{Name: o.text, ETag: got.ETag})
		acts = append(acts, rewriteAct(o, j.doubles[o]))
	}
	return acts, nil
}

// objectsWithDoubles returns the objects to be rewritten, the latest first: a
// rewritten object is a later one, and must not change places with one whose
// lines are later versions of its own.
func (j *judgement) objectsWithDoubles() []*object {
	objects := make([]*object, 0, len(j.doubles))
	for o := range j.doubles {
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(a, b *object) int {
		return cmp.Or(cmp.Compare(b.Timestamp, a.Timestamp), strings.Compare(a.text, b.text))
	})
	return objects
}

// rewrite adds the lines of an object, without the doubles, to those of the
// partitions that they belong to.
func (o *object) rewrite(body []byte, doubles []double, lines map[archive.Partition][][]byte) {
	for number, line := range archive.Lines(body) {
		to := o.Partition
		if i := slices.IndexFunc(doubles, func(d double) bool { return int(d.line) == number }); i >= 0 {
			if !doubles[i].revision {
				continue
			}
			to.Kind = archive.Revisions
		}
		lines[to] = append(lines[to], line)
	}
}

func rewriteAct(o *object, doubles []double) Act {
	moved := 0
	for _, d := range doubles {
		if d.revision {
			moved++
		}
	}
	detail := "without " + plural(len(doubles)-moved, "double")
	if moved > 0 {
		detail += ", and with " + plural(moved, "unmarked revision") + " under revisions/"
	}
	return Act{"rewrite", o.text, 0, detail}
}

// foresee says what a repair would do.
func (r *repair) foresee(j *judgement) {
	for _, f := range j.findings {
		if f.Check == PendingMissing || f.Check == PendingDiffers {
			r.act("put", f.Object, 0, "the last commit holds its lines")
		}
	}
	next := j.rightDocument()
	r.acts = append(r.acts, documentActs(j, &next)...)
	if !r.Duplicates {
		return
	}
	if j.doc != nil {
		for _, s := range j.doc.Superseded {
			r.act("delete", s.Name, 0, "its lines stand elsewhere")
		}
	}
	for _, o := range j.objectsWithDoubles() {
		r.acts = append(r.acts, rewriteAct(o, j.doubles[o]))
	}
	r.leave(j)
}

// leave says which doubles cannot be taken out.
func (r *repair) leave(j *judgement) {
	if !r.Duplicates {
		return
	}
	for _, o := range slices.SortedFunc(maps.Keys(j.left), func(a, b *object) int { return cmp.Compare(a.text, b.text) }) {
		r.act("leave", o.text, 0, plural(j.left[o], "double")+" in it: "+j.mustStay(o))
	}
}

func (r *repair) act(verb, object string, id int64, detail string) {
	r.acts = append(r.acts, Act{verb, object, id, detail})
}
