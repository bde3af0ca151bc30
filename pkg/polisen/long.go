package polisen

import (
	"bytes"
	"strings"
)

// longItem yields the beginning of the item that begins here, which is longer than the
// limit. It finds the end of the item without having all of it in memory. If the item
// turns out to be damaged, longItem goes on with skipDamage from there. It reports
// whether to go on.
func (s *Scanner) longItem(damage string) bool {
	found := Piece{Offset: s.in.offset(), Damage: damage, Long: new(Beginning)}
	var n nesting
	for {
		length, state := n.read(s.in.unread())
		found.Long.Write(s.in.unread()[:length])
		s.in.pos += length
		if state == unfinished && s.in.fill(1) {
			continue
		}
		if s.in.ctx.Err() != nil {
			return false // the rest was not read
		}
		s.last = item
		if state != complete {
			s.place = afterDamage
		}
		return s.emitPiece(found) && (state != broken || s.skipDamage("text outside of items"))
	}
}

// maxParsed is the largest number of open brackets that the decoder of package jsontext
// reads.
const maxParsed = 10_000

// isDeep reports whether the decoder's error may mean that the value at the start of text
// has more than maxParsed open brackets. The decoder has no other sign of it.
func isDeep(text []byte, err error) bool {
	at := errorOffset(err, len(text))
	if at < maxParsed {
		return false
	}
	var n nesting
	n.read(text[:min(at+1, len(text))])
	return len(n.brackets) >= maxParsed
}

// deepItem yields the item that begins here, which has more open brackets than the
// decoder reads. It reports whether to go on.
func (s *Scanner) deepItem() bool {
	for {
		text := s.head()
		var n nesting
		length, state := n.read(text)
		switch {
		case state == unfinished && s.grow():
			continue
		case state == unfinished && len(text) == s.limit:
			return s.longItem(reasonDeep)
		case state == broken:
			s.countWaste(0, length, nil)
			return s.skipDamage(reasonDeep)
		}
		ok := s.emit(bytes.TrimRight(text[:length], whiteSpace), reasonDeep)
		s.in.pos += length
		s.last = item
		if state != complete {
			s.place = afterDamage
		}
		return ok
	}
}

// nesting is a position inside a JSON value: its open brackets and its open string.
type nesting struct {
	brackets          []byte // the closing brackets that are missing
	inString, escaped bool
}

// state is the state of a value after some of its text.
type state int

const (
	unfinished state = iota
	complete         // the value has ended
	broken           // the next byte cannot be part of a value
)

// maxBrackets is the largest number of open brackets. It bounds the memory.
const maxBrackets = MaxItem

// read reads text up to the end of the value, or to an error. It returns the length of
// the text that it has read. It finds not all errors, but most: an unclosed string soon
// leads to one, since text between strings is either a number or one of three words.
func (n *nesting) read(text []byte) (length int, s state) {
	for i, c := range text {
		switch {
		case n.escaped:
			n.escaped = false
		case n.inString && c == '\\':
			n.escaped = true
		case n.inString && c == '"':
			n.inString = false
			if len(n.brackets) == 0 {
				return i + 1, complete
			}
		case n.inString && c >= ' ':
		case n.inString:
			return i, broken
		case c == '"':
			n.inString = true
		case c == '{' || c == '[':
			if len(n.brackets) == maxBrackets {
				return i, broken
			}
			n.brackets = append(n.brackets, c+2) // '}' follows '{' by two, and ']' follows '['
		case c == '}' || c == ']':
			last := len(n.brackets) - 1
			if last < 0 || n.brackets[last] != c {
				return i, broken
			}
			n.brackets = n.brackets[:last]
			if last == 0 {
				return i + 1, complete
			}
		case len(n.brackets) == 0 || !isSpace(c) && !strings.ContainsRune(",:0123456789+-.eE"+"truefalsn", rune(c)):
			return i, broken
		}
	}
	return len(text), unfinished
}
