package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"polisen-events-collector/pkg/archive"
)

// line is a valid line of a data object. It is small and has no pointers, since an archive
// has many lines.
type line struct {
	id          int64 // zero in rejected/
	fingerprint uint64
	object      int32 // in lines.objects
	number      int32 // from one
}

// unusual is what few lines have.
type unusual struct {
	month    string // of a misplaced line, which belongs to another day than its object; else empty
	halfPair bool   // see archive.Line
}

// rejectedEvent is a line in rejected/ whose item can be read as an event now.
type rejectedEvent struct {
	line
	event line         // the properties of the event; its object is that of the line
	day   archive.Date // of the event
}

func newLine(o *object, parsed archive.Line, number int) line {
	hash, _ := strconv.ParseUint(parsed.Fingerprint, 16, 64) // a fingerprint is 16 hexadecimal digits
	return line{id: parsed.ID, fingerprint: hash, object: o.number, number: int32(number)}
}

// same reports whether two lines have the same content.
func (l *line) same(m *line) bool { return l.fingerprint == m.fingerprint }

// finding returns a problem with a line of the object.
func (o *object) finding(l *line, c Check, expected, actual string, fix Fix) Finding {
	return Finding{
		Check: c, Severity: Problem, Object: o.key(), Line: int(l.number), ID: l.id, Expected: expected, Actual: actual, Fix: fix,
	}
}

// lines are the lines of a snapshot in one table.
type lines struct {
	mutex    sync.Mutex // held by add
	objects  []*object  // by their numbers
	items    []line     // of events/ and revisions/
	rejected []line
	readable []rejectedEvent // lines of rejected that can be read as events now
}

// addObject gives the object its number.
func (t *lines) addObject(o *object) {
	o.number = int32(len(t.objects))
	t.objects = append(t.objects, o)
}

// maxReserved bounds the memory that a wrong document can claim.
const maxReserved = 1 << 20

// reserve makes room for n lines, since a table that grows is copied again and again.
func (t *lines) reserve(n int) {
	if more := min(n, maxReserved) - len(t.items); more > 0 {
		t.items = slices.Grow(t.items, more)
	}
}

// add adds lines of an object of this kind, and those of them that can be read as events
// now. Several goroutines may call it.
func (t *lines) add(k archive.Kind, added []line, readable []rejectedEvent) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if k == archive.Rejected {
		t.rejected, t.readable = append(t.rejected, added...), append(t.readable, readable...)
	} else {
		t.items = append(t.items, added...)
	}
}

// remove removes the lines of the objects for which gone returns true.
func (t *lines) remove(gone func(*object) bool) {
	isGone := make([]bool, len(t.objects))
	for i, o := range t.objects {
		isGone[i] = gone(o)
	}
	t.items = slices.DeleteFunc(t.items, func(l line) bool { return isGone[l.object] })
	t.rejected = slices.DeleteFunc(t.rejected, func(l line) bool { return isGone[l.object] })
	t.readable = slices.DeleteFunc(t.readable, func(r rejectedEvent) bool { return isGone[r.object] })
}

// sort sorts the lines of events/ and revisions/ by id, those of rejected/ by content, and
// equal ones in the order of compare. It sorts readable by position.
func (t *lines) sort() {
	slices.SortFunc(t.items, func(l, m line) int {
		if l.id != m.id { // as most lines
			return cmp.Compare(l.id, m.id)
		}
		return t.compare(&l, &m)
	})
	slices.SortFunc(t.rejected, func(l, m line) int { return cmp.Or(cmp.Compare(l.fingerprint, m.fingerprint), t.compare(&l, &m)) })
	slices.SortFunc(t.readable, func(r, q rejectedEvent) int {
		return cmp.Or(strings.Compare(t.object(&r.line).key(), t.object(&q.line).key()), cmp.Compare(r.number, q.number))
	})
}

// compare orders lines: events before revisions, lines in an object of their own
// day before misplaced ones, then by the time of the commit, object name and line
// number. Of several copies of a version the first one stays.
func (t *lines) compare(l, m *line) int {
	p, q := t.object(l), t.object(m)
	misplaced := 0
	switch {
	case t.misplaced(m) && !t.misplaced(l):
		misplaced = -1
	case t.misplaced(l) && !t.misplaced(m):
		misplaced = 1
	}
	return cmp.Or(strings.Compare(string(p.name.Kind), string(q.name.Kind)), misplaced, cmp.Compare(p.name.Timestamp, q.name.Timestamp),
		strings.Compare(p.key(), q.key()), cmp.Compare(l.number, m.number))
}

// object returns the object that holds the line.
func (t *lines) object(l *line) *object { return t.objects[l.object] }

func (t *lines) unusual(l *line) unusual { return t.object(l).unusual[l.number] }

// misplaced reports whether the line belongs to another day than its object.
func (t *lines) misplaced(l *line) bool { return t.unusual(l).month != "" }

// month returns the month that the line belongs to, as a key of
// [archive.Document.Stored].
func (t *lines) month(l *line) string { return cmp.Or(t.unusual(l).month, t.object(l).month) }

// delay returns the delay of a line under events/; see object.delays.
func (t *lines) delay(l *line) uint16 { return t.object(l).delays[l.number-1] }

// position returns the object and the number of the line.
func (t *lines) position(l *line) string {
	return fmt.Sprintf("%s line %d", t.object(l).key(), l.number)
}

// finding returns a problem with the line.
func (t *lines) finding(l *line, c Check, expected, actual string, fix Fix) Finding {
	return t.object(l).finding(l, c, expected, actual, fix)
}
