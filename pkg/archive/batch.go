package archive

import (
	"cmp"
	"context"
	"slices"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Batch is a set of items for a [Writer] to store: those of one API response,
// or some of the items of saved responses.
type Batch struct {
	Events   []polisen.Event
	Rejected []polisen.Rejected
	// ObservedAt is the time at which the items were fetched, except for rejected items that
	// have a time of their own.
	ObservedAt time.Time
	// EarlierDates are dates of earlier versions of some of the events, by their ids. A
	// lookup of such an event also reads the partitions of this date and of the days
	// beside it.
	EarlierDates map[int64]Date
	// Current says that the API returns these events now. The document then lists
	// their ids before any others, because the next response will contain most of
	// them again.
	Current bool
	// Window is the window of the batch if it is a full, unfiltered response of the
	// API and its window is at most [polisen.MaxWindow] long; otherwise nil, also for
	// saved responses. If it begins after the time that the document is covered
	// until, or ends after it while no event of the batch is stored already, some days
	// become gaps (see "Gaps" in PROTOCOL.md). The commit then moves the time that the
	// document is covered until to the window's end, or to ObservedAt if that is earlier.
	// It never moves it back.
	Window *polisen.Window
	// Answer, if not nil, is the kind of answer that the batch is to the query for a
	// whole day. It closes or counts against the gaps of the day. If the day is no
	// gap, it changes nothing.
	Answer *DayAnswer
}

// observedAt returns the time at which rejected item i was fetched, in UTC. A time whose
// year cannot be in an object's name does not count.
func (b Batch) observedAt(i int) time.Time {
	own := b.Rejected[i].ObservedAt.UTC()
	if own.IsZero() || own.Year() < 1 || own.Year() > 9999 {
		return b.ObservedAt.UTC()
	}
	return own
}

// lookUpDates returns the dates to look up for event i, apart from the days beside them.
func (b Batch) lookUpDates(i int) []Date {
	e := b.Events[i]
	dates := []Date{DateOf(e.Time)}
	if earlier, ok := b.EarlierDates[e.ID]; ok {
		dates = append(dates, earlier)
	}
	return dates
}

// Outcome describes how a batch was stored.
type Outcome struct {
	// New, Revised and Rejected count the items that this run stored: first
	// versions of events, later versions, and items that could not be an event.
	New, Revised, Rejected int
	// Seen counts the events that were stored already. Repeated counts the events
	// that add nothing to an earlier event of the batch with the same id.
	Seen, Repeated int
	// SeenRejected counts the rejected items that were stored already.
	SeenRejected int
	// Waiting counts the events and rejected items that wait for a later run,
	// because an object that may hold them cannot be read.
	Waiting int
	// Classes are the classes of the batch's events, in the order of the batch.
	// They are nil in the sum of several outcomes. After an error the class of an
	// event may be zero.
	Classes []Class
	// Before has for each event of the class Revised the number of its versions that were
	// stored before, as far as the run had to look them up. For other events it has 0. It
	// is nil in the sum of several outcomes.
	Before []int
	// NewGaps counts the days that this run has made gaps of the reason [Missed].
	NewGaps int
	// LookedUp counts the events that needed a lookup in the archive.
	LookedUp int
	// Objects are the data objects of this run's commits.
	Objects []Object
	// Rebuilt says that the document was missing, damaged or in the published
	// three-field format, and that this run wrote it in full.
	Rebuilt bool
	// DamagedCopy is the name of the object to which a damaged document was
	// copied before it was replaced; empty if there was none.
	DamagedCopy string
	// Conflicts counts the commits that failed because another run committed
	// first. UnknownOutcomes counts those whose outcome the store did not report,
	// so that the document had to be read again.
	Conflicts, UnknownOutcomes int
}

// Plus returns the sum of two outcomes, without Classes and Before.
func (o Outcome) Plus(p Outcome) Outcome {
	return Outcome{
		New: o.New + p.New, Revised: o.Revised + p.Revised, Rejected: o.Rejected + p.Rejected,
		Seen: o.Seen + p.Seen, Repeated: o.Repeated + p.Repeated, SeenRejected: o.SeenRejected + p.SeenRejected,
		Waiting: o.Waiting + p.Waiting, NewGaps: o.NewGaps + p.NewGaps, LookedUp: o.LookedUp + p.LookedUp,
		Objects: append(o.Objects, p.Objects...),
		Rebuilt: o.Rebuilt || p.Rebuilt, DamagedCopy: cmp.Or(o.DamagedCopy, p.DamagedCopy),
		Conflicts: o.Conflicts + p.Conflicts, UnknownOutcomes: o.UnknownOutcomes + p.UnknownOutcomes,
	}
}

// Class says how an event of a batch was stored.
type Class uint8

// The classes of an event.
const (
	undecided Class = iota
	New             // stored as the first version of its event
	Revised         // stored as a later version
	Seen            // stored already
	Repeated        // adds nothing to an earlier event of the batch with its id
	Waiting         // not stored by this run, because an object that may hold it cannot be read
)

// batchChange is the [change] that stores a batch. It keeps track of the items
// that commits of this run have stored so far.
type batchChange struct {
	batch          Batch
	rejectedHashes []string // the fingerprints of batch.Rejected
	repeated       []bool   // by event: an earlier event of the batch has the same id

	committedEvents   []Class // by event: New or Revised if this run has committed it
	before            []int   // by event: the number of versions before it, if it is Revised
	committedRejected []bool  // by rejected item: this run has committed it

	plans map[Commit]*plan // the plan behind each commit that was tried
	last  *plan            // the plan that left nothing undecided; nil before there is one

	lookedUp map[int]bool // the indexes of the events that needed a lookup
	// sharesEvent says that an event of the batch was stored already, by another commit than
	// those of this change.
	sharesEvent bool
	outcome     Outcome
}

func newBatchChange(b Batch) *batchChange {
	c := &batchChange{
		batch:             b,
		rejectedHashes:    make([]string, len(b.Rejected)),
		repeated:          make([]bool, len(b.Events)),
		committedEvents:   make([]Class, len(b.Events)),
		before:            make([]int, len(b.Events)),
		committedRejected: make([]bool, len(b.Rejected)),
		plans:             make(map[Commit]*plan),
		lookedUp:          make(map[int]bool),
	}
	ids := make(map[int64]struct{}, len(b.Events))
	for i, e := range b.Events {
		_, c.repeated[i] = ids[e.ID]
		ids[e.ID] = struct{}{}
	}
	for i, r := range b.Rejected {
		c.rejectedHashes[i] = polisen.Fingerprint(r.JSON())
	}
	return c
}

// next implements [change]: steps 3 and 4 of the protocol.
func (c *batchChange) next(ctx context.Context, w *Writer) (*Document, error) {
	done := w.opts.Stage(StageDedup)
	p, err := w.decide(ctx, c)
	done()
	if err != nil {
		return nil, err
	}
	if p.empty(w) {
		c.last = p
		return nil, nil
	}
	w.build(p, c.batch)
	c.plans[*p.next.Commit] = p
	return p.next, nil
}

// committed implements [change].
func (c *batchChange) committed(w *Writer, commit Commit) (complete bool) {
	p := c.plans[commit]
	delete(c.plans, commit) // it holds the whole document
	for i, class := range p.eventClasses {
		if class == New || class == Revised {
			c.committedEvents[i], c.before[i] = class, p.before[i]
			e := c.batch.Events[i]
			kind := Events
			if class == Revised {
				kind = Revisions
			}
			w.index.addCommitted(objectLine{kind: kind, Line: eventLine(e)})
		}
	}
	for i, isNew := range p.newRejected {
		if isNew {
			c.committedRejected[i] = true
			w.index.rejected[c.rejectedHashes[i]] = true
		}
	}
	for _, l := range p.again {
		w.index.addCommitted(l)
	}
	c.outcome.NewGaps += p.missed
	c.outcome.Objects = append(c.outcome.Objects, p.objects...)
	c.outcome.Rebuilt = c.outcome.Rebuilt || p.rebuild && !p.newArchive
	if p.incomplete {
		return false
	}
	c.last = p
	return true
}

// result returns the outcome of the change. If the change failed, it counts
// only the items that are known to be committed.
func (c *batchChange) result() Outcome {
	o := c.outcome
	o.Classes = slices.Clone(c.committedEvents)
	o.Before = slices.Clone(c.before)
	for i, class := range o.Classes {
		if class == undecided && c.last != nil {
			class = c.last.eventClasses[i]
			o.Classes[i] = class
		}
		switch class {
		case New:
			o.New++
		case Revised:
			o.Revised++
		case Seen:
			o.Seen++
		case Repeated:
			o.Repeated++
		case Waiting:
			o.Waiting++
		}
	}
	for i, committed := range c.committedRejected {
		switch {
		case committed:
			o.Rejected++
		case c.last == nil:
		case c.last.waitingRejected[i]:
			o.Waiting++
		default:
			o.SeenRejected++
		}
	}
	o.LookedUp = len(c.lookedUp)
	return o
}
