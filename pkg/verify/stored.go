package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/text"
)

// countStored counts an item that is stored, in the month of its line.
func (a *audit) countStored(l *line, n archive.Counts) {
	month := a.lines.month(l)
	a.stored[month] = a.stored[month].Plus(n)
}

// monthCount is a number of items of one kind and month.
type monthCount struct {
	month   string
	kind    archive.Kind
	counted int // by the document
	stored  int // in the archive
	// again is the number of events that were counted again as other events, since they were
	// stored again under another date. Their lines are later versions.
	again int
}

// lost returns the number of items that are gone.
func (c monthCount) lost() int { return c.counted - c.again - c.stored }

// noun returns the number of items with their name.
func (c monthCount) noun(n int) string {
	names := map[archive.Kind]string{archive.Events: "event", archive.Revisions: "revision", archive.Rejected: "rejected item"}
	return text.Count(n, names[c.kind])
}

// prefix returns the common prefix of the month's objects of the kind. The month may be
// any text of the document.
func (c monthCount) prefix() string {
	return c.kind.Prefix() + strings.ReplaceAll(c.month, "-", "/") + "/"
}

// compareCounts returns the numbers of items in which the document and the archive
// differ, by month. It returns none if the document does not have the numbers, or if
// not all lines were read.
func (a *audit) compareCounts() (differ []monthCount) {
	if a.doc == nil || a.doc.Stored == nil || a.partial() {
		return nil
	}
	months := slices.AppendSeq(slices.Collect(maps.Keys(a.stored)), maps.Keys(a.doc.Stored))
	slices.Sort(months)
	for _, month := range slices.Compact(months) {
		counted, stored := a.doc.Stored[month], a.stored[month]
		again := max(min(counted.Events-stored.Events, stored.Revisions-counted.Revisions), 0)
		for _, c := range []monthCount{
			{month, archive.Events, counted.Events, stored.Events, again},
			{month, archive.Revisions, counted.Revisions, stored.Revisions, 0},
			{month, archive.Rejected, counted.Rejected, stored.Rejected, 0},
		} {
			if c.counted != c.stored {
				differ = append(differ, c)
			}
		}
	}
	return differ
}

// checkCounts checks that the archive has as many items of each month as the document
// says.
func (a *audit) checkCounts() {
	for _, c := range a.countsDiffer {
		f := Finding{
			Severity: Problem, Check: StoredMissing, Object: c.prefix(), Expected: c.noun(c.counted) + " of " + c.month + ", as the document counts",
			Actual: fmt.Sprintf("%d, so %s missing", c.stored, c.noun(c.lost())), Fix: a.options.replaceLost(),
		}
		switch {
		case c.stored < c.counted && c.lost() <= 0:
			f.Severity, f.Check = Notice, StoredUncounted
			f.Actual = fmt.Sprintf("%d, and %s that the document counts as another event", c.stored, text.Count(c.again, "later version"))
			f.Fix = a.options.repairCounts()
		case c.stored > c.counted:
			f.Severity, f.Check = Notice, StoredUncounted
			f.Actual = fmt.Sprintf("%d; another program may have stored %s", c.stored, c.noun(c.stored-c.counted))
			f.Fix = a.options.repairCounts()
		}
		a.add(f)
	}
}

// forgotten returns the ids that the document counts although they are not in the
// archive: those of the document, and those that a repair removes from its list.
func (a *audit) forgotten() []int64 {
	if a.doc == nil || a.doc.Stored == nil {
		return nil
	}
	ids := slices.DeleteFunc(slices.Concat(a.doc.Forgotten, a.notStored), func(id int64) bool {
		_, stored := a.versionsOf(id)
		return stored
	})
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	ids = slices.Compact(ids)
	return ids[:min(len(ids), archive.MaxSeen)]
}

// lacksEvents reports whether the document counts more events of a month of these
// days than the archive has.
func (a *audit) lacksEvents(r DayRange) bool {
	return slices.ContainsFunc(a.countsDiffer, func(c monthCount) bool {
		return c.kind == archive.Events && c.lost() > 0 && c.month >= r.From.MonthKey() && c.month <= r.To.MonthKey()
	})
}
