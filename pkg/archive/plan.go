package archive

import (
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
	maxCommitItems = 2000
	maxCommitBytes = 1 << 20
	// maxPendingBytes limits all lines that a commit contains, those of earlier
	// commits included. JSON escapes may double them, and a run reads documents of
	// up to 96 MiB.
	maxPendingBytes = 32 << 20
)

// plan describes the part of a batch that one commit stores.
type plan struct {
	eventClasses []Class // by event; undecided if the event has to wait for another commit
	newRejected  []bool  // by rejected item: this commit stores it

	lines      map[Partition][][]byte // the lines to store, without line ends
	items      int                    // the number of the batch's items among them
	size       int                    // the total size of these items in bytes
	earlier    int                    // the total size of the lines of earlier commits in bytes
	incomplete bool                   // the commit is full, and the batch has more to store

	again []objectLine // lines of the last commit that this one stores again
	// unstored are the lines in pending objects that the next document has to
	// contain. They count as stored.
	unstored []objectLine

	decided         map[waitingItem]bool  // items of the batch that do not wait
	waiting         map[waitingItem]error // items that wait, and why
	waitingRejected []bool                // by rejected item
	gaps            []Gap                 // of the next document
	newGaps         map[Date][]waitingItem

	// stored holds the versions of those ids of the batch that are stored or that
	// this commit stores.
	stored map[int64]Versions
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
func (p *plan) empty(last *Document) bool {
	return len(p.lines) == 0 && !p.rebuild && slices.EqualFunc(p.gaps, last.Gaps, Gap.equal)
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
		newRejected:     make([]bool, len(c.batch.Rejected)),
		waitingRejected: make([]bool, len(c.batch.Rejected)),
		lines:           make(map[Partition][][]byte),
		stored:          make(map[int64]Versions, len(c.batch.Events)),
		decided:         make(map[waitingItem]bool),
		waiting:         make(map[waitingItem]error),
		newGaps:         make(map[Date][]waitingItem),
		rebuild:         w.doc.published(),
		newArchive:      w.noDocument && w.damaged == nil && w.doc.CompleteAbove != nil,
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
	w.decideGaps(p)
	if p.incomplete && len(p.lines) == 0 {
		return nil, fmt.Errorf("commit: %w; %s keeps %d MiB of lines because objects cannot be read, and has no room for new items",
			w.held[0].err, DocumentName, p.earlier>>20)
	}
	return p, nil
}

// decideChanged decides on the pending objects that another program has changed.
// Of the lines that they no longer hold, it adds those to the commit that are
// stored nowhere. For this only the objects in the archive count: the document
// lists these lines in any case.
func (w *Writer) decideChanged(p *plan) {
	var nowhere []objectLine
	for _, o := range w.changed {
		again, undecided := 0, 0
		var unreadable error
		for _, l := range o.missing {
			switch err := w.unreadableFor(l); {
			case w.index.has(l):
			case err != nil:
				unreadable = err
				undecided++
			default:
				nowhere = append(nowhere, l)
				again++
			}
		}
		if unreadable != nil {
			w.held = append(w.held, heldObject{o.Pending, unreadable})
		}
		w.warnChanged(o, again, undecided)
	}
	w.changed = nil
	for _, o := range w.held {
		p.earlier += len(o.Content)
		p.unstored = append(p.unstored, o.lines()...)
	}
	for _, l := range nowhere {
		p.storeAgain(l, w.index)
	}
}

// unreadableFor returns the error of an object that may hold the line and could
// not be read, or nil.
func (w *Writer) unreadableFor(l objectLine) error {
	if l.kind == Rejected {
		return w.index.rejectedErr
	}
	return w.index.unreadable(l.Date)
}

// storeAgain adds a line of the last commit to this one. It belongs under events/
// if no version of its event is there.
func (p *plan) storeAgain(l objectLine, x *index) {
	if l.kind != Rejected && l.reason == "" {
		if _, ok := p.stored[l.ID]; !ok {
			p.stored[l.ID] = p.storedIn(x, l.ID)
		}
		p.stored[l.ID] = p.stored[l.ID].with(l.Fingerprint)
		isEvent := func(a objectLine) bool { return a.kind == Events && a.ID == l.ID }
		l.kind = Events
		if x.events[l.ID] || slices.ContainsFunc(p.again, isEvent) || slices.ContainsFunc(p.unstored, isEvent) {
			l.kind = Revisions
		}
	}
	to := Partition{l.kind, l.Date}
	p.lines[to] = append(p.lines[to], l.text)
	p.again = append(p.again, l)
	p.earlier += len(l.text) + 1
}

// storedIn returns the versions of an event that are in the index or in pending
// objects that the next document has to contain.
func (p *plan) storedIn(x *index, id int64) Versions {
	versions := x.versions[id]
	for _, l := range p.unstored {
		if l.ID == id && l.kind != Rejected && l.reason == "" {
			versions = versions.with(l.Fingerprint)
		}
	}
	return versions
}

// warnChanged describes the difference of a changed object, of whose lines this
// commit stores some again, and some are undecided.
func (w *Writer) warnChanged(o changedObject, again, undecided int) {
	level, text := slog.LevelInfo, o.Name+" was changed by another program"
	switch missing := len(o.missing); {
	case missing == 0:
		text += fmt.Sprintf(", but holds all of its %d lines", o.lines)
	case again+undecided == 0:
		text += fmt.Sprintf(": %d of %d lines missing or changed, all stored in other objects", missing, o.lines)
	default:
		level = slog.LevelWarn
		text += fmt.Sprintf(": %d of %d lines missing or changed, %d stored again", missing, o.lines, again)
		if undecided > 0 {
			text += fmt.Sprintf(", %d kept in %s because an object cannot be read", undecided, DocumentName)
		}
	}
	w.opts.Warn(level, text)
}

// checkEmpty looks for events if the document is missing or damaged. If the
// archive has none, no id was ever seen.
func (w *Writer) checkEmpty(ctx context.Context) error {
	if !w.noDocument || w.doc.CompleteAbove != nil {
		return nil
	}
	for _, err := range w.store.List(ctx, Events.Prefix()) {
		if err != nil {
			return fmt.Errorf("look for stored events: %w", err)
		}
		return nil
	}
	w.doc.CompleteAbove = new(int64)
	return nil
}

// lookUp compares the batch with the document, and reads the partitions of all
// events that the document may not list although they are stored, and of the lines
// that changed objects no longer hold. It returns the status of each event.
func (w *Writer) lookUp(ctx context.Context, c *batchChange) ([]idStatus, error) {
	statuses := make([]idStatus, len(c.batch.Events))
	w.compareIDs(c.batch.Events, statuses)
	if !c.compared {
		c.compared = true
		c.outcome.Listed = len(w.listed)
		for _, e := range c.batch.Events {
			if _, ok := w.listed[e.ID]; ok {
				c.outcome.Overlap++
			}
		}
	}
	var dates []Date
	for i, status := range statuses {
		if status == idUncertain && c.committedEvents[i] == undecided {
			c.lookedUp[i] = true
			dates = append(dates, DateOf(c.batch.Events[i].Time))
		}
	}
	for _, o := range w.changed {
		for _, l := range o.missing {
			if l.kind != Rejected {
				dates = append(dates, l.Date)
			} else if err := w.index.lookUpRejected(ctx); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(dates, Date.Compare)
	return statuses, w.index.lookUp(ctx, slices.Compact(dates))
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
		if versions, ok := w.listed[e.ID]; ok {
			p.stored[e.ID] = versions
		}
		p.decided[waitingItem{id: e.ID}] = true
		return
	}
	date := DateOf(e.Time)
	versions, stored := w.storedVersions(p, e, status)
	isStored := slices.Contains(versions, e.Fingerprint) || stored && !w.opts.Revisions
	var unreadable error // of an object that may hold other versions
	if status == idUncertain {
		unreadable = w.index.unreadable(date)
	}
	switch {
	case unreadable != nil && !isStored:
		p.eventClasses[i] = Waiting
		p.wait(date, waitingItem{id: e.ID}, unreadable)
		return
	case !stored:
		if !p.add(Partition{Events, date}, e.Raw) {
			return
		}
		p.eventClasses[i] = New
		versions = Versions{e.Fingerprint}
	case w.opts.Revisions && len(versions) > 0 && !isStored:
		if p.add(Partition{Revisions, date}, e.Raw) {
			p.eventClasses[i] = Revised
			versions = versions.with(e.Fingerprint)
		}
	default:
		p.eventClasses[i] = Seen
		if c.repeated[i] {
			p.eventClasses[i] = Repeated
		}
	}
	p.decided[waitingItem{id: e.ID}] = p.eventClasses[i] != undecided
	if unreadable == nil { // otherwise the list of versions may be incomplete
		p.stored[e.ID] = versions
	}
}

// storedVersions returns the versions of an event that are stored or planned,
// and whether there are any. An event may be stored in unknown versions.
func (w *Writer) storedVersions(p *plan, e polisen.Event, status idStatus) (versions Versions, stored bool) {
	if versions, stored = p.stored[e.ID]; stored {
		return versions, true
	}
	if status == idUncertain {
		versions = p.storedIn(w.index, e.ID)
		return versions, len(versions) > 0
	}
	versions, stored = w.listed[e.ID]
	return versions, stored
}

// wait makes an item wait for a later run because of err.
func (p *plan) wait(date Date, item waitingItem, err error) {
	if _, ok := p.waiting[item]; !ok {
		p.waiting[item] = err
		p.newGaps[date] = append(p.newGaps[date], item)
	}
}

// add adds an item's line to the commit. It returns false if the commit is
// full, so that the item has to be in another one. A commit without other lines
// takes an item of any size.
func (p *plan) add(to Partition, line []byte) bool {
	full := p.items > 0 && (p.items >= maxCommitItems || p.size+len(line) >= maxCommitBytes) ||
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
	to := Partition{Rejected, DateOf(c.batch.ObservedAt.UTC())}
	for i, r := range c.batch.Rejected {
		hash := c.rejectedHashes[i]
		if !stored[hash] && !inList[hash] {
			line, err := rejectedText(r, c.batch.ObservedAt)
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
	stored := make(map[string]bool)
	if r := w.doc.Rejected; r != nil {
		p.allRejected = r.Complete
		for _, hash := range r.Hashes {
			stored[hash] = true
		}
	}
	for _, l := range slices.Concat(p.again, p.unstored) {
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

// decideGaps sets the gaps of the next document: those of the last one without the
// items that the plan decides on, and the days of the items that wait.
func (w *Writer) decideGaps(p *plan) {
	waits := func(item waitingItem) bool {
		_, waiting := p.waiting[item]
		isListed := item.hash == "" && len(w.listed[item.id]) > 0
		return waiting || !p.decided[item] && !isListed
	}
	names := 0
	for _, g := range w.doc.Gaps {
		if g.Reason == Unreadable && g.names() > 0 {
			g.IDs = slices.DeleteFunc(slices.Clone(g.IDs), func(id int64) bool { return !waits(waitingItem{id: id}) })
			g.Hashes = slices.DeleteFunc(slices.Clone(g.Hashes), func(hash string) bool { return !waits(waitingItem{hash: hash}) })
			if g.names() == 0 {
				continue
			}
		}
		names += g.names()
		p.gaps = append(p.gaps, g)
	}
	for _, date := range slices.SortedFunc(maps.Keys(p.newGaps), Date.Compare) {
		i := slices.IndexFunc(p.gaps, func(g Gap) bool { return g.Day == date.String() && g.Reason == Unreadable })
		if i < 0 {
			i = len(p.gaps)
			p.gaps = append(p.gaps, Gap{Day: date.String(), Reason: Unreadable, Since: w.opts.Now().UTC().Truncate(time.Second)})
		} else if p.gaps[i].names() == 0 {
			continue
		}
		g := &p.gaps[i]
		names -= g.names()
		for _, item := range p.newGaps[date] {
			switch {
			case item.hash == "" && !slices.Contains(g.IDs, item.id):
				g.IDs = append(g.IDs, item.id)
			case item.hash != "" && !slices.Contains(g.Hashes, item.hash):
				g.Hashes = append(g.Hashes, item.hash)
			}
		}
		slices.Sort(g.IDs)
		slices.Sort(g.Hashes)
		if names += g.names(); names > maxWaiting {
			names -= g.names()
			g.IDs, g.Hashes = nil, nil
		}
	}
	slices.SortStableFunc(p.gaps, func(a, b Gap) int { return strings.Compare(a.Day, b.Day) })
}

// build is step 4 of the protocol: it builds the next document, which contains
// the new objects in full.
func (w *Writer) build(p *plan, current bool) {
	p.next = &Document{Superseded: w.doc.Superseded}
	p.objects = w.setCommit(p.next, p.lines)
	p.next.setGaps(p.gaps)
	w.doc.listIDs(p.next, p.stored, current)
	listRejected(p.next, p.rejectedHashes, p.allRejected)
}

// setCommit sets the fields that make next a commit of this run which stores
// the lines. It returns the commit's objects.
func (w *Writer) setCommit(next *Document, lines map[Partition][][]byte) (objects []Object) {
	now := w.opts.Now().UTC()
	timestamp := max(now.Unix(), w.doc.timestamp()+1)
	next.LastUpdated = now.Truncate(time.Second)
	next.setGaps(w.doc.Gaps)
	next.Commit = &Commit{ID: w.opts.RunID, Sequence: w.doc.sequence() + 1, Timestamp: timestamp, OldestActive: timestamp}
	if w.doc.Commit != nil {
		next.Commit.OldestActive = w.doc.oldestActive(now)
	}
	next.Pending = nil
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
