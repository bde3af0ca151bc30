package cloudtest

import (
	"net/http"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// perEvent is the time between two events: 72 a day, as in life.
const perEvent = 20 * time.Minute

// Response returns a full response of the API after so many new events.
func Response(moved int) polisentest.Answer { return respond(moved, "") }

// Moving returns the answers of an API on which time goes by: each has as many
// events more as fresh says than the one before, in place of the oldest. A
// DateTime in the query leaves those of that time alone. It is for the Default
// of one API.
func Moving(fresh int) func(*http.Request) polisentest.Answer {
	moved := -fresh
	return func(r *http.Request) polisentest.Answer {
		moved += fresh
		return respond(moved, r.URL.Query().Get("DateTime"))
	}
}

func respond(moved int, when string) polisentest.Answer {
	items := make([][]byte, 0, polisen.FullResponse)
	newest := polisentest.FirstID + int64(moved)
	for i := range int64(polisen.FullResponse) {
		id := newest - (i ^ 1) // neighbours change places, as in life
		if at := timeOf(id); strings.HasPrefix(at.Format("2006-01-02 15"), when) {
			items = append(items, polisentest.Notice(id, at))
		}
	}
	return polisentest.OK(items...)
}

// timeOf is when the event of that id happened, which is not in the order of
// ids.
func timeOf(id int64) time.Time {
	n := time.Duration(id - polisentest.FirstID)
	return polisentest.Newest.Add(n*perEvent - time.Duration(id*37%150)*time.Minute)
}
