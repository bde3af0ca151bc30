package saved

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// patience bounds what looking for items may cost: the text of failed tries, as
// a multiple of the content. Only content made to be slow comes near.
const patience = 4

// skip yields the text from here to the next item as damage.
func (s *scanner) skip(damage string) bool {
	s.place, s.after = unsure, item
	// No item begins with the first byte: that is why we are here.
	m := mark{first: 1}
	for {
		s.fill(s.limit)
		text := s.head()
		cut, found := s.resync(text, m)
		raw := text[:cut]
		m = m.past(raw)
		if found || len(text) < s.limit {
			raw = bytes.TrimRight(raw, spaces)
		}
		if found {
			raw = bytes.TrimSuffix(raw, []byte(","))
		}
		if len(raw) > 0 && !s.emit(raw, damage) {
			return false
		}
		s.pos += cut
		if found || s.pos == s.end && s.err != nil {
			return true
		}
	}
}

// mark is what resync has to know of the text before it.
type mark struct {
	first int  // where an item may begin at the earliest
	last  byte // the last byte
	solid byte // the last byte that is no white space
	fresh bool // nothing but white space since the last line end
}

// past returns the mark after text.
func (m mark) past(text []byte) mark {
	m.first = 0
	for _, c := range text {
		m = m.next(c)
	}
	return m
}

func (m mark) next(c byte) mark {
	m.last = c
	if isSpace(c) {
		m.fresh = m.fresh || c == '\n'
	} else {
		m.solid, m.fresh = c, false
	}
	return m
}

// startsLine reports whether what comes next is the first in its line. After a
// colon it is a part of an item, unless it is not even indented.
func (m mark) startsLine() bool { return m.last == '\n' || m.fresh && m.solid != ':' }

// resync looks for the next item or array in text, and returns where to cut.
// Without any, text is cut where it has to be decided with more text, which
// there is if text is as long as an item may be, or else at its end.
func (s *scanner) resync(text []byte, m mark) (cut int, found bool) {
	first := m.first
	m = m.past(text[:first])
	for i := first; i < len(text); i++ {
		c := text[i]
		begins, open := false, false
		switch {
		case c == '[' && m.startsLine():
			next, known := solid(text[i+1:])
			begins, open = next == '{' || next == ']', !known
		case c == '{' && (m.startsLine() || m.solid == ',' || m.solid == '['):
			_, _, err := s.value(text[i:])
			begins, open = err == nil, unfinished(err)
			s.note(err, len(text)-i)
		}
		switch {
		case begins:
			return i, true
		case open && i > 0 && len(text) == s.limit:
			return i, false
		case s.wasted > patience*(s.offset()+int64(s.limit)):
			return len(text), false
		}
		m = m.next(c)
	}
	return len(text), false
}

// note counts how much of n bytes was read in vain, if there was an error.
func (s *scanner) note(err error, n int) {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !unfinished(err) {
		n = int(e.ByteOffset)
	}
	if err != nil {
		s.wasted += int64(n)
	}
}
