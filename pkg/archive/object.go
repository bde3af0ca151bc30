package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
)

// Object describes a data object of a commit.
type Object struct {
	Name  string
	Lines int
	Bytes int
}

// Lines iterates over the lines of a data object, without line ends, and their
// numbers, which start at 1. Text after the last line end is a line too. It leaves
// out lines of white space, but counts them.
func Lines(content []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n := 0
		for line := range bytes.Lines(content) {
			n++
			if len(bytes.TrimSpace(line)) > 0 && !yield(n, bytes.TrimSuffix(line, []byte("\n"))) {
				return
			}
		}
	}
}

// joinLines returns the content of a data object that consists of these lines.
func joinLines(lines [][]byte) []byte {
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	content := make([]byte, 0, size)
	for _, line := range lines {
		content = append(append(content, line...), '\n')
	}
	return content
}

// objectLine is a line of a data object.
type objectLine struct {
	Line
	kind   Kind
	number int    // in its object
	text   []byte // without line end
	// reason says why the line is not valid; empty if it is. Such a line has no
	// ID, the date of its object, and the MD5 of the text as its fingerprint.
	reason string
}

// linesOf returns the lines of an object of this partition.
func linesOf(p Partition, content []byte) []objectLine {
	var lines []objectLine
	var parser LineParser
	for number, text := range Lines(content) {
		line, reason := parser.Parse(p.Kind, text)
		if reason != "" {
			line = Line{Date: p.Date, Fingerprint: store.MD5(text)}
		}
		lines = append(lines, objectLine{line, p.Kind, number, text, reason})
	}
	return lines
}

// rejectedLine is the JSON form of a line in rejected/.
type rejectedLine struct {
	Reason     string          `json:"reason"`
	ObservedAt time.Time       `json:"observed_at"`
	Raw        json.RawMessage `json:"raw"`
}

// Line holds the properties of a line of a data object by which the archive
// identifies it.
type Line struct {
	ID int64 // of the event; 0 for a rejected item
	// Date is the date of the partition that the line belongs to.
	Date Date
	// Time is the event's datetime; zero for a rejected item.
	Time time.Time
	// Fingerprint is the fingerprint of the event, or of the rejected item in the
	// form in which the API sent it.
	Fingerprint string
	// HalfPair is true if the line holds the escape of half a surrogate pair.
	HalfPair bool
	// Event is the line of the event as which a rejected item can be read now. It is nil
	// for all other lines.
	Event *Line
}

// ParseLine parses a line of an object of this kind. If the line is not valid,
// it returns the reason as a message for the user, which is empty otherwise.
func ParseLine(k Kind, line []byte) (Line, string) { return new(LineParser).Parse(k, line) }

// LineParser parses lines one by one. It reuses its buffers, so it is faster than
// [ParseLine]. The zero value is ready for use. It is not safe for concurrent use.
type LineParser struct{ parser polisen.Parser }

// Parse is [ParseLine] with the buffers of p.
func (p *LineParser) Parse(k Kind, line []byte) (l Line, reason string) {
	if k != Rejected {
		event, rejected := p.parser.Item(line)
		if rejected != nil {
			return Line{}, rejected.Reason
		}
		return eventLine(event), ""
	}
	item, reason := ParseRejected(line)
	if reason != "" {
		return Line{}, reason
	}
	l = Line{Date: DateOf(item.ObservedAt), Fingerprint: polisen.Fingerprint(item.Raw), HalfPair: polisen.HasHalfPair(item.Raw)}
	if event, rejected := p.parser.Item(item.Raw); rejected == nil {
		e := eventLine(event)
		l.Event = &e
	}
	return l, ""
}

// eventLine returns the properties of the line of an event.
func eventLine(e polisen.Event) Line {
	return Line{ID: e.ID, Date: DateOf(e.Time), Time: e.Time, Fingerprint: e.Fingerprint, HalfPair: polisen.HasHalfPair(e.Raw)}
}

// ParseRejectedEvent parses a line in rejected/ whose item can be read as an event now. It
// reports false for all other lines.
func ParseRejectedEvent(line []byte) (polisen.Event, bool) {
	item, reason := ParseRejected(line)
	if reason != "" {
		return polisen.Event{}, false
	}
	event, rejected := polisen.ParseItem(item.Raw)
	return event, rejected == nil
}

// ParseRejected parses a line in rejected/, which may contain white space between its
// tokens. The ObservedAt of the item is in UTC. If the line is not valid, ParseRejected
// returns the reason as a message for the user, which is empty otherwise.
func ParseRejected(line []byte) (item polisen.Rejected, reason string) {
	var wrapped rejectedLine
	var raw bytes.Buffer
	switch err := json.Unmarshal(line, &wrapped); {
	case err != nil:
		return item, "not a rejected item: " + err.Error()
	case len(wrapped.Raw) == 0:
		return item, "raw is missing"
	case wrapped.ObservedAt.IsZero():
		return item, "observed_at is missing"
	}
	_ = json.Compact(&raw, wrapped.Raw) // cannot fail: Unmarshal has checked that it is JSON
	return polisen.Rejected{Reason: wrapped.Reason, Raw: raw.Bytes(), ObservedAt: wrapped.ObservedAt.UTC()}, ""
}

// rejectedText returns the line for a rejected item, without a line end. It
// contains the raw text verbatim, which encoding/json does not guarantee.
func rejectedText(r polisen.Rejected, observed time.Time) ([]byte, error) {
	reason, err := json.Marshal(r.Reason)
	if err != nil {
		return nil, fmt.Errorf("encode rejected item: %w", err)
	}
	line := slices.Concat([]byte(`{"reason":`), reason, []byte(`,"observed_at":"`))
	line = observed.UTC().AppendFormat(line, time.RFC3339)
	line = append(line, `","raw":`...)
	line = append(line, r.JSON()...)
	return append(line, '}'), nil
}
