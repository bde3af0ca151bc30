package polisen

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"polisen-events-collector/pkg/text"
)

// Parse parses the body of one response: a JSON array of items, with or without a
// byte order mark. Each item becomes an Event or a Rejected, in the order of the
// response. Damaged text becomes a Rejected too; see [Scanner] for where the next item
// begins. All items after the first 100,000 become one Rejected.
//
// If the body is cut, or has no array, the error is a [*BodyError]. Parse then returns
// the items that it could read. Parse keeps no reference to body.
func Parse(body []byte) (events []Event, rejected []Rejected, err error) {
	return parse(bytes.Clone(body))
}

// parse is Parse, but overwrites the body with the text of the items, to save memory.
func parse(body []byte) (events []Event, rejected []Rejected, err error) {
	p := bodyParser{body: body, events: make([]Event, 0, FullResponse)}
	start := checkStart(body)
	cut := !bytes.HasSuffix(bytes.TrimRight(body, whiteSpace), []byte("]"))
	p.scanner.scanText(body, p.add)
	if p.damaged.Size() > 0 {
		p.rejected = append(p.rejected, Rejected{Reason: reasonDamage, Raw: p.damaged.JSON()})
	}
	switch {
	case start != nil && len(p.events) == 0:
		return nil, p.rejected, start
	case start != nil && !p.scanner.closed && p.scanner.place == outside: // events without an array
		return p.events, p.rejected, start
	case cut && !p.scanner.closed:
		return p.events, p.rejected, &BodyError{Kind: BodyTruncated, Offset: int64(len(body))}
	}
	return p.events, p.rejected, nil
}

// bodyParser is the state of one parse.
type bodyParser struct {
	scanner  Scanner
	reader   reader
	body     []byte
	kept     int // body[:kept] holds items that were read
	events   []Event
	rejected []Rejected
	// quoted is the size of the damaged text in rejected, as JSON, and damaged the
	// damaged text beyond maxDamage.
	quoted  int
	damaged Beginning
}

// maxDamage is the size in bytes of the damaged text of a response that is kept whole, as
// JSON, which may be six times as long as the text.
const maxDamage = 4 << 20

// add adds a piece of the body to the items. It reports false after the last one.
func (p *bodyParser) add(piece Piece) bool {
	if piece.Damage == damageNotClosed {
		return false // this is an error of the whole body
	}
	if len(p.events)+len(p.rejected) == maxItems {
		rest := bytes.TrimRight(p.body[piece.Offset:], whiteSpace)
		rest = bytes.TrimRight(bytes.TrimSuffix(rest, []byte("]")), whiteSpace)
		p.rejected = append(p.rejected, Reject(reasonMany, rest))
		return false
	}
	if piece.Damage != "" {
		if p.quoted > maxDamage {
			p.damaged.Write(piece.Raw)
			return true
		}
		reject := Reject(piece.Damage, piece.Raw)
		p.quoted += len(reject.Raw)
		p.rejected = append(p.rejected, reject)
		return true
	}
	event, reject, err := p.reader.item(piece.Raw)
	switch {
	case err != nil: // the scanner has read the item as JSON
		p.rejected = append(p.rejected, Reject("not JSON: "+err.Error(), piece.Raw))
	case reject != nil:
		reject.Raw = p.keep(reject.Raw)
		p.rejected = append(p.rejected, *reject)
	default:
		event.Raw = p.keep(event.Raw)
		p.events = append(p.events, event)
	}
	return true
}

// keep copies an item to the part of the body that was read.
func (p *bodyParser) keep(raw []byte) []byte {
	from := p.kept
	p.kept += copy(p.body[from:], raw)
	// The capacity is limited so that an append does not overwrite the next item.
	return p.body[from:p.kept:p.kept]
}

// ParseItem parses one item of a response, with or without white space around it.
// It returns an event, or a rejected item. It also rejects text that is not one JSON
// value in UTF-8, as [Reject] does. ParseItem keeps no reference to raw.
func ParseItem(raw []byte) (Event, *Rejected) { return new(Parser).Item(raw) }

// Parser parses items one by one. It reuses its buffers, so it is faster than
// [ParseItem]. The zero value is ready for use. It is not safe for concurrent use.
type Parser struct{ r reader }

// Item is [ParseItem] with the buffers of p.
func (p *Parser) Item(raw []byte) (Event, *Rejected) {
	r := &p.r
	event, rejected, err := r.item(raw)
	reason := ""
	switch {
	case !utf8.Valid(raw):
		reason = reasonUTF8
	case err != nil && isDeep(raw, err):
		reason = reasonDeep
	case err != nil:
		reason = "not JSON: " + excerpt(raw)
	case len(r.rest()) > 0:
		reason = "more than one JSON value"
	case rejected != nil:
		rejected.Raw = bytes.Clone(rejected.Raw)
		return Event{}, rejected
	default:
		event.Raw = bytes.Clone(event.Raw)
		return event, nil
	}
	reject := Reject(reason, raw)
	return Event{}, &reject
}

// reader reads the value at the start of a text.
type reader struct {
	text []byte
	buf  bytes.Buffer // contains text; the decoder does not copy a bytes.Buffer
	dec  jsontext.Decoder
	encoder
}

// lenient makes the decoder accept the escape of half a surrogate pair, such as
// "\ud83d", since the API may cut a summary in the middle of a pair. The decoder then
// accepts invalid UTF-8 too, so the callers check for that.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// reset makes r read text.
func (r *reader) reset(text []byte) {
	r.text, r.buf = text, *bytes.NewBuffer(text)
	r.dec.Reset(&r.buf, lenient...)
	r.restart()
}

// item reads the item at the start of text, which is an event or rejected. The Raw of
// both is valid until the next call. The error is the decoder's.
func (r *reader) item(text []byte) (event Event, rejected *Rejected, err error) {
	r.reset(text)
	kind := r.dec.PeekKind()
	idReason, timeReason := "no id", "no datetime"
	err = r.value(&r.dec, func(name, compact, canonical []byte) {
		switch string(name) { // the last of two equal names counts, as in most JSON parsers
		case `"id"`:
			event.ID, idReason = parseID(compact)
		case `"datetime"`:
			event.Time, timeReason = parseTime(compact, canonical)
		}
	})
	if err != nil {
		return Event{}, nil, err
	}
	if r.excess != "" {
		reject := rejectExcess(bytes.TrimLeft(text[:r.dec.InputOffset()], whiteSpace), r.excess)
		return Event{}, &reject, nil
	}
	reason := timeReason
	switch {
	case kind != jsontext.KindBeginObject:
		reason = "not an object: " + excerpt(r.compact)
	case idReason != "":
		reason = idReason
	}
	if reason != "" {
		return Event{}, &Rejected{Reason: reason, Raw: r.compact}, nil
	}
	event.Raw, event.Fingerprint = r.compact, fingerprint(r.canonical)
	return event, nil, nil
}

// rejectExcess rejects an item for its size or its depth, which is the reason.
func rejectExcess(item []byte, reason string) Rejected {
	if reason == reasonLong {
		return Reject(reason, item)
	}
	compact := jsontext.Value(bytes.Clone(item))
	_ = compact.Compact(lenient...) // cannot fail: the item was read as JSON
	if len(compact) > MaxItem {
		return Reject(reasonLong, item)
	}
	return Rejected{Reason: reason, Raw: compact, Deep: true}
}

// rest returns the text that r has not read yet, without leading white space.
func (r *reader) rest() []byte {
	return bytes.TrimLeft(r.text[r.dec.InputOffset():], whiteSpace)
}

// parseID parses an id, which must be a JSON integer without fraction or exponent.
// If it is invalid, reason says why.
func parseID(value []byte) (id int64, reason string) {
	id, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, "id is not an integer: " + excerpt(value)
	}
	return id, ""
}

const whiteSpace = " \t\r\n" // RFC 8259, section 2

// excerpt returns the beginning of raw, up to 80 bytes, quoted and cleaned. It shows no
// binary data.
func excerpt(raw []byte) string {
	const maxBytes = 80
	ellipsis := ""
	if isBinary(raw[:min(len(raw), maxBytes)]) {
		return fmt.Sprintf("%d bytes that are not text", len(raw))
	}
	if len(raw) > maxBytes {
		raw = bytes.TrimRightFunc(raw[:maxBytes], func(r rune) bool { return r == utf8.RuneError })
		ellipsis = "..."
	}
	// In backquotes some characters would be left that are not printable.
	return text.Clean(fmt.Sprintf("%#q", raw)) + ellipsis
}

// isBinary reports whether much of text is no text: at least 8 bytes and a quarter of it
// are control characters or not UTF-8.
func isBinary(text []byte) bool {
	n := 0
	for _, r := range string(text) {
		if r == utf8.RuneError || r < ' ' && !isSpace(byte(r)) {
			n++
		}
	}
	return n >= 8 && 4*n >= len(text)
}

// HasHalfPair reports whether JSON text holds the escape of half a surrogate pair, such as
// "\ud83d", which many readers of JSON refuse.
func HasHalfPair(raw []byte) bool {
	value := jsontext.Value(raw)
	return bytes.Contains(raw, []byte(`\u`)) && !value.IsValid(jsontext.AllowDuplicateNames(true)) && value.IsValid(lenient...)
}
