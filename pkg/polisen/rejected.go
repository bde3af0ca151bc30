package polisen

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxItem is the size in bytes, without white space between tokens, of the
	// largest item that can be an event, and that is kept whole. The largest item in
	// 29,357 recorded responses has 504 bytes.
	MaxItem = 1 << 20
	// maxItems is the largest number of items in a response. The API documents 500.
	maxItems = 100_000
	// maxDepth is the largest number of arrays and objects inside each other in an
	// item. The API's events have two.
	maxDepth = 64
	// maxBeginning is the number of bytes that are kept of an item larger than
	// MaxItem.
	maxBeginning = 64 << 10
)

const (
	reasonLong = "longer than 1 MiB"
	reasonDeep = "nested deeper than 64 levels"
	reasonUTF8 = "not valid UTF-8"
	// reasonTruncated is the reason for the text of an item that is not complete.
	reasonTruncated = "truncated"
	reasonMany      = "the response has more than 100000 items; these are the others"
	// reasonDamage is the reason for damaged text beyond maxDamage.
	reasonDamage = "the response has more than 4 MiB of damaged text; this is the rest of it"
)

// Rejected is an item of a response that is not an event, since it is not an object
// with an integer id and a valid datetime, or since it is too large.
type Rejected struct {
	Reason string // one line, for messages
	// Raw is the item's JSON, in the form of Event.Raw. If the item is not valid
	// JSON, or too large, it is a JSON value that stands for the item; see [Reject].
	// Raw never has more than MaxItem bytes.
	Raw []byte
	// Deep is true if Raw is nested too deep for most parsers of JSON.
	Deep bool
	// ObservedAt is the time at which the item was fetched, if it comes from a copy of an
	// archive; otherwise it is zero.
	ObservedAt time.Time
}

// JSON returns the value to keep: Raw or, if it is nested too deep, the value by which
// [Reject] replaces it. That value may be twice as long, so a response does not have it.
func (r Rejected) JSON() []byte {
	if r.Deep {
		return Reject(r.Reason, r.Raw).Raw
	}
	return r.Raw
}

// Reject returns text as a rejected item. Its Raw is the text as a JSON string, or, if
// the text is not valid UTF-8, an object with the text in base64:
//
//	{"base64": ...}
//
// If that would have more than [MaxItem] bytes, it is [Beginning.JSON] of the text.
func Reject(reason string, text []byte) Rejected {
	if len(text) <= MaxItem {
		raw, err := jsontext.AppendQuote(nil, text)
		if err != nil { // not valid UTF-8
			raw = fmt.Appendf(nil, `{"base64":%q}`, base64.StdEncoding.EncodeToString(text))
		}
		if len(raw) <= MaxItem {
			return Rejected{Reason: reason, Raw: raw}
		}
	}
	var b Beginning
	b.Write(text)
	return Rejected{Reason: reason, Raw: b.JSON()}
}

// Beginning keeps the first 64 KiB, the size and the SHA-256 of the text that is
// written to it. The zero value is ready for use.
type Beginning struct {
	text []byte
	size int64
	sum  hash.Hash
}

// Write adds p to the text. It never fails.
func (b *Beginning) Write(p []byte) (int, error) {
	if b.sum == nil {
		b.sum = sha256.New()
	}
	b.text = append(b.text, p[:min(len(p), maxBeginning-len(b.text))]...)
	b.size += int64(len(p))
	return b.sum.Write(p)
}

// Size returns the size of the text in bytes.
func (b *Beginning) Size() int64 { return b.size }

// JSON returns an object with the first 64 KiB of the text (a few bytes less, if they
// end within a character), its size and its SHA-256:
//
//	{"text": ..., "bytes": ..., "sha256": ...}
//
// If these bytes are not valid UTF-8, it holds them as "base64" instead of "text".
func (b *Beginning) JSON() []byte {
	if b.sum == nil {
		b.Write(nil)
	}
	raw := []byte(`{"text":`)
	if text := wholeRunes(b.text); utf8.Valid(text) {
		raw, _ = jsontext.AppendQuote(raw, text) // cannot fail: the text is UTF-8
	} else {
		raw = fmt.Appendf(nil, `{"base64":%q`, base64.StdEncoding.EncodeToString(b.text))
	}
	raw = strconv.AppendInt(append(raw, `,"bytes":`...), b.size, 10)
	return fmt.Appendf(raw, `,"sha256":%q}`, hex.EncodeToString(b.sum.Sum(nil)))
}

// wholeRunes returns text without the beginning of a character at its end.
func wholeRunes(text []byte) []byte {
	for i := len(text) - 1; i >= max(len(text)-utf8.UTFMax, 0); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}
