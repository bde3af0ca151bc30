package archive

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The names of the metadata objects.
const (
	// DocumentName is the metadata document, the one source of truth for a commit.
	DocumentName = "metadata/last_seen.json"
	// LastRunName is the report of the newest finished run on any host.
	LastRunName = "metadata/last_run.json"

	corruptPrefix = "metadata/last_seen.corrupt-"
)

// Kind is a kind of data object: the first part of its name.
type Kind string

// The kinds of data objects.
const (
	Events    Kind = "events"    // the first version of each event
	Revisions Kind = "revisions" // later versions
	Rejected  Kind = "rejected"  // what could not be an event
)

// Kinds are all kinds of data objects.
var kinds = [...]Kind{Events, Revisions, Rejected}

// Prefix is what the names of all objects of the kind begin with.
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

// ParseDate reads a day of the form 2006-01-02.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date like 2026-01-31", text)
	}
	return DateOf(t), nil
}

// String returns the day as 2006-01-02.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// Compare orders days.
func (d Date) Compare(e Date) int {
	return (d.Year*10000 + int(d.Month)*100 + d.Day) - (e.Year*10000 + int(e.Month)*100 + e.Day)
}

// Next returns the following day.
func (d Date) Next() Date { return DateOf(time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, time.UTC)) }

// Partition is a kind's objects of one day.
type Partition struct {
	Kind Kind
	Date Date
}

// Prefix is what the names of all objects in the partition begin with.
func (p Partition) Prefix() string {
	return fmt.Sprintf("%s%02d/", p.monthPrefix(), p.Date.Day)
}

func (p Partition) monthPrefix() string {
	return fmt.Sprintf("%s/%04d/%02d/", p.Kind, p.Date.Year, p.Date.Month)
}

// Name is a data object's name in parts.
type Name struct {
	Partition
	// Timestamp is that of the commit that stored the object, in Unix seconds.
	Timestamp int64
}

// String returns the object's name in the store.
func (n Name) String() string {
	return fmt.Sprintf("%s%s-%d.jsonl", n.Prefix(), n.Kind, n.Timestamp)
}

// ParseName reads the name of a data object. It reports false for any text
// that Name.String does not give.
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

// corruptName is where a document that cannot be read is kept.
func corruptName(timestamp int64) string {
	return fmt.Sprintf("%s%d.json", corruptPrefix, timestamp)
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
