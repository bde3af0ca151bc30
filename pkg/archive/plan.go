package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// The bounds of one commit, so that the document stays small however much a
// batch holds.
const (
	maxCommitItems = 2000
	maxCommitBytes = 1 << 20
)

// plan is the decision on a batch: what one commit stores.
type plan struct {
	events   []Class // by index in the batch; undecided where another commit is needed
	rejected []Class
	items    int                // how many of them this commit stores
	shown    map[int64]Versions // the batch's ids that are or get stored, with their versions
	// hashes are the fingerprints of rejected items that are or get stored, in
	// the order in which the document keeps them, as many as it can or more.
	hashes []string
	// rejectedComplete says that the stored rejected items are all known.
	rejectedComplete bool

	lines   map[Partition][][]byte // without their ends
	size    int
	more    bool // the commit is full, and the batch holds more
	rebuild bool // the document has to be written whatever is new
	first   bool // there is no document because there is no archive yet

	objects []Object
	next    *Document
}

func (p *plan) empty() bool { return len(p.lines) == 0 && !p.rebuild }

// decide is step 3: it holds what is left of the batch against the document
// and, where that cannot tell, against the archive.
func (w *Writer) decide(ctx context.Context, b *progress) (*plan, error) {
	if err := w.learnWhetherEmpty(ctx); err != nil {
		return nil, err
	}
	p := &plan{
		events:   make([]Class, len(b.Events)),
		rejected: make([]Class, len(b.Rejected)),
		shown:    make(map[int64]Versions, len(b.Events)),
		lines:    make(map[Partition][][]byte),
		rebuild:  w.doc.published(),
		first:    w.unusable && w.damaged == nil && w.doc.CompleteAbove != nil,
	}
	for _, c := range w.carry {
		n, _ := ParseName(c.Name)
		for _, line := range Lines(c.Content) {
			p.lines[n.Partition] = append(p.lines[n.Partition], line)
		}
	}
	verdicts, err := w.lookup(ctx, b)
	if err != nil {
		return nil, err
	}
	for i, v := range verdicts {
		w.decideEvent(p, b, i, v)
	}
	if err := w.decideRejected(ctx, p, b); err != nil {
		return nil, err
	}
	return p, nil
}

// learnWhetherEmpty settles a missing document: if the archive holds no event
// at all, then no id was ever seen.
func (w *Writer) learnWhetherEmpty(ctx context.Context) error {
	if !w.unusable || w.doc.CompleteAbove != nil {
		return nil
	}
	for _, err := range w.store.List(ctx, Events.Prefix()) {
		if err != nil {
			return fmt.Errorf("look up %s: %w", Events.Prefix(), err)
		}
		return nil
	}
	w.doc.CompleteAbove = new(int64)
	return nil
}

// verdict is what the document alone says of an event's id.
type verdict uint8

const (
	listed verdict = iota // stored
	unseen                // never seen
	unsure                // only the archive can tell
)

// screen holds ids against the document. out has a place for each event.
func (w *Writer) screen(events []polisen.Event, out []verdict) {
	for i := range events {
		id := events[i].ID
		versions, ok := w.seen[id]
		switch {
		case len(versions) > 0:
			out[i] = listed
		case !ok && w.doc.CompleteAbove != nil && id > *w.doc.CompleteAbove:
			out[i] = unseen
		default: // that includes a listed id whose versions are unknown: another program's word
			out[i] = unsure
		}
	}
}

// lookup screens the batch and reads the partitions of the dates of all events
// that the document cannot tell of.
func (w *Writer) lookup(ctx context.Context, b *progress) ([]verdict, error) {
	verdicts := make([]verdict, len(b.Events))
	w.screen(b.Events, verdicts)
	if !b.screened {
		b.screened = true
		b.outcome.Listed = len(w.seen)
		for _, e := range b.Events {
			if _, ok := w.seen[e.ID]; ok {
				b.outcome.Overlap++
			}
		}
	}
	var dates []Date
	for i, v := range verdicts {
		if v == unsure && b.events[i] == undecided {
			b.lookedUp[i] = true
			dates = append(dates, DateOf(b.Events[i].Time))
		}
	}
	slices.SortFunc(dates, Date.Compare)
	return verdicts, w.index.lookup(ctx, slices.Compact(dates), w.doc.Pending)
}

// decideEvent decides on one event, given all before it in the batch.
func (w *Writer) decideEvent(p *plan, b *progress, i int, v verdict) {
	e := b.Events[i]
	if b.events[i] != undecided { // stored by an earlier commit of this batch
		if versions, listed := w.seen[e.ID]; listed {
			p.shown[e.ID] = versions
		}
		return
	}
	date := DateOf(e.Time)
	versions, decided := p.shown[e.ID]
	stored := decided
	if !decided {
		versions, stored = w.seen[e.ID]
	}
	if !decided && v == unsure {
		versions = w.index.versions(date, e.ID)
		stored = len(versions) > 0
	}
	switch {
	case !stored:
		w.add(p, Partition{Events, date}, i, New, e.Raw, func() { p.shown[e.ID] = Versions{e.Fingerprint} })
	case len(versions) > 0 && !slices.Contains(versions, e.Fingerprint) && w.opts.Revisions:
		w.add(p, Partition{Revisions, date}, i, Revised, e.Raw, func() {
			p.shown[e.ID] = append(slices.Clip(versions), e.Fingerprint)
		})
		if _, ok := p.shown[e.ID]; !ok && p.more {
			p.shown[e.ID] = versions // stored, though this version has to wait
		}
	default:
		p.events[i] = Seen
		if b.repeats[i] {
			p.events[i] = Repeated
		}
		p.shown[e.ID] = versions
	}
}

// add puts a line into the commit and calls stored, unless the commit is full.
func (w *Writer) add(p *plan, to Partition, i int, c Class, line []byte, stored func()) {
	if p.full(len(line)) {
		return
	}
	p.put(to, line)
	p.items++
	p.events[i] = c
	stored()
}

// put adds a line to a partition's object.
func (p *plan) put(to Partition, line []byte) {
	p.lines[to] = append(p.lines[to], line)
	p.size += len(line) + 1
}

// full reports whether a line of this size has to wait for another commit. A
// commit takes at least one line.
func (p *plan) full(size int) bool {
	if p.more || p.items > 0 && (p.items >= maxCommitItems || p.size+size >= maxCommitBytes) {
		p.more = true
	}
	return p.more
}

// decideRejected decides on the batch's rejected items.
func (w *Writer) decideRejected(ctx context.Context, p *plan, b *progress) error {
	known := make(map[string]bool)
	if r := w.doc.Rejected; r != nil {
		p.rejectedComplete = r.Complete
		for _, h := range r.Hashes {
			known[h] = true
		}
	}
	unknown := slices.ContainsFunc(b.rejectedFingerprints, func(h string) bool { return !known[h] })
	if unknown && !p.rejectedComplete {
		hashes, err := w.index.lookupRejected(ctx, w.doc.Pending)
		if err != nil {
			return err
		}
		known = hashes
		p.rejectedComplete = true
	}
	day := DateOf(b.ObservedAt.UTC())
	listed := make(map[string]bool)
	list := func(hash string) {
		if !listed[hash] {
			listed[hash] = true
			p.hashes = append(p.hashes, hash)
		}
	}
	for i, r := range b.Rejected {
		h := b.rejectedFingerprints[i]
		if !known[h] && !listed[h] {
			line, err := rejectedText(r, b.ObservedAt)
			if err != nil {
				return err
			}
			if p.full(len(line)) {
				continue
			}
			p.put(Partition{Rejected, day}, line)
			p.items++
			p.rejected[i] = New
		}
		list(h)
	}
	if r := w.doc.Rejected; r != nil {
		for _, h := range r.Hashes {
			list(h)
		}
	}
	if len(p.hashes) <= maxRejected { // more are not kept, only known to be there
		for _, h := range slices.Sorted(maps.Keys(known)) {
			list(h)
		}
	}
	return nil
}

// build is step 4: the next document, which holds the new objects whole.
func (w *Writer) build(p *plan, b *progress) {
	p.next = &Document{Superseded: w.doc.Superseded}
	p.objects = w.frame(p.next, p.lines)
	w.doc.track(p.next, p.shown, b.Current)
	trackRejected(p.next, p.hashes, p.rejectedComplete)
}

// frame makes next a commit of this run that stores the lines.
func (w *Writer) frame(next *Document, lines map[Partition][][]byte) (objects []Object) {
	now := w.opts.Now().UTC()
	timestamp := max(now.Unix(), w.doc.timestamp()+1)
	next.LastUpdated = now.Truncate(time.Second)
	next.Version = formatVersion
	next.Commit = &Commit{ID: w.opts.RunID, Sequence: w.doc.sequence() + 1, Timestamp: timestamp, OldestActive: timestamp}
	if w.doc.Commit != nil {
		next.Commit.OldestActive = w.doc.unsettled(now)
	}
	next.Pending = nil
	for partition, lines := range lines {
		content := joinLines(lines)
		name := Name{partition, timestamp}.String()
		next.Pending = append(next.Pending, Pending{Name: name, Content: content})
		objects = append(objects, Object{Name: name, Lines: len(lines), Bytes: len(content)})
	}
	slices.SortFunc(next.Pending, func(a, b Pending) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return objects
}
