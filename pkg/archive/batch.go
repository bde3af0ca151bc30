package archive

import (
	"cmp"
	"slices"
	"time"

	"polisen-events-collector/pkg/polisen"
)

// Batch is what a Writer is to store: the items of one response, or of saved
// responses.
type Batch struct {
	Events   []polisen.Event
	Rejected []polisen.Rejected
	// ObservedAt is when the items were fetched.
	ObservedAt time.Time
	// Current says that these are the events the API shows now: their ids are
	// kept in the document before any others, since the next response will
	// hold most of them again.
	Current bool
}

// Outcome is what became of a batch.
type Outcome struct {
	// New, Revised and Rejected count the items that this run stored: first
	// versions, later versions, and what could not be an event.
	New, Revised, Rejected int
	// Seen counts the events that were stored already, repeats within the
	// batch apart, which Repeated counts.
	Seen, Repeated int
	// SeenRejected counts the rejected items that were stored already.
	SeenRejected int
	// Classes say what became of each event of the batch, in their order; of
	// batches together they are nil, and after an error some are zero.
	Classes []Class
	// LookedUp counts the events for which the archive itself was consulted.
	LookedUp int
	// Listed is the number of ids in the document when the batch was first
	// held against it, and Overlap the number of the batch's events among them.
	Listed, Overlap int
	// Objects are the data objects stored.
	Objects []Object
	// Rebuilt says that the document was missing, damaged or in the published
	// three-field format, and that this run wrote it in full.
	Rebuilt bool
	// DamagedCopy is the name of the object to which a damaged document was
	// copied before it was replaced; empty if there was none.
	DamagedCopy string
	// Conflicts counts the commits that failed because another run committed
	// first, UnknownOutcomes those whose result the store did not report, so
	// that the document had to be read again.
	Conflicts, UnknownOutcomes int
	// Warnings are for people, one line each.
	Warnings []string
}

// Plus returns what became of both batches together. Classes, Listed and
// Overlap say nothing of a sum.
func (o Outcome) Plus(p Outcome) Outcome {
	return Outcome{
		New: o.New + p.New, Revised: o.Revised + p.Revised, Rejected: o.Rejected + p.Rejected,
		Seen: o.Seen + p.Seen, Repeated: o.Repeated + p.Repeated, SeenRejected: o.SeenRejected + p.SeenRejected,
		LookedUp: o.LookedUp + p.LookedUp,
		Objects:  append(o.Objects, p.Objects...),
		Rebuilt:  o.Rebuilt || p.Rebuilt, DamagedCopy: cmp.Or(o.DamagedCopy, p.DamagedCopy),
		Conflicts: o.Conflicts + p.Conflicts, UnknownOutcomes: o.UnknownOutcomes + p.UnknownOutcomes,
		Warnings: append(o.Warnings, p.Warnings...),
	}
}

// Class is what becomes of an item of a batch.
type Class uint8

// The classes of an item. A rejected one is New or, as far as that is told,
// nothing.
const (
	undecided Class = iota
	New             // the first version of its event, or a rejected item
	Revised         // a later version
	Seen            // stored already
	Repeated        // shown before in the batch
)

// progress is how far the items of a batch are stored. An item is done once a
// commit that holds it is known to have happened.
type progress struct {
	Batch
	rejectedFingerprints []string
	repeats              []bool  // events whose id came before
	events, rejected     []Class // done
	lookedUp             map[int]bool
	screened             bool
	attempts             map[int64]*plan // commits with an unknown outcome, by sequence
	outcome              Outcome
}

func newProgress(b Batch) *progress {
	p := &progress{
		Batch:                b,
		rejectedFingerprints: make([]string, len(b.Rejected)),
		repeats:              make([]bool, len(b.Events)),
		events:               make([]Class, len(b.Events)),
		rejected:             make([]Class, len(b.Rejected)),
		lookedUp:             make(map[int]bool),
		attempts:             make(map[int64]*plan),
	}
	came := make(map[int64]struct{}, len(b.Events))
	for i, e := range b.Events {
		_, p.repeats[i] = came[e.ID]
		came[e.ID] = struct{}{}
	}
	for i, r := range b.Rejected {
		p.rejectedFingerprints[i] = polisen.Fingerprint(r.Raw)
	}
	return p
}

// credit marks what a commit of this run has stored.
func (p *progress) credit(plan *plan) {
	for i, c := range plan.events {
		if c == New || c == Revised {
			p.events[i] = c
		}
	}
	for i, c := range plan.rejected {
		if c == New {
			p.rejected[i] = c
		}
	}
	p.outcome.Objects = append(p.outcome.Objects, plan.objects...)
	p.outcome.Rebuilt = p.outcome.Rebuilt || plan.rebuild && !plan.first
}

// finish counts the items; last is the last decision on them, or nil if there
// was none.
func (p *progress) finish(last *plan) Outcome {
	o := p.outcome
	o.Classes = slices.Clone(p.events)
	for i, c := range p.events {
		if c == undecided && last != nil {
			c = last.events[i]
			o.Classes[i] = c
		}
		switch c {
		case New:
			o.New++
		case Revised:
			o.Revised++
		case Repeated:
			o.Repeated++
		case Seen:
			o.Seen++
		}
	}
	for _, c := range p.rejected {
		if c == New {
			o.Rejected++
		} else if last != nil {
			o.SeenRejected++
		}
	}
	o.LookedUp = len(p.lookedUp)
	return o
}
