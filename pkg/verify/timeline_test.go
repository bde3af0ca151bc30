package verify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// TestTimeline checks the numbers by day and by week: each event counts once, with the delay
// of its first version, and an event that was stored late has no delay.
func TestTimeline(t *testing.T) {
	june := func(day int) archive.Date { return archive.Date{Year: 2026, Month: time.June, Day: day} }
	s := memstore.New()
	put := func(kind archive.Kind, day int, delay time.Duration, ids ...int64) {
		at := time.Date(2026, 6, day, 12, 0, 0, 0, time.UTC)
		body := ""
		for _, id := range ids {
			body += fmt.Sprintf(`{"id":%d,"datetime":"%s +00:00","summary":"%v"}`, id, at.Format(time.DateTime), delay) + "\n"
		}
		name := archive.Name{Partition: archive.Partition{Kind: kind, Date: june(day)}, Timestamp: at.Add(delay).Unix()}
		storetest.MustPut(t, s, name.String(), body)
	}
	// In the first week eight events are stored within 10 to 80 minutes, two before their
	// datetime, as by a wrong clock, and two late.
	for i := range 8 {
		put(archive.Events, 2, time.Duration(i+1)*10*time.Minute+59*time.Second, int64(i+1))
	}
	put(archive.Events, 3, -time.Hour, 9, 10)
	put(archive.Events, 3, verify.LateAfter+time.Minute, 11)
	put(archive.Events, 7, 90*24*time.Hour, 12)
	// A duplicate and a revision do not count.
	put(archive.Events, 2, 99*time.Hour, 1)
	put(archive.Revisions, 2, 98*time.Hour, 2)
	// All events of the second week are stored late, and the third begins after a gap.
	put(archive.Events, 8, verify.LateAfter+time.Hour, 13)
	put(archive.Events, 15, verify.LateAfter, 14)
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[1],"total_tracked":1,"last_updated":"2026-06-15T12:00:00Z","version":2,`+
		`"gaps":[{"day":"2026-06-10","reason":"missed"},{"day":"2026-06-11","reason":"missed","unserved":true}],"accepted_days":["2026-06-12","not a day"]}`)

	o := options()
	o.Timeline, o.From = true, june(2)
	r, err := verify.Audit(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	want := verify.Timeline{
		Days: []verify.Day{{Date: june(2), Events: 8}, {Date: june(3), Events: 3}, {Date: june(7), Events: 1}, {Date: june(8), Events: 1}, {Date: june(15), Events: 1}},
		Weeks: []verify.Week{
			{Monday: june(1), Events: 12, Late: 2, Median: 30 * time.Minute, P90: 70 * time.Minute},
			{Monday: june(8), Events: 1, Late: 1},
			{Monday: june(15), Events: 1, Median: verify.LateAfter, P90: verify.LateAfter},
		},
		Missing:  []verify.DayRange{{From: june(4), To: june(6)}, {From: june(9), To: june(9)}, {From: june(13), To: june(14)}},
		Open:     []archive.Date{june(10)},
		Unserved: []archive.Date{june(11)},
		Accepted: []archive.Date{june(12)},
	}
	if diff := cmp.Diff(want, r.Timeline); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	o.From = june(11)
	if r, err = verify.Audit(t.Context(), s, o); err != nil {
		t.Fatal(err)
	}
	want = verify.Timeline{Days: want.Days[4:], Weeks: want.Weeks[2:], Unserved: want.Unserved, Accepted: want.Accepted}
	if diff := cmp.Diff(want, r.Timeline); diff != "" {
		t.Errorf("timeline from 11 June (-want +got):\n%s", diff)
	}
}
