package verify

import (
	"slices"

	"polisen-events-collector/pkg/archive"
)

// judgeEvents looks at one id after the other.
func (j *judgement) judgeEvents() {
	for rest := j.lines; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].id == rest[0].id {
			n++
		}
		revisions := slices.IndexFunc(rest[:n], func(e entry) bool { return e.Kind == archive.Revisions })
		if revisions < 0 {
			revisions = n
		}
		j.judgeEvent(rest[:revisions], rest[revisions:n])
		rest = rest[n:]
	}
}

// judgeEvent looks at the lines of one id.
func (j *judgement) judgeEvent(events, revisions []entry) {
	var v versions
	add := func(e entry) {
		if v.id = e.id; !slices.Contains(v.hashes, e.fingerprint) {
			v.hashes = append(v.hashes, e.fingerprint)
		}
	}
	if len(events) > 0 {
		j.counts.Events++
		add(events[0])
	}
	for _, r := range j.repeats(events) {
		j.find(DuplicateEvent, r.text, r.line, r.id, "each event once", "the same as "+r.of.place(), mendDuplicates)
	}
	for _, e := range events {
		if slices.Contains(v.hashes, e.fingerprint) {
			continue
		}
		j.find(UnmarkedRevision, e.text, e.line, e.id, "later versions under revisions/", "other content than "+events[0].place(), mendDuplicates)
		j.takeOut(e, !slices.ContainsFunc(revisions, e.same))
		add(e)
	}
	j.judgeRevisions(events, revisions)
	for _, e := range revisions {
		add(e)
	}
	j.stored = append(j.stored, v)
}

// judgeRevisions looks at the revisions of one id.
func (j *judgement) judgeRevisions(events, revisions []entry) {
	j.counts.Revisions += len(revisions)
	const expected = "content that differs from all versions before"
	var changed []entry
	for _, e := range revisions {
		switch {
		case len(events) == 0 && j.partial():
			changed = append(changed, e) // the first may be where nobody looked
		case len(events) == 0:
			j.find(LoneRevision, e.text, e.line, e.id, "the event's first version under events/", "none, so this may be the first one that is left",
				"no command does; put the line into an object of "+archive.Partition{Kind: archive.Events, Date: e.Date}.Prefix()+" by hand")
			changed = append(changed, e)
		case e.same(events[0]):
			j.find(UnchangedRevision, e.text, e.line, e.id, expected, "the same as "+events[0].place(), mendDuplicates)
			j.takeOut(e, false)
		default:
			changed = append(changed, e)
		}
	}
	for _, r := range j.repeats(changed) {
		j.find(UnchangedRevision, r.text, r.line, r.id, expected, "the same as "+r.of.place(), mendDuplicates)
	}
}

// repeat is a line that says the same as an earlier one.
type repeat struct {
	entry
	of entry
}

// repeats returns the lines whose content stands in an earlier one of them,
// and notes all of the same content to be taken out but one.
func (j *judgement) repeats(lines []entry) []repeat {
	var out []repeat
	for i, e := range lines {
		if slices.ContainsFunc(lines[:i], e.same) || !slices.ContainsFunc(lines[i+1:], e.same) {
			continue // dealt with, or alone
		}
		copies := slices.DeleteFunc(slices.Clone(lines[i:]), func(f entry) bool { return !e.same(f) })
		stays := j.stays(copies)
		for k, c := range copies {
			if k > 0 {
				out = append(out, repeat{c, e})
			}
			if k != stays {
				j.takeOut(c, false)
			}
		}
	}
	return out
}

// stays chooses which of several copies stays: the first in the partition of
// its day, where runs look for it, or one there whose object must stay.
func (j *judgement) stays(copies []entry) int {
	placed := func(e entry) bool { return !e.misplaced }
	stuck := func(e entry) bool { return !e.misplaced && j.mustStay(e.object) != "" }
	if i := slices.IndexFunc(copies, stuck); i >= 0 {
		return i
	}
	return max(0, slices.IndexFunc(copies, placed))
}

// takeOut notes that a line should leave its object.
func (j *judgement) takeOut(e entry, revision bool) {
	switch {
	case slices.ContainsFunc(j.doubles[e.object], func(d double) bool { return d.line == e.line }):
	case j.mustStay(e.object) != "":
		j.left[e.object]++
	default:
		j.doubles[e.object] = append(j.doubles[e.object], double{e.line, revision})
	}
}

// maxRewritten bounds the objects that a commit can take over, so that its
// document can be read again, whatever escapes it takes.
const maxRewritten = 16 << 20

// mustStay says why an object cannot be rewritten, and what to do about that;
// empty if it can.
func (j *judgement) mustStay(o *object) string {
	switch {
	case j.doc != nil && j.doc.MayStillBeWritten(o.Name, j.now):
		return "a run may still put it: try again after another commit, in ten minutes or more"
	case o.notUTF8:
		return "a line of it is not UTF-8, which no commit can hold: correct that by hand first"
	case o.size > maxRewritten:
		return "it is too large for a commit: divide it by hand first"
	}
	return ""
}
