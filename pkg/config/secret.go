package config

import (
	"fmt"
	"io"
)

// Redacted is what a Secret shows of itself.
const Redacted = "[redacted]"

// Secret is a text that no formatting, logging or encoding shows. Only Reveal
// does, so a search for its callers finds every use.
type Secret struct {
	// A pointer, since package fmt does not call the methods of values in
	// unexported fields: of a plain string it would print the content.
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text; empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format writes Redacted whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String returns Redacted.
func (Secret) String() string { return Redacted }

// GoString returns Redacted.
func (Secret) GoString() string { return Redacted }

// MarshalText returns Redacted, to encoding/json and log/slog too.
func (Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
