package polisen

import "time"

// Event is one event of the API, in one version.
type Event struct {
	// ID is the API's number of the event. All versions of an event have the
	// same one.
	ID int64
	// Time is the event's local time, from the API's datetime and its UTC
	// offset. Its Year, Month and Day are the event's own local date.
	Time time.Time
	// Raw is the event's JSON on one line: verbatim except for the white space
	// between tokens. It is valid UTF-8. It is shared, so it must not be
	// changed.
	Raw []byte
	// Fingerprint is [Fingerprint] of Raw.
	Fingerprint string
}

// Rejected is an item of a response that is not an event: it has no integer id
// or no valid datetime.
type Rejected struct {
	Reason string // one line, for messages
	// Raw is the item's JSON, in the form of [Event].Raw.
	Raw []byte
}
