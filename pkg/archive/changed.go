package archive

import (
	"fmt"
	"log/slog"
	"slices"
)

// changedObject is a pending object whose stored content differs.
type changedObject struct {
	Pending
	missing []objectLine // the lines that the store's object does not have
	lines   int          // the number of all lines
}

// heldObject is a pending object of which the run does not know whether all lines
// are stored, because an object cannot be read.
type heldObject struct {
	Pending
	err error
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
			switch err := w.index.unreadableFor(l); {
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
		p.heldLines = append(p.heldLines, o.lines()...)
	}
	for _, l := range nowhere {
		p.storeAgain(l, w.index)
	}
}

// storeAgain adds a line of the last commit to this one. It belongs under events/
// if no version of its event is there.
func (p *plan) storeAgain(l objectLine, x *index) {
	if l.kind != Rejected && l.reason == "" {
		if _, ok := p.stored[l.ID]; !ok {
			p.stored[l.ID] = p.storedIn(x, l.ID)
		}
		p.stored[l.ID].add(l.Fingerprint)
		isEvent := func(a objectLine) bool { return a.kind == Events && a.ID == l.ID }
		l.kind = Events
		if x.events[l.ID] || slices.ContainsFunc(p.again, isEvent) || slices.ContainsFunc(p.heldLines, isEvent) {
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
func (p *plan) storedIn(x *index, id int64) *versionSet {
	versions := x.versions[id].share()
	for _, l := range p.heldLines {
		if l.ID == id && l.kind != Rejected && l.reason == "" {
			versions.add(l.Fingerprint)
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
