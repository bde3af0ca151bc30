package archive

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of the metadata objects.
const (
	// DocumentName is the name of the metadata document.
	DocumentName = "metadata/last_seen.json"
	// LastRunName is the name of the report of the newest finished run on any host.
	LastRunName = "metadata/last_run.json"

	corruptPrefix = "metadata/last_seen.corrupt-"
)

// Kind is a kind of data object. The object's name begins with it.
type Kind string

// The kinds of data objects.
const (
	Events    Kind = "events"    // the first version of each event
	Revisions Kind = "revisions" // later versions of events
	Rejected  Kind = "rejected"  // items that could not be an event
)

var kinds = [...]Kind{Events, Revisions, Rejected}

// Prefix returns the common prefix of the names of all objects of the kind.
func (k Kind) Prefix() string { return string(k) + "/" }

// Date is a calendar day without a time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the calendar day of t in t's own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// ParseDate parses a day in the form 2006-01-02.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, errors.New("not a date like 2026-01-31")
	}
	return DateOf(t), nil
}

// String returns the day in the form 2006-01-02.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// Compare returns a negative number if d is before e, a positive one if it is
// after e, and 0 if they are the same day.
func (d Date) Compare(e Date) int {
	return (d.Year*10000 + int(d.Month)*100 + d.Day) - (e.Year*10000 + int(e.Month)*100 + e.Day)
}

// Next returns the day after d.
func (d Date) Next() Date { return d.AddDays(1) }

// Previous returns the day before d.
func (d Date) Previous() Date { return d.AddDays(-1) }

// AddDays returns the day n days after d, or before it if n is negative.
func (d Date) AddDays(n int) Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC))
}

// MonthKey returns the month of d as a key of [Document.Stored], such as "2026-01".
func (d Date) MonthKey() string { return fmt.Sprintf("%04d-%02d", d.Year, d.Month) }

// Partition identifies the objects of one kind and day.
type Partition struct {
	Kind Kind
	// Date is the local date of events and revisions, and the UTC date on which
	// rejected items were observed.
	Date Date
}

// Prefix returns the common prefix of the names of the partition's objects.
func (p Partition) Prefix() string {
	return fmt.Sprintf("%s%02d/", p.monthPrefix(), p.Date.Day)
}

func (p Partition) monthPrefix() string {
	return fmt.Sprintf("%s/%04d/%02d/", p.Kind, p.Date.Year, p.Date.Month)
}

// Name is the parsed name of a data object.
type Name struct {
	Partition
	// Timestamp is the timestamp of the commit that stored the object, in Unix
	// seconds.
	Timestamp int64
}

// String returns the object's name in the store.
func (n Name) String() string {
	return fmt.Sprintf("%s%s-%d.jsonl", n.Prefix(), n.Kind, n.Timestamp)
}

// ParseName parses the name of a data object. It returns false for every text
// that [Name.String] does not return.
func ParseName(text string) (Name, bool) {
	var n Name
	parts := strings.Split(text, "/")
	if len(parts) != 5 {
		return n, false
	}
	for _, k := range kinds {
		if parts[0] == string(k) {
			n.Kind = k
		}
	}
	date, err := time.Parse("2006/01/02", strings.Join(parts[1:4], "/"))
	if n.Kind == "" || err != nil {
		return n, false
	}
	n.Date = DateOf(date)
	stamp, found := strings.CutPrefix(parts[4], string(n.Kind)+"-")
	stamp, isLines := strings.CutSuffix(stamp, ".jsonl")
	n.Timestamp, err = strconv.ParseInt(stamp, 10, 64)
	return n, found && isLines && err == nil && n.String() == text
}

// corruptName returns the name for a copy of a damaged document.
func corruptName(timestamp int64) string {
	return fmt.Sprintf("%s%d.json", corruptPrefix, timestamp)
}

// IsFolder reports whether name, the part of a name before the first slash, is that of a
// folder of the archive.
func IsFolder(name string) bool {
	return name == "metadata" || slices.Contains(kinds[:], Kind(name))
}

// IsMetadata reports whether name is one of the metadata objects.
func IsMetadata(name string) bool {
	if name == DocumentName || name == LastRunName {
		return true
	}
	rest, found := strings.CutPrefix(name, corruptPrefix)
	stamp, err := strconv.ParseInt(strings.TrimSuffix(rest, ".json"), 10, 64)
	return found && err == nil && corruptName(stamp) == name
}
