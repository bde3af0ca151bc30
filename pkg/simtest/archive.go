package simtest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
)

// archiveModel is a store, with a record of the archive that is in it. It checks each
// write.
type archiveModel struct {
	*world
	store *memstore.Store

	objects map[string][]string // the keys of the lines of each data object
	lines   map[string]int      // the number of copies of each line
	events  map[int64]int       // the number of lines of each id under events/
	// commits are the commits that were made, and last is the newest.
	commits map[archive.Commit]*commit
	last    *commit
	// covered are the values of covered_until, each higher than the one before, or zero if
	// another program has replaced the document.
	covered []coverage

	// disturbed says that another program has changed the archive.
	disturbed bool
	// older says that another program has put a document that may be older than commits that
	// hosts know. Such hosts refuse the archive.
	older bool
	// exempt says that no full response has come since the start, or since another program
	// has replaced the document and its covered_until was lost. The events until then may be missing without a gap;
	// exemptBefore is the time of that response.
	exempt       bool
	exemptBefore time.Time
	away         *memstore.Store // the archive while it has vanished; else nil
	unreadable   map[string]bool // the objects that cannot be read
	copied       map[string]int  // the number of copies that another program made of each line
	faultyDays   map[string]bool // the days for which the API failed, or that it does not serve

	parsed    *archive.Document // the last document that was parsed
	parsedMD5 string            // of its text
}

// commit is a commit with the lines of its objects.
type commit struct {
	archive.Commit
	pending map[string][]string // the keys of the lines by object, of its own and earlier objects
	own     archive.Counts      // of the lines of its own objects
	body    []byte              // the document
}

// coverage is a value of covered_until, and the time of the API's answer from which it is.
type coverage struct{ at, until time.Time }

func newArchive(w *world) *archiveModel {
	return &archiveModel{
		world: w, store: memstore.New(), objects: make(map[string][]string), lines: make(map[string]int), events: make(map[int64]int),
		commits: make(map[archive.Commit]*commit), exempt: true, copied: make(map[string]int), faultyDays: make(map[string]bool),
	}
}

// keysOf returns the keys of the lines of a data object.
func keysOf(kind archive.Kind, content []byte) (keys []string) {
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		if kind == archive.Rejected {
			_, raw, _ := strings.Cut(line, `,"raw":`)
			line = rejectedKey(strings.TrimSuffix(raw, "}"))
		}
		keys = append(keys, line)
	}
	return keys
}

// put makes a write, and checks it if it took effect.
func (a *archiveModel) put(p *process, name string, body []byte, cond store.Cond) (store.ETag, error) {
	etag, err := a.store.Put(context.Background(), name, body, cond)
	if err != nil {
		return etag, err
	}
	a.note("  %s writes %s, %d bytes", p, name, len(body))
	if a.away != nil {
		return etag, err // comeBack notices it
	}
	_, overwrites := cond.Match()
	switch n, isData := archive.ParseName(name); {
	case isData && overwrites:
		a.noteRemoval(p, n, body)
	case isData:
		a.notePut(p, n, body)
	case name == archive.DocumentName:
		a.noteDocument(p, body)
	case name == archive.LastRunName:
		a.noteLastRun(p, body)
	}
	return etag, err
}

// notePut checks a data object that was written.
func (a *archiveModel) notePut(p *process, n archive.Name, body []byte) {
	name := n.String()
	for _, key := range a.objects[name] {
		a.count(n.Kind, key, -1)
	}
	keys := keysOf(n.Kind, body)
	for _, key := range keys {
		a.count(n.Kind, key, 1)
		v := a.api.byKey[key]
		switch {
		case v == nil:
			a.fail("%s stored a line in %s that the API never sent: %s", p, name, key)
		case n.Kind != archive.Rejected && v.day != n.Date.String():
			a.fail("%s stored a line of %s in %s", p, v.day, name)
		case a.lines[key] > 1+a.copied[key]:
			a.fail("%s stored a line twice, the second time in %s: %s", p, name, key)
		case n.Kind == archive.Events && a.events[v.notice.id] > 1 && a.copied[key] == 0:
			a.fail("%s stored event %d twice under events/, the second time in %s", p, v.notice.id, name)
		}
	}
	a.objects[name] = keys
	if !a.isPromised(name, keys) {
		a.fail("%s wrote %s, which no document contains", p, name)
	}
}

// noteRemoval checks a data object that was overwritten: only a repair does that, to remove
// copies of lines.
func (a *archiveModel) noteRemoval(p *process, n archive.Name, body []byte) {
	stay := keysOf(n.Kind, body)
	i := 0
	for _, key := range a.objects[n.String()] {
		if i < len(stay) && stay[i] == key {
			i++
			continue
		}
		if a.count(n.Kind, key, -1); a.lines[key] == 0 {
			a.fail("%s removed the last copy of a line from %s: %s", p, n, key)
		}
	}
	if i < len(stay) || p.step.Kind != Repair {
		a.fail("%s changed %s", p, n)
	}
	a.objects[n.String()] = stay
}

// count adds n copies of a line of an object.
func (a *archiveModel) count(kind archive.Kind, key string, n int) {
	a.lines[key] += n
	if v := a.api.byKey[key]; v != nil && kind == archive.Events {
		a.events[v.notice.id] += n
	}
}

// isPromised reports whether a commit made an object with these lines.
func (a *archiveModel) isPromised(name string, keys []string) bool {
	for _, c := range a.commits {
		if slices.Equal(c.pending[name], keys) {
			return true
		}
	}
	return false
}

// isStored reports whether a line is in an object, or in the document.
func (a *archiveModel) isStored(key string) bool {
	return a.lines[key] > 0 || a.last.has(key)
}

// has reports whether a pending object has a line. c may be nil.
func (c *commit) has(key string) bool {
	return slices.ContainsFunc(c.lines(), func(l pendingLine) bool { return l.key == key })
}

// pendingLine is a line of a pending object.
type pendingLine struct{ object, key string }

// lines returns the lines of the pending objects in the order of their names. c may be nil.
func (c *commit) lines() (all []pendingLine) {
	if c == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.pending)) {
		for _, key := range c.pending[name] {
			all = append(all, pendingLine{name, key})
		}
	}
	return all
}

// noteDocument checks a document that was written.
func (a *archiveModel) noteDocument(p *process, body []byte) {
	d := a.document()
	if d == nil || d.Commit == nil {
		a.fail("%s wrote a document that cannot be read, or that has no commit", p)
		return
	}
	c := &commit{Commit: *d.Commit, pending: make(map[string][]string), body: body}
	for _, object := range d.Pending {
		n, _ := archive.ParseName(object.Name)
		keys := keysOf(n.Kind, object.Content)
		c.pending[object.Name] = keys
		if n.Timestamp == c.Timestamp {
			c.own = c.own.Plus(countsOf(n.Kind, len(keys)))
		}
	}
	if last := a.last; last != nil {
		if c.Sequence != last.Sequence+1 || c.Timestamp <= last.Timestamp {
			a.fail("%s replaced commit %d of %d by commit %d of %d", p, last.Sequence, last.Timestamp, c.Sequence, c.Timestamp)
		}
		for _, l := range last.lines() {
			if a.lines[l.key] == 0 && !c.has(l.key) {
				a.fail("%s replaced the document, and a line of %s is nowhere: %s", p, l.object, l.key)
			}
		}
	}
	a.commits[c.Commit], a.last = c, c
	for _, g := range d.Gaps {
		if g.Unserved && !a.faultyDays[g.Day] {
			a.fail("%s gave up the gap of %s, but the API has answered each query for it", p, g.Day)
		}
	}
	if d.CoveredUntil != nil {
		n := len(a.covered)
		switch {
		case n == 0 || d.CoveredUntil.After(a.covered[n-1].until):
			a.covered = append(a.covered, coverage{p.answered, *d.CoveredUntil})
		case d.CoveredUntil.Before(a.covered[n-1].until):
			a.fail("%s let covered_until fall from %v to %v", p, a.covered[n-1].until, d.CoveredUntil)
		}
		if a.exempt && p.step.Kind == Collect {
			a.exempt, a.exemptBefore = false, time.Now()
		}
	}
}

// noteLastRun checks a report that was written.
func (a *archiveModel) noteLastRun(p *process, body []byte) {
	r, err := report.ParseLastRun(body)
	if err != nil {
		a.fail("%s wrote a report that cannot be read: %v", p, err)
		return
	}
	if r.StoredCommit != nil {
		c := a.commits[archive.Commit(*r.StoredCommit)]
		if c == nil {
			a.fail("%s reported that commit %+v is stored, which nobody made", p, *r.StoredCommit)
			return
		}
		for _, l := range c.lines() {
			if a.lines[l.key] == 0 {
				a.fail("%s reported that all objects of commit %d are stored, and a line of %s is not: %s", p, c.Sequence, l.object, l.key)
			}
		}
	}
	if r.RunID == p.runID() {
		a.checkCounts(p, r.Report)
	}
	if r.Succeeded() {
		a.lastSuccess = time.Now()
	}
}

// checkCounts checks the numbers of a report of a process.
func (a *archiveModel) checkCounts(p *process, r report.Report) {
	if a.disturbed {
		return // a commit may have lines again that an object lacks
	}
	var made archive.Counts
	for id, c := range a.commits {
		if id.ID == r.RunID {
			made = made.Plus(c.own)
		}
	}
	n := r.Counts
	// A run that does not learn that its commit succeeded, since another run has committed
	// meanwhile, finds its events stored.
	atMost := n.CommitUnknownOutcomes+n.CommitConflicts > 0 && n.New <= made.Events && n.Revised <= made.Revisions && n.Rejected <= made.Rejected
	exactly := archive.Counts{Events: n.New, Revisions: n.Revised, Rejected: n.Rejected} == made
	if r.Succeeded() && !exactly && !atMost {
		a.fail("%s reported %d new, %d revised and %d rejected, but its commits have %d, %d and %d",
			p, n.New, n.Revised, n.Rejected, made.Events, made.Revisions, made.Rejected)
	}
}

// document returns the document, which callers must not change; nil if there is none, or
// one that cannot be read.
func (a *archiveModel) document() *archive.Document {
	attrs, err := a.store.Stat(context.Background(), archive.DocumentName)
	if err != nil {
		return nil
	}
	if attrs.MD5 != a.parsedMD5 {
		a.parsed, _ = archive.ParseDocument(a.body(archive.DocumentName))
		a.parsedMD5 = attrs.MD5
	}
	return a.parsed
}

// storedCounts returns the numbers of items in the archive by month.
func (a *archiveModel) storedCounts() map[string]archive.Counts {
	counts := make(map[string]archive.Counts)
	for name, keys := range a.objects {
		n, _ := archive.ParseName(name)
		if len(keys) > 0 {
			month := n.Date.MonthKey()
			counts[month] = counts[month].Plus(countsOf(n.Kind, len(keys)))
		}
	}
	return counts
}

// countsOf returns the counts of n items of one kind.
func countsOf(kind archive.Kind, n int) (counts archive.Counts) {
	switch kind {
	case archive.Events:
		counts.Events = n
	case archive.Revisions:
		counts.Revisions = n
	case archive.Rejected:
		counts.Rejected = n
	}
	return counts
}
