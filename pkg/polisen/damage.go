package polisen

import "bytes"

// skipDamage yields the text from here to the next item as damage. It reports whether
// to go on.
func (s *Scanner) skipDamage(damage string) bool {
	s.place, s.last = afterDamage, item
	p := position{nonSpace: ':'} // no item begins at the first byte
	for first := 1; ; first = 0 {
		s.in.fill(s.limit)
		text := s.head()
		cut, found := s.nextItem(text, first, &p)
		raw := text[:cut]
		if found || len(text) < s.limit {
			raw = bytes.TrimRight(raw, whiteSpace)
		}
		if found {
			raw = bytes.TrimSuffix(raw, []byte(","))
		}
		if len(raw) > 0 && !s.emit(raw, damage) {
			return false
		}
		s.in.pos += cut
		if found || s.in.pos == s.in.end && s.in.err != nil {
			return true
		}
	}
}

// nextItem looks for the next item, or an array that begins a line, in text from the
// offset first on. It updates the position. If it finds none, cut is the length of text.
func (s *Scanner) nextItem(text []byte, first int, p *position) (cut int, found bool) {
	for i, c := range text {
		if c == '{' && i >= first && p.mayBegin() && s.beginsItem(text, i) {
			// An array that begins a line is one whose brackets are counted.
			if open := bytes.TrimRight(text[:i], whiteSpace); p.arrayOnLine && len(open) > first && open[len(open)-1] == '[' {
				return len(open) - 1, true
			}
			return i, true
		}
		p.add(c)
	}
	return len(text), false
}

// beginsItem reports whether the brace at text[i] begins an item. In text that a failed
// parse has read, the brace may be part of a string, so the item has to be whole.
func (s *Scanner) beginsItem(text []byte, i int) bool {
	if s.in.offset()+int64(i) >= s.furthest {
		return true
	}
	if s.exhausted() {
		return false
	}
	_, _, err := s.value(text[i:])
	if err == nil {
		return true
	}
	s.countWaste(i, len(text)-i, err)
	return isTruncated(err) && len(text) == s.limit
}

// position describes the text before a byte.
type position struct {
	nonSpace    byte // the last byte that is not white space
	lineStart   bool // the last byte is a line end
	indent      bool // there is only white space after the last line end
	arrayOnLine bool // nonSpace begins its line
}

// add moves the position behind the byte c.
func (p *position) add(c byte) {
	p.lineStart = c == '\n'
	if isSpace(c) {
		p.indent = p.indent || c == '\n'
		return
	}
	p.nonSpace, p.arrayOnLine, p.indent = c, p.indent, false
}

// mayBegin reports whether an object here may be an item: it begins a line, or follows a
// comma, a bracket or the end of an object. Indented text after a colon is the value of a
// member.
func (p *position) mayBegin() bool {
	return p.lineStart || p.indent && p.nonSpace != ':' || bytes.IndexByte([]byte(",[]}"), p.nonSpace) >= 0
}
