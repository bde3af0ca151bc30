package archive_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// gapRun is a run of a random history of gaps.
type gapRun struct {
	now time.Time // the time of its commit
	// kind is "response", "answer", "events" or "accept", a repair that accepts unserved days.
	kind string

	window   polisen.Window // of a response
	observed time.Time      // the time of the response

	gap      int // which of the gaps the answer is for
	answer   archive.AnswerKind
	nextHour int

	ids        []int64 // of the events; a response may have none
	unreadable bool    // the object beside them cannot be read

	other bool // the next run happens just before the commit
	fault string
}

// drawGapRuns draws runs in the order of their times.
func drawGapRuns(t *rapid.T) (runs []gapRun) {
	hours := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Hour
	}
	now, end := at(1, 0), at(1, 0) // end is that of the last window
	for range rapid.IntRange(1, 12).Draw(t, "runs") {
		now = now.Add(hours("later", 24) / 2)
		if rapid.Bool().Draw(t, "pause") {
			now = now.Add(24 * hours("days", 10))
		}
		if rapid.IntRange(0, 39).Draw(t, "years later") == 39 {
			now = now.AddDate(6, 0, 0)
		}
		r := gapRun{now: now, observed: now.Add(-hours("late", 48)), other: rapid.Bool().Draw(t, "other"), fault: drawFault(t)}
		r.window.From = r.observed.Add(-hours("from", 200))
		if rapid.Bool().Draw(t, "near") {
			r.window.From = end.Add(hours("from the last window", 60) - 30*time.Hour)
		}
		r.window.To = r.window.From.Add(hours("length", 220))
		end = r.window.To
		r.kind = rapid.SampledFrom([]string{"response", "answer", "events", "accept"}).Draw(t, "kind")
		r.gap = rapid.IntRange(0, 5).Draw(t, "gap")
		r.answer = rapid.SampledFrom([]archive.AnswerKind{archive.AnswerWhole, archive.AnswerOther, archive.AnswerPart, archive.AnswerNotFound}).Draw(t, "answer")
		r.nextHour = rapid.IntRange(0, 23).Draw(t, "next hour")
		r.ids = rapid.SliceOfN(rapid.Int64Range(1, 3), 1, 3).Draw(t, "ids")
		if r.kind == "response" && rapid.Bool().Draw(t, "no events") {
			r.ids = nil
		}
		r.unreadable = rapid.Bool().Draw(t, "unreadable")
		runs = append(runs, r)
	}
	return runs
}

// gapHistory is an archive with the gaps that it has to have.
type gapHistory struct {
	*rapid.T
	t     *testing.T
	store *commitRecorder
	runs  []gapRun // that are still to come

	covered  time.Time              // zero if it is not known
	gaps     map[string]archive.Gap // by day and reason
	accepted map[string]bool        // days
	stored   map[int64]bool         // ids
}

// besideName is the name of an object whose day and the days beside it have the events 1 to 3.
const besideName = "events/2026/01/05/events-1700000000.jsonl"

// next makes the next run, and those that happen during it.
func (h *gapHistory) next() {
	r := h.runs[0]
	h.runs = h.runs[1:]
	day := archive.DateOf(r.now)
	if names := slices.Sorted(maps.Keys(h.gaps)); len(names) > 0 {
		day, _ = archive.ParseDate(h.gaps[names[r.gap%len(names)]].Day)
	}
	var s store.Store = h.store
	if r.unreadable {
		s = storetest.NewUnreadable(s, besideName, store.ErrDamaged)
	}
	faults := failing(s, r.fault, func() {
		if r.other && len(h.runs) > 0 {
			h.next()
		}
	})
	o := options()
	o.Now = func() time.Time { return r.now }
	b := archive.Batch{ObservedAt: r.observed}
	for _, id := range r.ids {
		b.Events = append(b.Events, archivetest.Event(id, int(id)+2, "first"))
	}
	var err error
	switch r.kind {
	case "response":
		b.Window = &r.window
		_, _, err = runWith(faults, o, b)
	case "answer":
		_, _, err = runWith(faults, o, archive.Batch{ObservedAt: r.observed, Answer: &archive.DayAnswer{Day: day, Kind: r.answer, NextHour: r.nextHour}})
	case "events":
		_, _, err = runWith(faults, o, b)
	case "accept":
		if h.store.last.Sequence == 0 {
			return
		}
		d := document(h.t, h.store)
		repair := archive.Repair{BasedOn: etag(h.t, h.store, archive.DocumentName), AcceptUnserved: true}
		repair.Document.SeenIDs, repair.Document.Fingerprints = d.SeenIDs, d.Fingerprints
		_, _, err = archive.NewWriter(faults, o).CommitRepair(h.t.Context(), repair)
	}
	faults.Release()
	refused := r.kind == "accept" && errors.Is(err, store.ErrPrecondition)
	if err != nil && !errors.Is(err, storetest.ErrCrashed) && !refused {
		h.Fatalf("%s: %v", r.kind, err)
	}
	if err == nil || h.store.last.ID == o.RunID {
		h.apply(r, day)
	}
}

// apply applies a run that has committed to the model.
func (h *gapHistory) apply(r gapRun, day archive.Date) {
	switch r.kind {
	case "response":
		shares := slices.ContainsFunc(r.ids, func(id int64) bool { return h.stored[id] })
		if !h.covered.IsZero() && (r.window.From.After(h.covered) || !shares && r.window.To.After(h.covered)) {
			last := archive.DateOf(polisen.InSweden(slices.MinFunc([]time.Time{r.observed, r.window.To}, time.Time.Compare)))
			first := archive.DateOf(polisen.InSweden(h.covered)).Previous()
			for n := 0; n < 2000 && first.Compare(last) <= 0; n++ { // the latest days
				delete(h.gaps, last.String()+" "+archive.Missed)
				h.add(last, archive.Missed)
				last = last.Previous()
			}
		}
		until := r.window.To
		if r.observed.Before(until) {
			until = r.observed
		}
		if until.After(h.covered) {
			h.covered = until
		}
		h.applyEvents(r)
	case "answer":
		for name, g := range h.gaps {
			counts := g.LastAttempt == nil || r.now.Sub(*g.LastAttempt).Abs() >= time.Hour || r.answer == archive.AnswerNotFound
			switch {
			case g.Day != day.String():
			case r.answer == archive.AnswerWhole:
				delete(h.gaps, name)
			case !g.Unserved:
				g.NextHour = max(g.NextHour, r.nextHour)
				if counts && r.answer != archive.AnswerPart {
					g.Attempts, g.LastAttempt = g.Attempts+1, &r.now
					g.Unserved = g.Attempts == 3 || r.answer == archive.AnswerNotFound
				}
				h.gaps[name] = g
			}
		}
	case "events":
		h.applyEvents(r)
	case "accept":
		for name, g := range h.gaps {
			if g.Unserved {
				delete(h.gaps, name)
				h.accepted[g.Day] = true
			}
		}
	}
}

// applyEvents applies the events of a run to the model.
func (h *gapHistory) applyEvents(r gapRun) {
	for _, id := range r.ids {
		day := archive.Date{Year: 2026, Month: 1, Day: int(id) + 3}
		h.stored[id] = h.stored[id] || !r.unreadable
		if !h.stored[id] {
			h.add(day, archive.Unreadable)
		}
		name := day.String() + " " + archive.Unreadable
		if g, ok := h.gaps[name]; ok {
			g.IDs, g.NextHour = []int64{id}, 0
			h.gaps[name] = g
			if h.stored[id] {
				delete(h.gaps, name)
			}
		}
	}
}

// add adds a gap unless there is one.
func (h *gapHistory) add(day archive.Date, reason string) {
	name := day.String() + " " + reason
	if _, ok := h.gaps[name]; !ok {
		h.gaps[name] = archive.Gap{Day: day.String(), Reason: reason}
	}
}

// gapTexts returns texts of gaps in alphabetical order.
func gapTexts(gaps []archive.Gap) (texts []string) {
	for _, g := range gaps {
		text := g.Day + " " + g.Reason
		if g.Attempts > 0 {
			text += fmt.Sprintf(", %d attempts until %v", g.Attempts, g.LastAttempt.UTC())
		}
		if g.Unserved {
			text += ", unserved"
		}
		if g.NextHour > 0 {
			text += fmt.Sprintf(", from hour %d", g.NextHour)
		}
		texts = append(texts, text+fmt.Sprint(", ids ", g.IDs))
	}
	slices.Sort(texts)
	return texts
}

// check compares the document with the model.
func (h *gapHistory) check() {
	d := document(h.t, h.store)
	want, got := gapTexts(slices.Collect(maps.Values(h.gaps))), gapTexts(d.Gaps)
	if !slices.Equal(want, got) { // cmp.Diff is slow even without a difference
		h.Fatalf("gaps (-want +got):\n%s", cmp.Diff(want, got))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(h.accepted)), d.AcceptedDays); diff != "" {
		h.Fatalf("accepted days (-want +got):\n%s", diff)
	}
	if got := d.CoveredUntil; (got == nil) != h.covered.IsZero() || got != nil && !got.Equal(h.covered) {
		h.Fatalf("covered until %v, want %v", got, h.covered)
	}
	open := make(map[string]bool)
	for _, g := range h.gaps {
		if !g.Unserved {
			open[g.Day] = true
		}
	}
	if days, _ := d.GapDays(); !slices.Equal(days, slices.Sorted(maps.Keys(open))) {
		h.Fatalf("open days %v, want %v", days, slices.Sorted(maps.Keys(open)))
	}
}

// TestAnyGaps checks any sequence of responses, answers for days, events that wait, and
// repairs, with conflicts and faults at the commit: the days that are gaps are those that
// may lack events, and no others.
func TestAnyGaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &gapHistory{
			T: rt, t: t, store: &commitRecorder{Store: memstore.New(), byRun: make(map[string]int)}, runs: drawGapRuns(rt),
			gaps: make(map[string]archive.Gap), accepted: make(map[string]bool), stored: make(map[int64]bool),
		}
		storetest.MustPut(t, h.store, besideName, "{}\n")
		for len(h.runs) > 0 {
			h.next()
			if h.store.last.Sequence > 0 {
				h.check()
			}
		}
		if len(h.store.wrong) > 0 {
			rt.Fatal(h.store.wrong)
		}
	})
}
