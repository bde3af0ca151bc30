package polisen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse reads the body of one response of the API: a JSON array of event
// notices. Each item becomes an Event or a Rejected, in the order of the
// response. A byte order mark before the array is tolerated.
//
// The error is a *BodyError if the body is no such array; there are no events
// then. Parse keeps no reference to body.
func Parse(body []byte) (events []Event, rejected []Rejected, err error) {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if err := sniff(text); err != nil {
		return nil, nil, err
	}
	r := newReader(text)
	if _, err := r.dec.ReadToken(); err != nil { // the bracket that sniff saw
		return nil, nil, r.damage(err)
	}
	events = make([]Event, 0, FullResponse)
	for r.dec.PeekKind() != jsontext.KindEndArray {
		event, reason, err := r.item()
		switch {
		case err != nil:
			return nil, nil, r.damage(err)
		case reason != "":
			rejected = append(rejected, Rejected{Reason: reason, Raw: event.Raw})
		default:
			events = append(events, event)
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, nil, r.damage(err)
	}
	if rest := r.rest(); len(rest) > 0 {
		return nil, nil, &BodyError{Kind: BodyTrailing, Offset: int64(len(text) - len(rest)), Excerpt: excerpt(rest)}
	}
	return events, rejected, nil
}

// ParseItem reads one item of a response, white space around it allowed, and
// returns the event or why it cannot be one. What is not JSON in UTF-8 is
// rejected too; its Raw is then a JSON string that holds the text. ParseItem
// keeps no reference to raw.
func ParseItem(raw []byte) (Event, *Rejected) { return new(Parser).Item(raw) }

// Parser reads items one by one, faster than ParseItem reads each alone. It is
// for one goroutine. The zero value is ready for use.
type Parser struct{ r reader }

// Item is ParseItem.
func (p *Parser) Item(raw []byte) (Event, *Rejected) {
	r := &p.r
	r.reset(raw)
	event, reason, err := r.item()
	switch {
	case !utf8.Valid(raw):
		reason = "not valid UTF-8"
	case err != nil:
		reason = "not JSON: " + excerpt(raw)
	case len(r.rest()) > 0:
		reason = "more than one JSON value"
	case reason != "":
		return Event{}, &Rejected{Reason: reason, Raw: event.Raw}
	default:
		return event, nil
	}
	quoted, _ := jsontext.AppendQuote(nil, raw) // its error tells of UTF-8 that it replaced
	return Event{}, &Rejected{Reason: reason, Raw: quoted}
}

// reader reads items out of text.
type reader struct {
	text []byte
	buf  bytes.Buffer // the decoder reads in place what it holds
	dec  jsontext.Decoder
	forms
}

// The bytes of a text are checked to be UTF-8 apart from this: here "invalid"
// takes in the escape of half a surrogate pair too, which JSON's grammar
// allows and a cut summary may end in.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

func newReader(text []byte) *reader {
	r := new(reader)
	r.reset(text)
	return r
}

// reset makes text what is read. What was read before stays as it is.
func (r *reader) reset(text []byte) {
	r.text, r.buf = text, *bytes.NewBuffer(text)
	r.dec.Reset(&r.buf, lenient...)
	r.compact = make([]byte, 0, len(text))
	r.canonical, r.members = r.canonical[:0], r.members[:0]
}

// item reads the next item. If it cannot be an event, reason says why, and the
// event has nothing but its Raw. The error is the decoder's.
func (r *reader) item() (event Event, reason string, err error) {
	kind := r.dec.PeekKind()
	idReason, timeReason := "no id", "no datetime"
	from := len(r.compact)
	r.canonical = r.canonical[:0]
	err = r.read(&r.dec, func(name, compact, canonical []byte) {
		switch string(name) { // of a name that comes twice the last value counts, as in most readers of JSON
		case `"id"`:
			event.ID, idReason = parseID(compact)
		case `"datetime"`:
			event.Time, timeReason = parseTime(compact, canonical)
		}
	})
	if err != nil {
		return Event{}, "", err
	}
	// Whoever appends to it cannot reach its neighbour.
	event.Raw = r.compact[from:len(r.compact):len(r.compact)]
	switch {
	case kind != jsontext.KindBeginObject:
		reason = "not an object: " + excerpt(event.Raw)
	case idReason != "":
		reason = idReason
	default:
		reason = timeReason
	}
	if reason != "" {
		return Event{Raw: event.Raw}, reason, nil
	}
	event.Fingerprint = fingerprint(r.canonical)
	return event, "", nil
}

// rest is the text after what was read, without white space.
func (r *reader) rest() []byte {
	return bytes.TrimLeft(r.text[r.dec.InputOffset():], whiteSpace)
}

// damage tells what the decoder's error says of the text.
func (r *reader) damage(err error) *BodyError {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &BodyError{Kind: BodyTruncated, Offset: int64(len(r.text))}
	}
	at := r.dec.InputOffset()
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.ByteOffset
	}
	return &BodyError{Kind: BodyMalformed, Offset: at, Excerpt: excerpt(r.text[min(at, int64(len(r.text))):])}
}

// parseID reads an id: a JSON number that is an integer without fraction or
// exponent. If it is not, the reason says so.
func parseID(value []byte) (id int64, reason string) {
	id, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, "id is not an integer: " + excerpt(value)
	}
	return id, ""
}

// timeLayout is that of the API's datetime; time.Parse takes an hour of one
// digit for it too.
const timeLayout = time.DateOnly + " 15:04:05 Z07:00"

// parseTime reads a datetime, a JSON string, by both its forms. The time is in
// UTC or in a zone with no other name than its offset, whatever the machine's
// zone is.
func parseTime(compact, canonical []byte) (t time.Time, reason string) {
	if canonical[0] != '"' {
		return time.Time{}, "datetime is not a string: " + excerpt(compact)
	}
	// No text with an escape even in canonical form is a datetime.
	t, err := time.ParseInLocation(timeLayout, string(canonical[1:len(canonical)-1]), time.UTC)
	// What is no year of four digits in UTC, no program can write as RFC 3339.
	if err != nil || t.Year() < 1 || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, "datetime is not a date and time: " + excerpt(compact)
	}
	return t, ""
}

const whiteSpace = " \t\r\n" // JSON's

// excerpt shows the beginning of text on one line, quoted.
func excerpt(text []byte) string {
	const most = 80
	cut := ""
	if len(text) > most {
		text = bytes.TrimRightFunc(text[:most], func(r rune) bool { return r == utf8.RuneError })
		cut = "..."
	}
	return fmt.Sprintf("%#q", text) + cut
}
