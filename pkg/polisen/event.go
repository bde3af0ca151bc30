package polisen

import (
	"time"
)

// Event is one event notice as the API showed it.
type Event struct {
	// ID is the API's number for the event. Later versions of an event keep it.
	ID int64
	// Time is the event's local time: the API's datetime text with its offset.
	// Its calendar date (Year, Month, Day as they stand) is the event's own
	// local date.
	Time time.Time
	// Raw is the notice verbatim, compacted to one line: key order, escapes
	// and number text are the API's. It is valid JSON and valid UTF-8 and is
	// shared: do not change it.
	Raw []byte
	// Fingerprint is that of Raw, by the function of this name.
	Fingerprint string
}

// Rejected is an item that the API sent among the events but that cannot be
// one, for want of an integer id or a readable datetime.
type Rejected struct {
	// Reason says what is wrong with the item, for people.
	Reason string
	// Raw is the item verbatim, compacted to one line. It is valid JSON and
	// valid UTF-8 and is shared: do not change it.
	Raw []byte
}
