package simtest_test

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/simtest"
)

var (
	first     = flag.Uint64("first", 0, "seed of the first history")
	histories = flag.Int("histories", 0, "number of histories; with 0 they take a few seconds")
	trace     = flag.Bool("trace", false, "print the trace of each history, even if it has no violation")
	shrinking = flag.Int("shrink", 100, "number of histories to play for the shortest trace of a violation")
)

// seedsOf returns the seeds of the histories that the flags ask for.
func seedsOf() (from, to uint64) {
	n := *histories
	if n == 0 {
		n = archivetest.Size(16, 60)
	}
	return *first, *first + uint64(n)
}

// TestHistories plays histories on all cores. For the first few with a violation it prints
// the seed and the shortest trace that it can find.
func TestHistories(t *testing.T) {
	from, to := seedsOf()
	var next, found, played atomic.Uint64
	var mu sync.Mutex
	seen := make(map[string]int)
	next.Store(from)
	start := time.Now()
	t.Run("workers", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for {
					seed := next.Add(1) - 1
					if seed >= to || found.Load() >= 10 {
						return
					}
					if n := played.Add(1); n%1000 == 0 {
						t.Logf("%d histories in %v", n, time.Since(start).Round(time.Second))
					}
					r := simtest.Play(t, simtest.NewPlan(seed), *trace, nil)
					if *trace {
						t.Logf("seed %d:\n%s", seed, strings.Join(r.Trace, "\n"))
					}
					mu.Lock()
					for name, n := range r.Seen {
						seen[name] += n
					}
					mu.Unlock()
					if r.Violation == "" {
						continue
					}
					t.Errorf("seed %d: %s", seed, r.Violation)
					if found.Add(1) <= 3 {
						plan, shortest := simtest.Shrink(t, simtest.NewPlan(seed), nil, *shrinking)
						t.Logf("seed %d: the shortest trace, with %d steps and %d faults:\n%s",
							seed, len(plan.Steps), len(shortest.Faults), strings.Join(shortest.Trace, "\n"))
					}
				}
			})
		}
	})
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%7d %s", seen[name], name)
	}
	t.Logf("%d histories in %v, %d with a violation", played.Load(), time.Since(start).Round(time.Second), found.Load())
}

// TestReproducible plays histories again, and expects the same calls at the same times.
func TestReproducible(t *testing.T) {
	from, _ := seedsOf()
	for seed := from; seed < from+3; seed++ {
		first := simtest.Play(t, simtest.NewPlan(seed), true, nil)
		second := simtest.Play(t, simtest.NewPlan(seed), true, nil)
		if first.Hash == second.Hash && slices.Equal(first.Trace, second.Trace) {
			continue
		}
		i := 0
		for i < min(len(first.Trace), len(second.Trace)) && first.Trace[i] == second.Trace[i] {
			i++
		}
		t.Fatalf("seed %d: the histories differ from line %d of the trace:\n%q\n%q", seed, i+1,
			first.Trace[i:min(i+3, len(first.Trace))], second.Trace[i:min(i+3, len(second.Trace))])
	}
}
