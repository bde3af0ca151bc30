package polisen

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"
)

// BodyError is the error of a body that is not an array of items, or only a part of
// one. Its message is one line.
type BodyError struct {
	Kind BodyKind
	// Offset is the position in bytes at which the damage begins; zero if the whole body
	// is damaged.
	Offset int64
	// Excerpt is the beginning of the damaged text, up to 80 bytes and quoted, or
	// the title of an HTML page; it may be empty.
	Excerpt string
	// Err is the cause, such as a decompression error; it may be nil.
	Err error
}

// BodyKind is a kind of damage. It completes the sentence "the response is ...".
type BodyKind string

// The kinds of damage.
const (
	BodyEmpty      BodyKind = "empty"
	BodyNoEvents   BodyKind = "an array without events" // and the query was for the newest events, which always exist
	BodyHTML       BodyKind = "HTML, not JSON"
	BodyNotArray   BodyKind = "JSON, but not an array"
	BodyTruncated  BodyKind = "truncated JSON"
	BodyMalformed  BodyKind = "not valid JSON"
	BodyIncomplete BodyKind = "incomplete"
	BodyBadGzip    BodyKind = "damaged gzip"
	BodyTooLarge   BodyKind = "larger than the limit of 32 MiB"
	BodyEncoded    BodyKind = "encoded as" // the Excerpt, which the request did not ask for
)

func (e *BodyError) Error() string {
	text := "the response is " + string(e.Kind)
	if e.Kind == BodyEncoded {
		return text + " " + e.Excerpt + ", which was not asked for"
	}
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

// checkStart returns a [*BodyError] if text does not begin with an array.
func checkStart(text []byte) error {
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(text, []byte(bom)), whiteSpace)
	switch {
	case len(trimmed) == 0:
		return &BodyError{Kind: BodyEmpty}
	case trimmed[0] == '[':
		return nil
	case trimmed[0] == '<':
		return &BodyError{Kind: BodyHTML, Excerpt: describe(trimmed)}
	case trimmed[0] == '{' || jsontext.Value(trimmed).IsValid(lenient...):
		return &BodyError{Kind: BodyNotArray, Excerpt: excerpt(trimmed)}
	}
	return &BodyError{Kind: BodyMalformed, Excerpt: excerpt(trimmed)}
}

var titleElement = regexp.MustCompile(`(?is)<title[^>]*>\s*(.*?)\s*</title`)

// describe returns one line about text: the title of an HTML page, or the beginning
// of any other text, quoted.
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
