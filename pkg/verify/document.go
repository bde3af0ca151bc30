package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/text"
)

// addDocumentProblem adds a problem with the document, which needs a new commit.
func (a *audit) addDocumentProblem(c Check, id int64, expected, actual string) {
	a.addDocumentFinding(a.documentFinding(c, id, expected, actual))
}

// addDocumentFinding adds a finding that documentFinding has returned.
func (a *audit) addDocumentFinding(f Finding) {
	a.documentWrong = true
	a.add(f)
}

// documentFinding returns a problem with the document.
func (a *audit) documentFinding(c Check, id int64, expected, actual string) Finding {
	return Finding{
		Check: c, Severity: Problem, Object: archive.DocumentName, ID: id, Expected: expected, Actual: actual, Fix: a.options.repair(),
	}
}

// checkFields checks those rules of the document that need no data objects.
func (a *audit) checkFields() {
	d := a.snapshot.document
	if d.damage != "" {
		a.addDocumentProblem(DocumentDamaged, 0, "a document that can be parsed", "this error: "+d.damage)
	}
	if a.doc == nil {
		return
	}
	a.counts.Listed = len(a.doc.SeenIDs)
	for i, id := range d.seenIDs {
		if i > 0 && id > d.seenIDs[i-1] {
			a.addDocumentProblem(SeenUnsorted, id, "seen_ids in descending order", fmt.Sprintf("%d after %d", id, d.seenIDs[i-1]))
		}
	}
	ids := slices.Sorted(slices.Values(d.seenIDs))
	for i, id := range ids {
		if i > 0 && id == ids[i-1] {
			a.addDocumentProblem(SeenRepeated, id, "each id once in seen_ids", fmt.Sprintf("id %d again", id))
		}
	}
	if n := len(d.seenIDs); d.totalTracked != n {
		a.addDocumentProblem(SeenMiscounted, 0, fmt.Sprintf("total_tracked %d, the length of seen_ids", n), fmt.Sprintf("total_tracked %d", d.totalTracked))
	}
	if n := len(a.doc.SeenIDs); n > archive.MaxSeen {
		a.addDocumentProblem(SeenOverCap, 0, fmt.Sprintf("at most %d ids in seen_ids", archive.MaxSeen), fmt.Sprintf("%d ids", n))
	}
	if a.doc.LastUpdated.Sub(a.now) > status.MaxSkew {
		f := a.documentFinding(UpdatedInFuture, 0, "last_updated not after "+a.now.UTC().Format(time.RFC3339), "last_updated "+a.doc.LastUpdated.Format(time.RFC3339))
		f.Fix.Advice = "first correct the clock of the host that wrote the document"
		a.addDocumentFinding(f)
	}
}

// checkDocument checks the document against the archive.
func (a *audit) checkDocument() {
	if a.doc == nil {
		a.checkMissing()
		return
	}
	a.checkPending()
	a.checkRejectedList()
	if a.doc.CompleteAbove == nil {
		f := a.documentFinding(NoCompleteAbove, 0, "the field complete_above", "no complete_above, so each unlisted id costs a lookup")
		f.Severity = Notice
		a.addDocumentFinding(f)
	}
	for _, id := range a.doc.SeenIDs {
		a.checkListed(id)
	}
	a.checkUnlisted()
}

// checkMissing reports a missing document. A damaged one has a finding already.
func (a *audit) checkMissing() {
	s := a.snapshot
	switch {
	case s.document.etag != "":
	case !s.isArchive():
		actual := "neither a document nor data objects"
		if n, example := s.otherNames(); n > 0 {
			actual += fmt.Sprintf(", but %s, such as %s", text.Count(n, "other object"), quoteName(example))
		}
		a.add(Finding{
			Check: ArchiveMissing, Severity: Problem, Object: archive.DocumentName, Expected: "an archive", Actual: actual,
			Fix: Fix{a.options.command("collect"), "only for a new archive; otherwise check the name of the store and that its disk is mounted"},
		})
	default:
		a.addDocumentProblem(DocumentMissing, 0, "a document beside the data objects", "no document")
	}
}

// checkPending checks that the objects of the last commit are stored.
func (a *audit) checkPending() {
	for i, p := range a.doc.Pending {
		f := Finding{Severity: Problem, Object: p.Name, Fix: a.options.repair()}
		switch a.snapshot.pending[i] {
		case archive.Missing:
			f.Check, f.Expected, f.Actual = PendingMissing, "the object of the last commit", "no object; its lines are safe in "+archive.DocumentName
			if a.now.Sub(a.doc.LastUpdated) < status.PutGrace {
				f.Severity = Notice
			}
		case archive.Different:
			if a.snapshot.objects[p.Name] != nil && a.storesAll(p) {
				continue
			}
			f.Check, f.Expected, f.Actual = PendingDifferent, "each line of the last commit in the archive", "a changed object; some of its lines are nowhere else, but safe in "+archive.DocumentName
		default:
			continue
		}
		a.add(f)
	}
}

// storesAll reports whether every line of a pending object is stored somewhere, as
// far as the audit knows.
func (a *audit) storesAll(p archive.Pending) bool {
	name, _ := archive.ParseName(p.Name)
	for _, raw := range archive.Lines(p.Content) {
		parsed, reason := archive.ParseLine(name.Kind, raw)
		l := newLine(&object{name: name}, parsed, 0)
		stored := false
		if name.Kind == archive.Rejected {
			_, stored = slices.BinarySearchFunc(a.lines.rejected, l.fingerprint, func(l line, f uint64) int { return cmp.Compare(l.fingerprint, f) })
		} else {
			v, _ := a.versionsOf(l.id)
			stored = slices.Contains(v.fingerprints, l.fingerprint)
		}
		mayBeStored := a.unreadable != nil || a.snapshot.unlisted != nil || !a.options.includes(parsed.Date)
		if reason != "" || !stored && !mayBeStored {
			return false
		}
	}
	return true
}

// checkRejectedList checks the document's list of rejected items.
func (a *audit) checkRejectedList() {
	list := a.doc.Rejected
	if list == nil {
		return
	}
	stored := make(map[string]*line)
	for i := range slices.Backward(a.lines.rejected) {
		l := &a.lines.rejected[i]
		stored[hashText(l.fingerprint)] = l
	}
	if !a.partial() {
		for _, hash := range list.Hashes {
			if _, ok := stored[hash]; !ok {
				a.addDocumentProblem(RejectedNotStored, 0, "each listed rejected item in the archive", "item "+hash+", which is not in the archive")
				a.rejectedListWrong = true
			}
		}
	}
	if list.Complete {
		listed := make(map[string]bool, len(list.Hashes))
		for _, hash := range list.Hashes {
			listed[hash] = true
		}
		for _, hash := range slices.Sorted(maps.Keys(stored)) {
			if l := stored[hash]; !listed[hash] {
				a.add(a.lines.finding(l, RejectedNotListed, "each rejected item in the document's complete list",
					"unlisted item "+hash+", which a run would store again", a.options.repair()))
				a.documentWrong, a.rejectedListWrong = true, true
			}
		}
	}
}

// checkListed checks that a listed id is stored, with the listed fingerprints.
func (a *audit) checkListed(id int64) {
	v, stored := a.versionsOf(id)
	listed := a.doc.Fingerprints[id]
	switch {
	case !stored && !a.partial():
		a.notStored = append(a.notStored, id)
		a.addDocumentProblem(SeenNotStored, id, "each listed id in the archive", fmt.Sprintf("id %d, which is not in the archive", id))
	case stored && len(listed) > 0 && !a.agree(listed, v.hashes()):
		f := a.documentFinding(FingerprintsDiffer, id, fmt.Sprintf("the listed fingerprints %v of event %d", listed, id),
			fmt.Sprintf("%v in %s", v.hashes(), a.positions(id)))
		f.Fix.Advice = "first undo any change by hand: the repair lists the stored versions"
		a.addDocumentFinding(f)
	}
}

// checkUnlisted checks that each stored id above complete_above is listed.
func (a *audit) checkUnlisted() {
	above := a.doc.CompleteAbove
	if above == nil {
		return
	}
	for lines := range a.byID() {
		id := lines[0].id
		if id <= *above {
			continue
		}
		if !a.doc.Lists(id) {
			a.addDocumentProblem(StoredNotListed, id, fmt.Sprintf("each stored id above complete_above %d in seen_ids", *above),
				fmt.Sprintf("unlisted event %d, which the next run would store again", id))
		}
	}
}

// versionsOf returns the stored versions of an id.
func (a *audit) versionsOf(id int64) (versions, bool) {
	lines := a.linesOf(id)
	if len(lines) == 0 {
		return versions{}, false
	}
	return newVersions(lines), true
}

// newVersions returns the versions in the lines of an id.
func newVersions(lines []line) versions {
	v := versions{id: lines[0].id}
	for i, first := range firstCopies(lines) {
		if first == i {
			v.fingerprints = append(v.fingerprints, lines[i].fingerprint)
		}
	}
	return v
}

// linesOf returns the lines that hold versions of an id.
func (a *audit) linesOf(id int64) []line {
	items := a.lines.items
	from, _ := slices.BinarySearchFunc(items, id, func(l line, id int64) int { return cmp.Compare(l.id, id) })
	to := from
	for to < len(items) && items[to].id == id {
		to++
	}
	return items[from:to]
}

// maxPositions is the maximum number of lines that a finding lists.
const maxPositions = 20

// positions lists the lines that hold versions of an id.
func (a *audit) positions(id int64) string {
	lines := a.linesOf(id)
	var all []string
	for i := range lines[:min(len(lines), maxPositions)] {
		all = append(all, a.lines.position(&lines[i]))
	}
	if len(lines) > maxPositions {
		all = append(all, "other lines")
	}
	return strings.Join(all, ", ")
}

// hashes returns the fingerprints in the document's form.
func (v versions) hashes() archive.Versions {
	out := make(archive.Versions, len(v.fingerprints))
	for i, f := range v.fingerprints {
		out[i] = hashText(f)
	}
	return out
}

// hashText returns a fingerprint in the document's form.
func hashText(fingerprint uint64) string { return fmt.Sprintf("%016x", fingerprint) }

// agree reports whether the listed and the stored versions are the same. If not
// all lines were read, it is enough that all stored versions are listed.
func (a *audit) agree(listed, stored archive.Versions) bool {
	isListed := make(map[string]bool, len(listed))
	for _, v := range listed {
		isListed[v] = true
	}
	unlisted := slices.ContainsFunc(stored, func(v string) bool { return !isListed[v] })
	return !unlisted && (a.partial() || len(stored) == len(listed))
}

// correctDocument returns the document that agrees with the archive. It lists
// the ids that are listed and stored, and then the highest other stored ids.
func (a *audit) correctDocument() archive.Document {
	var d archive.Document
	listed := make(map[int64]bool)
	if a.doc != nil {
		if !a.rejectedListWrong { // without the list, runs look up rejected items in the archive
			d.Rejected = a.doc.Rejected
		}
		for _, id := range a.doc.SeenIDs { // in descending order
			if _, stored := a.versionsOf(id); stored && len(listed) < archive.MaxSeen {
				listed[id] = true
			}
		}
	}
	d.Forgotten = a.forgotten()
	d.CompleteAbove = new(int64)
	d.Fingerprints = make(map[int64]archive.Versions)
	for _, lines := range slices.Backward(slices.Collect(a.byID())) { // in descending order of the ids
		v := newVersions(lines)
		if listed[v.id] || len(listed) < archive.MaxSeen {
			listed[v.id] = true
			d.SeenIDs = append(d.SeenIDs, v.id)
			d.Fingerprints[v.id] = v.hashes()
		} else {
			*d.CompleteAbove = max(*d.CompleteAbove, v.id)
		}
	}
	return d
}
