package archivetest

import (
	"fmt"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Item returns an event in compact JSON. Its date is the given number of days
// after 1 January 2026. Items with the same id and different texts are versions
// of one event.
func Item(id int64, day int, text string) []byte {
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	return fmt.Appendf(nil, `{"id":%d,"datetime":"%s 9:08:07 +01:00","summary":%q,"type":"R\u00e5n"}`, id, date.Format(time.DateOnly), text)
}

// Items returns n items of the same day with ascending ids from id.
func Items(id int64, n, day int) [][]byte {
	items := make([][]byte, n)
	for i := range items {
		items[i] = Item(id+int64(i), day, "first")
	}
	return items
}

// Event returns an Item as an event.
func Event(id int64, day int, text string) polisen.Event { return Parse(Item(id, day, text))[0] }

// Events returns Items as events.
func Events(id int64, n, day int) []polisen.Event { return Parse(Items(id, n, day)...) }

// Parse returns items as events. It panics if one is not an event.
func Parse(items ...[]byte) []polisen.Event {
	events := make([]polisen.Event, len(items))
	for i, item := range items {
		e, rejected := polisen.ParseItem(item)
		if rejected != nil {
			panic(rejected.Reason)
		}
		events[i] = e
	}
	return events
}
