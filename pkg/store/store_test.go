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
		name    string
		problem string // part of the error, empty if the name is valid
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
		if tt.problem == "" {
			if err != nil {
				t.Errorf("CheckName(%.80q) = %v", tt.name, err)
			}
			continue
		}
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("CheckName(%.80q) = %v, want ErrInvalid because it is: %s", tt.name, err, tt.problem)
		} else if text := err.Error(); len(text) > 500 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("CheckName(%.80q) returns a long error or one with control characters: %q", tt.name, text)
		}
	}
}

// Every valid name is a path that stays inside the folder to which it is relative.
func TestValidNamesAreLocalPaths(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"", ".", "..", "a", ".a", "a.", `\`, "å", "\xff", "\x00", " ", "~", "C:"}), rapid.String())
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), rapid.SampledFrom([]string{"/", "//", `\`, ""}).Draw(t, "separator"))
		if store.CheckName(name) != nil {
			return
		}
		valid++
		if !fs.ValidPath(name) || !filepath.IsLocal(name) || !utf8.ValidString(name) || len(name) > 1024 ||
			strings.HasPrefix(name, ".") || strings.Contains(name, "/.") || strings.Contains(name, `\`) {
			t.Fatalf("CheckName accepts %q", name)
		}
	})
	if valid == 0 {
		t.Error("no name was valid")
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

// The expected sum is from the test suite of RFC 1321,
// f96b697d7cb7938d525a2f31aaf161d0, in the form of RFC 1864.
func TestMD5(t *testing.T) {
	if got := store.MD5([]byte("message digest")); got != "+WtpfXy3k41SWi8xqvFh0A==" {
		t.Errorf("MD5 = %q", got)
	}
}
