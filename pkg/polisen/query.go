package polisen

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Query selects events. The zero Query asks for the newest events. An event
// matches if it matches every field that is set.
type Query struct {
	// DateTime is a month, day or hour, in local time: 2018-03, 2018-03-05 or
	// "2018-03-05 21".
	DateTime string
	// Locations are municipalities or counties, and Types are event types, by
	// the API's names. An event matches if any of them matches.
	Locations, Types []string
}

// IsZero reports whether q asks for the newest events.
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

// check returns an error that wraps ErrSettings unless DateTime is valid. The
// API may answer an invalid one with 404, which is permanent by its rules.
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
