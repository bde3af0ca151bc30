package polisen

import (
	"strings"
	"time"
)

// timeLayout is the form of the API's datetime. time.Parse also accepts an hour
// of one digit, which the API writes before ten o'clock.
const timeLayout = time.DateOnly + " 15:04:05 Z07:00"

// parseTime parses a datetime from the two forms of its JSON value: see [parseDateTime].
// If the datetime is invalid, reason says why.
func parseTime(compact, canonical []byte) (t time.Time, reason string) {
	if canonical[0] != '"' {
		return time.Time{}, "datetime is not a string: " + excerpt(compact)
	}
	// A canonical form with escapes is not a valid datetime, so it needs no unquoting.
	t, ok := parseDateTime(string(canonical[1 : len(canonical)-1]))
	// RFC 3339 needs a year of four digits, in UTC too.
	if !ok || t.Year() < 1 || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, "datetime is not a date and time: " + excerpt(compact)
	}
	return t, ""
}

// parseDateTime parses a datetime in the API's form, such as "2026-01-02 9:38:09 +01:00",
// or in a form near to it:
//
//   - with a T between the date and the time, as in RFC 3339;
//   - without seconds, or with a fraction of a second;
//   - with the offset Z, +0100 or +01, with or without a space before it;
//   - without an offset: it is then Swedish local time (see [InSweden]). In the hour
//     that occurs twice it is summer time.
//
// The date of the result is always the date in the text. The result does not depend on
// the machine's time zone.
func parseDateTime(text string) (t time.Time, ok bool) {
	if t, err := time.ParseInLocation(timeLayout, text, time.UTC); err == nil {
		return t, true
	}
	const dateLen = len(time.DateOnly)
	if len(text) <= dateLen || !strings.Contains(" Tt", text[dateLen:dateLen+1]) {
		return time.Time{}, false
	}
	date, clock, offset := text[:dateLen], text[dateLen+1:], ""
	if i := strings.IndexAny(clock, " +-Zz"); i >= 0 {
		clock, offset = clock[:i], strings.TrimPrefix(clock[i:], " ")
		if offset == "" {
			return time.Time{}, false
		}
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	local, err := time.ParseInLocation(time.DateTime, date+" "+clock, time.UTC)
	if err != nil {
		return time.Time{}, false
	}
	if offset == "" {
		return swedishTime(local), true
	}
	for _, layout := range []string{"Z07:00", "Z0700", "Z07"} {
		if zone, err := time.ParseInLocation(layout, strings.ToUpper(offset), time.UTC); err == nil {
			return inZone(local, zone.Location()), true
		}
	}
	return time.Time{}, false
}

// swedishTime returns the time at which clocks in Sweden show the date and the time of
// day of t. Of two such times it returns the first, in summer time. In the hour that
// summer time skips it returns the time in winter time.
func swedishTime(t time.Time) time.Time {
	if summer := inZone(t, swedishSummer); InSweden(summer).Location() == swedishSummer {
		return summer
	}
	return inZone(t, swedishWinter)
}

// inZone returns the time in zone with the date and the time of day of t.
func inZone(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
