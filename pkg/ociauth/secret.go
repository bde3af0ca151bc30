package ociauth

// secret is a text that cannot be printed by accident. It is a function, since no
// formatting verb or encoder shows more of a function than its address.
type secret func() string

func newSecret(text string) secret { return func() string { return text } }

// reveal returns the text, or "" for the zero secret.
func (s secret) reveal() string {
	if s == nil {
		return ""
	}
	return s()
}
