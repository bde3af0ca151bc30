package polisen_test

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// TestDateTimeForms checks the forms of datetime that the API does not write today. The
// line stays as it is, and the event's date is the date in the text.
func TestDateTimeForms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"2026-11-27T09:21:00+01:00", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27t9:21:00 +01:00", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27 9:21:00+01:00", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27 9:21:00 +0100", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27T09:21:00-0330", "2026-11-27T09:21:00-03:30"},
		{"2026-11-27 9:21:00 +01", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27 9:21 +01:00", "2026-11-27T09:21:00+01:00"},
		{"2026-11-27T09:21Z", "2026-11-27T09:21:00Z"},
		{"2026-11-27T09:21:00.123456789+01:00", "2026-11-27T09:21:00.123456789+01:00"},
		{"2026-11-27T09:21:00.5z", "2026-11-27T09:21:00.5Z"},
		// The date stays that of the text, although it is the next day in Sweden.
		{"2026-11-27T23:30:00Z", "2026-11-27T23:30:00Z"},

		// Swedish local time.
		{"2026-11-27T09:21:00", "2026-11-27T09:21:00+01:00"},
		{"2026-07-27 9:21", "2026-07-27T09:21:00+02:00"},
		{"2026-07-01 0:00:00", "2026-07-01T00:00:00+02:00"},
		{"2026-03-29 1:59:59", "2026-03-29T01:59:59+01:00"},
		{"2026-03-29 2:30:00", "2026-03-29T02:30:00+01:00"}, // the skipped hour
		{"2026-03-29 3:00:00", "2026-03-29T03:00:00+02:00"},
		{"2026-10-25 2:30:00", "2026-10-25T02:30:00+02:00"}, // the hour that occurs twice
		{"2026-10-25 3:00:00", "2026-10-25T03:00:00+01:00"},
		{"9999-12-31 23:59", "9999-12-31T23:59:00+01:00"},
	} {
		raw := `{"id":7,"datetime":"` + tt.text + `"}`
		event, rejected := polisen.ParseItem([]byte(raw))
		if rejected != nil {
			t.Errorf("%s is rejected: %s", tt.text, rejected.Reason)
			continue
		}
		if got := event.Time.Format(time.RFC3339Nano); got != tt.want {
			t.Errorf("%s is read as %s, want %s", tt.text, got, tt.want)
		}
		if string(event.Raw) != raw {
			t.Errorf("the line of %s is %s", tt.text, event.Raw)
		}
		if got := event.Time.Format(time.DateOnly); got != tt.text[:10] {
			t.Errorf("the date of %s is %s", tt.text, got)
		}
	}
	for _, text := range []string{
		"", "2026-11-27", "2026-11-27T", "2026-11-27T9", "2026-11-27 9:21:00 ", "2026-11-27_09:21:00Z", "2026-11-27T09:21:00  Z",
		"2026-11-27T09:21:00ZZ", "2026-11-27T09:21:00+", "2026-11-27T09:21:00+1", "2026-11-27T09:21:00+01:0", "2026-11-27T09:21:00+0170", "2026-11-27T09:21:00 CET",
		"2026-11-27T09:60", "2026-11-27T24:00:00", "2026-02-29T09:21:00", "27/11/2026 09:21", "2026-11-2709:21:00", "20261127T092100Z", "2026-11-27T09:21:00:00",
		"9999-12-31T23:59:59-05:00", "0001-01-01 0:59", "0000-01-01T00:00:00Z",
	} {
		if event, rejected := polisen.ParseItem([]byte(`{"id":7,"datetime":"` + text + `"}`)); rejected == nil {
			t.Errorf("%q is read as %v", text, event.Time)
		}
	}
}
