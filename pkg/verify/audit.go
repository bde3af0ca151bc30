package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store"
)

// audit is the check of a snapshot. It collects the findings, and the data that
// a repair needs to fix them.
type audit struct {
	snapshot *snapshot
	options  Options
	now      time.Time
	doc      *archive.Document // nil if the document is missing or damaged

	findings findings
	counts   Counts

	lines      *lines // sorted
	ids        int    // the number of different ids in lines
	unreadable []*object

	// stored are the numbers of items in the archive by month, and countsDiffer those
	// in which the document differs.
	stored       map[string]archive.Counts
	countsDiffer []monthCount

	// missing are the days that checkDays reports.
	missing []DayRange

	// readable are the rejected items that can be read as events now. checkReadable leaves
	// one for each version of an event, and only those that are stored nowhere as events.
	readable []rejectedEvent

	documentWrong     bool    // the document needs a new commit
	notStored         []int64 // listed ids that are not in the archive
	rejectedListWrong bool
	removals          map[*object][]removal // lines to remove, by object and in their order
	copyFirst         bool                  // some of them have no copy yet
}

// removal is a line to remove from its object.
type removal struct {
	number int32
	later  bool // a later version, which belongs under revisions/
	copied bool // of a later version: it is there
}

// versions are the stored versions of one id, the first version first.
type versions struct {
	id           int64
	fingerprints []uint64
}

// audit checks the snapshot.
func (s *snapshot) audit() *audit {
	a := &audit{
		snapshot: s, options: s.options, now: s.options.Now(), doc: s.document.parsed,
		lines: &s.lines, removals: make(map[*object][]removal), stored: make(map[string]archive.Counts),
	}
	a.checkFields()
	a.collectLines()
	a.checkEvents()
	a.checkRejected()
	a.checkReadable()
	a.checkHalfPairs()
	for _, removals := range a.removals {
		slices.SortFunc(removals, func(r, q removal) int { return cmp.Compare(r.number, q.number) })
	}
	a.countsDiffer = a.compareCounts()
	a.checkCounts()
	a.checkGaps()
	a.checkDays()
	a.checkNames()
	a.checkDocument()
	slices.SortStableFunc(a.findings.kept, func(f, g Finding) int {
		return cmp.Or(strings.Compare(f.Object, g.Object), cmp.Compare(f.Line, g.Line), strings.Compare(string(f.Check), string(g.Check)), cmp.Compare(f.ID, g.ID))
	})
	return a
}

func (a *audit) add(f Finding) { a.findings.add(f) }

// collectLines collects the lines of all objects. Pending objects that are not
// stored yet count too: their lines are safe in the document.
func (a *audit) collectLines() {
	a.lines.remove(func(o *object) bool { return a.snapshot.objects[o.key()] != o })
	for _, key := range slices.Sorted(maps.Keys(a.snapshot.objects)) {
		o := a.snapshot.objects[key]
		if o.unreadable != nil {
			a.unreadable = append(a.unreadable, o)
		}
		a.counts.Objects++
		a.counts.Bytes += o.size
		a.findings.addAll(o.findings)
	}
	if a.doc != nil {
		for _, p := range a.doc.Pending {
			name, _ := archive.ParseName(p.Name) // ParseDocument has checked it
			if a.snapshot.objects[p.Name] == nil && a.options.includes(name.Date) {
				o := &object{name: name, listed: store.Attrs{Name: p.Name}}
				a.lines.addObject(o)
				a.snapshot.parse(o, p.Content)
			}
		}
	}
	a.lines.sort()
}

// checkRejected checks that each rejected item is stored once.
func (a *audit) checkRejected() {
	rejected := a.lines.rejected
	a.counts.Rejected = len(rejected)
	first := 0 // of the lines with the same content
	for i := range rejected {
		l := &rejected[i]
		if !l.same(&rejected[first]) {
			first = i
		}
		if i == first {
			a.countStored(l, archive.Counts{Rejected: 1})
			continue
		}
		a.add(a.lines.finding(l, DuplicateRejected, "each rejected item once", "the same item as "+a.lines.position(&rejected[first]), a.options.repairDuplicates()))
		a.addRemoval(l, removal{})
	}
}

// checkReadable looks for rejected items that can be read as events now, since this
// program reads more than the one that rejected them, and that are stored nowhere as
// events.
func (a *audit) checkReadable() {
	if a.partial() {
		return // the events may be in an object that was not read
	}
	found := make(map[line]bool)
	a.readable = slices.DeleteFunc(slices.Clone(a.lines.readable), func(r rejectedEvent) bool {
		v, _ := a.versionsOf(r.event.id)
		version := line{id: r.event.id, fingerprint: r.event.fingerprint}
		known := slices.Contains(v.fingerprints, r.event.fingerprint) || found[version]
		found[version] = true
		return known
	})
	for _, r := range a.readable {
		f := a.lines.finding(&r.line, RejectedReadable, "only items that cannot be read as events",
			fmt.Sprintf("an item that can be read as event %d now, and is stored nowhere as an event", r.event.id), a.options.repair())
		f.Severity, f.ID = Notice, r.event.id
		a.add(f)
	}
}

// checkHalfPairs looks for lines at which many readers of JSON stop.
func (a *audit) checkHalfPairs() {
	for _, lines := range [][]line{a.lines.items, a.lines.rejected} {
		for i := range lines {
			if l := &lines[i]; a.lines.unusual(l).halfPair {
				f := a.lines.finding(l, HalfPair, "text that all readers of JSON accept",
					`half a surrogate pair such as \ud83d, at which jq and DuckDB stop`, keepHalfPair)
				f.Severity = Notice
				a.add(f)
			}
		}
	}
}

// checkDays looks for days without events between days with events, other than those
// that the document knows as gaps. Since the first commit such days are a problem,
// because the police hardly ever publish nothing for a day. Before it they are a
// notice, because nobody has fetched them yet, unless events of the month are gone.
func (a *audit) checkDays() {
	days := make(map[archive.Date]bool)
	var first int64 // timestamp of the oldest commit
	for i := range a.lines.items {
		name := a.lines.object(&a.lines.items[i]).name
		if name.Kind == archive.Events {
			days[name.Date] = true
		}
		if at := name.Timestamp; first == 0 || at < first {
			first = at
		}
	}
	for _, o := range a.unreadable {
		if o.name.Kind == archive.Events {
			days[o.name.Date] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(days), archive.Date.Compare)
	if len(sorted) == 0 {
		return
	}
	a.counts.Days, a.counts.First, a.counts.Last = len(sorted), sorted[0].String(), sorted[len(sorted)-1].String()
	start := archive.DateOf(time.Unix(first, 0).UTC())
	tomorrow := archive.DateOf(a.now.UTC()).Next() // Sweden is ahead of UTC
	known := a.knownGaps()
	for i, next := range sorted[1:] {
		if next.Compare(tomorrow) > 0 {
			break // the event's date is wrong: days in the future are not missing
		}
		between := DayRange{sorted[i].Next(), next.Previous()}
		if between.From.Compare(between.To) > 0 || a.mayBeUnlisted(archive.Events, between.From, between.To) {
			continue
		}
		for _, r := range between.without(known) {
			a.missing = append(a.missing, r)
			f := Finding{
				Check: MissingDays, Severity: Problem, Object: archive.Partition{Kind: archive.Events, Date: r.From}.Prefix(),
				Expected: "events on each day", Actual: "no events " + r.inWords(), Fix: a.options.backfill(r.From, r.To),
			}
			switch {
			case a.lacksEvents(r):
				f.Actual += ", and stored events are gone from these months"
				f.Fix = a.options.replaceLost() // a backfill comes later, since the document counts the events that it stores
			case r.To.Compare(start) < 0:
				f.Severity = Notice
			}
			a.add(f)
		}
	}
}

// mayBeUnlisted reports whether there may be objects of a kind and of one of these days
// that the store could not list.
func (a *audit) mayBeUnlisted(k archive.Kind, from, to archive.Date) bool {
	for d := from; len(a.snapshot.unlisted) > 0 && d.Compare(to) <= 0; d = d.Next() {
		prefix := archive.Partition{Kind: k, Date: d}.Prefix()
		if slices.ContainsFunc(a.snapshot.unlisted, func(u unlisted) bool { return u.mayHold(prefix) || strings.HasPrefix(u.name, prefix) }) {
			return true
		}
	}
	return false
}

// checkNames reports names that cannot be listed, and objects that are neither data
// nor metadata. In a store without an archive there is one finding for all of them, that of
// checkMissing.
func (a *audit) checkNames() {
	if !a.snapshot.isArchive() {
		return
	}
	for _, u := range a.snapshot.unlisted {
		a.add(Finding{
			Check: Unreadable, Severity: Problem, Object: u.name, Expected: "an object, or a folder that can be read",
			Actual: u.err.Error(), Fix: a.options.replaceEntry(),
		})
	}
	a.noteForeign()
	for _, key := range a.snapshot.others {
		f := Finding{Severity: Problem, Object: key, Fix: moveObject}
		switch kind, _, _ := strings.Cut(key, "/"); {
		case archive.IsMetadata(key):
			continue
		case kind == string(archive.Events) || kind == string(archive.Revisions) || kind == string(archive.Rejected):
			f.Check, f.Expected = BadName, "a name like "+kind+"/2026/01/31/"+kind+"-1769860800.jsonl"
			f.Actual = "a name that this program does not write; the content was not checked"
		default:
			f.Check, f.Expected, f.Actual = ForeignObject, "only objects that this program writes", "another object"
		}
		a.add(f)
	}
}

// noteForeign reports names beside the archive's folders, where no object of the archive can
// be. They are notices.
func (a *audit) noteForeign() {
	for _, u := range a.snapshot.foreignUnlisted {
		a.add(Finding{
			Check: Unreadable, Severity: Notice, Object: u.name, Expected: "only objects that this program writes",
			Actual: u.err.Error(), Fix: leaveObject,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(a.snapshot.foreign)) {
		f := Finding{
			Check: ForeignObject, Severity: Notice, Object: name, Expected: "only objects that this program writes",
			Actual: "another object", Fix: leaveObject,
		}
		if n := a.snapshot.foreign[name]; n > 1 {
			f.Actual = fmt.Sprintf("%d other objects", n)
		}
		a.add(f)
	}
}

// partial reports whether there may be lines that were not read.
func (a *audit) partial() bool {
	return a.options.limited() || a.unreadable != nil || a.snapshot.unlisted != nil
}

// result returns the findings as a Result.
func (a *audit) result() *Result {
	r := &Result{
		Store: a.snapshot.store.String(), OK: a.findings.problems == 0, Checked: a.counts,
		Problems: a.findings.problems, Notices: a.findings.notices,
		Timeline: a.timeline(),
		ByCheck:  map[Check]int{}, Findings: append([]Finding{}, a.findings.kept...), // in JSON empty, not null
	}
	maps.Copy(r.ByCheck, a.findings.byCheck)
	if (a.options.From != archive.Date{}) {
		r.From = a.options.From.String()
	}
	if (a.options.To != archive.Date{}) {
		r.To = a.options.To.String()
	}
	return r
}
