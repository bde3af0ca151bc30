package simtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Kind is the kind of a step.
type Kind string

// The kinds of steps. The first ones start a process.
const (
	Collect  Kind = "collect"
	Backfill Kind = "backfill" // of the last days, from the API
	Import   Kind = "import"   // a backfill of a saved response
	Repair   Kind = "repair"

	StepClock   Kind = "step the clock"
	Reboot      Kind = "reboot"
	CheckHealth Kind = "health check"
)

// Step is one step of a history.
type Step struct {
	// ID is unique in the plan. The times and the faults of the step's calls follow from
	// it, so that they stay the same if other steps are left out.
	ID int
	// At is the time after the start of the history.
	At   time.Duration
	Kind Kind
	Host int
	// Trouble is the share of the step's calls of the store that fail, and APITrouble that
	// of its calls of the API.
	Trouble, APITrouble float64
	// Kill is the time after which the process is killed; zero if it is not.
	Kill time.Duration
	// By is the change of a clock.
	By time.Duration
}

// String returns a line for a trace.
func (s Step) String() string {
	text := fmt.Sprintf("step %d: %s", s.ID, s.Kind)
	switch s.Kind {
	case Collect, Backfill, Import, Repair, StepClock, Reboot:
		text += fmt.Sprintf(" on host %d", s.Host)
	}
	if s.Trouble > 0 {
		text += fmt.Sprintf(", %.0f %% of the calls of the store fail", 100*s.Trouble)
	}
	if s.APITrouble > 0 {
		text += fmt.Sprintf(", %.0f %% of those of the API", 100*s.APITrouble)
	}
	if s.Kill > 0 {
		text += fmt.Sprintf(", killed after %v", s.Kill)
	}
	if s.By != 0 {
		text += fmt.Sprintf(" by %v", s.By)
	}
	return text
}

// Plan is all that a history depends on.
type Plan struct {
	Seed  uint64
	Steps []Step // in the order of their times
	// Clocks are the errors of the clocks of the hosts.
	Clocks []time.Duration
	// Without are faults that do not happen; see [Result.Faults].
	Without map[string]bool

	// Bulk is the number of notices that arrive at once, Revised the share of notices
	// that are revised (zero: as measured), Moved the share of revisions with another time,
	// and Damaged the share of items that are no valid events.
	Bulk                    int
	Revised, Moved, Damaged float64
}

// NewPlan returns the plan of a seed.
func NewPlan(seed uint64) Plan {
	d := draw(hashOf(seed, "plan"))
	p := Plan{Seed: seed, Clocks: make([]time.Duration, 1+d.pick(3))}
	for i := range p.Clocks {
		if d.chance(0.3) {
			p.Clocks[i] = time.Duration(1-2*d.pick(2)) * d.between(time.Second, 8*time.Hour)
		}
	}
	if d.chance(0.2) {
		p.Bulk = 100 + d.pick(150)
	}
	if d.chance(0.4) {
		p.Revised = 0.3
	}
	if d.chance(0.4) {
		p.Revised, p.Moved = 0.3, 0.5
	}
	if d.chance(0.3) {
		p.Damaged = 0.01
	}
	trouble := []float64{0, 0.01, 0.05, 0.2}[d.pick(4)]
	apiTrouble := []float64{0, 0.02, 0.1, 0.5}[d.pick(4)]
	kills := []float64{0, 0.1, 0.4}[d.pick(3)]
	kinds := []Kind{Collect}
	if d.chance(0.3) {
		kinds = append(kinds, Backfill)
	}
	if d.chance(0.3) {
		kinds = append(kinds, Import)
	}
	if d.chance(0.4) {
		kinds = append(kinds, Repair)
	}
	var changes []Kind
	all, later := disturbances()
	for _, kind := range all {
		if d.chance(0.15) {
			changes = append(changes, kind)
		}
	}
	steps := d.chance(0.2)
	pauses := d.chance(0.5)

	at := time.Duration(0)
	add := func(s Step) {
		s.ID = len(p.Steps) + 1
		p.Steps = append(p.Steps, s)
	}
	for range 4 + d.pick(10) {
		for range 1 + d.pick(3) {
			s := Step{Kind: Collect, Host: d.pick(len(p.Clocks)), Trouble: trouble, APITrouble: apiTrouble}
			if d.chance(0.3) {
				s.Kind = kinds[d.pick(len(kinds))]
			}
			if d.chance(kills) {
				s.Kill = d.between(time.Millisecond, 20*time.Second)
			}
			s.At = at + d.between(time.Millisecond, []time.Duration{100 * time.Millisecond, 10 * time.Second}[d.pick(2)])
			add(s)
		}
		for range d.pick(4) {
			add(Step{Kind: CheckHealth, At: at + d.between(100*time.Millisecond, 2*maxAge)})
		}
		if steps && d.chance(0.3) {
			add(Step{Kind: StepClock, Host: d.pick(len(p.Clocks)), At: at + d.between(time.Second, 5*time.Minute), By: time.Duration(1-2*d.pick(2)) * d.between(time.Second, 8*time.Hour)})
		}
		if d.chance(0.05) {
			add(Step{Kind: Reboot, Host: d.pick(len(p.Clocks)), At: at + 10*time.Minute})
		}
		if len(changes) > 0 && d.chance(0.5) {
			change := Step{Kind: changes[d.pick(len(changes))], At: at + d.between(time.Minute, 3*time.Hour)}
			if d.chance(0.5) { // the first process that meets the change
				kind := Backfill
				if change.Kind == Copy {
					kind = Repair
				}
				add(Step{Kind: kind, Host: d.pick(len(p.Clocks)), Trouble: trouble, At: change.At + d.between(time.Second, 10*time.Minute)})
			}
			add(change)
			if then, ok := later[change.Kind]; ok {
				add(Step{Kind: then, At: change.At + d.between(time.Minute, 2*24*time.Hour)})
			}
		}
		switch f := d.next(); {
		case f < 0.3:
			at += d.between(30*time.Second, 30*time.Minute)
		case f < 0.85:
			at += d.between(30*time.Minute, 12*time.Hour)
		case f < 0.9 || !pauses:
			at += d.between(12*time.Hour, 3*24*time.Hour)
		default:
			at += d.between(6*24*time.Hour, 16*24*time.Hour)
		}
	}
	// No two steps begin at the same moment.
	slices.SortFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return p
}

// length returns the time of the last step.
func (p Plan) length() (last time.Duration) {
	for _, s := range p.Steps {
		last = max(last, s.At)
	}
	return last
}
