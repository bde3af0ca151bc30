package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Object describes a data object that a commit stored.
type Object struct {
	Name  string
	Lines int
	Bytes int
}

// Lines iterates over the lines of a data object with their numbers from one,
// without their line ends; an empty last line is none.
func Lines(content []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n := 0
		for line := range bytes.Lines(content) {
			n++
			if !yield(n, bytes.TrimSuffix(line, []byte("\n"))) {
				return
			}
		}
	}
}

// joinLines returns the content of a data object with these lines.
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

// rejectedLine is a line of a rejected object.
type rejectedLine struct {
	Reason     string          `json:"reason"`
	ObservedAt time.Time       `json:"observed_at"`
	Raw        json.RawMessage `json:"raw"`
}

// Line is what the archive goes by in a line of a data object.
type Line struct {
	ID int64 // of the event; zero if the line is a rejected item
	// Date is that of the partition which the line belongs to.
	Date Date
	// Fingerprint is that of the event, or of the rejected item as it was sent.
	Fingerprint string
}

// ParseLine reads a line of an object of this kind. If it cannot be one, the
// reason says why, for people.
func ParseLine(k Kind, line []byte) (l Line, reason string) {
	if k != Rejected {
		event, rejected := polisen.ParseItem(line)
		if rejected != nil {
			return Line{}, rejected.Reason
		}
		return Line{event.ID, DateOf(event.Time), event.Fingerprint}, ""
	}
	item, observed, reason := ParseRejected(line)
	if reason != "" {
		return Line{}, reason
	}
	return Line{Date: DateOf(observed), Fingerprint: polisen.Fingerprint(item.Raw)}, ""
}

// ParseRejected reads a line of a rejected object, which may be indented: the
// item, and when it was observed, in UTC. If it cannot be one, the reason says
// why.
func ParseRejected(line []byte) (item polisen.Rejected, observed time.Time, reason string) {
	var wrapped rejectedLine
	var raw bytes.Buffer
	switch err := json.Unmarshal(line, &wrapped); {
	case err != nil:
		return item, observed, "not a rejected item: " + err.Error()
	case len(wrapped.Raw) == 0:
		return item, observed, "no raw"
	case wrapped.ObservedAt.IsZero():
		return item, observed, "no observed_at"
	}
	_ = json.Compact(&raw, wrapped.Raw) // it is JSON, or Unmarshal had said so
	return polisen.Rejected{Reason: wrapped.Reason, Raw: raw.Bytes()}, wrapped.ObservedAt.UTC(), ""
}

// rejectedText returns the line of a rejected item. The raw text goes in
// verbatim, which encoding/json would not promise.
func rejectedText(r polisen.Rejected, observed time.Time) ([]byte, error) {
	reason, err := json.Marshal(r.Reason)
	if err != nil {
		return nil, fmt.Errorf("encode rejected item: %w", err)
	}
	line := slices.Concat([]byte(`{"reason":`), reason, []byte(`,"observed_at":"`))
	line = observed.UTC().AppendFormat(line, time.RFC3339)
	line = append(line, `","raw":`...)
	line = append(line, r.Raw...)
	return append(line, '}'), nil
}
