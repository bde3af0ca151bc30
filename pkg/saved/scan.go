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

// scanner finds the items in a content. It reads what stands between items
// itself, and leaves the items to jsontext: so it can go on after damage.
type scanner struct {
	window
	limit   int // MaxItem, less in tests
	yield   func(Item, error) bool
	stopped bool // the consumer wants no more
	file    string

	place  place
	after  token // the last one, unless place is outside
	wasted int64 // bytes in which no item was found
	dec    jsontext.Decoder
	text   bytes.Buffer // the decoder reads in place what it holds
}

// place is where in the content the scanner stands.
type place int

const (
	outside place = iota // between arrays or lines
	inArray
	// unsure is the place after damage, which may have held brackets and
	// commas: what seems to be missing or odd has been reported then.
	unsure
)

// token is what an array is made of.
type token int

const (
	bracket token = iota
	comma
	item
)

var (
	strict = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	// "invalid" takes in the escape of half a surrogate pair, which JSON's
	// grammar allows.
	lenient = append(strict, jsontext.AllowInvalidUTF8(true))
)

const (
	spaces = " \t\r\n" // JSON's white space
	bom    = "\xef\xbb\xbf"
)

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) init(ctx context.Context, limit int, yield func(Item, error) bool) {
	s.ctx, s.limit, s.yield = ctx, limit, yield
}

// scan yields the items of a content. The error is why it was not read to its
// end, unless the consumer stopped.
func (s *scanner) scan(file string, content io.Reader) error {
	s.reset(content)
	s.file, s.place, s.after, s.wasted = file, outside, item, 0
	for s.step() {
	}
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// step reads the next token or item. It reports false at the end.
func (s *scanner) step() bool {
	c, ok := s.next()
	switch {
	case !ok:
		if s.place == inArray {
			s.missing("the array is not closed at the end")
		}
		return false
	case c == '[' && s.opens():
		if s.place == inArray && !s.missing("the array before it is not closed") {
			return false
		}
		s.place = inArray
		return s.take(bracket)
	case c == ',':
		if s.place == outside || s.place == inArray && s.after != item {
			return s.odd("a comma without an item before it", unsure, comma)
		}
		return s.take(comma)
	case c == ']':
		if s.place == outside {
			return s.odd("a closing bracket without an array", outside, item)
		}
		if s.place == inArray && s.after == comma && !s.missing("an item is missing between comma and bracket") {
			return false
		}
		s.place = outside
		return s.take(item)
	case c == bom[0] && s.hasBOM():
		s.pos += len(bom)
		return true
	case c != '{' && !s.expectsItem():
		return s.skip("text that belongs to no item")
	case s.place == inArray && s.after == item:
		s.place = unsure
		return s.missing("a comma is missing before it") && s.item()
	}
	return s.item()
}

// next goes to the next byte that is no white space.
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

// expectsItem reports whether anything but an object may be an item here.
func (s *scanner) expectsItem() bool {
	return s.place != outside && s.after == comma || s.place == inArray && s.after == bracket
}

// opens reports whether the bracket here opens a response, rather than an item
// that is an array. Where either could be, a line starts with a response, and
// so does an object in brackets: the end of the one before it was cut off.
func (s *scanner) opens() bool {
	if !s.expectsItem() || s.startsLine() {
		return true
	}
	for {
		c, ok := solid(s.head()[1:])
		if ok || !s.grow() {
			return c == '{'
		}
	}
}

// solid returns the first byte of text that is no white space.
func solid(text []byte) (c byte, ok bool) {
	if text = bytes.TrimLeft(text, spaces); len(text) > 0 {
		return text[0], true
	}
	return 0, false
}

func (s *scanner) hasBOM() bool {
	s.fill(len(bom))
	return bytes.HasPrefix(s.unread(), []byte(bom))
}

func (s *scanner) take(t token) bool {
	s.pos++
	s.after = t
	return true
}

// odd yields the byte here, a token in the wrong place, as damage.
func (s *scanner) odd(damage string, p place, t token) bool {
	ok := s.emit(s.unread()[:1], damage)
	s.place = p
	return s.take(t) && ok
}

// missing yields that something should stand here.
func (s *scanner) missing(damage string) bool { return s.emit(nil, damage) }

// emit yields text, which stands here. It reports false if that was the last.
func (s *scanner) emit(text []byte, damage string) bool {
	if s.ctx.Err() != nil {
		return false // the rest is not damaged, only unread
	}
	s.stopped = !s.yield(Item{File: s.file, Offset: s.offset(), Raw: text, Damage: damage}, nil)
	return !s.stopped
}

// item yields the item that begins here.
func (s *scanner) item() bool {
	for {
		text := s.head()
		n, flaw, err := s.value(text)
		// A number may go on behind the end of the text.
		if unfinished(err) || n == len(text) && text[0] != '{' {
			if s.grow() {
				continue
			}
		}
		if err != nil {
			s.note(err, len(text))
			return s.skip(s.reason(text, err))
		}
		ok := s.emit(text[:n:n], flaw)
		s.pos += n
		s.after = item
		return ok
	}
}

// head is the unread text, as much of it as an item may take.
func (s *scanner) head() []byte {
	text := s.unread()
	return text[:min(len(text), s.limit)]
}

// grow doubles the unread text as far as an item may reach, and reports
// whether there is more of it.
func (s *scanner) grow() bool {
	had := len(s.head())
	return had < s.limit && s.fill(min(2*had, s.limit))
}

// value returns the length of the JSON value that text begins with, and what
// is wrong inside it, if its end could be found all the same.
func (s *scanner) value(text []byte) (n int, flaw string, err error) {
	n, err = s.parse(text, strict)
	if err == nil || unfinished(err) {
		return n, "", err
	}
	n, err = s.parse(text, lenient)
	if err == nil && !utf8.Valid(text[:n]) {
		flaw = "not valid UTF-8"
	}
	return n, flaw, err
}

func (s *scanner) parse(text []byte, options []jsontext.Options) (int, error) {
	s.text = *bytes.NewBuffer(text)
	s.dec.Reset(&s.text, options...)
	_, err := s.dec.ReadValue()
	return int(s.dec.InputOffset()), err
}

// unfinished reports whether the text ended before the value did.
func unfinished(err error) bool { return err != nil && errors.Is(err, io.ErrUnexpectedEOF) }

// reason says why text is no item, by the decoder's error.
func (s *scanner) reason(text []byte, err error) string {
	switch e, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case unfinished(err) && len(text) == s.limit:
		return fmt.Sprintf("longer than %d bytes", s.limit)
	case unfinished(err):
		return "truncated"
	case ok:
		return fmt.Sprintf("not JSON at byte %d: %v", s.offset()+e.ByteOffset, e.Err)
	}
	return "not JSON: " + err.Error()
}
