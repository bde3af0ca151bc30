package cloudtest

import (
	"net/http"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// perEvent is the time between two events: 72 events a day, about as many as the
// real API publishes.
const perEvent = 20 * time.Minute

// ResponseAfter returns the full response of an API that has published n events since
// its first response, whose newest event is from about start.
func ResponseAfter(start time.Time, n int) polisentest.Answer { return respond(start, n, "") }

// Advancing returns a value for [polisentest.API.Default]. The newest event of the
// first response is from about the time of the call. Between two responses the API
// publishes n events, which replace the oldest ones. A DateTime in the query selects
// the events of that day or hour. Do not share the function between APIs, since it
// counts the responses.
func Advancing(n int) func(*http.Request) polisentest.Answer {
	published := -n
	var start time.Time
	return func(r *http.Request) polisentest.Answer {
		if start.IsZero() {
			start = time.Now()
		}
		published += n
		return respond(start, published, r.URL.Query().Get("DateTime"))
	}
}

// respond returns the newest events, after this number of events was published
// since the first response. It leaves out events whose time does not begin with
// dateTime.
func respond(start time.Time, published int, dateTime string) polisentest.Answer {
	items := make([][]byte, 0, polisen.FullResponse)
	newest := polisentest.FirstID + int64(published)
	for i := range int64(polisen.FullResponse) {
		id := newest - (i ^ 1) // swaps neighbours: the real API's order is not by id
		if at := timeOf(start, id); strings.HasPrefix(at.Format("2006-01-02 15"), dateTime) {
			items = append(items, polisentest.Event(id, at))
		}
	}
	return polisentest.OK(items...)
}

// timeOf returns the time of the event with this id. As in the real API, a higher
// id does not always mean a later time.
func timeOf(start time.Time, id int64) time.Time {
	n := time.Duration(id - polisentest.FirstID)
	return polisen.InSweden(start).Add(n*perEvent - time.Duration(id*37%150)*time.Minute)
}
