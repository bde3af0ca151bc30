package simtest

import (
	"maps"
	"slices"
	"testing"
)

// Shrink looks for the shortest history with a violation that it can find, by leaving out
// steps and faults of a history with one. It plays at most that many histories.
func Shrink(t *testing.T, p Plan, wrap Wrap, most int) (Plan, Result) {
	s := &shrinking{t: t, wrap: wrap, plan: p, left: most}
	s.best = Play(t, p, true, wrap)
	for before := -1; before != s.size() && !s.isOver(); {
		before = s.size()
		s.leaveOutSteps()
		s.leaveOutFaults()
		s.simplify()
	}
	return s.plan, s.best
}

// shrinking is the state of a Shrink.
type shrinking struct {
	t    *testing.T
	wrap Wrap
	plan Plan
	best Result // of plan
	left int    // the number of histories that it may still play
}

func (s *shrinking) isOver() bool { return s.left <= 0 }

// size returns the number of things that could still be left out.
func (s *shrinking) size() int { return len(s.plan.Steps) + len(s.best.Faults) }

// try plays a simpler plan, and keeps it if it has a violation too.
func (s *shrinking) try(p Plan) bool {
	if s.isOver() {
		return false
	}
	s.left--
	r := Play(s.t, p, true, s.wrap)
	if r.Violation == "" {
		return false
	}
	s.plan, s.best = p, r
	return true
}

// leaveOutSteps leaves out groups of steps, large ones first.
func (s *shrinking) leaveOutSteps() {
	for n := max(len(s.plan.Steps)/2, 1); n > 0; n /= 2 {
		for from := 0; from < len(s.plan.Steps); {
			p := s.plan
			p.Steps = slices.Delete(slices.Clone(p.Steps), from, min(from+n, len(p.Steps)))
			if !s.try(p) {
				from += n
			}
		}
	}
}

// leaveOutFaults leaves out groups of faults, large ones first.
func (s *shrinking) leaveOutFaults() {
	for n := len(s.best.Faults); n > 0; n /= 2 {
		for from := 0; from < len(s.best.Faults); {
			p := s.plan
			p.Without = make(map[string]bool)
			maps.Copy(p.Without, s.plan.Without)
			for _, id := range s.best.Faults[from:min(from+n, len(s.best.Faults))] {
				p.Without[id] = true
			}
			if !s.try(p) {
				from += n
			}
		}
	}
}

// simplify leaves out kills, errors of clocks and unusual notices.
func (s *shrinking) simplify() {
	for i, step := range s.plan.Steps {
		if step.Kill > 0 {
			p := s.plan
			p.Steps = slices.Clone(p.Steps)
			p.Steps[i].Kill = 0
			s.try(p)
		}
	}
	for i, clock := range s.plan.Clocks {
		if clock != 0 {
			p := s.plan
			p.Clocks = slices.Clone(p.Clocks)
			p.Clocks[i] = 0
			s.try(p)
		}
	}
	p := s.plan
	if p.Bulk > 0 || p.Damaged > 0 {
		p.Bulk, p.Damaged = 0, 0
		s.try(p)
	}
	if p = s.plan; p.Revised > 0 || p.Moved > 0 {
		p.Revised, p.Moved = 0, 0
		s.try(p)
	}
}
