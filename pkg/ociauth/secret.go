package ociauth

// secret is text that nothing prints: a func shows as an address, whatever
// verb, encoder or debugger's dump it meets.
type secret func() string

func newSecret(text string) secret { return func() string { return text } }

// reveal returns the text; empty for the zero secret.
func (s secret) reveal() string {
	if s == nil {
		return ""
	}
	return s()
}
