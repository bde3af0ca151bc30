// Package text turns values into short texts for people: counts, durations and
// foreign text on one line.
//
// It knows nothing of events or archives, and prints nothing.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// OneLine returns s as one line that is safe to print on a terminal: it trims
// white space at both ends, turns line breaks into "; " and replaces all other
// control characters with spaces.
func OneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// Count returns n with its noun, in the plural unless n is 1: "1 line",
// "2 lines".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Duration returns d rounded to what people care about: "3.5 days" from two
// days on, "1h5m" from a minute on, "12s" below.
func Duration(d time.Duration) string {
	switch {
	case d.Abs() >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	case d.Abs() >= time.Minute:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}

// Ago returns how long ago something happened, d being its age: "12s ago", or
// "1h5m in the future" if d is negative.
func Ago(d time.Duration) string {
	if d < 0 {
		return Duration(-d) + " in the future"
	}
	return Duration(d) + " ago"
}
