// Package simtest plays random histories of an archive: several hosts run the real
// collect, backfill and repair against a store in memory and a model of the events API,
// while calls fail, processes are killed, clocks are wrong, and other programs change the
// archive. It checks the promises of the program during each history and after it.
//
// A history depends on its seed alone. It takes place in a bubble of package synctest,
// whose time is virtual. Each call of the store or the API takes a time that follows from
// the seed, the step and the call, so that no two calls end at the same moment and their
// order does not depend on the scheduler.
package simtest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// Result is the result of one history.
type Result struct {
	// Violation is the first broken promise; empty if there is none.
	Violation string
	// Trace lists the steps, the calls, the faults and the writes, one line each. It is
	// empty unless the history was played with a trace.
	Trace []string
	// Faults are the faults that happened, in their order. See [Plan.Without].
	Faults []string
	// Seen counts the cases that occurred, by name. TestHistories prints them, to show
	// that the histories have all of them.
	Seen map[string]int
	// Hash is a hash of all calls with their times.
	Hash uint64
}

// Play plays a history. With trace, the result has a trace. The test t is for the bubble;
// a violation does not make it fail. A store that wrap returns takes the place of the
// store that each process uses; wrap may be nil.
func Play(t *testing.T, p Plan, trace bool, wrap Wrap) Result {
	var r Result
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p, trace, wrap)
		defer w.close()
		w.play()
		r = w.result()
	})
	return r
}

// hashOf returns a random number that depends on the parts alone.
func hashOf(seed uint64, parts ...any) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, seed)
	for _, p := range parts {
		fmt.Fprint(h, p, "\x00")
	}
	// The low bits of FNV are weak; this is the finaliser of MurmurHash3.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// draw is a source of random numbers that follow from one hash.
type draw uint64

// next returns the next number, from 0 up to but not including 1.
func (d *draw) next() float64 {
	*d += 0x9e3779b97f4a7c15
	x := uint64(*d)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// chance reports true with a probability.
func (d *draw) chance(p float64) bool { return d.next() < p }

// between returns a duration between two others, so that each order of magnitude is
// equally likely.
func (d *draw) between(low, high time.Duration) time.Duration {
	return time.Duration(float64(low) * math.Pow(float64(high)/float64(low), d.next()))
}

// pick returns an index below n.
func (d *draw) pick(n int) int { return int(d.next() * float64(n)) }
