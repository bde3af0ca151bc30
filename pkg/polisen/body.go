package polisen

import (
	"bytes"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// BodyError tells that a response's body is not an array of event notices, and
// what came in its place. Its message is one line.
type BodyError struct {
	Kind BodyKind
	// Offset is the byte at which it shows, after a byte order mark; zero if
	// that does not matter.
	Offset int64
	// Excerpt is up to 80 characters of what is there, quoted; may be empty.
	Excerpt string
	// Err is the cause, such as a reading error; may be nil.
	Err error
}

// BodyKind is what came in place of an array of event notices.
type BodyKind string

// The kinds of bodies that are no array of event notices.
const (
	BodyEmpty     BodyKind = "empty"
	BodyNoEvents  BodyKind = "an array without a single event" // though the newest events were asked for
	BodyHTML      BodyKind = "HTML, not JSON"
	BodyNotArray  BodyKind = "JSON, but not an array"
	BodyTruncated BodyKind = "truncated JSON"
	BodyMalformed BodyKind = "not valid JSON"
	BodyTrailing  BodyKind = "an array with more data after it"
	BodyNotUTF8   BodyKind = "not valid UTF-8"
	BodyCutShort  BodyKind = "cut short on its way"
	BodyBadGzip   BodyKind = "damaged gzip"
	BodyTooLarge  BodyKind = "larger than the limit of 32 MiB"
)

func (e *BodyError) Error() string {
	text := "the response is " + string(e.Kind)
	if e.Offset > 0 {
		text += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.Excerpt != "" {
		text += ": " + e.Excerpt
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *BodyError) Unwrap() error { return e.Err }

// sniff returns a *BodyError if text does not even begin as an array, or is no
// UTF-8, and nil otherwise.
func sniff(text []byte) error {
	begin := bytes.TrimLeft(text, whiteSpace)
	switch {
	case len(begin) == 0:
		return &BodyError{Kind: BodyEmpty}
	case begin[0] == '<':
		return &BodyError{Kind: BodyHTML, Excerpt: describe(begin)}
	case !utf8.Valid(text):
		at := invalidAt(text)
		return &BodyError{Kind: BodyNotUTF8, Offset: int64(at), Excerpt: excerpt(text[at:])}
	case begin[0] == '[':
		return nil
	}
	if begin[0] == '{' || jsontext.Value(begin).IsValid(lenient...) {
		return &BodyError{Kind: BodyNotArray, Excerpt: excerpt(begin)}
	}
	return &BodyError{Kind: BodyMalformed, Excerpt: excerpt(begin)}
}

var titleElement = regexp.MustCompile(`(?is)<title[^>]*>\s*(.*?)\s*</title`)

// describe shows on one line what text, which is no response, is: the title of
// an HTML page, or the beginning of anything else.
func describe(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return ""
	}
	if m := titleElement.FindSubmatch(text); m != nil && len(m[1]) > 0 {
		return "a page titled " + excerpt(bytes.Join(bytes.Fields(m[1]), []byte(" ")))
	}
	return excerpt(text)
}

func invalidAt(text []byte) int {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}
