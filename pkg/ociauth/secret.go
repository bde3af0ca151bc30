package ociauth

// secret is a text that is not printed by accident. It is a function: all
// formatting verbs and encoders show a function as an address at most.
type secret func() string

func newSecret(text string) secret { return func() string { return text } }

// reveal returns the text, or "" for the zero secret.
func (s secret) reveal() string {
	if s == nil {
		return ""
	}
	return s()
}
