package archive

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// The limits of one commit. The document contains the commit's objects, and
// every run reads the document, so it has to stay small. A full response, 500
// events of 358 bytes on average, fits into one commit several times.
const (
	// MaxCommitItems is about the maximum number of items of a commit.
	MaxCommitItems = 2000
	// MaxCommitBytes is about the maximum number of bytes of its lines.
	MaxCommitBytes = 1 << 20
	// maxPendingBytes limits all lines that a commit contains, those of earlier
	// commits included. JSON escapes may double them, and a run reads documents of
	// up to 96 MiB.
	maxPendingBytes = 32 << 20
)

// plan describes the part of a batch that one commit stores.
type plan struct {
	eventClasses []Class // by event; undecided if the event has to wait for another commit
	before       []int   // by event: the number of versions before it, if it is Revised
	newRejected  []bool  // by rejected item: this commit stores it

	lines      map[Partition][][]byte // the lines to store, without line ends
	items      int                    // the number of the batch's items among them
	size       int                    // the total size of these items in bytes
	earlier    int                    // the total size of the lines of earlier commits in bytes
	incomplete bool                   // the commit is full, and the batch has more to store

	// revised are the dates of the last revisions in this commit, by the ids of their
	// events.
	revised map[int64]Date

	again []objectLine // lines of the last commit that this one stores again
	// heldLines are the lines of w.held, which the next document keeps in Pending.
	// They count as stored.
	heldLines []objectLine

	decided         map[waitingItem]bool       // items of the batch that do not wait
	waiting         map[waitingItem]waitReason // items that wait, and why
	waitingRejected []bool                     // by rejected item: it waits
	newGaps         map[Date][]waitingItem     // the items that wait, by the day that is a gap
	gaps            []Gap                      // of the next document
	missed          int                        // the number of days that become gaps with the reason Missed
	coveredUntil    *time.Time                 // of the next document

	// stored holds the versions of those ids of the batch that are stored or that
	// this commit stores.
	stored map[int64]*versionSet
	// rejectedHashes are fingerprints of rejected items that are stored or that
	// this commit stores, in the order of their priority. There may be more than a
	// document lists.
	rejectedHashes []string
	// allRejected says that rejectedHashes covers all stored rejected items.
	allRejected bool

	rebuild    bool // the document has to be written even if nothing is new
	newArchive bool // the archive is empty and has no document

	objects []Object  // set by build
	next    *Document // set by build
}

// empty reports whether there is nothing to commit.
func (p *plan) empty(w *Writer) bool {
	return len(p.lines) == 0 && !p.rebuild && !w.accepted && slices.EqualFunc(p.gaps, w.doc.Gaps, Gap.equal) && equalTimes(p.coveredUntil, w.covered())
}

// decide is step 3 of the protocol: it decides on the changed objects, and on each
// item of the batch that is not committed yet, by the document and, if necessary,
// by a lookup.
func (w *Writer) decide(ctx context.Context, c *batchChange) (*plan, error) {
	if err := w.checkEmpty(ctx); err != nil {
		return nil, err
	}
	p := &plan{
		eventClasses:    make([]Class, len(c.batch.Events)),
		before:          make([]int, len(c.batch.Events)),
		newRejected:     make([]bool, len(c.batch.Rejected)),
		revised:         make(map[int64]Date),
		waitingRejected: make([]bool, len(c.batch.Rejected)),
		lines:           make(map[Partition][][]byte),
		stored:          make(map[int64]*versionSet, len(c.batch.Events)),
		decided:         make(map[waitingItem]bool),
		waiting:         make(map[waitingItem]waitReason),
		newGaps:         make(map[Date][]waitingItem),
		rebuild:         w.doc.published(),
		newArchive:      w.noDocument && w.damaged == nil && w.noData,
	}
	statuses, err := w.lookUp(ctx, c)
	if err != nil {
		return nil, err
	}
	w.decideChanged(p)
	for i, status := range statuses {
		w.decideEvent(p, c, i, status)
	}
	if err := w.decideRejected(ctx, p, c); err != nil {
		return nil, err
	}
	w.decideGaps(p, c)
	if p.incomplete && len(p.lines) == 0 {
		return nil, fmt.Errorf("commit: %w; %s keeps %d MiB of lines because objects cannot be read, and has no room for new items; restore, replace or move the object, and run again",
			w.held[0].err, DocumentName, p.earlier>>20)
	}
	return p, nil
}

// checkEmpty looks for data objects if the document is missing or damaged. If the
// archive has neither events nor revisions, no id was ever seen.
func (w *Writer) checkEmpty(ctx context.Context) error {
	if !w.noDocument || w.checkedData {
		return nil
	}
	hasData := false
	for _, k := range kinds {
		for attrs, err := range w.store.List(ctx, k.Prefix()) {
			if err != nil && attrs.Name == "" {
				return fmt.Errorf("look for stored events: %w", err)
			}
			hasData = true
			break
		}
		if hasData {
			break
		}
		if k == Revisions { // there are no events either
			w.doc.CompleteAbove = new(int64)
		}
	}
	w.checkedData, w.noData = true, !hasData
	return nil
}

// lookUp compares the batch with the document, and reads the partitions of all
// events that the document may not list although they are stored, and of the lines
// that changed objects no longer hold. It returns the status of each event.
func (w *Writer) lookUp(ctx context.Context, c *batchChange) ([]idStatus, error) {
	statuses := make([]idStatus, len(c.batch.Events))
	w.compareIDs(c.batch.Events, statuses)
	var dates []Date
	for i, status := range statuses {
		if status == idUncertain && c.committedEvents[i] == undecided {
			c.lookedUp[i] = true
			dates = append(dates, c.batch.lookUpDates(i)...)
		}
	}
	if len(dates) > 0 || w.hasUnlistedRejected(c) {
		if err := w.healDeferred(ctx); err != nil {
			return nil, err
		}
	}
	if err := w.index.lookUp(ctx, dates); err != nil {
		return nil, err
	}
	var missing []objectLine
	for _, o := range w.changed {
		missing = append(missing, o.missing...)
	}
	return statuses, w.index.lookUpLines(ctx, missing)
}

// idStatus is the state of an event according to the document.
type idStatus uint8

const (
	idStored    idStatus = iota // the event is stored
	idNew                       // the event was never seen
	idUncertain                 // a lookup is necessary
)

// compareIDs compares the ids of events with the document, and writes the
// status of each event to statuses, which has the same length.
func (w *Writer) compareIDs(events []polisen.Event, statuses []idStatus) {
	for i := range events {
		id := events[i].ID
		versions, ok := w.listed[id]
		switch {
		case len(versions) > 0:
			statuses[i] = idStored
		case !ok && w.doc.CompleteAbove != nil && id > *w.doc.CompleteAbove:
			statuses[i] = idNew
		default:
			// This includes ids that are listed without versions: another program
			// wrote such a list, and may not have stored the events.
			statuses[i] = idUncertain
		}
	}
}

// decideEvent decides on event i of the batch. The events before it must have
// been decided on.
func (w *Writer) decideEvent(p *plan, c *batchChange, i int, status idStatus) {
	e := c.batch.Events[i]
	if c.committedEvents[i] != undecided { // by an earlier commit of this batch
		if _, ok := p.stored[e.ID]; !ok {
			if versions, ok := w.listed[e.ID]; ok {
				p.stored[e.ID] = newVersionSet(versions)
			}
		}
		p.decided[w.waitingEvent(e)] = true
		return
	}
	date := DateOf(e.Time)
	versions, stored := w.storedVersions(p, e, status)
	if stored && !c.repeated[i] {
		c.sharesEvent = true
	}
	isStored := versions.has(e.Fingerprint) || stored && !w.opts.Revisions
	var unreadable error // of an object that may hold other versions
	if status == idUncertain {
		for _, d := range c.batch.lookUpDates(i) {
			unreadable = cmp.Or(unreadable, w.index.unreadable(d))
		}
	}
	switch {
	case unreadable != nil && !isStored:
		p.eventClasses[i] = Waiting
		p.wait(date, w.waitingEvent(e), unreadable)
		return
	case !stored:
		if !p.add(Partition{Events, date}, e.Raw) {
			return
		}
		p.eventClasses[i] = New
		versions = newVersionSet(Versions{e.Fingerprint})
	case w.opts.Revisions && len(versions.list) > 0 && !isStored:
		// Within a commit, only the dates in the names of the objects order them.
		if last, ok := p.revised[e.ID]; ok && date.Compare(last) < 0 {
			p.incomplete = true
		}
		if p.add(Partition{Revisions, date}, e.Raw) {
			p.eventClasses[i] = Revised
			p.before[i] = len(versions.list)
			p.revised[e.ID] = date
			versions.add(e.Fingerprint)
		}
	default:
		p.eventClasses[i] = Seen
		if c.repeated[i] {
			p.eventClasses[i] = Repeated
		}
	}
	if p.eventClasses[i] != undecided {
		p.decided[w.waitingEvent(e)] = true
	}
	if unreadable == nil { // otherwise the list of versions may be incomplete
		p.stored[e.ID] = versions
	}
}

// storedVersions returns the versions of an event that are stored or planned,
// and whether there are any. An event may be stored in unknown versions.
func (w *Writer) storedVersions(p *plan, e polisen.Event, status idStatus) (versions *versionSet, stored bool) {
	if versions, stored = p.stored[e.ID]; stored {
		return versions, true
	}
	if status == idUncertain {
		versions = p.storedIn(w.index, e.ID)
		return versions, len(versions.list) > 0
	}
	listed, stored := w.listed[e.ID]
	return newVersionSet(listed), stored
}

// add adds an item's line to the commit. It returns false if the commit is
// full, so that the item has to be in another one. A commit without other lines
// takes an item of any size.
func (p *plan) add(to Partition, line []byte) bool {
	full := p.items > 0 && (p.items >= MaxCommitItems || p.size+len(line) >= MaxCommitBytes) ||
		p.earlier > 0 && p.earlier+p.size+len(line) >= maxPendingBytes
	if p.incomplete || full {
		p.incomplete = true
		return false
	}
	p.lines[to] = append(p.lines[to], line)
	p.size += len(line) + 1
	p.items++
	return true
}

// decideRejected decides on the batch's rejected items.
func (w *Writer) decideRejected(ctx context.Context, p *plan, c *batchChange) error {
	stored, err := w.storedRejected(ctx, p, c)
	if err != nil {
		return err
	}
	inList := make(map[string]bool)
	list := func(hash string) {
		if !inList[hash] {
			inList[hash] = true
			p.rejectedHashes = append(p.rejectedHashes, hash)
		}
	}
	for i, r := range c.batch.Rejected {
		hash := c.rejectedHashes[i]
		if !stored[hash] && !inList[hash] {
			observed := c.batch.observedAt(i)
			to := Partition{Rejected, DateOf(observed)}
			line, err := rejectedText(r, observed)
			if err != nil {
				return err
			}
			if !p.allRejected {
				p.waitingRejected[i] = true
				p.wait(to.Date, waitingItem{hash: hash}, w.index.rejectedErr)
				continue
			}
			if !p.add(to, line) {
				continue
			}
			p.newRejected[i] = true
		}
		p.decided[waitingItem{hash: hash}] = true
		list(hash)
	}
	if r := w.doc.Rejected; r != nil {
		for _, hash := range r.Hashes {
			list(hash)
		}
	}
	if len(p.rejectedHashes) <= maxRejected { // otherwise the document has no room for others
		for _, hash := range slices.Sorted(maps.Keys(stored)) {
			list(hash)
		}
	}
	return nil
}

// storedRejected returns the fingerprints of stored rejected items: those that
// the document lists or, if these do not suffice to decide on the batch, those
// of all stored items. It sets p.allRejected.
func (w *Writer) storedRejected(ctx context.Context, p *plan, c *batchChange) (map[string]bool, error) {
	p.allRejected = w.listsAllRejected()
	stored := maps.Clone(w.listedRejected)
	for _, l := range slices.Concat(p.again, p.heldLines) {
		if l.kind == Rejected && l.reason == "" {
			stored[l.Fingerprint] = true
		}
	}
	isUnlisted := func(hash string) bool { return !stored[hash] }
	if p.allRejected || !slices.ContainsFunc(c.rejectedHashes, isUnlisted) {
		return stored, nil
	}
	if err := w.index.lookUpRejected(ctx); err != nil {
		return nil, err
	}
	p.allRejected = w.index.rejectedErr == nil
	maps.Copy(stored, w.index.rejected)
	return stored, nil
}

// hasUnlistedRejected reports whether the document does not suffice to decide on
// the rejected items of the batch.
func (w *Writer) hasUnlistedRejected(c *batchChange) bool {
	isUnlisted := func(hash string) bool { return !w.listedRejected[hash] }
	return !w.listsAllRejected() && slices.ContainsFunc(c.rejectedHashes, isUnlisted)
}

// listsAllRejected reports whether the document lists all stored rejected items.
func (w *Writer) listsAllRejected() bool { return w.doc.Rejected != nil && w.doc.Rejected.Complete }

// build is step 4 of the protocol: it builds the next document, which contains
// the new objects in full.
func (w *Writer) build(p *plan, b Batch) {
	p.next = &Document{}
	p.objects = w.setCommit(p.next, p.lines)
	p.next.Gaps, p.next.CoveredUntil = p.gaps, p.coveredUntil
	p.next.Stored, p.next.Forgotten = p.counts(w.doc, b)
	stored := make(map[int64]Versions, len(p.stored))
	for id, versions := range p.stored {
		stored[id] = versions.list
	}
	w.doc.listIDs(p.next, stored, b.Current)
	listRejected(p.next, p.rejectedHashes, p.allRejected)
}

// counts returns the numbers of stored items after the plan's commit, and the ids that
// stay forgotten. It does not count lines that are stored again, nor events that were
// forgotten. The numbers are nil if those of the last document are not known.
func (p *plan) counts(last *Document, b Batch) (after map[string]Counts, forgotten []int64) {
	if last.Stored == nil && !p.newArchive {
		return nil, nil
	}
	after = make(map[string]Counts, len(last.Stored)+1)
	maps.Copy(after, last.Stored)
	forgotten = slices.Clone(last.Forgotten)
	added := make(map[Date]Counts)
	add := func(d Date, n Counts) { added[d] = added[d].Plus(n) }
	for i, class := range p.eventClasses {
		date := DateOf(b.Events[i].Time)
		switch class {
		case New:
			if at := slices.Index(forgotten, b.Events[i].ID); at >= 0 {
				forgotten = slices.Delete(forgotten, at, at+1)
			} else {
				add(date, Counts{Events: 1})
			}
		case Revised:
			add(date, Counts{Revisions: 1})
		}
	}
	for i, isNew := range p.newRejected {
		if isNew {
			add(DateOf(b.observedAt(i)), Counts{Rejected: 1})
		}
	}
	for d, n := range added {
		after[d.MonthKey()] = after[d.MonthKey()].Plus(n)
	}
	return after, forgotten
}

// setCommit sets the fields that make next a commit of this run which stores the lines. It
// returns the commit's objects.
func (w *Writer) setCommit(next *Document, lines map[Partition][][]byte) (objects []Object) {
	if lost := w.lastRun.lost(); w.doc.Commit == nil && lost != "" && !w.noData {
		w.opts.Warn(slog.LevelWarn, "the list of days whose events may be missing is lost with the metadata document, because "+lost+"; fetch the days of the last pauses with backfill")
	}
	known := w.lastRun.Known()
	if w.doc.Commit != nil && w.doc.timestamp() < known {
		w.opts.Warn(slog.LevelWarn, fmt.Sprintf("the metadata document is older than the last run, which knew a commit of %s: it may be an older copy, so this run looks up each event in the archive",
			unixTime(known)))
	}
	now := w.now()
	// A commit that is known from elsewhere is later than that of the document if the document
	// is rebuilt or an older copy, or if this archive was accepted in place of another. The
	// names of data objects do not count, since another program may write names in the future:
	// commits after them would make its next objects the older ones.
	timestamp := max(now.Unix(), w.doc.timestamp()+1, known+1, w.opts.KnownCommit+1)
	next.LastUpdated = now
	next.Version, next.Stored, next.CoveredUntil = formatVersion, w.doc.Stored, w.covered()
	next.Gaps, next.AcceptedDays = w.doc.Gaps, w.doc.AcceptedDays
	next.Commit = &Commit{ID: w.opts.RunID, Sequence: w.doc.sequence() + 1, Timestamp: timestamp}
	next.Pending = w.unchecked()
	for _, o := range w.held {
		next.Pending = append(next.Pending, o.Pending)
	}
	for partition, group := range lines {
		content := joinLines(group)
		name := Name{partition, timestamp}.String()
		next.Pending = append(next.Pending, Pending{Name: name, Content: content})
		objects = append(objects, Object{Name: name, Lines: len(group), Bytes: len(content)})
	}
	slices.SortFunc(next.Pending, func(a, b Pending) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return objects
}
