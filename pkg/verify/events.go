package verify

import (
	"iter"
	"slices"

	"polisen-events-collector/pkg/archive"
)

// byID returns the lines of one id after the other, with the ids in ascending order.
func (a *audit) byID() iter.Seq[[]line] {
	return func(yield func([]line) bool) {
		for rest := a.lines.items; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].id == rest[0].id {
				n++
			}
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// checkEvents checks the lines of one id after the other.
func (a *audit) checkEvents() {
	for lines := range a.byID() {
		a.ids++
		a.checkEvent(lines)
	}
}

// checkEvent checks the lines of one id, which are in the order of lines.compare.
// The first line under events/ is the event, and revisions/ holds each of its
// other versions once. The order alone decides which of several copies stays, so
// that all repairs agree, whatever else they know.
func (a *audit) checkEvent(all []line) {
	n := slices.IndexFunc(all, func(l line) bool { return a.lines.object(&l).name.Kind == archive.Revisions })
	if n < 0 {
		n = len(all)
	}
	events, revisions := all[:n], all[n:]
	for i, first := range firstCopies(all) {
		if first != i {
			continue
		}
		if i == 0 && len(events) > 0 {
			a.countStored(&all[i], archive.Counts{Events: 1})
		} else {
			a.countStored(&all[i], archive.Counts{Revisions: 1})
		}
	}
	if len(events) > 0 {
		a.counts.Events++
		a.checkOtherLines(events, revisions)
	}
	a.counts.Revisions += len(revisions)
	const expected = "a version that differs from all earlier ones"
	for i, earlier := range firstCopies(revisions) {
		l := &revisions[i]
		f := a.lines.finding(l, UnchangedRevision, expected, "", a.options.repairDuplicates())
		switch {
		case earlier < i:
			f.Actual = "the same version as " + a.lines.position(&revisions[earlier])
			a.addRemoval(l, removal{})
		case len(events) > 0 && l.same(&events[0]):
			f.Actual = "the same version as " + a.lines.position(&events[0])
			switch {
			case a.lines.misplaced(&events[0]): // a lookup finds only this copy
				f.Fix.Advice = "first move the other line by hand to an object of its own day"
			case !slices.ContainsFunc(events, func(e line) bool { return !e.same(l) }):
				a.addRemoval(l, removal{})
			} // else the other versions leave events/ first, so that nothing can make one of them the event meanwhile
		case len(events) == 0 && !a.partial(): // else the first version may be in an object that was not read
			prefix := archive.Partition{Kind: archive.Events, Date: a.lines.object(l).name.Date}.Prefix()
			f = a.lines.finding(l, LoneRevision, "the event's first version under events/", "no first version, so this may be the oldest one left", moveLine(prefix))
		default:
			continue
		}
		a.add(f)
	}
}

// firstCopies returns, for each of the lines, the index of the first line with the
// same content, which may be the line itself.
func firstCopies(lines []line) []int {
	copies := make([]int, len(lines))
	if len(lines) == 1 { // as most events
		return copies
	}
	first := make(map[uint64]int, len(lines))
	for i, l := range lines {
		if _, ok := first[l.fingerprint]; !ok {
			first[l.fingerprint] = i
		}
		copies[i] = first[l.fingerprint]
	}
	return copies
}

// checkOtherLines checks the lines of one id under events/ other than the first.
func (a *audit) checkOtherLines(events, revisions []line) {
	copies := make(map[uint64]bool) // versions under revisions/ that a lookup finds
	for i := range revisions {
		if r := &revisions[i]; len(events) > 1 && !a.lines.misplaced(r) {
			copies[r.fingerprint] = true
		}
	}
	for i, earlier := range firstCopies(events) {
		l := &events[i]
		if i == 0 {
			continue
		}
		if earlier < i {
			a.add(a.lines.finding(l, DuplicateEvent, "each event once", "the same version as "+a.lines.position(&events[earlier]), a.options.repairDuplicates()))
			a.addRemoval(l, removal{})
			continue
		}
		a.add(a.lines.finding(l, RevisionInEvents, "later versions only under revisions/", "another version of the event in "+a.lines.position(&events[0]), a.options.repairDuplicates()))
		a.addRemoval(l, removal{later: true, copied: copies[l.fingerprint]})
	}
}

// addRemoval adds a line to those that a repair removes from their objects.
func (a *audit) addRemoval(l *line, r removal) {
	r.number = l.number
	o := a.lines.object(l)
	a.removals[o] = append(a.removals[o], r)
	a.copyFirst = a.copyFirst || r.later && !r.copied
}
