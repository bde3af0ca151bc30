package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Object describes a data object that a commit stored.
type Object struct {
	Name  string
	Lines int
	Bytes int
}

// lines iterates over the lines of a data object with their numbers from one,
// without their line ends; an empty last line is none.
func lines(content []byte) iter.Seq2[int, []byte] {
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

// rejectedLine is a line of a rejected object.
type rejectedLine struct {
	Reason     string          `json:"reason"`
	ObservedAt time.Time       `json:"observed_at"`
	Raw        json.RawMessage `json:"raw"`
}

// appendRejected appends the line of a rejected item to content. The raw text
// goes in verbatim, which encoding/json would not promise.
func appendRejected(content []byte, r polisen.Rejected, observed time.Time) ([]byte, error) {
	reason, err := json.Marshal(r.Reason)
	if err != nil {
		return nil, fmt.Errorf("encode rejected item: %w", err)
	}
	content = append(content, `{"reason":`...)
	content = append(content, reason...)
	content = append(content, `,"observed_at":"`...)
	content = observed.UTC().AppendFormat(content, time.RFC3339)
	content = append(content, `","raw":`...)
	content = append(content, r.Raw...)
	return append(content, "}\n"...), nil
}
