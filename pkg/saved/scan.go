package saved

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner finds the items in the content of a file. It reads the brackets and commas
// between items itself, and only the items with jsontext. So it can go on after
// damage.
type scanner struct {
	window
	limit   int // the size in bytes of the longest item: maxText, or less in tests
	yield   func(Item, error) bool
	stopped bool // yield returned false
	file    string

	place     place
	last      token // the previous token; item if place is outside
	rescanned int64 // bytes parsed without finding an item; see maxRescan
	dec       jsontext.Decoder
	text      bytes.Buffer // the input of dec, which does not copy a bytes.Buffer
}

// place is the position of the scanner in the structure of the content.
type place int

const (
	outside place = iota // between arrays or lines
	inArray
	// afterDamage is the place after damaged text. Since that text may have
	// contained brackets and commas, no token counts as missing or misplaced here.
	afterDamage
)

// token is a part of an array.
type token int

const (
	bracket token = iota // the opening one
	comma
	item
)

var (
	strict = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	// lenient also accepts the escape of half a surrogate pair, such as "\ud83d",
	// which is valid JSON by RFC 8259, and with it invalid UTF-8.
	lenient = append(strict, jsontext.AllowInvalidUTF8(true))
)

const (
	spaces = " \t\r\n" // RFC 8259, section 2
	bom    = "\xef\xbb\xbf"
)

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) init(ctx context.Context, limit int, yield func(Item, error) bool) {
	s.ctx, s.limit, s.yield = ctx, limit, yield
}

// scan yields the items of the content of a file. It fails if it cannot read the
// content to its end.
func (s *scanner) scan(file string, content io.Reader) error {
	s.reset(content)
	s.file, s.place, s.last, s.rescanned = file, outside, item, 0
	for s.step() {
	}
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// step reads the next token. It reports false at the end, and if yield stops it.
func (s *scanner) step() bool {
	c, ok := s.next()
	switch {
	case !ok:
		if s.place == inArray {
			s.missing("the array is not closed at the end")
		}
		return false
	case c == '[' && s.opensArray():
		if s.place == inArray && !s.missing("the previous array is not closed") {
			return false
		}
		s.place = inArray
		return s.accept(bracket)
	case c == ',':
		if s.place == outside || s.place == inArray && s.last != item {
			return s.misplaced("a comma without an item before it", afterDamage, comma)
		}
		return s.accept(comma)
	case c == ']':
		if s.place == outside {
			return s.misplaced("a closing bracket without an opening one", outside, item)
		}
		if s.place == inArray && s.last == comma && !s.missing("no item between the comma and the closing bracket") {
			return false
		}
		s.place = outside
		return s.accept(item)
	case c == bom[0] && s.hasBOM():
		s.pos += len(bom)
		return true
	case c != '{' && !s.expectsItem():
		return s.skipDamage("text outside of items")
	case s.place == inArray && s.last == item:
		s.place = afterDamage
		return s.missing("no comma before this item") && s.item()
	}
	return s.item()
}

// next moves to the next byte that is not white space.
func (s *scanner) next() (byte, bool) {
	for {
		for i, c := range s.unread() {
			if !isSpace(c) {
				s.pos += i
				return c, true
			}
		}
		s.pos = s.end
		if !s.fill(1) {
			return 0, false
		}
	}
}

// expectsItem reports whether any JSON value here is an item. Elsewhere only an
// object is.
func (s *scanner) expectsItem() bool {
	return s.place != outside && s.last == comma || s.place == inArray && s.last == bracket
}

// opensArray reports whether the bracket here begins a response, rather than an item
// that is an array. If both are possible, a bracket at the start of a line or before
// an object begins a response, and the end of the previous response was cut off.
func (s *scanner) opensArray() bool {
	if !s.expectsItem() || s.startsLine() {
		return true
	}
	for {
		c, ok := firstNonSpace(s.head()[1:])
		if ok || !s.grow() {
			return c == '{'
		}
	}
}

// firstNonSpace returns the first byte of text that is not white space, if there is
// one.
func firstNonSpace(text []byte) (c byte, ok bool) {
	if text = bytes.TrimLeft(text, spaces); len(text) > 0 {
		return text[0], true
	}
	return 0, false
}

// hasBOM reports whether the next bytes are a byte order mark.
func (s *scanner) hasBOM() bool {
	s.fill(len(bom))
	return bytes.HasPrefix(s.unread(), []byte(bom))
}

// accept moves past the next byte, which is the token t. It reports true.
func (s *scanner) accept(t token) bool {
	s.pos++
	s.last = t
	return true
}

// misplaced yields the next byte as damage. The scanner then goes on as if it were at
// p after the token t.
func (s *scanner) misplaced(damage string, p place, t token) bool {
	ok := s.emit(s.unread()[:1], damage)
	s.place = p
	return s.accept(t) && ok
}

// missing yields damage without text. It reports whether to go on.
func (s *scanner) missing(damage string) bool { return s.emit(nil, damage) }

// emit yields text, which begins here. It reports whether to go on.
func (s *scanner) emit(text []byte, damage string) bool {
	if s.ctx.Err() != nil {
		return false // what follows was not read, and so is not damaged
	}
	s.stopped = !s.yield(Item{File: s.file, Offset: s.offset(), Raw: text, Damage: damage}, nil)
	return !s.stopped
}

// item yields the item that begins here, or the damaged text. It reports whether to
// go on.
func (s *scanner) item() bool {
	for {
		text := s.head()
		n, damage, err := s.value(text)
		// A number at the end of the text may have more digits after it.
		if isTruncated(err) || n == len(text) && text[0] != '{' {
			if s.grow() {
				continue
			}
		}
		if err != nil {
			if isTruncated(err) && len(text) == s.limit {
				return s.longItem(s.reason(text, err))
			}
			s.countRescan(err, len(text))
			return s.skipDamage(s.reason(text, err))
		}
		ok := s.emit(text[:n:n], damage)
		s.pos += n
		s.last = item
		return ok
	}
}

// head returns the unread text in memory, up to the size of the longest item.
func (s *scanner) head() []byte {
	text := s.unread()
	return text[:min(len(text), s.limit)]
}

// grow reads more text, so that head returns up to twice as much. It reports whether
// head returns more than before.
func (s *scanner) grow() bool {
	before := len(s.head())
	return before < s.limit && s.fill(min(2*before, s.limit))
}

// value returns the length of the JSON value at the start of text. If the value is
// not valid UTF-8 but has an end, damage says so. The error is the decoder's.
func (s *scanner) value(text []byte) (n int, damage string, err error) {
	n, err = s.parse(text, strict)
	if err == nil || isTruncated(err) {
		return n, "", err
	}
	n, err = s.parse(text, lenient)
	if err == nil && !utf8.Valid(text[:n]) {
		damage = "not valid UTF-8"
	}
	return n, damage, err
}

// parse returns the length of the JSON value at the start of text, by these options.
func (s *scanner) parse(text []byte, options []jsontext.Options) (int, error) {
	s.text = *bytes.NewBuffer(text)
	s.dec.Reset(&s.text, options...)
	_, err := s.dec.ReadValue()
	return int(s.dec.InputOffset()), err
}

// isTruncated reports whether err means that the text ended before the value.
func isTruncated(err error) bool { return err != nil && errors.Is(err, io.ErrUnexpectedEOF) }

// reason says why text is not an item. The error is the decoder's.
func (s *scanner) reason(text []byte, err error) string {
	switch e, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case isTruncated(err) && len(text) == s.limit:
		return fmt.Sprintf("longer than %d bytes", s.limit)
	case isTruncated(err):
		return "truncated"
	case ok:
		return fmt.Sprintf("not JSON at byte %d: %v", s.offset()+e.ByteOffset, e.Err)
	}
	return "not JSON: " + err.Error()
}
