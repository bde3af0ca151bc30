package text

// Style is the form of a text for the device that shows it.
type Style struct {
	// Width is the number of columns of a line; zero if there is no limit.
	Width int
	// ASCII says that only ASCII characters can be shown.
	ASCII bool
	// Colour says that the device shows colours: it is a terminal, and its user has not
	// turned them off.
	Colour bool
}

// Colour is the escape sequence of a colour or of bold letters (ECMA-48, section 8.3.117,
// https://ecma-international.org/publications-and-standards/standards/ecma-48/).
type Colour string

// The colours, and bold letters.
const (
	Bold   Colour = "\x1b[1m"
	Red    Colour = "\x1b[31m"
	Green  Colour = "\x1b[32m"
	Yellow Colour = "\x1b[33m"
	Cyan   Colour = "\x1b[36m"
)

// colourEnd is the escape sequence that ends all colours.
const colourEnd = "\x1b[0m"

// Paint returns s in the colour if the style has colours, and s otherwise. An empty colour
// changes nothing.
func (st Style) Paint(c Colour, s string) string {
	if !st.Colour || c == "" {
		return s
	}
	return string(c) + s + colourEnd
}
