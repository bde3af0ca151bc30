package polisen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Fingerprint returns a hash of a JSON value: 16 hexadecimal digits. Two values that
// differ only in white space, escapes or the order of the members of objects have
// the same fingerprint. That happens if another program rewrites an event. Numbers
// are compared as text: 1.0 differs from 1. If raw is not JSON, or too large or too
// deeply nested for an event, Fingerprint hashes its bytes.
func Fingerprint(raw []byte) string {
	var r reader
	r.reset(raw)
	if err := r.value(&r.dec, nil); err != nil || r.excess != "" || len(r.rest()) > 0 {
		return fingerprint(raw)
	}
	return fingerprint(r.canonical)
}

// fingerprint returns the fingerprint of a value in canonical form.
func fingerprint(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8])
}

// encoder copies a JSON value from a decoder to compact and canonical. Sorting the
// members of an object copies all that the object holds, so without a limit of the
// depth the time would grow with the square of the size.
type encoder struct {
	// compact is the text of the value without white space between tokens.
	compact []byte
	// canonical is the value in a form that is the same for all values with the
	// same fingerprint: that of RFC 8785, except that numbers, and strings with
	// half a surrogate pair, are copied verbatim, and that names are sorted by
	// their bytes and may occur more than once.
	canonical []byte

	// excess is the reason if the value is larger or deeper than an item may be, and
	// empty otherwise. The encoder then reads to the end of the value, so that it
	// finds all errors, but copies no more of it.
	excess string

	members []member // of the objects that are not closed yet, the innermost last
	depth   int      // the number of objects and arrays that are not closed yet
	scratch []byte   // a buffer for scalar and sort
}

// member is the position of a member of an object in canonical: its name is
// canonical[name:colon], and its value canonical[colon+1:end].
type member struct{ name, colon, end int }

// restart empties both forms.
func (e *encoder) restart() {
	e.compact, e.canonical, e.members = e.compact[:0], e.canonical[:0], e.members[:0]
	e.excess, e.depth = "", 0
}

// value copies the next value. If the value is an object, value calls onMember for
// each member, unless onMember is nil, with the canonical name and the member's
// value in both forms. The arguments are valid until onMember returns. The error is
// dec's.
func (e *encoder) value(dec *jsontext.Decoder, onMember func(name, compact, canonical []byte)) error {
	kind := dec.PeekKind()
	nested := kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray
	if nested && e.depth == maxDepth && e.excess == "" {
		e.excess = reasonDeep
	}
	switch {
	case e.excess != "":
		return dec.SkipValue()
	case !nested:
		return e.scalar(dec)
	}
	e.depth++
	defer func() { e.depth-- }()
	if kind == jsontext.KindBeginObject {
		return e.object(dec, onMember)
	}
	return e.array(dec)
}

// scalar copies the next string, number or literal, which may be the name of a
// member.
func (e *encoder) scalar(dec *jsontext.Decoder) error {
	scalar, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if len(e.compact)+len(scalar) > MaxItem {
		e.excess = reasonLong
		return nil
	}
	e.compact = append(e.compact, scalar...)
	if bytes.IndexByte(scalar, '\\') >= 0 { // other scalars are canonical already
		if e.scratch, err = jsontext.AppendUnquote(e.scratch[:0], scalar); err == nil {
			e.canonical, err = jsontext.AppendQuote(e.canonical, e.scratch)
			return err
		}
	}
	e.canonical = append(e.canonical, scalar...)
	return nil
}

func (e *encoder) array(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	e.delimiter('[')
	for first := true; dec.PeekKind() != jsontext.KindEndArray; first = false {
		if !first {
			e.delimiter(',')
		}
		if err := e.value(dec, nil); err != nil {
			return err
		}
	}
	e.delimiter(']')
	_, err := dec.ReadToken()
	return err
}

func (e *encoder) object(dec *jsontext.Decoder, onMember func(name, compact, canonical []byte)) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	outer := len(e.members)
	e.delimiter('{')
	for dec.PeekKind() != jsontext.KindEndObject {
		if e.excess != "" {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if len(e.members) > outer {
			e.delimiter(',')
		}
		m := member{name: len(e.canonical)}
		if err := e.scalar(dec); err != nil {
			return err
		}
		m.colon = len(e.canonical)
		e.delimiter(':')
		value := len(e.compact)
		if err := e.value(dec, nil); err != nil {
			return err
		}
		m.end = len(e.canonical)
		e.members = append(e.members, m)
		if onMember != nil && e.excess == "" {
			onMember(e.canonical[m.name:m.colon], e.compact[value:], e.canonical[m.colon+1:])
		}
	}
	e.delimiter('}')
	if e.excess == "" {
		e.sort(e.members[outer:])
	}
	e.members = e.members[:outer]
	_, err := dec.ReadToken()
	return err
}

// sort sorts the members of the last object in canonical by name.
func (e *encoder) sort(members []member) {
	byName := func(a, b member) int {
		return bytes.Compare(e.canonical[a.name:a.colon], e.canonical[b.name:b.colon])
	}
	if slices.IsSortedFunc(members, byName) {
		return
	}
	first := members[0].name
	slices.SortStableFunc(members, byName)
	e.scratch = append(e.scratch[:0], e.canonical[first:]...)
	e.canonical = e.canonical[:first]
	for i, m := range members {
		if i > 0 {
			e.canonical = append(e.canonical, ',')
		}
		e.canonical = append(e.canonical, e.scratch[m.name-first:m.end-first]...)
	}
	e.canonical = append(e.canonical, '}')
}

// delimiter appends c to both forms.
func (e *encoder) delimiter(c byte) {
	if len(e.compact) == MaxItem && e.excess == "" {
		e.excess = reasonLong
	}
	if e.excess != "" {
		return
	}
	e.compact = append(e.compact, c)
	e.canonical = append(e.canonical, c)
}
