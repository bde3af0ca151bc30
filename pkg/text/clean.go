package text

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean returns s, which somebody else wrote, in a form that is safe to show on one
// line of a terminal or a log. It replaces characters that are not printable by escapes,
// such as \n, \x1b and \u202e: control characters, line separators, marks that change the
// direction of text, and bytes that are not UTF-8. Cleaning a text twice changes
// nothing.
func Clean(s string) string {
	if !strings.ContainsFunc(s, unsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unsafe(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

// CleanLines is [Clean] for a text of several lines: it keeps the line breaks ("\n").
func CleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return strings.Join(lines, "\n")
}

// unsafe reports whether r cannot be seen or changes how other text is shown.
func unsafe(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }

// Short returns the beginning of s, cleaned, of at most limit bytes and an ellipsis.
func Short(s string, limit int) string {
	// Text that is not printable gets longer, so there is no need to clean the rest.
	cut := strings.ToValidUTF8(s[:min(len(s), limit)], "")
	if len(s) <= limit {
		cut = s
	}
	clean := Clean(cut)
	if len(s) <= limit && len(clean) <= limit {
		return clean
	}
	return strings.ToValidUTF8(clean[:min(len(clean), limit)], "") + "..."
}

// OneLine returns a message of several lines as one line, cleaned: it trims white
// space at both ends and turns line breaks into "; ". It is for messages of this
// program that join several errors; use [Clean] for the text of others.
func OneLine(s string) string {
	return Clean(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; "))
}

// JSONWriter returns a writer for JSON that writes to w. Characters that [Clean] escapes
// and that an encoder may leave as they are become JSON escapes, which does not change the
// values. Each call of Write must end between two
// characters.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

// Write writes p. Characters that are unsafe occur in strings only, since the
// encoder has escaped those of ASCII, and white space between values is kept.
func (j jsonWriter) Write(p []byte) (int, error) {
	clean := p
	if bytes.ContainsFunc(p, escaped) {
		var b bytes.Buffer
		for _, r := range string(p) {
			switch {
			case !escaped(r):
				b.WriteRune(r)
			case r <= 0xffff:
				fmt.Fprintf(&b, `\u%04x`, r)
			default:
				high, low := utf16.EncodeRune(r)
				fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
			}
		}
		clean = b.Bytes()
	}
	if _, err := j.w.Write(clean); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escaped reports whether r is unsafe and can occur only within a string of JSON.
func escaped(r rune) bool { return r >= 0x7f && unsafe(r) }

// maxRepeated is the number of bytes of a secret in a row from which [Redact]
// removes them.
const maxRepeated = 8

// Redact returns s with "[redacted]" in place of every part of 8 bytes or more that
// it has in common with one of the secrets.
func Redact(s string, secrets ...string) string {
	parts := map[string]bool{}
	for _, secret := range secrets {
		for i := range len(secret) - maxRepeated + 1 {
			parts[secret[i:i+maxRepeated]] = true
		}
	}
	var b strings.Builder
	copied, hidden := 0, 0 // s[:copied] is written, s[:hidden] must not be
	for i := range max(0, len(s)-maxRepeated+1) {
		if !parts[s[i:i+maxRepeated]] {
			continue
		}
		if i > hidden || hidden == 0 {
			b.WriteString(s[copied:i])
			b.WriteString("[redacted]")
		}
		hidden = i + maxRepeated
		copied = hidden
	}
	b.WriteString(s[copied:])
	return b.String()
}

// quoted matches a text in double quotes.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*("|$)`)

// HideQuoted returns err with another text: "..." replaces each quoted part, and
// [Redact] removes the secrets. It is for errors of net/http, which quote lines of the
// response, the address of a proxy with its password, and more.
func HideQuoted(err error, secrets ...string) error {
	shown := Redact(quoted.ReplaceAllString(err.Error(), `"..."`), secrets...)
	if shown == err.Error() {
		return err
	}
	return &hiding{shown, err}
}

// hiding is an error with another text.
type hiding struct {
	text string
	err  error
}

func (e *hiding) Error() string { return e.text }
func (e *hiding) Unwrap() error { return e.err }
