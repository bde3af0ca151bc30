package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name in bytes that every store takes (the Object
// Storage service's own limit).
const maxName = 1024

// CheckName returns an error wrapping ErrInvalid unless name can be an object
// in every store: a relative slash-separated path of valid UTF-8 without
// control characters, with no part that is empty or begins with a dot (so
// there is no "..", and stores may keep files of their own under dot names).
func CheckName(name string) error {
	fault := ""
	switch {
	case name == "":
		fault = "it is empty"
	case len(name) > maxName:
		fault = fmt.Sprintf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		fault = "it is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		fault = "it holds a control character or a backslash"
	default:
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part[0] == '.' {
				fault = "a part of it is empty or begins with a dot"
			}
		}
	}
	if fault != "" {
		return fmt.Errorf("%w: object name %.80q: %s", ErrInvalid, name, fault)
	}
	return nil
}
