package polisen

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Query selects events. The zero Query selects the newest events. Another Query
// selects the events that match all its fields that are set.
type Query struct {
	// DateTime is a month, day or hour in local time, such as 2018-03, 2018-03-05
	// or "2018-03-05 21".
	DateTime string
	// Locations are names of municipalities or counties, as the API writes them.
	// An event matches if its location is one of them.
	Locations []string
	// Types are names of event types, as the API writes them. An event matches if
	// its type is one of them.
	Types []string
}

// IsZero reports whether q selects the newest events.
func (q Query) IsZero() bool {
	return q.DateTime == "" && len(q.Locations) == 0 && len(q.Types) == 0
}

// Encode returns q as the query part of a URL, in the form of the API's
// documentation: values are separated by ";", and a space is "%20"
// (https://polisen.se/om-polisen/om-webbplatsen/oppna-data/api-over-polisens-handelser/).
func (q Query) Encode() string {
	var parts []string
	add := func(name string, values []string) {
		if len(values) == 0 {
			return
		}
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		parts = append(parts, name+"="+strings.Join(escaped, ";"))
	}
	if q.DateTime != "" {
		add("DateTime", []string{q.DateTime})
	}
	add("locationname", q.Locations)
	add("type", q.Types)
	return strings.Join(parts, "&")
}

// check returns an error that wraps [ErrSettings] if DateTime is invalid. The API may
// answer an invalid DateTime with 404, which is permanent by its rules.
func (q Query) check() error {
	if q.DateTime == "" {
		return nil
	}
	for _, layout := range []string{"2006-01", time.DateOnly, "2006-01-02 15"} {
		if t, err := time.Parse(layout, q.DateTime); err == nil && t.Format(layout) == q.DateTime {
			return nil
		}
	}
	return fmt.Errorf("%w: invalid DateTime %q: use the form 2018-03, 2018-03-05 or \"2018-03-05 21\"", ErrSettings, q.DateTime)
}
