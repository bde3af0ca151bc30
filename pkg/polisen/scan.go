package polisen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Piece is one item that a [Scanner] has found, or damaged text between items.
type Piece struct {
	// Offset is the position of the first byte in the content.
	Offset int64
	// Raw is the text, verbatim. It is valid until the scanner finds the next piece.
	// If Damage is empty, Raw is one JSON value in UTF-8.
	Raw []byte
	// Damage says why Raw is not an item, or is too long; it is empty if Raw is an
	// item. Raw is empty if something is missing in the content, such as a closing
	// bracket. Damaged text longer than the longest item is split into several pieces.
	Damage string
	// Long is the beginning of an item that is too long to be read whole. Raw is
	// then empty. It is nil for all other pieces.
	Long *Beginning
}

// Scanner finds the items in responses: JSON arrays one after another, indented or
// not, and JSON values on lines of their own, in any mixture, each with or without a
// byte order mark. After damaged text it goes on with the next object that begins a
// line, or that follows a comma, a bracket or the end of an object. An object that is not
// an event, and has an array of objects as a member, counts as text around a response.
//
// The time is proportional to the size of the content. The zero value is ready for use.
// A Scanner is not safe for concurrent use.
type Scanner struct {
	in      input
	limit   int // the size in bytes of the longest item
	yield   func(Piece) bool
	stopped bool // yield returned false

	place    place
	last     token // the previous token; item if place is outside
	closed   bool  // an array has closed, and none has begun after it
	furthest int64 // the offset behind the text that failed parses have read
	wasted   int64 // bytes that failed parses have read; see maxWaste
	dec      jsontext.Decoder
	text     bytes.Buffer // the input of dec, which does not copy a bytes.Buffer
	parser   Parser       // for objects outside of arrays

	known map[uint64]knownItem // objects that were items, by the hash of their beginnings
	seed  maphash.Seed         // of the hashes
}

// knownItem is an object that was an item, as the hash of its text and its size in bytes.
type knownItem struct {
	hash uint64
	size int
}

const (
	maxKnown = 1 << 12 // bounds the memory; a response has 500 items
	maxStart = 64      // the size in bytes of the beginning of an item, which has the id
)

// maxWaste limits the bytes that failed parses read, as a multiple of the bytes of the
// content. Beyond it the scanner looks for items only behind the text that it has parsed.
// Without the limit the time for some contents would grow with the square of their size.
const maxWaste = 4

// place is the position of a scanner in the structure of the content.
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

const bom = "\xef\xbb\xbf" // the byte order mark in UTF-8

// MaxText is the size in bytes of the longest item that [Scanner.Scan] yields whole: a
// line of an archive that holds a rejected item of MaxItem bytes, the reason and the
// time.
const MaxText = MaxItem + 4<<10

// Scan calls yield for each piece of the content, in order, until yield returns false.
// Then, and at the end of the content, it returns nil. If it cannot read the content to
// its end, it yields the pieces before the failure, and returns the error. If ctx ends,
// that is its cause.
//
// The memory does not depend on the size of the content.
func (s *Scanner) Scan(ctx context.Context, content io.Reader, yield func(Piece) bool) error {
	s.in.reset(ctx, content)
	return s.scan(MaxText, yield)
}

// scanText is Scan for a text in memory. It yields items of any size whole.
func (s *Scanner) scanText(text []byte, yield func(Piece) bool) {
	s.in = input{ctx: context.Background(), buf: text, end: len(text), err: io.EOF}
	_ = s.scan(len(text)+1, yield) // there is nothing to read that could fail
}

func (s *Scanner) scan(limit int, yield func(Piece) bool) error {
	s.limit, s.yield, s.stopped = limit, yield, false
	s.place, s.last, s.closed, s.furthest, s.wasted = outside, item, false, 0, 0
	if s.known == nil {
		s.known, s.seed = make(map[uint64]knownItem), maphash.MakeSeed()
	}
	for s.step() {
	}
	if s.stopped || s.in.err == io.EOF {
		return nil
	}
	return s.in.err
}

// step reads the next token. It reports false at the end, and if yield stops it.
func (s *Scanner) step() bool {
	c, ok := s.next()
	switch {
	case !ok:
		if s.place == inArray {
			s.missing(damageNotClosed)
		}
		return false
	case c == '[' && s.opensArray():
		if s.place == inArray && !s.missing("the previous array is not closed") {
			return false
		}
		s.place, s.closed = inArray, false
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
		s.place, s.closed = outside, true
		return s.accept(item)
	case c == bom[0] && s.hasBOM():
		s.in.pos += len(bom)
		return true
	case c != '{' && !s.expectsItem():
		return s.skipDamage("text outside of items")
	case s.place == inArray && s.last == item:
		s.place = afterDamage
		return s.missing("no comma before this item") && s.item()
	}
	return s.item()
}

// damageNotClosed is the damage of a content that ends within an array.
const damageNotClosed = "the array is not closed at the end"

// next moves to the next byte that is not white space.
func (s *Scanner) next() (byte, bool) {
	for {
		for i, c := range s.in.unread() {
			if !isSpace(c) {
				s.in.pos += i
				return c, true
			}
		}
		s.in.pos = s.in.end
		if !s.in.fill(1) {
			return 0, false
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// expectsItem reports whether any JSON value here is an item. Elsewhere only an
// object is.
func (s *Scanner) expectsItem() bool {
	return s.place != outside && s.last == comma || s.place == inArray && s.last == bracket
}

// opensArray reports whether the bracket here begins a response, rather than an item
// that is an array. If both are possible, a bracket at the start of a line or before an
// object begins a response: the end of the previous response was cut off, or another
// program has put the responses into one array.
func (s *Scanner) opensArray() bool {
	if !s.expectsItem() || s.in.startsLine() {
		return true
	}
	for n := 1; ; {
		for _, c := range s.head()[n:] {
			if !isSpace(c) {
				return c == '{'
			}
		}
		n = len(s.head())
		if !s.grow() {
			return false
		}
	}
}

// hasBOM reports whether the next bytes are a byte order mark.
func (s *Scanner) hasBOM() bool {
	s.in.fill(len(bom))
	return bytes.HasPrefix(s.in.unread(), []byte(bom))
}

// accept moves past the next byte, which is the token t. It reports true.
func (s *Scanner) accept(t token) bool {
	s.in.pos++
	s.last = t
	return true
}

// misplaced yields the next byte as damage. The scanner then goes on as if it were at
// p after the token t.
func (s *Scanner) misplaced(damage string, p place, t token) bool {
	ok := s.emit(s.in.unread()[:1], damage)
	s.place = p
	return s.accept(t) && ok
}

// missing yields damage without text. It reports whether to go on.
func (s *Scanner) missing(damage string) bool { return s.emit(nil, damage) }

// emit yields text, which begins here. It reports whether to go on.
func (s *Scanner) emit(text []byte, damage string) bool {
	return s.emitPiece(Piece{Offset: s.in.offset(), Raw: text, Damage: damage})
}

func (s *Scanner) emitPiece(p Piece) bool {
	if s.in.ctx.Err() != nil {
		return false // what follows was not read, and so is not damaged
	}
	s.stopped = !s.yield(p)
	return !s.stopped
}

// item yields the item that begins here, or the damaged text. It reports whether to
// go on.
func (s *Scanner) item() bool {
	for {
		text := s.head()
		n, damage, err := s.value(text)
		// A number at the end of the text may have more digits after it.
		if isTruncated(err) || n == len(text) && text[0] != '{' {
			if s.grow() {
				continue
			}
		}
		switch {
		case isTruncated(err) && len(text) == s.limit:
			return s.longItem(s.reason(text, err))
		case err != nil && isDeep(text, err):
			return s.deepItem()
		case err != nil:
			s.countWaste(0, len(text), err)
			return s.skipDamage(s.reason(text, err))
		}
		if s.place == outside {
			if prefix := s.wrapper(text[:n]); prefix > 0 {
				ok := s.emit(text[:prefix:prefix], "text before an array")
				s.in.pos += prefix
				return ok
			}
		}
		ok := s.emit(text[:n:n], damage)
		s.in.pos += n
		s.last = item
		return ok
	}
}

// wrapper returns the offset of the first array of objects that is a member of the
// object, if the object is not an event. Otherwise it returns zero.
func (s *Scanner) wrapper(object []byte) int {
	// Most objects outside of arrays are events on lines of their own, which have no
	// array. The parser is slower than this.
	if object[0] != '{' || bytes.IndexByte(object, '[') < 0 {
		return 0
	}
	if _, rejected := s.parser.Item(object); rejected == nil {
		return 0
	}
	s.text = *bytes.NewBuffer(object)
	s.dec.Reset(&s.text, lenient...)
	_, err := s.dec.ReadToken() // the opening brace
	for err == nil && s.dec.PeekKind() != jsontext.KindEndObject {
		name, nameErr := s.dec.ReadValue()
		if nameErr != nil || string(name) == `"observed_at"` { // a line under rejected/ may hold any value
			return 0
		}
		kind, from := s.dec.PeekKind(), s.dec.InputOffset()
		if err = s.dec.SkipValue(); kind == jsontext.KindBeginArray {
			from += int64(bytes.IndexByte(object[from:], '['))
			if next := bytes.TrimLeft(object[from+1:], whiteSpace); next[0] == '{' {
				return int(from)
			}
		}
	}
	return 0
}

// head returns the unread text in memory, up to the size of the longest item.
func (s *Scanner) head() []byte {
	text := s.in.unread()
	return text[:min(len(text), s.limit)]
}

// grow reads more text, so that head returns up to twice as much. It reports whether
// head returns more than before.
func (s *Scanner) grow() bool {
	before := len(s.head())
	return before < s.limit && s.in.fill(min(2*before, s.limit))
}

// value returns the length of the JSON value at the start of text. If the value is
// not valid UTF-8 but has an end, damage says so. The error is the decoder's.
//
// Most items of a saved response occur again in the next one. Comparing hashes takes a
// tenth of the time of the decoder.
func (s *Scanner) value(text []byte) (n int, damage string, err error) {
	start := maphash.Bytes(s.seed, text[:min(len(text), maxStart)])
	if k := s.known[start]; k.size > 0 && k.size <= len(text) && maphash.Bytes(s.seed, text[:k.size]) == k.hash {
		return k.size, "", nil
	}
	s.text = *bytes.NewBuffer(text)
	s.dec.Reset(&s.text, lenient...)
	_, err = s.dec.ReadValue()
	n = int(s.dec.InputOffset())
	switch {
	case err == nil && !utf8.Valid(text[:n]):
		damage = reasonUTF8
	case err == nil && text[0] == '{': // a number may have more digits behind an equal text
		if len(s.known) == maxKnown {
			clear(s.known)
		}
		s.known[start] = knownItem{maphash.Bytes(s.seed, text[:n]), n}
	}
	return n, damage, err
}

// isTruncated reports whether err means that the text ended before the value.
func isTruncated(err error) bool { return err != nil && errors.Is(err, io.ErrUnexpectedEOF) }

// errorOffset returns the offset of the decoder's error in a text of n bytes.
func errorOffset(err error, n int) int {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && !isTruncated(err) {
		return min(int(e.ByteOffset), n)
	}
	return n
}

// countWaste counts the bytes that were parsed without finding an item. The text of n
// bytes begins at the unread byte from, and the error is the decoder's.
func (s *Scanner) countWaste(from, n int, err error) {
	n = errorOffset(err, n)
	s.wasted += int64(n)
	s.furthest = max(s.furthest, s.in.offset()+int64(from+n))
}

// exhausted reports whether failed parses have read as much as they may.
func (s *Scanner) exhausted() bool { return s.wasted > maxWaste*(s.in.offset()+int64(s.limit)) }

// reason says why text is not an item. The error is the decoder's.
func (s *Scanner) reason(text []byte, err error) string {
	switch e, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case isTruncated(err) && len(text) == s.limit:
		return fmt.Sprintf("longer than %d bytes", s.limit)
	case isTruncated(err):
		return reasonTruncated
	case ok:
		return fmt.Sprintf("not JSON at byte %d: %v", s.in.offset()+e.ByteOffset, e.Err)
	}
	return "not JSON: " + err.Error()
}
