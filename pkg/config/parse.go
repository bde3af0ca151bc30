package config

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func authKinds() []string {
	return []string{
		string(AuthVault), string(AuthAPIKey), string(AuthInstancePrincipal),
		string(AuthResourcePrincipal), string(AuthSecurityToken),
	}
}

func formats() []string { return []string{string(Text), string(JSON)} }

// into returns a function that parses a value into a field.
func into[T any](field func(*Settings) *T, parse func(string) (T, error)) func(*Settings, string) error {
	return func(s *Settings, text string) error {
		v, err := parse(text)
		if err != nil {
			return err
		}
		*field(s) = v
		return nil
	}
}

// check returns a function that only checks a value: complete.go uses it.
func check(parse func(string) (string, error)) func(*Settings, string) error {
	return func(_ *Settings, text string) error {
		_, err := parse(text)
		return err
	}
}

func choice[T ~string](field func(*Settings) *T, options []string) func(*Settings, string) error {
	return into(field, func(text string) (T, error) {
		text = strings.ToLower(text)
		if !slices.Contains(options, text) {
			return "", errors.New("not one of " + strings.Join(options, ", "))
		}
		return T(text), nil
	})
}

func duration(field func(*Settings) *time.Duration) func(*Settings, string) error {
	return into(field, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, errors.New("not a duration, which is a number with its unit: ms, s, m or h")
		case d <= 0:
			return 0, errors.New("not a time above zero")
		}
		return d, nil
	})
}

func parseLevel(text string) (slog.Level, error) {
	var l slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(text)) {
		return l, errors.New("not one of debug, info, warn, error")
	}
	return l, l.UnmarshalText([]byte(text))
}

func parseBool(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("neither true nor false")
	}
	return b, nil
}

// parseHeader reads a header's value. RFC 9110 lets more bytes pass, but says
// that new values keep to printable ASCII.
func parseHeader(text string) (string, error) {
	unsafe := func(r rune) bool { return r < ' ' || r > '~' }
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, unsafe) {
		return "", errors.New("not plain printable ASCII, as an HTTP header must be")
	}
	return text, nil
}

// parseContact reads what will stand between parentheses in a header.
func parseContact(text string) (string, error) {
	if strings.ContainsAny(text, `()\`) {
		return "", errors.New("parentheses and backslashes have no place in it")
	}
	return parseHeader(text)
}

func parseName(text string) (string, error) {
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("it holds a control character, or a space at an end")
	}
	return text, nil
}

// A region's identifier, or its old three-letter key.
var regionName = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)

func parseRegion(text string) (string, error) {
	if !regionName.MatchString(text) {
		return "", errors.New("not a region's identifier")
	}
	return text, nil
}

// ocidForm is the form of an OCID: ocid1.<type>.<realm>.[region][.future].<id>
// (https://docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm).
var ocidForm = regexp.MustCompile(`^ocid1\.([a-z0-9]+)\.[a-z0-9-]+\.[a-z0-9-]*(\.[A-Za-z0-9_-]+)+$`)

func ocid(kinds ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		m := ocidForm.FindStringSubmatch(text)
		switch {
		case m == nil:
			return "", errors.New("not an OCID")
		case !slices.Contains(kinds, m[1]):
			return "", fmt.Errorf("an OCID of a %s, not of a %s", m[1], strings.Join(kinds, " or "))
		}
		return text, nil
	}
}
