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

// planner makes the plan of a seed.
type planner struct {
	draw
	Plan
	trouble, apiTrouble float64 // of each process
	kills               float64 // share of the processes that are killed
	kinds               []Kind  // of processes
	changes             []Kind  // of the archive
	clockSteps, pauses  bool
}

// NewPlan returns the plan of a seed.
func NewPlan(seed uint64) Plan {
	p := &planner{draw: draw(hashOf(seed, "plan")), Plan: Plan{Seed: seed}}
	p.choose()
	at := time.Duration(0)
	for range 4 + p.pick(10) {
		p.addSteps(at)
		at += p.interval()
	}
	// No two steps begin at the same moment.
	slices.SortFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return p.Plan
}

// choose chooses what is special in the history.
func (p *planner) choose() {
	p.Clocks = make([]time.Duration, 1+p.pick(3))
	for i := range p.Clocks {
		if p.chance(0.3) {
			p.Clocks[i] = p.sign() * p.between(time.Second, 8*time.Hour)
		}
	}
	if p.chance(0.2) {
		p.Bulk = 100 + p.pick(150)
	}
	if p.chance(0.4) {
		p.Revised = 0.3
	}
	if p.chance(0.4) {
		p.Revised, p.Moved = 0.3, 0.5
	}
	if p.chance(0.3) {
		p.Damaged = 0.01
	}
	p.trouble = []float64{0, 0.01, 0.05, 0.2}[p.pick(4)]
	p.apiTrouble = []float64{0, 0.02, 0.1, 0.5}[p.pick(4)]
	p.kills = []float64{0, 0.1, 0.4}[p.pick(3)]
	p.kinds = []Kind{Collect}
	for _, k := range []struct {
		kind  Kind
		share float64
	}{{Backfill, 0.3}, {Import, 0.3}, {Repair, 0.4}} {
		if p.chance(k.share) {
			p.kinds = append(p.kinds, k.kind)
		}
	}
	all, _ := disturbances()
	for _, kind := range all {
		if p.chance(0.15) {
			p.changes = append(p.changes, kind)
		}
	}
	p.clockSteps, p.pauses = p.chance(0.2), p.chance(0.5)
	// With a clock that is behind, or many events that are dated earlier later on, more are
	// a limit: see PROTOCOL.md of package archive.
	if p.Bulk > 0 && p.Moved == 0 && !p.clockSteps && p.startsRight() {
		p.Bulk += p.pick(250)
	}
}

// sign returns 1 or -1.
func (d *draw) sign() time.Duration { return time.Duration(1 - 2*d.pick(2)) }

func (p *planner) add(s Step) {
	s.ID = len(p.Steps) + 1
	p.Steps = append(p.Steps, s)
}

// addSteps adds processes that work at the same time from at on, and other steps soon
// after them.
func (p *planner) addSteps(at time.Duration) {
	for range 1 + p.pick(3) {
		s := Step{Kind: Collect, Host: p.pick(len(p.Clocks)), Trouble: p.trouble, APITrouble: p.apiTrouble}
		if p.chance(0.3) {
			s.Kind = p.kinds[p.pick(len(p.kinds))]
		}
		if p.chance(p.kills) {
			s.Kill = p.between(time.Millisecond, 20*time.Second)
		}
		s.At = at + p.between(time.Millisecond, []time.Duration{100 * time.Millisecond, 10 * time.Second}[p.pick(2)])
		p.add(s)
	}
	for range p.pick(4) {
		p.add(Step{Kind: CheckHealth, At: at + p.between(100*time.Millisecond, 2*maxAge)})
	}
	if p.clockSteps && p.chance(0.3) {
		p.add(Step{Kind: StepClock, Host: p.pick(len(p.Clocks)), At: at + p.between(time.Second, 5*time.Minute), By: p.sign() * p.between(time.Second, 8*time.Hour)})
	}
	if p.chance(0.05) {
		p.add(Step{Kind: Reboot, Host: p.pick(len(p.Clocks)), At: at + 10*time.Minute})
	}
	if len(p.changes) > 0 && p.chance(0.5) {
		p.addChange(at)
	}
}

// addChange adds a change of the archive.
func (p *planner) addChange(at time.Duration) {
	change := Step{Kind: p.changes[p.pick(len(p.changes))], At: at + p.between(time.Minute, 3*time.Hour)}
	if p.chance(0.5) { // the first process that meets the change
		kind := Backfill
		if change.Kind == Copy {
			kind = Repair
		}
		p.add(Step{Kind: kind, Host: p.pick(len(p.Clocks)), Trouble: p.trouble, At: change.At + p.between(time.Second, 10*time.Minute)})
	}
	p.add(change)
	_, later := disturbances()
	if then, ok := later[change.Kind]; ok {
		p.add(Step{Kind: then, At: change.At + p.between(time.Minute, 2*24*time.Hour)})
	}
}

// interval returns the time to the next processes.
func (p *planner) interval() time.Duration {
	switch f := p.next(); {
	case f < 0.3:
		return p.between(30*time.Second, 30*time.Minute)
	case f < 0.85:
		return p.between(30*time.Minute, 12*time.Hour)
	case f < 0.9 || !p.pauses:
		return p.between(12*time.Hour, 3*24*time.Hour)
	default:
		return p.between(6*24*time.Hour, 16*24*time.Hour)
	}
}

// startsRight reports whether the clocks of all hosts are right at the start.
func (p Plan) startsRight() bool {
	return !slices.ContainsFunc(p.Clocks, func(d time.Duration) bool { return d != 0 })
}

// length returns the time of the last step.
func (p Plan) length() (last time.Duration) {
	for _, s := range p.Steps {
		last = max(last, s.At)
	}
	return last
}
