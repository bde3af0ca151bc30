package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/text"
)

const (
	// maxWaiting is the maximum number of waiting items that a document's gaps name,
	// so that the document stays small.
	maxWaiting = 1000
	// maxMissed is the maximum number of days that one pause makes gaps, so that the
	// document stays small even if its last commit is decades old.
	maxMissed = 2000
	// maxAttempts is the number of counted attempts after which a gap is unserved.
	maxAttempts = 3
	// attemptInterval is the minimum time between two attempts that count, so that
	// an hour of faults in the API does not make a day unserved. Runs ask no sooner.
	attemptInterval = time.Hour
)

// ServedMonths is the number of months for which the API serves events, by our
// measurements. Queries for older days return no events.
const ServedMonths = 6

// Today returns the day that it is in Sweden at the time now.
func Today(now time.Time) Date { return DateOf(polisen.InSweden(now)) }

// ServedFrom returns the first day whose events the API probably serves at the time
// now.
func ServedFrom(now time.Time) Date {
	return DateOf(polisen.InSweden(now).AddDate(0, -ServedMonths, 0))
}

// ServedDays returns the days that the API probably serves at the time now: it leaves out
// those that are too old or in the future. The days are in ascending order, such as
// 2026-01-31. It leaves out texts that are not days, since the result becomes part of
// commands.
func ServedDays(days []string, now time.Time) (served []string) {
	for _, text := range days {
		if day, err := ParseDate(text); err == nil && day.Compare(ServedFrom(now)) >= 0 && day.Compare(Today(now)) <= 0 {
			served = append(served, text)
		}
	}
	return served
}

// Gap is a day whose events may be missing.
type Gap struct {
	Day    string `json:"day"`    // such as 2026-01-31
	Reason string `json:"reason"` // Unreadable or Missed
	// Since is the time at which the gap was found, in UTC.
	Since time.Time `json:"since"`
	// Unserved says that the API does not serve the day, so runs no longer ask for
	// it. An answer with the whole day still closes the gap.
	Unserved bool `json:"unserved,omitempty"`
	// Attempts is the number of queries for the day that did not return the whole day.
	// Only queries that are at least an hour apart count, and each answer of 404.
	// LastAttempt is the time of the last of these queries, or of one that returned the
	// day although items of the gap still wait, in UTC.
	Attempts    int        `json:"attempts,omitempty"`
	LastAttempt *time.Time `json:"last_attempt,omitempty"`
	// NextHour is the hour of the day with which the next queries begin. It is not zero
	// if the day has more events than a response can have, and if a run had no time to
	// ask for all of its hours.
	NextHour int `json:"next_hour,omitempty"`
	// IDs are the ids of the events that wait, and Hashes the fingerprints of the
	// rejected items. If there are more than a document names, both are empty.
	// Otherwise the gap closes when a run has decided on all of them.
	IDs    []int64  `json:"ids,omitempty"`
	Hashes []string `json:"hashes,omitempty"`
}

// names returns the number of waiting items that the gap names.
func (g Gap) names() int { return len(g.IDs) + len(g.Hashes) }

// AttemptCounts reports whether a query for the day at the time now counts as an
// attempt: the last one was at least an hour before.
func (g Gap) AttemptCounts(now time.Time) bool {
	// A time in the future, from a host whose clock is wrong, does not stop the count.
	return g.LastAttempt == nil || now.Sub(*g.LastAttempt).Abs() >= attemptInterval
}

func (g Gap) equal(h Gap) bool {
	return g.Day == h.Day && g.Reason == h.Reason && g.Since.Equal(h.Since) &&
		g.Unserved == h.Unserved && g.Attempts == h.Attempts && equalTimes(g.LastAttempt, h.LastAttempt) && g.NextHour == h.NextHour &&
		slices.Equal(g.IDs, h.IDs) && slices.Equal(g.Hashes, h.Hashes)
}

// equalTimes reports whether both times are nil or the same instant.
func equalTimes(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// The reasons of a gap. A day may have one gap for each reason.
const (
	// Unreadable is the reason of a gap whose events wait because an object that may
	// hold them cannot be read.
	Unreadable = "unreadable"
	// Missed is the reason of a gap whose events may never have been fetched, because
	// the second of two full responses does not reach back to the first.
	Missed = "missed"
)

// GapDays returns the days that are gaps, each once and in ascending order: those
// that runs can still close, and those that the API does not serve.
func (d *Document) GapDays() (open, unserved []string) {
	for _, g := range d.Gaps {
		days := &open
		if g.Unserved {
			days = &unserved
		}
		if n := len(*days); n == 0 || (*days)[n-1] != g.Day {
			*days = append(*days, g.Day)
		}
	}
	return open, unserved
}

// DayAnswer is the kind of answer that the API gave to the query for a whole day.
type DayAnswer struct {
	Day  Date // in Swedish local time
	Kind AnswerKind
	// NextHour is the first hour of the day whose events are not fetched, or wait; 0 if
	// there is none. See [Gap].
	NextHour int
}

// AnswerKind is a kind of answer to the query for a whole day.
type AnswerKind uint8

// The kinds of answers.
const (
	// AnswerWhole is an answer with all events of the day. It closes the day's gaps,
	// except one whose events still wait.
	AnswerWhole AnswerKind = iota + 1
	// AnswerOther is an answer that does not have the day: it is cut, mismatched or
	// empty, or there was no usable response. The third one makes the gap unserved. Of
	// answers within an hour only the first counts.
	AnswerOther
	// AnswerPart is an answer with all events of the day before NextHour. The run had
	// no time to ask for more. It does not count as an attempt.
	AnswerPart
	// AnswerNotFound is a 404. It makes the gap unserved at once.
	AnswerNotFound
)

// waitingItem identifies an item that waits for a later run: a version of an event, or a
// rejected item.
type waitingItem struct {
	id int64
	// version is the fingerprint of the event. It is empty if the run stores no revisions,
	// since all versions of an event then count as one.
	version string
	hash    string // the fingerprint of the rejected item; empty for an event
}

// name returns the item as gaps name it: without the version of an event.
func (i waitingItem) name() waitingItem { return waitingItem{id: i.id, hash: i.hash} }

// waitingEvent returns the item for an event that may wait.
func (w *Writer) waitingEvent(e polisen.Event) waitingItem {
	if !w.opts.Revisions {
		return waitingItem{id: e.ID}
	}
	return waitingItem{id: e.ID, version: e.Fingerprint}
}

// waitReason says why an item waits.
type waitReason struct {
	day Date  // the day that is a gap because of the item
	err error // of the object that cannot be read
}

// wait makes an item wait for a later run because of err.
func (p *plan) wait(date Date, item waitingItem, err error) {
	if _, ok := p.waiting[item]; !ok {
		p.waiting[item] = waitReason{date, err}
		p.newGaps[date] = append(p.newGaps[date], item.name())
	}
}

// names returns the names of the items.
func names[V any](items map[waitingItem]V) map[waitingItem]bool {
	named := make(map[waitingItem]bool, len(items))
	for item := range items {
		named[item.name()] = true
	}
	return named
}

// waitingAfter returns the items that wait in this run after the plan's commit, and why.
func (w *Writer) waitingAfter(p *plan) map[waitingItem]waitReason {
	waiting := maps.Clone(w.waiting)
	maps.DeleteFunc(waiting, func(item waitingItem, _ waitReason) bool { return p.decided[item] })
	maps.Copy(waiting, p.waiting)
	return waiting
}

// decideGaps sets the gaps of the next document and the time that it is covered
// until: the gaps of the last document without the items that the plan decides on,
// the days of the items that wait, the days that may have been missed, and the
// effect of an answer for a whole day.
func (w *Writer) decideGaps(p *plan, c *batchChange) {
	w.decideWaiting(p)
	p.coveredUntil = w.covered()
	if c.batch.Window != nil {
		w.decideMissed(p, c)
	}
	if answer := c.batch.Answer; answer != nil && !p.incomplete { // otherwise events of the day are not committed yet
		w.decideAnswer(p, *answer)
	}
	slices.SortStableFunc(p.gaps, func(a, b Gap) int { return strings.Compare(a.Day, b.Day) })
}

// covered returns the time that the document is covered until, or nil if it is not
// known. In an older format that is the time of the last commit; if it is in the
// future, the clock of the host was wrong.
func (w *Writer) covered() *time.Time {
	covered := w.doc.Covered()
	if now := w.now(); covered != nil && w.doc.CoveredUntil == nil && covered.After(now) {
		return &now
	}
	return covered
}

// now returns the current time in UTC, in whole seconds.
func (w *Writer) now() time.Time { return w.opts.Now().UTC().Truncate(time.Second) }

// decideMissed makes gaps of days if a full response does not reach back to the one
// before. Unless the batch needs another commit, it then raises the time that the document
// is covered until to the end of the response's window.
func (w *Writer) decideMissed(p *plan, c *batchChange) {
	window, until := *c.batch.Window, c.batch.Window.To
	if observed := c.batch.ObservedAt; observed.Before(until) {
		until = observed
	}
	if covered := p.coveredUntil; covered != nil {
		beginsLater := window.From.After(*covered)
		// A response has the events that were published last. Many of them may be dated
		// earlier, so that the window alone does not show that others are missing.
		sharesNone := !c.sharesEvent && window.To.After(*covered)
		if beginsLater || sharesNone {
			w.addMissed(p, *covered, until)
		}
	}
	if p.incomplete {
		return
	}
	until = until.UTC().Truncate(time.Second)
	if p.coveredUntil == nil || until.After(*p.coveredUntil) {
		p.coveredUntil = &until
	}
}

// addMissed makes gaps of the days from the one before that of covered, the time that the
// document is covered until, to that of until, the end of the window of a response.
func (w *Writer) addMissed(p *plan, covered, until time.Time) {
	// About 1 % of all events are published more than 7 hours late (API.md in package
	// polisen), so some of the day before may be missing too.
	first := Today(covered).Previous()
	// Of the last day, events before the window may be missing. The days after it, if the
	// response is later, are missed only if the window of a later response does not reach
	// back to the end of this one.
	last := Today(until)
	if oldest := last.AddDays(1 - maxMissed); first.Compare(oldest) < 0 {
		w.opts.Warn(slog.LevelWarn, fmt.Sprintf("events from %s to %s may be missing too, but %s records at most %d days of one pause as gaps; fetch them with backfill",
			first, oldest.Previous(), DocumentName, maxMissed))
		first = oldest
	}
	now := w.now()
	for day := first; day.Compare(last) <= 0; day = day.Next() {
		gap := Gap{Day: day.String(), Reason: Missed, Since: now}
		i := slices.IndexFunc(p.gaps, func(g Gap) bool { return g.Day == gap.Day && g.Reason == Missed })
		if i < 0 {
			p.gaps = append(p.gaps, gap)
			p.missed++
			continue
		}
		// What runs have learned about the day is older than this pause.
		if p.gaps[i].Unserved {
			p.missed++
		}
		p.gaps[i] = gap
	}
}

// decideAnswer closes the gaps of a day, or counts an attempt for them.
func (w *Writer) decideAnswer(p *plan, answer DayAnswer) {
	day := answer.Day.String()
	if answer.Kind == AnswerWhole {
		p.gaps = slices.DeleteFunc(p.gaps, func(g Gap) bool {
			return g.Day == day && !(g.Reason == Unreadable && w.stillWaits(p, g, answer.Day))
		})
	}
	now := w.now()
	for i := range p.gaps {
		if g := &p.gaps[i]; g.Day == day && !g.Unserved {
			g.NextHour = max(g.NextHour, answer.NextHour)
			if answer.Kind == AnswerWhole {
				g.NextHour = 0
			}
			g.attempt(now, answer.Kind)
		}
	}
}

// attempt counts a query that did not return the whole day. It only records the time of
// a query that did, although items of the gap still wait.
func (g *Gap) attempt(now time.Time, kind AnswerKind) {
	if kind == AnswerPart || !g.AttemptCounts(now) && kind != AnswerNotFound {
		return
	}
	g.LastAttempt = &now
	if kind == AnswerWhole {
		return
	}
	g.Attempts++
	g.Unserved = g.Attempts >= maxAttempts || kind == AnswerNotFound
}

// stillWaits reports whether items of a gap with the reason Unreadable wait in this
// run: items that the gap names, or any items of its day, since a gap does not name them if
// they are too many.
func (w *Writer) stillWaits(p *plan, g Gap, day Date) bool {
	for item, reason := range w.waitingAfter(p) {
		named := item.hash == "" && slices.Contains(g.IDs, item.id) || item.hash != "" && slices.Contains(g.Hashes, item.hash)
		if named || reason.day == day {
			return true
		}
	}
	return false
}

// decideWaiting sets the gaps to those of the last document, without the items that
// the plan decides on, and adds the days of the items that wait.
func (w *Writer) decideWaiting(p *plan) {
	waiting, decided := names(w.waitingAfter(p)), names(p.decided)
	waits := func(name waitingItem) bool {
		isListed := name.hash == "" && len(w.listed[name.id]) > 0
		return waiting[name] || !decided[name] && !isListed
	}
	named := 0
	for _, g := range w.doc.Gaps {
		if g.Reason == Unreadable && g.names() > 0 {
			g.IDs = slices.DeleteFunc(slices.Clone(g.IDs), func(id int64) bool { return !waits(waitingItem{id: id}) })
			g.Hashes = slices.DeleteFunc(slices.Clone(g.Hashes), func(hash string) bool { return !waits(waitingItem{hash: hash}) })
			if g.names() == 0 {
				continue
			}
		}
		named += g.names()
		p.gaps = append(p.gaps, g)
	}
	for _, date := range slices.SortedFunc(maps.Keys(p.newGaps), Date.Compare) {
		i := slices.IndexFunc(p.gaps, func(g Gap) bool { return g.Day == date.String() && g.Reason == Unreadable })
		if i < 0 {
			i = len(p.gaps)
			p.gaps = append(p.gaps, Gap{Day: date.String(), Reason: Unreadable, Since: w.now()})
		} else if p.gaps[i].names() == 0 {
			continue
		}
		g := &p.gaps[i]
		g.NextHour = 0 // the items may be of any hour
		named -= g.names()
		for _, item := range p.newGaps[date] {
			switch {
			case item.hash == "" && !slices.Contains(g.IDs, item.id):
				g.IDs = append(g.IDs, item.id)
			case item.hash != "" && !slices.Contains(g.Hashes, item.hash):
				g.Hashes = append(g.Hashes, item.hash)
			}
		}
		slices.Sort(g.IDs)
		slices.Sort(g.Hashes)
		if named += g.names(); named > maxWaiting {
			named -= g.names()
			g.IDs, g.Hashes = nil, nil
		}
	}
}

// Unfinished returns the error of a run that has stored all it could, but could
// not read single objects: a pending object, or objects that may hold events of
// the batches. It names the first of these objects and the number of items that
// wait. It is nil if nothing is unfinished. Call it after [Writer.Flush].
func (w *Writer) Unfinished() error {
	var errs []error
	for _, o := range w.held {
		errs = append(errs, o.err)
	}
	events, rejected := make(map[int64]struct{}), 0 // several versions of an event may wait
	for item, reason := range w.waiting {
		errs = append(errs, reason.err)
		if item.hash != "" {
			rejected++
		} else {
			events[item.id] = struct{}{}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	errs = slices.CompactFunc(errs, func(a, b error) bool { return a.Error() == b.Error() })
	err := errs[0]
	if errors.Is(err, store.ErrAccess) { // one forbidden object is not a store without access
		err = errors.New(err.Error())
	}
	var effects []string
	if n := len(errs) - 1; n > 0 {
		effects = append(effects, text.Count(n, "other object")+" unreadable too")
	}
	if len(w.held) > 0 {
		effects = append(effects, text.Count(len(w.held), "object")+" of the last commits kept in "+DocumentName)
	}
	if n := len(events); n > 0 {
		effects = append(effects, text.Count(n, "event")+" waiting")
	}
	if rejected > 0 {
		effects = append(effects, text.Count(rejected, "rejected item")+" waiting")
	}
	return fmt.Errorf("%w; everything else is stored (%s); restore, replace or move the object, and the next run stores the rest", err, strings.Join(effects, ", "))
}
