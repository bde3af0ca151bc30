package config

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/report"
)

// into returns a setter that parses a value and stores it in a field.
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

// check returns a setter that checks a value and stores nothing. It is for settings
// that are combined into one field; see derive.go.
func check(parse func(string) (string, error)) func(*Settings, string) error {
	return func(_ *Settings, text string) error {
		_, err := parse(text)
		return err
	}
}

// choice returns a setter for a setting that has Choices, which [Load] checks.
func choice[T ~string](field func(*Settings) *T) func(*Settings, string) error {
	return into(field, func(text string) (T, error) { return T(strings.ToLower(text)), nil })
}

// duration returns a setter for a duration above zero, such as 1m30s.
func duration(field func(*Settings) *time.Duration) func(*Settings, string) error {
	return into(field, func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, errors.New("not a duration: write a number and a unit (ms, s, m or h)")
		case d <= 0:
			return 0, errors.New("the duration must be more than zero")
		}
		return d, nil
	})
}

// parseHosts parses a number of hosts.
func parseHosts(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > report.MaxHosts {
		return 0, fmt.Errorf("not a number between 0 and %d", report.MaxHosts)
	}
	return n, nil
}

// interval returns a setter for a duration that may be zero, which means no interval. It
// stores zero as a nanosecond, since a zero field means that no value was given.
func interval(field func(*Settings) *time.Duration) func(*Settings, string) error {
	set := duration(field)
	return func(s *Settings, text string) error {
		switch d, err := time.ParseDuration(text); {
		case err == nil && d < 0:
			return errors.New("the duration must not be negative")
		case err == nil && d == 0:
			*field(s) = time.Nanosecond
			return nil
		}
		return set(s, text)
	}
}

func parseLevel(text string) (slog.Level, error) {
	var l slog.Level
	return l, l.UnmarshalText([]byte(text))
}

func parseBool(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("neither true nor false")
	}
	return b, nil
}

// parseHeader accepts printable ASCII for an HTTP header. RFC 9110, section 5.5,
// allows more bytes, but recommends to use no others.
func parseHeader(text string) (string, error) {
	unsafe := func(r rune) bool { return r < ' ' || r > '~' }
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, unsafe) {
		return "", errors.New("an HTTP header takes printable ASCII only, with no space at its ends")
	}
	return text, nil
}

// parseContact accepts text for an HTTP header that can stand in parentheses.
func parseContact(text string) (string, error) {
	if strings.ContainsAny(text, `()\`) {
		return "", errors.New("a contact must not contain parentheses or backslashes")
	}
	return parseHeader(text)
}

// parseName accepts any text on one line that does not look like a secret.
func parseName(text string) (string, error) {
	if address.MayBeSecret(text) {
		return "", errors.New("the value looks like a key, a token or a password, not like a name")
	}
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("a name must not contain a control character, or a space at its ends")
	}
	return text, nil
}

// hostForm matches the name of a host. A repetition with a maximum would make the start
// of each run slower.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// parseHost accepts a name that does not look like a secret, since anybody who reads the
// archive can see it.
func parseHost(text string) (string, error) {
	if len(text) > 255 || !hostForm.MatchString(text) {
		return "", errors.New("the name of a host has letters, digits, dots, hyphens and underscores only, 255 at most")
	}
	return parseName(text)
}

func parseRegion(text string) (string, error) {
	if !address.IsRegion(text) {
		return "", errors.New("not a region identifier")
	}
	return text, nil
}

// ocid returns a parser of the OCIDs of these resource types.
func ocid(types ...string) func(string) (string, error) {
	return func(text string) (string, error) { return text, address.CheckOCID(text, types...) }
}

// parseKey accepts a text with a private key in PEM form. Package ociauth checks the key.
func parseKey(text string) (address.SecretText, error) {
	if !strings.Contains(text, "-----BEGIN ") {
		return address.SecretText{}, errors.New("not the text of a private key, which begins with -----BEGIN")
	}
	return address.NewSecretText(text), nil
}

// parseFingerprint accepts the fingerprint of a key.
func parseFingerprint(text string) (string, error) {
	if !address.IsFingerprint(text) {
		return "", errors.New("not 16 pairs of hexadecimal digits")
	}
	return text, nil
}
