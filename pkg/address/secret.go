package address

import (
	"errors"
	"net/url"
)

// Secret is a web URL whose path and query are secret. It holds them in a function, so
// that no way of printing or encoding it shows them.
type Secret struct {
	host   string
	reveal func() url.URL // nil in the zero Secret
}

// ParseSecret parses a URL that [ParseHTTP] accepts. The error does not repeat s.
func ParseSecret(s string) (Secret, error) {
	u, err := ParseHTTP(s)
	if err != nil {
		return Secret{}, err
	}
	if MayBeSecret(u.Host) {
		return Secret{}, errors.New("the host looks like a key, a token or a password")
	}
	value := *u
	return Secret{host: u.Host, reveal: func() url.URL { return value }}, nil
}

// IsZero reports whether s is the zero Secret, which holds no URL.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal reports whether both hold the same URL.
func (s Secret) Equal(other Secret) bool {
	if s.IsZero() || other.IsZero() {
		return s.IsZero() && other.IsZero()
	}
	return s.reveal() == other.reveal()
}

// Host returns the host, with the port if there is one. It is not secret.
func (s Secret) Host() string { return s.host }

// String returns the host and "..." in place of the rest.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return s.host + "/..."
}

// GoString returns the same as String, for the verb %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns the same as String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the whole URL with these elements added to its path. Never print it. The
// zero Secret has none.
func (s Secret) Reveal(elements ...string) *url.URL {
	u := s.reveal()
	if len(elements) == 0 { // JoinPath would change the path
		return &u
	}
	return u.JoinPath(elements...)
}

// SecretText is a secret text, such as a private key. No way of printing or encoding it
// shows the text.
type SecretText struct{ reveal func() string } // nil in the zero SecretText

// NewSecretText returns text as a SecretText.
func NewSecretText(text string) SecretText {
	return SecretText{reveal: func() string { return text }}
}

// IsZero reports whether t is the zero SecretText, which holds no text.
func (t SecretText) IsZero() bool { return t.reveal == nil }

// Equal reports whether both hold the same text.
func (t SecretText) Equal(other SecretText) bool { return t.Reveal() == other.Reveal() }

// String returns "..." in place of the text, or "" for the zero SecretText.
func (t SecretText) String() string {
	if t.IsZero() {
		return ""
	}
	return "..."
}

// GoString returns the same as String, for the verb %#v.
func (t SecretText) GoString() string { return t.String() }

// MarshalText returns the same as String.
func (t SecretText) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Reveal returns the text, or "" for the zero SecretText. Never print it.
func (t SecretText) Reveal() string {
	if t.IsZero() {
		return ""
	}
	return t.reveal()
}
