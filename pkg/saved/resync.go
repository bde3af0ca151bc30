package saved

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// maxRescan caps the bytes that resync parses without finding an item, as a multiple
// of the bytes read. Without it the time for adversarial content would grow with the
// square of its length.
const maxRescan = 4

// skipDamage yields the text from here to the next item as damage. It reports whether
// to go on.
func (s *scanner) skipDamage(damage string) bool {
	s.place, s.last = afterDamage, item
	b := before{first: 1} // no item begins at the first byte
	for {
		s.fill(s.limit)
		text := s.head()
		cut, found := s.resync(text, b)
		raw := text[:cut]
		b = b.add(raw)
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

// before describes the text before a position.
type before struct {
	first    int  // the number of bytes at the start at which no item can begin
	last     byte // the last byte
	nonSpace byte // the last byte that is not white space
	indent   bool // there is only white space after the last line end
}

// add returns the description after more text.
func (b before) add(text []byte) before {
	b.first = 0
	for _, c := range text {
		b = b.addByte(c)
	}
	return b
}

// addByte returns the description after one more byte.
func (b before) addByte(c byte) before {
	b.last = c
	if isSpace(c) {
		b.indent = b.indent || c == '\n'
	} else {
		b.nonSpace, b.indent = c, false
	}
	return b
}

// startsLine reports whether a response or item on a line of its own may begin here.
// Indented text after a colon is the value of a member instead.
func (b before) startsLine() bool { return b.last == '\n' || b.indent && b.nonSpace != ':' }

// resync looks for the next item or array in text. If it finds one, cut is its
// offset. Otherwise cut is the end of the damaged text: the offset of an item that
// may begin there, if more text is needed to decide that, or else the end of text.
func (s *scanner) resync(text []byte, b before) (cut int, found bool) {
	start := b.first
	b = b.add(text[:start])
	for i := start; i < len(text); i++ {
		c := text[i]
		begins, undecided := false, false
		switch {
		case c == '[' && b.startsLine():
			next, known := firstNonSpace(text[i+1:])
			begins, undecided = next == '{' || next == ']', !known
		case c == '{' && (b.startsLine() || b.nonSpace == ',' || b.nonSpace == '['):
			_, _, err := s.value(text[i:])
			begins, undecided = err == nil, isTruncated(err)
			s.countRescan(err, len(text)-i)
		}
		switch {
		case begins:
			return i, true
		case undecided && i > 0 && len(text) == s.limit:
			return i, false
		case s.rescanned > maxRescan*(s.offset()+int64(s.limit)):
			return len(text), false
		}
		b = b.addByte(c)
	}
	return len(text), false
}

// countRescan counts the bytes that were parsed without finding an item. The
// error is the decoder's, and n the length of its text.
func (s *scanner) countRescan(err error, n int) {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !isTruncated(err) {
		n = int(e.ByteOffset)
	}
	if err != nil {
		s.rescanned += int64(n)
	}
}
