package text

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain å 🚓":                "plain å 🚓",
		"a\tb\x1b[31mc\u009bd":     `a\tb\x1b[31mc\x9bd`,
		"a\nb\r\x00\x7f":           `a\nb\r\x00\x7f`,
		"a\nb":                     `a\nb`,
		"a\rb":                     `a\rb`,
		"a\tb":                     `a\tb`,
		"\u202a\u202e\u2066\u2069": `\u202a\u202e\u2066\u2069`,
		"\u200e\u200f\u2028\u2029": `\u200e\u200f\u2028\u2029`,
		"bad \xff\xc3":             `bad \xff\xc3`,
		"\U000e0041\ufeff":         `\U000e0041\ufeff`,
		"kept: | and \u00a0nbsp":   "kept: | and \u00a0nbsp",
		`\x1b stays`:               `\x1b stays`,
		"\ufffd":                   "\ufffd",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"  first\nsecond\n": "first; second",
		"a\x1b[2Jb\u0085c":  `a\x1b[2Jb\x85c`,
		"\r\n":              "",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("OneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"12345678":     "12345678",
		"123456789":    "12345678...",
		"1234567å":     "1234567...",
		"\x1b\x1b\x1b": `\x1b\x1b...`,
	} {
		if got := Short(in, 8); got != want {
			t.Errorf("Short(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestJSONWriter checks that the writer escapes, and changes no value.
func TestJSONWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a\n\x1b\x7f\u009b\u202e\u2028\u200f\U000e0041🚓\\\"")))).Draw(t, "in")
		plain, err := json.MarshalIndent(map[string]string{in: in}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if n, err := JSONWriter(&b).Write(plain); n != len(plain) || err != nil {
			t.Fatal(n, err)
		}
		for _, r := range b.String() {
			if unsafe(r) && r != '\n' && r != '\t' {
				t.Fatalf("%q is in %q", r, b.String())
			}
		}
		var before, after map[string]string
		if json.Unmarshal(plain, &before) != nil || json.Unmarshal([]byte(b.String()), &after) != nil {
			t.Fatalf("not JSON: %s", b.String())
		}
		for k := range before {
			if after[k] != before[k] && utf8.ValidString(in) {
				t.Fatalf("%q became %q", before, after)
			}
		}
	})
}

func TestRedact(t *testing.T) {
	const secret = "abcdefghijklmnop"
	for in, want := range map[string]string{
		"":                             "",
		"nothing here":                 "nothing here",
		"abcdefg":                      "abcdefg",
		"abcdefgh":                     "[redacted]",
		"x abcdefghij y":               "x [redacted] y",
		secret + secret:                "[redacted]",
		"hijklmnop, abcdefghi.":        "[redacted], [redacted].",
		"1234567 and 12345678 and ...": "1234567 and [redacted] and ...",
	} {
		if got := Redact(in, secret, "12345678", "short"); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Redact("no secrets"); got != "no secrets" {
		t.Error(got)
	}
}

func TestHideQuoted(t *testing.T) {
	for in, want := range map[string]string{
		`plain`:                        `plain`,
		`a "b" c "d\"e" f`:             `a "..." c "..." f`,
		`open "never closed \"`:        `open "..."`,
		`with 12345678 and "12345678"`: `with [redacted] and "..."`,
	} {
		cause := errors.New(in)
		if got := HideQuoted(cause, "12345678"); got.Error() != want || !errors.Is(got, cause) {
			t.Errorf("%s: %v; want %s", in, got, want)
		}
	}
}
