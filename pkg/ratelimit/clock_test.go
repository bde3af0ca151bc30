package ratelimit_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/retry"
)

// seeds is the number of random histories of each model.
var seeds = flag.Uint64("seeds", 2, "number of random histories")

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// machine is a computer whose wall clock may be wrong. Its time passes by Sleep
// only.
type machine struct {
	now    time.Time     // true time
	error  time.Duration // of the wall clock
	boots  int
	booted time.Time // true time
	dir    string
	calls  []time.Time // true times at which the API got them
}

func newMachine(t *testing.T) *machine {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir, err := os.MkdirTemp("/dev/shm", "ratelimit") // in memory, where writes need no disk
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &machine{now: start, booted: start.Add(-90 * day), dir: dir}
}

func (m *machine) Now() time.Time { return m.now.Add(m.error) }
func (m *machine) Boot() (string, time.Duration) {
	return fmt.Sprint("boot ", m.boots), m.now.Sub(m.booted)
}
func (m *machine) to1970() { m.error = time.Unix(0, 0).Sub(m.now) }

func (m *machine) Sleep(ctx context.Context, d time.Duration) error {
	m.now = m.now.Add(max(d, 0))
	return context.Cause(ctx)
}

// restart lets the machine be off for d.
func (m *machine) restart(d time.Duration) {
	m.boots++
	m.now = m.now.Add(d)
	m.booted = m.now
}

// run returns the limiter of a new process. Without boot it knows the wall clock
// alone.
func (m *machine) run(boot, leaveRoom bool) *ratelimit.Limiter {
	o := ratelimit.Options{Dir: m.dir, Host: "api", LeaveRoom: leaveRoom, Clock: m}
	if !boot {
		o.Clock = wallClock{m}
	}
	return ratelimit.New(o)
}

// call makes a call that takes that long. It returns the true time it waited.
func (m *machine) call(ctx context.Context, l *ratelimit.Limiter, took time.Duration) (time.Duration, error) {
	start := m.now
	c, err := l.Wait(ctx, "url", nil)
	if err != nil {
		return m.now.Sub(start), err
	}
	waited := m.now.Sub(start)
	m.calls = append(m.calls, m.now.Add(took/2))
	m.now = m.now.Add(took)
	c.Done(ratelimit.Answer{Status: 200, Date: m.now.Truncate(time.Second)})
	return waited, nil
}

func (m *machine) mustCall(t *testing.T, l *ratelimit.Limiter) time.Duration {
	t.Helper()
	waited, err := m.call(t.Context(), l, 0)
	if err != nil {
		t.Fatal(err)
	}
	return waited
}

// soon returns a context with a deadline in a minute by m's wall clock.
func (m *machine) soon(t *testing.T) context.Context {
	return fixedDeadline{t.Context(), m.Now().Add(time.Minute)}
}

// fixedDeadline is a context with a deadline by another clock than the system's.
type fixedDeadline struct {
	context.Context
	deadline time.Time
}

func (c fixedDeadline) Deadline() (time.Time, bool) { return c.deadline, true }

var limitsOfAPI = []struct {
	calls int
	span  time.Duration
}{{1, 10 * time.Second}, {60, hour}, {1440, day}}

// broken returns the limit that the last call breaks, by true time; it is empty
// if there is none.
func (m *machine) broken() string {
	last := len(m.calls) - 1
	for _, l := range limitsOfAPI {
		if first := last - l.calls; first >= 0 {
			if span := m.calls[last].Sub(m.calls[first]); span < l.span {
				return fmt.Sprintf("%d calls in %v", l.calls+1, span)
			}
		}
	}
	return ""
}

// TestWrongClockForOneRun checks that a run whose clock is right counts 60 calls
// that were made before or by a run whose clock was wrong.
func TestWrongClockForOneRun(t *testing.T) {
	for name, spoil := range map[string]func(m *machine){
		"two hours behind": func(m *machine) { m.error = -2 * hour },
		"in 1970":          (*machine).to1970,
		"two hours ahead":  func(m *machine) { m.error = 2 * hour },
		"two days ahead":   func(m *machine) { m.error = 2 * day },
		"a year ahead":     func(m *machine) { m.error = 365 * day },
	} {
		for _, boot := range []bool{true, false} {
			for _, callsBefore := range []int{59, 0} { // the others are made by the wrong run
				t.Run(fmt.Sprintf("%s, boot time %v, %d calls before", name, boot, callsBefore), func(t *testing.T) {
					m := newMachine(t)
					l := m.run(boot, false)
					m.mustCall(t, l)
					m.now = m.now.Add(30 * time.Minute)
					for range callsBefore {
						m.mustCall(t, l)
					}
					m.now = m.now.Add(time.Minute)

					spoil(m)
					l = m.run(boot, false)
					for range 59 - callsBefore {
						m.mustCall(t, l)
					}
					_, err := m.call(m.soon(t), l, 0)
					if ahead := m.error > 0; err == nil && (boot || !ahead) {
						t.Errorf("the run with the wrong clock made a call: %s", m.broken())
					}

					m.error = 0
					m.now = m.now.Add(time.Minute)
					l = m.run(boot, false)
					_, err = m.call(m.soon(t), l, 0)
					if e, ok := errors.AsType[*ratelimit.LimitError](err); !ok || e.Rule != "at most 60 calls an hour" {
						t.Errorf("the next run: %v, %s; want ErrExceeded by the hourly limit", err, m.broken())
					}
					if waited := m.mustCall(t, l); waited > hour || m.broken() != "" {
						t.Errorf("the next run waited %v, %s; want at most an hour", waited, m.broken())
					}
				})
			}
		}
	}
}

// TestClockStepBetweenRuns checks that the interval holds if the clock is set by a
// little more than that between two runs.
func TestClockStepBetweenRuns(t *testing.T) {
	for _, step := range []time.Duration{11 * time.Second, -11 * time.Second} {
		m := newMachine(t)
		m.mustCall(t, m.run(true, false))
		m.error = step
		m.now = m.now.Add(10 * time.Millisecond)
		if waited := m.mustCall(t, m.run(true, false)); waited != 10*time.Second-10*time.Millisecond {
			t.Errorf("a step of %v: the next call came after %v, want 9.99s", step, waited)
		}
	}
}

// TestNextCallIsInWallTime checks that the time of the next call is one that the
// user's clock will show.
func TestNextCallIsInWallTime(t *testing.T) {
	m := newMachine(t)
	m.error = 2 * hour
	l := m.run(true, false)
	for range 60 {
		m.mustCall(t, l)
	}
	m.error = 0
	_, err := m.call(m.soon(t), l, 0)
	if e, ok := errors.AsType[*ratelimit.LimitError](err); !ok || !e.Next.Equal(m.calls[0].Add(hour)) {
		t.Errorf("got %v, want a next call at %v", err, m.calls[0].Add(hour))
	}
}

// TestMachineForEachRun checks that no limit delays the calls of a machine that runs
// for a few seconds every half hour. Its own clock counts less than an hour a day.
func TestMachineForEachRun(t *testing.T) {
	m := newMachine(t)
	for range 200 {
		m.restart(30*time.Minute - time.Minute)
		m.now = m.now.Add(20 * time.Second)
		l := m.run(true, false)
		for range 2 {
			if waited, err := m.call(m.soon(t), l, time.Second); err != nil || waited > 10*time.Second {
				t.Fatalf("call %d waited %v, %v", len(m.calls), waited, err)
			}
		}
	}
}

// mustAnswer makes a call that takes that long, whose answer has the given date.
func (m *machine) mustAnswer(t *testing.T, l *ratelimit.Limiter, took time.Duration, date func() time.Time) {
	t.Helper()
	c, err := l.Wait(t.Context(), "url", nil)
	if err != nil {
		t.Fatal(err)
	}
	m.calls = append(m.calls, m.now.Add(took))
	answer := ratelimit.Answer{Status: 200, Date: date()}
	m.now = m.now.Add(took)
	c.Done(answer)
	if b := m.broken(); b != "" {
		t.Fatalf("call %d: %s", len(m.calls), b)
	}
}

func (m *machine) date() time.Time { return m.now.Truncate(time.Second) }
func noDate() time.Time            { return time.Time{} }

// TestRestart checks that calls before a restart count, whatever the wall clock
// shows after it.
func TestRestart(t *testing.T) {
	for _, wrong := range []time.Duration{0, 2 * day, -2 * day} {
		m := newMachine(t)
		l := m.run(true, false)
		for range 60 {
			m.mustCall(t, l)
		}
		m.restart(time.Minute)
		m.error = wrong
		m.now = m.now.Add(time.Minute)
		m.mustCall(t, m.run(true, false))
		if b := m.broken(); b != "" {
			t.Errorf("a clock wrong by %v after the restart: %s", wrong, b)
		}
	}
}

// TestAnswerAfterRestart checks that the first answer with a date after a restart
// corrects the times of the calls before it, and of no others.
func TestAnswerAfterRestart(t *testing.T) {
	m := newMachine(t)
	m.mustAnswer(t, m.run(true, false), 0, m.date)
	m.restart(2 * hour)
	l := m.run(true, false)
	for range 40 {
		m.mustAnswer(t, l, 0, noDate)
	}
	for range 30 {
		m.mustAnswer(t, l, 0, m.date)
	}
}

// TestDatesOfAnswers checks that answers which are slow, or old ones from a cache,
// do not make calls count as earlier.
func TestDatesOfAnswers(t *testing.T) {
	for name, atStart := range map[string]bool{"slow answers": true, "old answers": false} {
		for i := range 4 {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				m := newMachine(t)
				old := m.now.Add(-30 * time.Minute).Truncate(time.Second)
				l := m.run(true, false)
				for at := range 70 {
					if at == 57 || at == 59 {
						m.restart(10 * time.Second)
						l = m.run(true, false)
					}
					switch special := at == 56 && i&1 != 0 || (at == 57 || at == 58) && i&2 != 0; {
					case special && atStart:
						m.mustAnswer(t, l, 50*time.Second, m.date)
					case special:
						m.mustAnswer(t, l, 0, func() time.Time { return old })
					default:
						m.mustAnswer(t, l, 0, m.date)
					}
				}
			})
		}
	}
}

// TestClockRightAgain checks that errors of the wall clock, on a system that has
// nothing else, do not delay calls later.
func TestClockRightAgain(t *testing.T) {
	t.Run("calls long before", func(t *testing.T) {
		m := newMachine(t)
		l := m.run(false, false)
		for range 60 {
			m.mustCall(t, l)
		}
		m.now = m.now.Add(5 * hour)
		m.error = -2 * day
		if _, err := m.call(m.soon(t), m.run(false, false), 0); !errors.Is(err, ratelimit.ErrExceeded) {
			t.Errorf("with the clock behind: %v; want ErrExceeded, since the age of the calls is unknown", err)
		}
		m.error = 0
		m.now = m.now.Add(time.Minute)
		if waited := m.mustCall(t, m.run(false, false)); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
	t.Run("calls of a clock that was ahead", func(t *testing.T) {
		m := newMachine(t)
		m.error = 2 * hour
		l := m.run(false, false)
		for range 60 {
			m.mustCall(t, l)
		}
		m.error = 0
		for range 20 { // nine and a half hours in which the clock shows the times of the calls again
			m.now = m.now.Add(30 * time.Minute)
			waited := m.mustCall(t, m.run(false, false))
			if waited > hour || waited > 10*time.Second && m.now.Sub(m.calls[0]) > 2*hour {
				t.Errorf("%v after the first call: waited %v", m.now.Sub(m.calls[0]), waited)
			}
		}
	})
}

// TestRandomClock makes random histories of four days or two weeks: runs at all intervals, a wall
// clock that is set to other times at any moment, restarts, slow calls, and processes
// that die during a call. It checks that the limits hold by true time, that no call
// comes later than they ask for, and after a restart at most an hour later.
func TestRandomClock(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &randomMachine{machine: newMachine(t), r: rand.New(rand.NewPCG(10, seed))}
			span := time.Duration(archivetest.Size(4, 14)) * day
			m.lastRestart, m.restarted = m.now.Add(span/2), m.now.Add(-day)
			end := m.now.Add(span)
			for m.now.Before(end) {
				m.pause()
				m.step()
				m.process(t)
			}
			t.Logf("%d calls, %d restarts", len(m.calls), m.boots)
		})
	}
}

// randomMachine is a machine on which anything may happen.
type randomMachine struct {
	*machine
	r           *rand.Rand
	counted     []time.Time // the calls, at the latest times at which the API may have received them
	died        bool        // the process of the last call died during it
	restarted   time.Time
	lastRestart time.Time // after it there are no restarts, and so no delays
}

// upTo returns a random duration below d.
func (m *randomMachine) upTo(d time.Duration) time.Duration {
	return time.Duration(m.r.Int64N(int64(d)))
}

// pause lets time pass between two runs.
func (m *randomMachine) pause() {
	switch m.r.IntN(10) {
	case 0, 1:
		m.now = m.now.Add(m.upTo(20 * time.Second))
	case 2:
		m.now = m.now.Add(m.upTo(3 * hour))
	case 3, 4, 5:
		m.now = m.now.Add(m.upTo(10 * time.Minute))
	default:
		m.now = m.now.Add(30 * time.Minute)
	}
	if m.r.IntN(25) == 0 && m.now.Before(m.lastRestart) {
		m.restart(m.upTo([]time.Duration{time.Minute, hour, 2 * day}[m.r.IntN(3)]))
		m.now = m.now.Add(m.upTo(time.Minute))
		m.restarted = m.now
	}
}

// step may set the wall clock.
func (m *randomMachine) step() {
	switch m.r.IntN(40) {
	case 0:
		m.to1970()
	case 1:
		m.error -= 2 * hour
	case 2:
		m.error += m.upTo(3 * day)
	case 3:
		m.error += 11 * time.Second
	case 4:
		m.error -= 11 * time.Second
	case 5:
		m.error += m.upTo(2*hour) - hour
	case 6, 7, 8:
		m.error = 0
	}
}

func (m *randomMachine) Sleep(ctx context.Context, d time.Duration) error {
	before := m.upTo(max(d, 1))
	m.now = m.now.Add(before)
	m.step()
	return m.machine.Sleep(ctx, d-before)
}

// process is a run with some calls.
func (m *randomMachine) process(t *testing.T) {
	calls := 1 + m.r.IntN(4)
	if m.r.IntN(20) == 0 {
		calls = 80
	}
	l := ratelimit.New(ratelimit.Options{Dir: m.dir, Host: "api", Clock: m})
	for range calls {
		if m.died { // the API may have received its call at any time until now
			m.counted, m.died = append(m.counted, m.now), false
		}
		start, need := m.now, m.need()
		c, err := l.Wait(t.Context(), "url", nil)
		if err != nil {
			t.Fatal(err)
		}
		late, longest := m.now.Sub(start)-need, hour
		if m.now.Sub(m.restarted) > day+hour {
			longest = 0 // all calls of the last day are after the restart
		}
		if late > longest {
			t.Fatalf("%v after a restart, call %d came %v later than the limits ask for", m.now.Sub(m.restarted), len(m.calls)+1, late)
		}
		began := m.now
		m.now = m.now.Add(m.upTo([]time.Duration{time.Second, time.Minute}[m.r.IntN(2)]))
		m.step()
		m.calls = append(m.calls, began.Add(m.upTo(m.now.Sub(began)+1)))
		if b := m.broken(); b != "" {
			t.Fatalf("call %d: %s", len(m.calls), b)
		}
		if m.r.IntN(30) == 0 {
			c.Die()
			m.died = true
			return
		}
		m.counted = append(m.counted, m.now)
		answer := ratelimit.Answer{Status: 200}
		if m.r.IntN(4) > 0 {
			answer.Date = began.Add(m.upTo(m.now.Sub(began) + 1)).Truncate(time.Second)
		}
		c.Done(answer)
	}
}

// need returns the true time until the limits allow a call.
func (m *randomMachine) need() time.Duration {
	at := m.now
	for _, l := range limitsOfAPI {
		if i := len(m.counted) - l.calls; i >= 0 && m.counted[i].Add(l.span).After(at) {
			at = m.counted[i].Add(l.span)
		}
	}
	return at.Sub(m.now)
}

// TestRandomWallClock makes random histories of a system that does not know the time
// since its start, and whose clock is wrong for one run a day at most. It checks that
// the limits hold by true time, except for a run whose clock is ahead, and that no
// call waits for more than twice an hour.
func TestRandomWallClock(t *testing.T) {
	var longest time.Duration
	for seed := range *seeds {
		m := newMachine(t)
		r := rand.New(rand.NewPCG(11, seed))
		upTo3Days := func() time.Duration { return time.Duration(r.Int64N(int64(3 * day))) }
		wrongAt := m.now.Add(hour)
		for end := m.now.Add(time.Duration(archivetest.Size(3, 7)) * day); m.now.Before(end); {
			m.now = m.now.Add([]time.Duration{time.Second, time.Minute, 30 * time.Minute, 30 * time.Minute, 5 * hour}[r.IntN(5)])
			m.error = 0
			if len(m.calls) > 0 && m.now.After(wrongAt) {
				wrongAt = m.now.Add(day + upTo3Days()/2)
				switch r.IntN(4) {
				case 0, 1: // by less it would be as if less time had passed since the last run
					m.error = m.calls[len(m.calls)-1].Sub(m.now) - upTo3Days()
				case 2:
					m.error = upTo3Days()
				default:
					m.to1970()
				}
			}
			calls := 1 + r.IntN(4)
			if r.IntN(30) == 0 || m.error != 0 && r.IntN(3) == 0 {
				calls = 70
			}
			l := m.run(false, false)
			for range calls {
				waited := m.mustCall(t, l)
				if b := m.broken(); b != "" && m.error <= 0 {
					t.Fatalf("seed %d, call %d, clock wrong by %v: %s", seed, len(m.calls), m.error, b)
				}
				longest = max(longest, waited)
			}
		}
		t.Logf("%d calls, longest wait %v", len(m.calls), longest)
	}
	if longest > 2*hour {
		t.Errorf("a call waited %v, want at most two hours", longest)
	}
}

var _ retry.BootClock = (*machine)(nil)
