package polisen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Fingerprint returns a short hash of a JSON value's content: 16 hexadecimal
// digits. Values that differ only in white space, order of names or escapes
// have the same fingerprint, so a line that another program wrote counts as
// the same version. The text of numbers counts as it stands. Of what is not
// JSON the bytes are the content.
func Fingerprint(raw []byte) string {
	r := newReader(raw)
	if err := r.read(&r.dec, nil); err != nil || len(r.rest()) > 0 {
		return fingerprint(raw)
	}
	return fingerprint(r.canonical)
}

// fingerprint returns the fingerprint of what has this canonical form.
func fingerprint(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8])
}

// forms writes JSON values in two forms at once, each of which is longer by
// every value read.
type forms struct {
	// compact is the values' text without the white space around tokens.
	compact []byte
	// canonical is the same for values of the same content. It is the form of
	// RFC 8785, except that numbers and strings that are no Unicode stand as
	// they came, names are in the order of their bytes, and one may come more
	// than once.
	canonical []byte

	members []member // of the objects that are being read, the innermost last
	scratch []byte
}

// member is where canonical has a member of an object: the name up to the
// colon, and the value after it.
type member struct{ name, colon, end int }

// read reads the next value from dec. If it is an object, visit, if not nil, is
// told of each of its members: the name in canonical form, and the value in
// both, which hold until it returns. The error is dec's.
func (f *forms) read(dec *jsontext.Decoder, visit func(name, compact, canonical []byte)) error {
	switch dec.PeekKind() {
	case jsontext.KindBeginObject:
		return f.object(dec, visit)
	case jsontext.KindBeginArray:
		return f.array(dec)
	}
	return f.scalar(dec)
}

// scalar reads the next value, which is not an object or array, or the name of
// a member.
func (f *forms) scalar(dec *jsontext.Decoder) error {
	scalar, err := dec.ReadValue()
	if err != nil {
		return err
	}
	f.compact = append(f.compact, scalar...)
	if bytes.IndexByte(scalar, '\\') >= 0 { // without an escape a string is canonical
		if f.scratch, err = jsontext.AppendUnquote(f.scratch[:0], scalar); err == nil {
			f.canonical, err = jsontext.AppendQuote(f.canonical, f.scratch)
			return err
		}
	}
	f.canonical = append(f.canonical, scalar...)
	return nil
}

func (f *forms) array(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	f.both('[')
	for first := true; dec.PeekKind() != jsontext.KindEndArray; first = false {
		if !first {
			f.both(',')
		}
		if err := f.read(dec, nil); err != nil {
			return err
		}
	}
	f.both(']')
	_, err := dec.ReadToken()
	return err
}

func (f *forms) object(dec *jsontext.Decoder, visit func(name, compact, canonical []byte)) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	outer := len(f.members)
	f.both('{')
	for dec.PeekKind() != jsontext.KindEndObject {
		if len(f.members) > outer {
			f.both(',')
		}
		m := member{name: len(f.canonical)}
		if err := f.scalar(dec); err != nil {
			return err
		}
		m.colon = len(f.canonical)
		f.both(':')
		value := len(f.compact)
		if err := f.read(dec, nil); err != nil {
			return err
		}
		m.end = len(f.canonical)
		f.members = append(f.members, m)
		if visit != nil {
			visit(f.canonical[m.name:m.colon], f.compact[value:], f.canonical[m.colon+1:])
		}
	}
	f.both('}')
	f.sort(f.members[outer:])
	f.members = f.members[:outer]
	_, err := dec.ReadToken()
	return err
}

// sort puts the members of the object at the end of canonical in order.
func (f *forms) sort(members []member) {
	byName := func(a, b member) int {
		return bytes.Compare(f.canonical[a.name:a.colon], f.canonical[b.name:b.colon])
	}
	if slices.IsSortedFunc(members, byName) {
		return
	}
	first := members[0].name
	slices.SortStableFunc(members, byName)
	f.scratch = append(f.scratch[:0], f.canonical[first:]...)
	f.canonical = f.canonical[:first]
	for i, m := range members {
		if i > 0 {
			f.canonical = append(f.canonical, ',')
		}
		f.canonical = append(f.canonical, f.scratch[m.name-first:m.end-first]...)
	}
	f.canonical = append(f.canonical, '}')
}

func (f *forms) both(c byte) {
	f.compact = append(f.compact, c)
	f.canonical = append(f.canonical, c)
}
