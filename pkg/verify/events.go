package verify

import (
	"slices"

	"polisen-events-collector/pkg/archive"
)

// checkEvents checks the lines of one id after the other.
func (a *audit) checkEvents() {
	for rest := a.lines; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].id == rest[0].id {
			n++
		}
		revisions := slices.IndexFunc(rest[:n], func(l line) bool { return l.object.name.Kind == archive.Revisions })
		if revisions < 0 {
			revisions = n
		}
		a.checkEvent(rest[:revisions], rest[revisions:n])
		rest = rest[n:]
	}
}

// checkEvent checks the lines of one id: events/ holds its first version once,
// revisions/ each later version once.
func (a *audit) checkEvent(events, revisions []line) {
	var v versions
	addVersion := func(l line) {
		if v.id = l.id; !slices.Contains(v.fingerprints, l.fingerprint) {
			v.fingerprints = append(v.fingerprints, l.fingerprint)
		}
	}
	if len(events) > 0 {
		a.counts.Events++
		addVersion(events[0])
	}
	for _, d := range a.removeDuplicates(events) {
		a.add(d.finding(DuplicateEvent, "each event once", "the same version as "+d.original.String(), a.options.repairDuplicates()))
	}
	for _, l := range events {
		if slices.Contains(v.fingerprints, l.fingerprint) {
			continue
		}
		a.add(l.finding(RevisionInEvents, "later versions only under revisions/", "another version of the event in "+events[0].String(), a.options.repairDuplicates()))
		a.remove(l, !slices.ContainsFunc(revisions, l.same))
		addVersion(l)
	}
	a.checkRevisions(events, revisions)
	for _, l := range revisions {
		addVersion(l)
	}
	a.versions = append(a.versions, v)
}

// checkRevisions checks the revisions of one id.
func (a *audit) checkRevisions(events, revisions []line) {
	a.counts.Revisions += len(revisions)
	const expected = "a version that differs from all earlier ones"
	var changed []line
	for _, l := range revisions {
		switch {
		case len(events) == 0 && a.partial():
			changed = append(changed, l) // the first version may be in an object that was not read
		case len(events) == 0:
			prefix := archive.Partition{Kind: archive.Events, Date: l.object.name.Date}.Prefix()
			a.add(l.finding(LoneRevision, "the event's first version under events/", "no first version, so this may be the oldest one left", moveLine(prefix)))
			changed = append(changed, l)
		case l.same(events[0]):
			a.add(l.finding(UnchangedRevision, expected, "the same version as "+events[0].String(), a.options.repairDuplicates()))
			a.remove(l, false)
		default:
			changed = append(changed, l)
		}
	}
	for _, d := range a.removeDuplicates(changed) {
		a.add(d.finding(UnchangedRevision, expected, "the same version as "+d.original.String(), a.options.repairDuplicates()))
	}
}

// duplicate is a line with the content of an earlier line.
type duplicate struct {
	line
	original line
}

// removeDuplicates returns the lines that repeat the content of an earlier one,
// and marks all lines of the same content but one for removal.
func (a *audit) removeDuplicates(lines []line) []duplicate {
	var duplicates []duplicate
	for i, l := range lines {
		if slices.ContainsFunc(lines[:i], l.same) || !slices.ContainsFunc(lines[i+1:], l.same) {
			continue // not the first of its content, or the only one
		}
		copies := slices.DeleteFunc(slices.Clone(lines[i:]), func(m line) bool { return !l.same(m) })
		stays := a.choose(copies)
		for k, c := range copies {
			if k > 0 {
				duplicates = append(duplicates, duplicate{c, l})
			}
			if k != stays {
				a.remove(c, false)
			}
		}
	}
	return duplicates
}

// choose returns the index of the copy that stays: the first one in the
// partition of its own day, because lookups find it there. It prefers a copy
// whose object cannot be rewritten.
func (a *audit) choose(copies []line) int {
	fixed := func(l line) bool { return !l.misplaced && a.whyNotRewritten(l.object) != "" }
	if i := slices.IndexFunc(copies, fixed); i >= 0 {
		return i
	}
	return max(0, slices.IndexFunc(copies, func(l line) bool { return !l.misplaced }))
}

// remove marks a line for removal from its object.
func (a *audit) remove(l line, toRevisions bool) {
	o := l.object
	switch {
	case slices.ContainsFunc(a.removals[o], func(r removal) bool { return r.number == l.number }):
	case a.whyNotRewritten(o) != "":
		a.kept[o]++
	default:
		a.removals[o] = append(a.removals[o], removal{l.number, toRevisions})
	}
}

// maxRewritten is the size of the largest object that a repair rewrites. Its
// JSON-escaped copy in last_seen.json must stay below the store's read limit.
const maxRewritten = 16 << 20

// whyNotRewritten returns why a repair cannot rewrite the object and what to do
// about it, or "" if it can.
func (a *audit) whyNotRewritten(o *object) string {
	switch {
	case a.doc != nil && a.doc.MayStillBeWritten(o.name, a.now):
		return "a run may still write this object; repair again in ten minutes, after another commit"
	case o.notUTF8:
		return "a line is not UTF-8, so a commit cannot hold the object; first correct the line by hand"
	case o.size > maxRewritten:
		return "the object is too large for a commit; first split it by hand"
	}
	return ""
}
