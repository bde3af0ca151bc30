package address

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// encoded matches the beginning of a private key (DER) or a token (JWT) in
	// base64, with as much after it as no word has.
	encoded = regexp.MustCompile(`(MII|MIG|eyJ)[A-Za-z0-9+/=_-]{24}|eyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_-]`)
	// password matches the user and the password of a URL, also of a misspelt one.
	password = regexp.MustCompile(`[^/:]:[^/]*@`)
)

// maxComponent is the length from which one component of a path looks like a
// secret rather than a name.
const maxComponent = 128

// errNotPath does not show the text, which may be a secret.
var errNotPath = errors.New("the value looks like a key, a token or a password, not like a path")

// CheckPath returns an error unless s can be the path of a file or folder. A private
// key, a token or a URL with a password is none. A path that does not begin with /,
// ./ or ../ consists of letters, digits and "._-/" only, since a passphrase would
// pass as a path too. The error does not repeat s.
func CheckPath(s string) error {
	switch {
	case MayBeSecret(s):
		return errNotPath
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the path contains a character that is not printable")
	}
	for c := range strings.SplitSeq(s, "/") {
		if len(c) > maxComponent {
			return errNotPath
		}
	}
	plain := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-/", r) }
	if !IsExplicit(s) && strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return errors.New("write a path with special characters as ./PATH, or from / on")
	}
	return nil
}

// quotes are the characters that a shell removes or replaces.
const quotes = "\"'`$\\"

// CheckLiteral returns an error if s, a path or a file:// URL, holds text that a shell
// would have removed or replaced, such as quotes or $HOME. Without the check such a text
// would be the name of a new folder. The error does not repeat s.
func CheckLiteral(s string) error {
	switch i := strings.IndexAny(s, quotes); {
	case MayBeSecret(s):
		return errNotPath
	case strings.TrimSpace(s) != s:
		return errors.New("the path begins or ends with a space or a line end")
	case strings.HasPrefix(s, "~") && !strings.HasPrefix(s, "~/"):
		return errors.New("the character ~ stands for your home folder in ~/PATH only: write other paths from / on")
	case i >= 0:
		return fmt.Errorf("the path contains the character %c, which only a shell would remove or replace: write the path without it, or as a file:// URL with %%%02X", s[i], s[i])
	case strings.Contains(s, " #"):
		return errors.New("a comment follows the path: remove it, or write the path as a file:// URL with %23")
	}
	return nil
}

// FileURL returns the file:// URL of path, an absolute path, in a form that [CheckLiteral]
// accepts.
func FileURL(path string) string {
	text := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
	return strings.ReplaceAll(text, "$", "%24")
}

// IsExplicit reports whether s begins like a path: with one of / ./ ../ and ~/.
func IsExplicit(s string) bool {
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") || strings.HasPrefix(s, "~/")
}

// MayBeSecret reports whether s looks like a private key, a token or a URL with a
// password. It does not recognise passphrases.
func MayBeSecret(s string) bool {
	return strings.Contains(s, "-----") || strings.Contains(s, "PRIVATE KEY") || strings.Contains(s, `\n`) ||
		encoded.MatchString(s) || password.MatchString(s)
}

// maxShown is the length of the longest text that [MayShow] allows whatever it is.
const maxShown = 7

var (
	// responseFile matches the name of a saved response.
	responseFile = regexp.MustCompile(`\.(json|jsonl|ndjson|gz|zst)$`)
	date         = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// MayShow reports whether a message may repeat s, which the user wrote on the command
// line or as a setting, and which may be a secret in the wrong place. It may show paths
// that begin like one and have no question mark, names of saved responses, dates, and texts
// that are too short for a secret.
func MayShow(s string) bool {
	return utf8.RuneCountInString(s) <= maxShown || (IsExplicit(s) && !strings.Contains(s, "?") || responseFile.MatchString(s)) && CheckPath(s) == nil || date.MatchString(s)
}

// Describe returns s in quotes for a message, or only its length, as in "(20
// characters, not shown)", if [MayShow] forbids to show it.
func Describe(s string) string {
	if MayShow(s) {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("(%d characters, not shown)", utf8.RuneCountInString(s))
}

// Quoted returns s in quotes and after a space, or nothing if [MayShow] forbids it.
func Quoted(s string) string {
	if !MayShow(s) {
		return ""
	}
	return " " + strconv.Quote(s)
}
