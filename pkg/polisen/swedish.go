package polisen

import "time"

// The UTC offsets of Swedish local time, in which the API dates its events.
var (
	swedishWinter = time.FixedZone("CET", 3600)
	swedishSummer = time.FixedZone("CEST", 2*3600)
)

// InSweden returns t in Swedish local time. It follows the rule of the European
// Union since 1996, and needs no time zone database: summer time begins and ends at
// 01:00 UTC on the last Sunday of March and of October.
// See https://eur-lex.europa.eu/eli/dir/2000/84/oj.
func InSweden(t time.Time) time.Time {
	year := t.UTC().Year()
	if !t.Before(lastSunday(year, time.March)) && t.Before(lastSunday(year, time.October)) {
		return t.In(swedishSummer)
	}
	return t.In(swedishWinter)
}

// lastSunday returns 01:00 UTC on the last Sunday of a month that has 31 days.
func lastSunday(year int, month time.Month) time.Time {
	last := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return last.AddDate(0, 0, -int(last.Weekday()))
}
