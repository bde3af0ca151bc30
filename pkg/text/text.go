// Package text formats values for messages: numbers, durations, times, lines of a
// limited width, colours, and text that others wrote, which it makes safe to show.
//
// It knows nothing about events or archives, and prints nothing.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Number returns n with a comma between groups of three digits: "26,660". Package
// golang.org/x/text could do this for all languages, but would make the program 0.7 MB
// larger; all texts of this program are English.
func Number[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Count returns n with its noun, in the plural unless n is 1: "1 line",
// "2,000 lines".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Number(n) + " " + noun + "s"
}

// Bytes returns a number of bytes in units of powers of 1000, with three digits or so:
// "999 B", "15.5 kB", "120 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	size := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		switch size /= 1000; {
		case size < 99.95:
			return fmt.Sprintf("%.1f %s", size, unit)
		case size < 999.5:
			return fmt.Sprintf("%.0f %s", size, unit)
		}
	}
	return fmt.Sprintf("%.1f TB", size/1000)
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

// Ago returns the age d of an event in the past as [InWords] does:
// "12 seconds ago", "1 hour 5 minutes ago". If d is negative, the event is in the future:
// "2 minutes in the future".
func Ago(d time.Duration) string {
	if d < 0 {
		return InWords(-d) + " in the future"
	}
	return InWords(d) + " ago"
}

// InWords returns d, which is not negative, in words and rounded as by [Duration]:
// "12 seconds", "1 hour 5 minutes", "3.5 days".
func InWords(d time.Duration) string {
	seconds, minutes := d.Round(time.Second), d.Round(time.Minute)
	switch {
	case seconds < time.Minute:
		return Count(int(seconds.Seconds()), "second")
	case minutes >= 48*time.Hour:
		return Duration(d)
	case minutes < time.Hour:
		return Count(int(minutes.Minutes()), "minute")
	}
	hours, rest := int(minutes.Hours()), int(minutes.Minutes())%60
	if rest == 0 {
		return Count(hours, "hour")
	}
	return Count(hours, "hour") + " " + Count(rest, "minute")
}

// Time returns t in the zone and, unless the zone has the time of UTC, in UTC as well:
// "2026-01-02 19:56:12 CET (18:56:12 UTC)". The UTC time has a date if that differs.
func Time(t time.Time, zone *time.Location) string {
	const format = time.DateTime + " MST"
	local, utc := t.In(zone), t.UTC()
	if _, offset := local.Zone(); offset == 0 {
		return utc.Format(format)
	}
	other := utc.Format(format)
	if utc.Day() == local.Day() {
		other = utc.Format(time.TimeOnly + " MST")
	}
	return local.Format(format) + " (" + other + ")"
}

// Wrap breaks a paragraph into lines of at most width columns, which begin with indent.
// A word that is longer than a line has a line of its own. If width is zero, there is no
// limit, and the paragraph becomes one line.
func Wrap(paragraph, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(paragraph) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width && width > 0:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
	return b.String()
}
