package cmd

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/text"
)

// interactive reports whether a person watches the run: stderr is a terminal,
// and --quiet is off.
func (p Process) interactive(s config.General) bool { return !s.Quiet && isTerminal(p.Stderr) }

// style returns the form of texts that are written to w. No other place decides about
// colours: they are for terminals, unless the user has turned them off with NO_COLOR
// (https://no-color.org/) or the terminal has none (TERM=dumb).
func (p Process) style(w io.Writer) text.Style {
	noColour, _ := p.Env("NO_COLOR")
	return text.Style{Width: lineWidth(w), ASCII: !hasUTF8(p.Env), Colour: isTerminal(w) && noColour == "" && !p.isDumb()}
}

// isDumb reports whether the terminal interprets no escape sequences.
func (p Process) isDumb() bool {
	name, _ := p.Env("TERM")
	return name == "dumb"
}

func isTerminal(w io.Writer) bool {
	_, ok := terminalOf(w)
	return ok
}

// terminalOf returns the file descriptor of a writer; ok is false if it is no terminal.
func terminalOf(w io.Writer) (fd int, ok bool) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// lineWidth returns the number of columns of a terminal, 80 if its size is unknown, and 0,
// which sets no limit, if w is no terminal.
func lineWidth(w io.Writer) int {
	fd, ok := terminalOf(w)
	if !ok {
		return 0
	}
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		return width
	}
	return 80
}

// hasUTF8 reports whether the locale of the environment has the character encoding
// UTF-8. The first of these variables that is not empty sets it
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html).
func hasUTF8(env config.Lookup) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale, _ := env(name); locale != "" {
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}
