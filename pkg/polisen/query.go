package polisen

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Query narrows what a response holds. The zero Query asks for the newest
// events; several fields must all hold.
type Query struct {
	// DateTime is a local month, day or hour: 2018-03, 2018-03-05 or
	// "2018-03-05 21".
	DateTime string
	// Locations are municipalities or counties, Types kinds of events, by the
	// API's names for them. An event matches if any one of them does.
	Locations, Types []string
}

// IsZero reports whether q asks for the newest events.
func (q Query) IsZero() bool {
	return q.DateTime == "" && len(q.Locations) == 0 && len(q.Types) == 0
}

// Encode returns q as the query of a URL, the way the API's documentation
// writes it: values separated by ";", and a space as "%20"
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

// check refuses a DateTime that the API would not understand: it might answer
// 404, and its rules make that permanent.
func (q Query) check() error {
	if q.DateTime == "" {
		return nil
	}
	for _, layout := range []string{"2006-01", time.DateOnly, "2006-01-02 15"} {
		if t, err := time.Parse(layout, q.DateTime); err == nil && t.Format(layout) == q.DateTime {
			return nil
		}
	}
	return fmt.Errorf("%w: DateTime %q is not of the form 2018-03, 2018-03-05 or \"2018-03-05 21\"", ErrSettings, q.DateTime)
}
