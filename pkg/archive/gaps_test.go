package archive_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// at returns a time of January 2026 in UTC.
func at(day, hour int) time.Time { return time.Date(2026, 1, day, hour, 0, 0, 0, time.UTC) }

// response returns a full response whose window is from one time to another, and
// which was fetched at the latter.
func response(from, to time.Time, events ...polisen.Event) archive.Batch {
	return archive.Batch{Events: events, ObservedAt: to, Current: true, Window: &polisen.Window{From: from, To: to}}
}

// answer returns the answer to the query for a day of January 2026.
func answer(day int, kind archive.AnswerKind, events ...polisen.Event) archive.Batch {
	return archive.Batch{
		Events: events, ObservedAt: start,
		Answer: &archive.DayAnswer{Day: archive.Date{Year: 2026, Month: 1, Day: day}, Kind: kind},
	}
}

// answerUntil is answer with the next hour.
func answerUntil(day int, kind archive.AnswerKind, next int) archive.Batch {
	b := answer(day, kind)
	b.Answer.NextHour = next
	return b
}

// gaps returns the gaps of the document as texts.
func gaps(t *testing.T, s store.Reader) (texts []string) {
	t.Helper()
	for _, g := range document(t, s).Gaps {
		text := g.Day + " " + g.Reason
		if g.Attempts > 0 {
			text += fmt.Sprintf(" %d attempts", g.Attempts)
		}
		if g.Unserved {
			text += " unserved"
		}
		texts = append(texts, text)
	}
	return texts
}

// missed returns gaps of the reason Missed, as gaps does, from one day of January
// 2026 to another.
func missed(first, last int) (texts []string) {
	for day := first; day <= last; day++ {
		texts = append(texts, fmt.Sprintf("2026-01-%02d missed", day))
	}
	return texts
}

// runAt stores a batch as one run at a time.
func runAt(s store.Store, now time.Time, b archive.Batch) (archive.Outcome, error) {
	o := options()
	o.Now = func() time.Time { return now }
	_, outcome, err := runWith(s, o, b)
	return outcome, err
}

func mustRunAt(t *testing.T, s store.Store, now time.Time, b archive.Batch) archive.Outcome {
	t.Helper()
	o, err := runAt(s, now, b)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestMissed checks which days a response makes gaps, and the time that the document
// is then covered until.
func TestMissed(t *testing.T) {
	stored, later, other := archivetest.Event(1, 0, "first"), archivetest.Event(1, 0, "second"), archivetest.Event(2, 1, "first")
	for _, tt := range []struct {
		name               string
		covered            time.Time
		from, to, observed time.Time
		events             []polisen.Event
		gaps               []string
		until              time.Time
	}{
		{"overlap", at(2, 12), at(1, 0), at(3, 12), at(3, 12), []polisen.Event{stored}, nil, at(3, 12)},
		{"overlap, with a later version only", at(2, 12), at(1, 0), at(3, 12), at(3, 12), []polisen.Event{later}, nil, at(3, 12)},
		{"begins at the end of the last one", at(2, 12), at(2, 12), at(9, 12), at(9, 12), []polisen.Event{stored}, nil, at(9, 12)},
		{"pause", at(2, 12), at(5, 0), at(12, 12), at(12, 12), []polisen.Event{other}, missed(1, 12), at(12, 12)},
		{"pause, one event is stored", at(2, 12), at(5, 0), at(12, 12), at(12, 12), []polisen.Event{stored}, missed(1, 12), at(12, 12)},
		{"the days are Swedish", at(2, 23), at(3, 12), at(4, 23), at(4, 23), []polisen.Event{other}, missed(2, 5), at(4, 23)},
		{"older than the last one", at(20, 12), at(1, 0), at(8, 0), at(20, 13), []polisen.Event{stored}, nil, at(20, 12)},
		{"older than the last one, all events are new", at(20, 12), at(1, 0), at(8, 0), at(20, 13), []polisen.Event{other}, nil, at(20, 12)},
		{"the source stopped after the pause", at(2, 12), at(5, 0), at(9, 12), at(20, 12), []polisen.Event{other}, missed(1, 9), at(9, 12)},
		{"events in the future", at(2, 12), at(1, 0), at(9, 12), at(3, 12), []polisen.Event{stored}, nil, at(3, 12)},
		{"events in the future after the pause", at(2, 12), at(5, 0), at(9, 12), at(7, 12), []polisen.Event{other}, missed(1, 7), at(7, 12)},
		{"hundreds of new events at once", at(2, 12), at(2, 13), at(2, 20), at(2, 20), []polisen.Event{stored}, missed(1, 2), at(2, 20)},
		{"hundreds of new events, many with earlier times", at(2, 12), at(1, 0), at(4, 12), at(4, 12), []polisen.Event{other}, missed(1, 4), at(4, 12)},
		{"the same, one of them in two versions", at(2, 12), at(1, 0), at(4, 12), at(4, 12), []polisen.Event{other, archivetest.Event(2, 1, "second")}, missed(1, 4), at(4, 12)},
		{"hundreds of new events, and a clock that is behind", at(2, 12), at(1, 0), at(4, 12), at(2, 4), []polisen.Event{other}, missed(1, 2), at(2, 12)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := memstore.New()
			mustRunAt(t, s, tt.covered, response(tt.covered.AddDate(0, 0, -7), tt.covered, stored))
			b := response(tt.from, tt.to, tt.events...)
			b.ObservedAt = tt.observed
			for i, newGaps := range []int{len(tt.gaps), 0} { // the second response changes nothing
				before := etag(t, s, archive.DocumentName)
				o := mustRunAt(t, s, tt.observed, b)
				d := document(t, s)
				if diff := cmp.Diff(tt.gaps, gaps(t, s)); diff != "" || o.NewGaps != newGaps {
					t.Errorf("%d new gaps, want %d; gaps (-want +got):\n%s", o.NewGaps, newGaps, diff)
				}
				if !d.CoveredUntil.Equal(tt.until) || d.CoveredUntil.Location() != time.UTC {
					t.Errorf("covered until %v, want %v", d.CoveredUntil, tt.until)
				}
				unchanged := i == 1 || tt.gaps == nil && tt.until.Equal(tt.covered) && tt.events[0].ID == stored.ID
				if etag(t, s, archive.DocumentName) == before != unchanged {
					t.Errorf("response %d: want a commit: %t", i, !unchanged)
				}
				archivetest.CheckCounts(t, s, true)
			}
		})
	}
}

// TestCoveredOfOlderFormat checks that the last commit of an older format stands for
// covered_until, and that the first commit of any kind writes it.
func TestCoveredOfOlderFormat(t *testing.T) {
	const published = `{"seen_ids":[1],"last_updated":%q,"total_tracked":1}`
	const version1 = `{"seen_ids":[1],"last_updated":%q,"total_tracked":1,"version":1,"commit":{"id":"old","sequence":3,"timestamp":1700000000},"complete_above":0}`
	backfilled := archive.Batch{Events: archivetest.Events(2, 1, 0), ObservedAt: at(12, 12)}
	for name, tt := range map[string]struct {
		document, updated string
		batch             archive.Batch
		gaps              []string
		until             time.Time // zero if it is not known
	}{
		"published, pause":      {published, "2026-01-02T12:00:00Z", response(at(5, 0), at(12, 12)), missed(1, 12), at(12, 12)},
		"published, backfill":   {published, "2026-01-02T12:00:00Z", backfilled, nil, at(2, 12)},
		"version 1, pause":      {version1, "2026-01-02T12:00:00Z", response(at(5, 0), at(12, 12)), missed(1, 12), at(12, 12)},
		"version 1, overlap":    {version1, "2026-01-02T12:00:00Z", response(at(1, 0), at(12, 12), archivetest.Event(1, 0, "first")), nil, at(12, 12)},
		"version 1, backfill":   {version1, "2026-01-02T12:00:00Z", backfilled, nil, at(2, 12)},
		"no time":               {published, "0001-01-01T00:00:00Z", response(at(5, 0), at(12, 12)), nil, at(12, 12)},
		"no time, backfill":     {published, "0001-01-01T00:00:00Z", backfilled, nil, time.Time{}},
		"a time in the future":  {version1, "2036-01-02T12:00:00Z", backfilled, nil, at(12, 12)},
		"another time zone":     {published, "2026-01-02T14:00:00+02:00", backfilled, nil, at(2, 12)},
		"a time of last summer": {version1, "2025-12-31T22:30:00Z", response(at(5, 0), at(7, 12)), append([]string{"2025-12-30 missed", "2025-12-31 missed"}, missed(1, 7)...), at(7, 12)},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			storetest.MustPut(t, s, "events/2026/01/01/events-1700000000.jsonl", string(archivetest.Item(1, 0, "first"))+"\n")
			storetest.MustPut(t, s, archive.DocumentName, fmt.Sprintf(tt.document, tt.updated))
			mustRunAt(t, s, at(12, 12), tt.batch)
			d := document(t, s)
			if diff := cmp.Diff(tt.gaps, gaps(t, s)); diff != "" || d.Version != 2 || d.Stored != nil {
				t.Errorf("version %d, counts %v; gaps (-want +got):\n%s", d.Version, d.Stored, diff)
			}
			if got := d.CoveredUntil; (got == nil) != tt.until.IsZero() || got != nil && !got.Equal(tt.until) {
				t.Errorf("covered until %v, want %v", got, tt.until)
			}
			if c := d.Covered(); (c == nil) != tt.until.IsZero() {
				t.Errorf("the next response would be compared with %v", c)
			}
		})
	}
}

// TestRepairOfOlderFormat checks that a repair of an older format writes covered_until,
// so that the next response is compared with it.
func TestRepairOfOlderFormat(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"last_updated":"2026-01-01T12:00:00Z","total_tracked":0,"version":1}`)
	r := archive.Repair{BasedOn: etag(t, s, archive.DocumentName)}
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := document(t, s).CoveredUntil; got == nil || !got.Equal(at(1, 12)) {
		t.Errorf("covered until %v", got)
	}
}

// TestPartOfDay checks that a run which had no time for all hours of a day leaves the next
// one to later runs, without an attempt, and that another pause makes them begin again.
func TestPartOfDay(t *testing.T) {
	s := withGaps(t)
	for _, step := range []struct {
		batch archive.Batch
		next  int
		gap   string // the gap of the 7th
	}{
		{answerUntil(7, archive.AnswerPart, 5), 5, "2026-01-07 missed"},
		{answerUntil(7, archive.AnswerPart, 3), 5, "2026-01-07 missed"},
		{answerUntil(7, archive.AnswerOther, 9), 9, "2026-01-07 missed 1 attempts"},
		{answer(6, archive.AnswerWhole), 9, "2026-01-07 missed 1 attempts"},
		{response(at(9, 0), at(10, 12)), 0, "2026-01-07 missed"},
		{answerUntil(7, archive.AnswerPart, 23), 23, "2026-01-07 missed"},
		{answer(7, archive.AnswerWhole), 0, ""},
	} {
		mustRunAt(t, s, at(10, 12), step.batch)
		next, gap := 0, ""
		for i, g := range document(t, s).Gaps {
			if g.Day == "2026-01-07" {
				next, gap = g.NextHour, gaps(t, s)[i]
			}
		}
		if next != step.next || gap != step.gap {
			t.Errorf("after %+v: next hour %d of %q, want %d of %q", step.batch.Answer, next, gap, step.next, step.gap)
		}
	}
}

// TestLongPause checks that a pause of decades makes at most 2000 days gaps, the
// latest ones, and that a warning names the others.
func TestLongPause(t *testing.T) {
	s := memstore.New()
	storetest.MustPut(t, s, archive.DocumentName, `{"seen_ids":[],"last_updated":"1990-01-01T00:00:00Z","total_tracked":0}`)
	var warnings []string
	o := options()
	o.Warn = func(level slog.Level, text string) { warnings = append(warnings, fmt.Sprint(level, " ", text)) }
	w := archive.NewWriter(s, o)
	if _, err := w.Add(t.Context(), response(at(5, 0), at(12, 12))); err != nil {
		t.Fatal(err)
	}
	d := w.Document()
	if n := len(d.Gaps); n != 2000 || d.Gaps[n-1].Day != "2026-01-12" || d.Gaps[0].Day != "2020-07-23" {
		t.Errorf("%d gaps, the first is %v, the last %v", n, d.Gaps[0], d.Gaps[n-1])
	}
	if len(warnings) != 1 || warnings[0] != "WARN events from 1989-12-31 to 2020-07-22 may be missing too, but metadata/last_seen.json "+
		"records at most 2000 days of one pause as gaps; fetch them with backfill" {
		t.Errorf("warnings %q", warnings)
	}
}

// paused returns an archive whose last full response was on the 2nd, and the first
// one after a pause, of the 5th to the 8th. The days 1 to 8 may have been missed.
func paused(t *testing.T) (store.Store, archive.Batch) {
	t.Helper()
	s := memstore.New()
	mustRunAt(t, s, at(2, 12), response(at(1, 0), at(2, 12), archivetest.Events(1, 3, 0)...))
	return s, response(at(5, 0), at(8, 12), archivetest.Event(11, 4, "first"), archivetest.Event(12, 7, "first"))
}

// withGaps returns an archive with the gaps 1 to 8.
func withGaps(t *testing.T) store.Store {
	t.Helper()
	s, b := paused(t)
	mustRunAt(t, s, at(8, 12), b)
	return s
}

// TestAnswers checks the effect of answers for whole days on the gaps.
func TestAnswers(t *testing.T) {
	type step struct {
		minutes int // after noon of the 8th
		day     int
		kind    archive.AnswerKind
		want    string // the gap of the day afterwards
		commit  bool
	}
	for name, steps := range map[string][]step{
		"whole": {{0, 3, archive.AnswerWhole, "", true}, {1, 3, archive.AnswerWhole, "", false}},
		"other": {
			{0, 3, archive.AnswerOther, "2026-01-03 missed 1 attempts", true},
			{59, 3, archive.AnswerOther, "2026-01-03 missed 1 attempts", false},
			{60, 3, archive.AnswerOther, "2026-01-03 missed 2 attempts", true},
			{119, 3, archive.AnswerOther, "2026-01-03 missed 2 attempts", false},
			{121, 3, archive.AnswerOther, "2026-01-03 missed 3 attempts unserved", true},
			{999, 3, archive.AnswerOther, "2026-01-03 missed 3 attempts unserved", false},
			{9999, 3, archive.AnswerNotFound, "2026-01-03 missed 3 attempts unserved", false},
			{9999, 3, archive.AnswerWhole, "", true},
		},
		"whole after others": {
			{0, 3, archive.AnswerOther, "2026-01-03 missed 1 attempts", true},
			{60, 3, archive.AnswerWhole, "", true},
		},
		"a clock that is set back": {
			{6000, 3, archive.AnswerOther, "2026-01-03 missed 1 attempts", true},
			{0, 3, archive.AnswerOther, "2026-01-03 missed 2 attempts", true},
		},
		"not found": {
			{0, 3, archive.AnswerOther, "2026-01-03 missed 1 attempts", true},
			{1, 3, archive.AnswerNotFound, "2026-01-03 missed 2 attempts unserved", true},
			{2, 3, archive.AnswerNotFound, "2026-01-03 missed 2 attempts unserved", false},
		},
		"a day that is no gap": {
			{0, 9, archive.AnswerWhole, "", false}, {0, 9, archive.AnswerOther, "", false}, {0, 10, archive.AnswerNotFound, "", false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withGaps(t)
			covered := document(t, s).CoveredUntil
			for _, step := range steps {
				before := etag(t, s, archive.DocumentName)
				var want []string
				for _, g := range gaps(t, s) {
					if day := fmt.Sprintf("2026-01-%02d", step.day); g[:len(day)] != day {
						want = append(want, g)
					} else if step.want != "" {
						want = append(want, step.want)
					}
				}
				mustRunAt(t, s, at(8, 12).Add(time.Duration(step.minutes)*time.Minute), answer(step.day, step.kind))
				if diff := cmp.Diff(want, gaps(t, s)); diff != "" {
					t.Errorf("after %+v: gaps (-want +got):\n%s", step, diff)
				}
				if (etag(t, s, archive.DocumentName) != before) != step.commit {
					t.Errorf("after %+v: want a commit: %t", step, step.commit)
				}
			}
			if got := document(t, s).CoveredUntil; !got.Equal(*covered) {
				t.Errorf("covered until %v, want %v", got, covered)
			}
		})
	}
}

// TestUnservedDays checks that another pause over an unserved day opens it again, and that
// a repair removes the other unserved days and nothing else.
func TestUnservedDays(t *testing.T) {
	s := withGaps(t)
	for _, day := range []int{6, 7, 8} {
		mustRunAt(t, s, at(8, 12), answer(day, archive.AnswerNotFound))
	}
	if o := mustRunAt(t, s, at(10, 12), response(at(9, 0), at(10, 12))); o.NewGaps != 4 {
		t.Errorf("%d new gaps, want 4", o.NewGaps)
	}
	want := append(missed(1, 5), "2026-01-06 missed 1 attempts unserved", "2026-01-07 missed", "2026-01-08 missed", "2026-01-09 missed", "2026-01-10 missed")
	if diff := cmp.Diff(want, gaps(t, s)); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	open, unserved := document(t, s).GapDays()
	if len(open) != 9 || open[0] != "2026-01-01" || !slices.Equal(unserved, []string{"2026-01-06"}) {
		t.Errorf("open %v, unserved %v", open, unserved)
	}

	before := document(t, s)
	r := archive.Repair{BasedOn: etag(t, s, archive.DocumentName), AcceptUnserved: true, Document: archive.Document{
		SeenIDs: before.SeenIDs, CompleteAbove: before.CompleteAbove, Fingerprints: before.Fingerprints, Rejected: before.Rejected,
	}}
	if _, _, err := archive.NewWriter(s, options()).CommitRepair(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Delete(want, 5, 6), gaps(t, s)); diff != "" {
		t.Errorf("after the repair: gaps (-want +got):\n%s", diff)
	}
	after := document(t, s)
	if !after.CoveredUntil.Equal(*before.CoveredUntil) || !cmp.Equal(before.Stored, after.Stored) {
		t.Errorf("after the repair: covered until %v, counts %v; before: %v, %v", after.CoveredUntil, after.Stored, before.CoveredUntil, before.Stored)
	}
}

// setField sets a field of the document to a JSON value.
func setField(t *testing.T, s store.Store, field, value string) {
	t.Helper()
	object, err := s.Get(t.Context(), archive.DocumentName)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object.Body, &fields); err != nil {
		t.Fatal(err)
	}
	fields[field] = json.RawMessage(value)
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	storetest.MustPut(t, s, archive.DocumentName, string(body))
}

// TestWholeAnswerWithWaitingEvents checks that the answer for a whole day does not
// close the gap of a day whose events wait for an unreadable object, and closes it
// once they are stored, or if the API no longer has them.
func TestWholeAnswerWithWaitingEvents(t *testing.T) {
	const name = "events/2026/01/03/events-1700000000.jsonl"
	for what, later := range map[string][]polisen.Event{
		"stored":    {archivetest.Event(-1, 2, "first"), archivetest.Event(-2, 2, "first")},
		"withdrawn": nil,
	} {
		t.Run(what, func(t *testing.T) {
			s := memstore.New()
			mustRun(t, s, current(archivetest.Parse(archivetest.LongList()...)...))
			storetest.MustPut(t, s, name, "{}\n")
			unread := storetest.Unreadable{Store: s, Err: store.ErrDamaged, Names: map[string]bool{name: true}}
			waiting := current(archivetest.Event(-1, 2, "first"))
			if _, err := runAt(unread, at(2, 12), waiting); err != nil {
				t.Fatal(err)
			}
			unname := func() { // as if there were too many to name
				setField(t, s, "gaps", `[{"day":"2026-01-03","reason":"unreadable","since":"2026-01-02T12:00:00Z"}]`)
			}
			for _, named := range []bool{true, false} {
				if !named {
					unname()
				}
				// The same run has met the event before the answer, which does not have it.
				w := archive.NewWriter(unread, options())
				for _, b := range []archive.Batch{waiting, answer(3, archive.AnswerWhole)} {
					if _, err := w.Add(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff([]string{"2026-01-03 unreadable"}, gaps(t, s)); diff != "" {
					t.Errorf("an event waits in another batch, named: %t: gaps (-want +got):\n%s", named, diff)
				}
			}
			setField(t, s, "gaps", `[]`)
			for _, named := range []bool{true, false} {
				if !named {
					unname()
				}
				if _, err := runAt(unread, at(2, 12), answer(3, archive.AnswerWhole, archivetest.Event(-1, 2, "first"), archivetest.Event(-2, 2, "first"))); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"2026-01-03 unreadable"}, gaps(t, s)); diff != "" {
					t.Errorf("the events wait, named: %t: gaps (-want +got):\n%s", named, diff)
				}
			}
			mustRunAt(t, s, at(2, 13), answer(3, archive.AnswerWhole, later...))
			if got := gaps(t, s); len(got) > 0 {
				t.Errorf("gaps %v", got)
			}
		})
	}
}

// TestMissedBesideUnreadable checks that a day may be missed although its events wait
// already, and that the gap of the waiting events closes without the other one.
func TestMissedBesideUnreadable(t *testing.T) {
	const name = "events/2026/01/03/events-1700000000.jsonl"
	s := memstore.New()
	mustRunAt(t, s, at(2, 12), response(at(1, 0), at(2, 12), archivetest.Parse(archivetest.LongList()...)...))
	storetest.MustPut(t, s, name, "{}\n")
	waiting := current(archivetest.Event(-1, 2, "first"))
	if _, err := runAt(storetest.Unreadable{Store: s, Err: store.ErrDamaged, Names: map[string]bool{name: true}}, at(3, 12), waiting); err != nil {
		t.Fatal(err)
	}
	b := response(at(5, 0), at(6, 12))
	mustRunAt(t, s, at(6, 12), b)
	want := slices.Concat(missed(1, 2), []string{"2026-01-03 unreadable"}, missed(3, 6))
	if diff := cmp.Diff(want, gaps(t, s)); diff != "" {
		t.Fatalf("gaps (-want +got):\n%s", diff)
	}
	if open, _ := document(t, s).GapDays(); len(open) != 6 {
		t.Errorf("open days %v, want 6", open)
	}
	mustRunAt(t, s, at(6, 13), waiting)
	if diff := cmp.Diff(missed(1, 6), gaps(t, s)); diff != "" {
		t.Errorf("when the event is stored: gaps (-want +got):\n%s", diff)
	}
}

// TestGapFaultAtEveryCall makes each call of a run fail that meets a pause, or that
// has the answer for a gap. After the next run the gaps, covered_until and the counts
// are right, and each item is stored once.
func TestGapFaultAtEveryCall(t *testing.T) {
	prepared, pause := paused(t)
	whole := answer(4, archive.AnswerWhole, archivetest.Event(21, 3, "first"), archivetest.Event(22, 3, "first"))
	several := answer(4, archive.AnswerWhole, large(21), large(22), large(23))
	for name, tt := range map[string]struct {
		prepared store.Store
		batch    archive.Batch
		want     []string
	}{
		"pause":                            {prepared, pause, missed(1, 8)},
		"whole answer":                     {withGaps(t), whole, append(missed(1, 3), missed(5, 8)...)},
		"whole answer, in several commits": {withGaps(t), several, append(missed(1, 3), missed(5, 8)...)},
		"not found":                        {withGaps(t), answer(7, archive.AnswerNotFound), append(missed(1, 6), "2026-01-07 missed 1 attempts unserved", "2026-01-08 missed")},
		"no answer":                        {withGaps(t), answer(7, archive.AnswerOther), append(missed(1, 6), "2026-01-07 missed 1 attempts", "2026-01-08 missed")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(response(at(1, 0), at(2, 12), archivetest.Events(1, 3, 0)...), pause, tt.batch)
			op := func(s store.Store) error { _, err := runAt(s, at(8, 12), tt.batch); return err }
			storetest.FaultAtEveryCall(t, tt.prepared, op, func(s store.Store, f *storetest.Faults) {
				mustRunAt(t, s, at(8, 12), pause)
				mustRunAt(t, s, at(8, 12), tt.batch)
				f.Release()
				if diff := cmp.Diff(tt.want, gaps(t, s)); diff != "" {
					t.Fatalf("gaps (-want +got):\n%s", diff)
				}
				if got := document(t, s).CoveredUntil; !got.Equal(at(8, 12)) {
					t.Fatalf("covered until %v", got)
				}
				m.Check(t, s)
				archivetest.CheckCounts(t, s, true)
			})
		})
	}
}

// large returns an event of 4 January 2026, of which two do not fit into one commit.
func large(id int64) polisen.Event { return archivetest.Event(id, 3, strings.Repeat("x", 700_000)) }

// TestKilledBetweenCommits checks that a run which is killed after the first of
// several commits neither closes a gap nor raises covered_until: the events that it
// did not commit may be missing.
func TestKilledBetweenCommits(t *testing.T) {
	events := []polisen.Event{large(21), large(22), large(23)}
	for name, tt := range map[string]struct {
		prepared store.Store
		batch    archive.Batch
		gaps     []string
		until    time.Time
	}{
		"whole answer": {withGaps(t), answer(4, archive.AnswerWhole, events...), missed(1, 8), at(8, 12)},
		"response":     {withGaps(t), response(at(5, 0), at(9, 12), append(events, archivetest.Event(12, 7, "first"))...), missed(1, 8), at(8, 12)},
		"new response": {withGaps(t), response(at(5, 0), at(9, 12), events...), missed(1, 9), at(8, 12)},
		"pause":        {withGaps(t), response(at(8, 18), at(9, 12), events...), missed(1, 9), at(8, 12)},
	} {
		t.Run(name, func(t *testing.T) {
			killed := storetest.NewFaults(tt.prepared, func(c storetest.Call) storetest.Fault {
				if c.Method == storetest.Put && c.Name == archive.DocumentName {
					return storetest.CrashAfter()
				}
				return storetest.Fault{}
			})
			if _, err := runAt(killed, at(9, 12), tt.batch); !errors.Is(err, storetest.ErrCrashed) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.gaps, gaps(t, tt.prepared)); diff != "" || !document(t, tt.prepared).CoveredUntil.Equal(tt.until) {
				t.Errorf("covered until %v, want %v; gaps (-want +got):\n%s", document(t, tt.prepared).CoveredUntil, tt.until, diff)
			}
		})
	}
}

// TestOtherRunBesideGaps lets another run happen just before each call of a run that
// meets a pause or closes a gap.
func TestOtherRunBesideGaps(t *testing.T) {
	prepared, pause := paused(t)
	later := response(at(6, 0), at(9, 12), archivetest.Event(12, 7, "first"), archivetest.Event(13, 8, "first"))
	for name, tt := range map[string]struct {
		prepared  store.Store
		op, other archive.Batch
		want      [][]string // the possible gaps
		until     time.Time
	}{
		"two hosts meet the same pause": {prepared, pause, pause, [][]string{missed(1, 8)}, at(8, 12)},
		// If the later response is the first one, the other run makes no gaps.
		"a later response":            {prepared, pause, later, [][]string{missed(1, 9), missed(1, 8)}, at(9, 12)},
		"two hosts close two days":    {withGaps(t), answer(2, archive.AnswerWhole), answer(3, archive.AnswerWhole), [][]string{append(missed(1, 1), missed(4, 8)...)}, at(8, 12)},
		"two hosts close the day":     {withGaps(t), answer(2, archive.AnswerWhole), answer(2, archive.AnswerWhole), [][]string{append(missed(1, 1), missed(3, 8)...)}, at(8, 12)},
		"two attempts within an hour": {withGaps(t), answer(7, archive.AnswerOther), answer(7, archive.AnswerOther), [][]string{append(missed(1, 6), "2026-01-07 missed 1 attempts", "2026-01-08 missed")}, at(8, 12)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := func(b archive.Batch) func(store.Store) error {
				return func(s store.Store) error { _, err := runAt(s, at(9, 12), b); return err }
			}
			storetest.OtherAtEveryCall(t, tt.prepared, as(tt.op), as(tt.other), func(s store.Store) {
				got := gaps(t, s)
				if !slices.ContainsFunc(tt.want, func(want []string) bool { return slices.Equal(want, got) }) {
					t.Fatalf("gaps %q, want one of %q", got, tt.want)
				}
				if got := document(t, s).CoveredUntil; !got.Equal(tt.until) {
					t.Fatalf("covered until %v, want %v", got, tt.until)
				}
				archivetest.CheckCounts(t, s, true)
			})
		})
	}
}

// TestServedDays checks which days the commands in messages may name. A day in Sweden begins
// an hour or two before that of UTC.
func TestServedDays(t *testing.T) {
	days := []string{"0001-01-01", "2026-01-30", "2026-01-31", "2026-02-01", "2026-07-30", "2026-07-31", "2026-08-01", "9999-12-31", "x; rm -r"}
	for now, want := range map[time.Time][]string{
		time.Date(2026, 7, 31, 21, 59, 0, 0, time.UTC): {"2026-01-31", "2026-02-01", "2026-07-30", "2026-07-31"},
		time.Date(2026, 7, 31, 22, 1, 0, 0, time.UTC):  {"2026-02-01", "2026-07-30", "2026-07-31", "2026-08-01"},
	} {
		if got := archive.ServedDays(days, now); !slices.Equal(got, want) {
			t.Errorf("served days at %v: %q, want %q", now, got, want)
		}
	}
}
