package polisentest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// fullResponse is the largest number of events in one response.
const fullResponse = 500

// Recording answers queries from recorded responses, as the API would have answered
// them at any time of the recording. It takes an event as published at the time of
// the first response that has it, and never as withdrawn.
type Recording struct {
	responses []recorded // oldest first
	versions  []version  // in the order of publication
	known     map[string]bool
}

// recorded is one recorded response.
type recorded struct {
	at   time.Time
	body []byte
}

// version is one version of a recorded event.
type version struct {
	id        int64
	hour      string // local, such as "2026-01-02 09"
	published time.Time
	raw       []byte
}

// Add adds the response of the time at: its body and its items, which are the elements
// of the body. Items that are no events are in answers to the query for the newest
// events only. Add the responses in the order of their times.
func (r *Recording) Add(at time.Time, body []byte, items [][]byte) {
	r.responses = append(r.responses, recorded{at, body})
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	for _, raw := range items {
		if r.known[string(raw)] {
			continue
		}
		r.known[string(raw)] = true
		var e struct {
			ID       int64
			DateTime string
		}
		if json.Unmarshal(raw, &e) != nil || e.ID == 0 {
			continue
		}
		if t, err := time.Parse("2006-01-02 15:04:05 -07:00", e.DateTime); err == nil {
			r.versions = append(r.versions, version{e.ID, t.Format("2006-01-02 15"), at, raw})
		}
	}
}

// Answer returns the answer that the API gives to a request at the time now. The query
// may have a DateTime, and no other filter.
func (r *Recording) Answer(request *http.Request, now time.Time) Answer {
	query := request.URL.Query()
	dateTime := query.Get("DateTime")
	query.Del("DateTime")
	if len(query) > 0 {
		panic(fmt.Sprintf("polisentest: a recording cannot answer %s", request.URL.RawQuery))
	}
	if dateTime != "" {
		return OK(r.Events(dateTime, now)...)
	}
	return r.Newest(now)
}

// Newest returns the last response recorded until the time now.
func (r *Recording) Newest(now time.Time) Answer {
	i, _ := slices.BinarySearchFunc(r.responses, now, func(x recorded, now time.Time) int {
		return cmp.Or(x.at.Compare(now), -1) // the first one after now
	})
	if i == 0 {
		return OK()
	}
	return Answer{Body: r.responses[i-1].body}
}

// Events returns the events of a month, day or hour, such as "2026-01-02" or
// "2026-01-02 09", that are published at the time now: the 500 that were published
// last, the last one first.
func (r *Recording) Events(dateTime string, now time.Time) [][]byte {
	items := r.published(dateTime, now)
	return items[:min(len(items), fullResponse)]
}

// published is like Events without its limit. An empty dateTime selects all events.
func (r *Recording) published(dateTime string, now time.Time) (items [][]byte) {
	seen := make(map[int64]int) // the index of each event in items
	for _, v := range r.versions {
		if v.published.After(now) || !strings.HasPrefix(v.hour, dateTime) {
			continue
		}
		if i, ok := seen[v.id]; ok {
			items[i] = v.raw
			continue
		}
		seen[v.id] = len(items)
		items = append(items, v.raw)
	}
	slices.Reverse(items)
	return items
}

// Spread returns n events that are spread evenly over all events published at the time
// now, like a response to a query for one type of event in one place.
func (r *Recording) Spread(n int, now time.Time) (items [][]byte) {
	all := r.published("", now)
	for i := range min(n, len(all)) {
		items = append(items, all[i*len(all)/min(n, len(all))])
	}
	return items
}

// First returns the time of the first response.
func (r *Recording) First() time.Time { return r.responses[0].at }

// Last returns the time of the last response.
func (r *Recording) Last() time.Time { return r.responses[len(r.responses)-1].at }
