package cloudtest

import (
	"net/http"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// perEvent is the time between two events: 72 a day, as in life.
const perEvent = 20 * time.Minute

// Response returns a full response of the API after so many new events.
func Response(moved int) polisentest.Answer {
	items := make([][]byte, polisen.FullResponse)
	newest := polisentest.FirstID + int64(moved)
	for i := range items {
		id := newest - int64(i)
		items[i^1] = polisentest.Notice(id, timeOf(id)) // neighbours change places, as in life
	}
	return polisentest.OK(items...)
}

// Moving returns the answers of an API on which time goes by: each has as many
// events more as fresh says than the one before, in place of the oldest. It is
// for the Default of one API.
func Moving(fresh int) func(*http.Request) polisentest.Answer {
	moved := -fresh
	return func(*http.Request) polisentest.Answer {
		moved += fresh
		return Response(moved)
	}
}

// timeOf is when the event of that id happened, which is not in the order of
// ids.
func timeOf(id int64) time.Time {
	n := time.Duration(id - polisentest.FirstID)
	return polisentest.Newest.Add(n*perEvent - time.Duration(id*37%150)*time.Minute)
}
