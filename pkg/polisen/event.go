package polisen

import "time"

// Event is one version of an event.
type Event struct {
	// ID is the API's id of the event. All versions of an event have the same ID.
	ID int64
	// Time is the event's datetime, with the UTC offset that the API gave it. Its
	// Year, Month and Day are therefore the local date of the event.
	Time time.Time
	// Raw is the event's JSON on one line: verbatim, but without white space
	// between tokens. It is valid UTF-8. Do not modify it: the events of one
	// response share a buffer.
	Raw []byte
	// Fingerprint is [Fingerprint] of Raw.
	Fingerprint string
}
