// Package text formats values for messages: counts, durations, and text that
// others wrote, which it makes safe to show.
//
// It knows nothing about events or archives, and prints nothing.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Count returns n with its noun, in the plural unless n is 1: "1 line",
// "2 lines".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Duration returns d rounded to seconds below a minute ("12s"), to minutes below
// two days ("1h5m"), and else to tenths of a day ("3.5 days").
func Duration(d time.Duration) string {
	seconds, minutes := d.Round(time.Second), d.Round(time.Minute)
	switch {
	case seconds.Abs() < time.Minute:
		return seconds.String()
	case minutes.Abs() < 48*time.Hour:
		return strings.TrimSuffix(minutes.String(), "0s")
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

// Ago returns the age d of an event in the past, such as "12s ago", or "1h5m in
// the future" if d is negative.
func Ago(d time.Duration) string {
	if d < 0 {
		return Duration(-d) + " in the future"
	}
	return Duration(d) + " ago"
}
