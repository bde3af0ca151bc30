package ratelimit

import (
	"slices"
	"time"

	"polisen-events-collector/pkg/retry"
)

// reading is what the clocks of the machine show.
type reading struct {
	wall time.Time     // the time of day, in UTC; it may be wrong
	boot string        // the id of the machine's start; empty if the system does not know it
	up   time.Duration // the time since the machine started
}

func read(c retry.Clock) reading {
	r := reading{wall: c.Now().Round(0).UTC()}
	if b, ok := c.(retry.BootClock); ok {
		r.boot, r.up = b.Boot()
	}
	return r
}

// clock is the clock by which the limits are kept, since the wall clock may be
// wrong for a while. The file holds it, so all processes continue the same one.
// It begins with the wall clock's time and never goes back.
//
// Where the system knows when the machine started, the clock is exact between two
// starts, and a restart counts as no longer than the time since then. So it never
// runs ahead of true time, and it may run late by the time the machine was off. The
// next answer of the API says how long that was; see [state.answered].
//
// Elsewhere the clock follows the wall clock, but not back. If the wall clock
// reaches again a time from which it went back, the clock does not know how much
// of the time in between has passed since the last reading, and counts none of it.
// If the wall clock was ahead, this clock is ahead too; for that case each [call]
// has its wall time.
type clock struct {
	Now  time.Time     `json:"now"`           // this clock's time at the last reading
	Wall time.Time     `json:"wall"`          // the last reading
	Boot string        `json:"boot,omitzero"` // the last reading
	Up   time.Duration `json:"up_ns,omitzero"`
	// Backward are the last readings before the wall clock went back, as far as it
	// has not reached those times again.
	Backward []pair `json:"backward,omitempty"`
	// Answer is the last answer of the API; its wall time is the API's.
	Answer pair `json:"answer,omitzero"`
	// Restart is the time of the last reading before the machine's first restart
	// since Answer; zero if there was none.
	Restart time.Time `json:"restart,omitzero"`
}

// pair is the times of two clocks at the same moment.
type pair struct {
	Now  time.Time `json:"now"` // of the clock type
	Wall time.Time `json:"wall"`
}

// maxBackward is the number of readings in [clock.Backward]. If somebody sets the clock to
// random times all day, there are fewer.
const maxBackward = 100

// oldAnswer is the age from which an answer counts as an old one, from a cache for example.
// No call takes that long.
const oldAnswer = 2 * time.Minute

// advance sets the clock to the time of r.
func (s *state) advance(r reading) {
	c := &s.Clock
	switch {
	case c.Now.IsZero():
		c.Now = r.wall
	case r.boot != "" && r.boot == c.Boot:
		c.Now = c.Now.Add(max(r.up-c.Up, 0))
	case r.boot != "":
		if c.Restart.IsZero() {
			c.Restart = c.Now
		}
		c.Now = c.Now.Add(min(s.sinceByWall(r.wall), r.up))
	default:
		c.Now = c.Now.Add(s.sinceByWall(r.wall))
	}
	c.Wall, c.Boot, c.Up = r.wall, r.boot, r.up
}

// sinceByWall returns the time since the last reading by the wall clock.
func (s *state) sinceByWall(wall time.Time) time.Duration {
	c := &s.Clock
	if wall.Before(c.Wall) {
		c.Backward = append(c.Backward[max(len(c.Backward)-maxBackward+1, 0):], pair{c.Now, c.Wall})
		for i := range s.Calls {
			if s.Calls[i].Wall.After(wall) { // it was ahead then, or is behind now
				s.Calls[i].Wall = time.Time{}
			}
		}
		return 0
	}
	since := wall.Sub(c.Wall)
	for i, p := range slices.Backward(c.Backward) {
		if wall.Before(p.Wall) {
			continue
		}
		since = 0
		// The times up to p are earlier by what passed after it and was not counted.
		if missed := wall.Sub(p.Wall) - c.Now.Sub(p.Now); missed > 0 && c.Boot == "" {
			s.moveBack(p.Now, missed)
		}
		c.Backward = slices.Delete(c.Backward, i, i+1)
	}
	return since
}

// moveBack makes all times up to upTo earlier by d.
func (s *state) moveBack(upTo time.Time, d time.Duration) {
	for i := range s.Calls {
		if c := &s.Calls[i]; !c.At.After(upTo) {
			c.At = c.At.Add(-d)
		}
	}
	for i := range s.Clock.Backward {
		if p := &s.Clock.Backward[i]; !p.Now.After(upTo) {
			p.Now = p.Now.Add(-d)
		}
	}
}

// answered notes an answer of the API, whose clock showed date, to a call that
// began at the time began. If the machine restarted since the last answer, it
// corrects the earlier times by the time that the machine was off.
func (s *state) answered(began, date time.Time) {
	c := &s.Clock
	if c.Boot == "" || date.IsZero() {
		return
	}
	known, answer, restart := c.Answer, pair{began, date}, c.Restart
	if !known.Now.IsZero() {
		behind := known.ahead() - answer.ahead()
		if behind > oldAnswer || behind > 0 && restart.IsZero() { // the known one is the safer measure
			return
		}
	}
	c.Answer, c.Restart = answer, time.Time{}
	if known.Now.IsZero() || restart.IsZero() {
		return
	}
	// The last answer came after its call began, and this one before now. A date
	// is a whole second, so the true difference may be a second less.
	if missed := date.Sub(known.Wall) - time.Second - c.Now.Sub(known.Now); missed > 0 {
		s.moveBack(restart, min(missed, day)) // no limit is about more than a day
	}
}

// ahead returns by how much the wall time is ahead of the other.
func (p pair) ahead() time.Duration { return p.Wall.Sub(p.Now) }
