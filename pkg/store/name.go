package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest object name in bytes that Object Storage accepts
// (https://docs.oracle.com/iaas/Content/Object/Tasks/managingobjects.htm).
const maxName = 1024

// CheckName returns an error that wraps ErrInvalid unless every store accepts
// name as the name of an object.
//
// A name is a relative path with slashes, of at most 1024 bytes, in valid UTF-8
// and without control characters and backslashes. None of its parts is empty or
// begins with a dot: this excludes "..", and leaves names with a dot to the
// stores' own files.
func CheckName(name string) error {
	problem := ""
	switch {
	case name == "":
		problem = "it is empty"
	case len(name) > maxName:
		problem = fmt.Sprintf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		problem = "it is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		problem = "it holds a control character or a backslash"
	default:
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part[0] == '.' {
				problem = "a part of it is empty or begins with a dot"
			}
		}
	}
	if problem != "" {
		return fmt.Errorf("%w: object name %.80q: %s", ErrInvalid, name, problem)
	}
	return nil
}
