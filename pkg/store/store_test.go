package store_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"polisen-events-collector/pkg/store"
)

func TestCheckName(t *testing.T) {
	long := strings.Repeat("x", 1024)
	tests := []struct {
		name  string
		fault string // part of the error, empty if the name is fine
	}{
		{"metadata/last_seen.json", ""},
		{"events/2026/01/02/events-1767312000.jsonl", ""},
		{"a", ""},
		{" a b /å?#%&+", ""},
		{"a../b..c", ""},
		{long, ""},
		{"", "empty"},
		{long + "x", "longer than 1024 bytes"},
		{strings.Repeat("å", 513), "longer than 1024 bytes"},
		{"a\xff", "not UTF-8"},
		{"a\x00", "control character"},
		{"a\tb", "control character"},
		{"a\r\nb", "control character"},
		{"a\x7f", "control character"},
		{`a\b`, "backslash"},
		{"/", "empty or begins with a dot"},
		{"/a", "empty or begins with a dot"},
		{"a/", "empty or begins with a dot"},
		{"a//b", "empty or begins with a dot"},
		{".", "empty or begins with a dot"},
		{"..", "empty or begins with a dot"},
		{"../a", "empty or begins with a dot"},
		{"a/../b", "empty or begins with a dot"},
		{"a/./b", "empty or begins with a dot"},
		{".lock", "empty or begins with a dot"},
		{"a/.b/c", "empty or begins with a dot"},
	}
	for _, tt := range tests {
		err := store.CheckName(tt.name)
		if tt.fault == "" {
			if err != nil {
				t.Errorf("CheckName(%.80q) = %v", tt.name, err)
			}
			continue
		}
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("CheckName(%.80q) = %v, want ErrInvalid because it is: %s", tt.name, err, tt.fault)
		} else if text := err.Error(); len(text) > 500 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("CheckName(%.80q) gives an error that is unfit for one line of a terminal: %q", tt.name, text)
		}
	}
}

// A name that passes is a path inside whatever folder it is put in, and says
// the same thing to everybody.
func TestCheckNameLetsNothingOut(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"", ".", "..", "a", ".a", "a.", `\`, "å", "\xff", "\x00", " ", "~", "C:"}), rapid.String())
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), rapid.SampledFrom([]string{"/", "//", `\`, ""}).Draw(t, "separator"))
		if store.CheckName(name) != nil {
			return
		}
		passed++
		if !fs.ValidPath(name) || !filepath.IsLocal(name) || !utf8.ValidString(name) || len(name) > 1024 ||
			strings.HasPrefix(name, ".") || strings.Contains(name, "/.") || strings.Contains(name, `\`) {
			t.Fatalf("%q passed", name)
		}
	})
	if passed == 0 {
		t.Error("no name passed")
	}
}

func TestCond(t *testing.T) {
	tests := []struct {
		name          string
		cond          store.Cond
		valid, absent bool
		match         store.ETag
		allows        []store.ETag // of no object (""), "current", "past"
	}{
		{"zero", store.Cond{}, false, false, "", nil},
		{"always", store.Always(), true, false, "", []store.ETag{"", "current", "past"}},
		{"if absent", store.IfAbsent(), true, true, "", []store.ETag{""}},
		{"if match", store.IfMatch("current"), true, false, "current", []store.ETag{"current"}},
		{"if match nothing", store.IfMatch(""), false, false, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.cond.Valid(); got != tt.valid {
				t.Errorf("Valid() = %v", got)
			}
			if got := tt.cond.Absent(); got != tt.absent {
				t.Errorf("Absent() = %v", got)
			}
			if got, ok := tt.cond.Match(); got != tt.match || tt.valid && ok != (tt.match != "") {
				t.Errorf("Match() = %q, %v", got, ok)
			}
			for _, current := range []store.ETag{"", "current", "past"} {
				if got := tt.cond.Allows(current); got != slices.Contains(tt.allows, current) {
					t.Errorf("Allows(%q) = %v", current, got)
				}
			}
		})
	}
}

// The sum is of RFC 1321's test suite, f96b697d7cb7938d525a2f31aaf161d0, in the
// form of the Content-MD5 header (RFC 1864).
func TestMD5(t *testing.T) {
	if got := store.MD5([]byte("message digest")); got != "+WtpfXy3k41SWi8xqvFh0A==" {
		t.Errorf("MD5 = %q", got)
	}
}
