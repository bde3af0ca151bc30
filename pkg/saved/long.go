package saved

import (
	"strings"

	"polisen-events-collector/pkg/polisen"
)

// longItem yields the beginning of the item that begins here, which is longer than the
// limit. It finds the end of the item without having all of it in memory. If the item
// turns out to be damaged, longItem goes on with skipDamage from there. It reports
// whether to go on.
func (s *scanner) longItem(damage string) bool {
	found := Item{File: s.file, Offset: s.offset(), Damage: damage, Long: new(polisen.Beginning)}
	var n nesting
	for {
		length, state := n.read(s.unread())
		found.Long.Write(s.unread()[:length])
		s.pos += length
		if state == inside && s.fill(1) {
			continue
		}
		if s.ctx.Err() != nil {
			return false // the rest was not read
		}
		s.last = item
		if state != closed {
			s.place = afterDamage
		}
		s.stopped = !s.yield(found, nil)
		return !s.stopped && (state != broken || s.skipDamage("text outside of items"))
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
	inside state = iota
	closed       // the value has ended
	broken       // the next byte cannot be part of a value
)

// maxBrackets is the largest number of open brackets. It bounds the memory. The parser
// of the shorter items has the same limit.
const maxBrackets = 10_000

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
				return i + 1, closed
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
				return i + 1, closed
			}
		case len(n.brackets) == 0 || !isSpace(c) && !strings.ContainsRune(",:0123456789+-.eE"+"truefalsn", rune(c)):
			return i, broken
		}
	}
	return len(text), inside
}
