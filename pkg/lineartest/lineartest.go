// Package lineartest checks that the time of a function is proportional to the size of
// its input. It compares two sizes, so the result does not depend on the speed of the
// machine. It measures the CPU time of the process, so no other test of the package may
// run at the same time.
package lineartest

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/racetest"
)

const (
	// sizeRatio is the ratio of the two sizes.
	sizeRatio = 32
	// maxTimeRatio is the largest ratio of the two times. That of a linear function is 32,
	// and that of a quadratic one is 1024. The time for a byte may also rise in steps,
	// for example where a text no longer fits into a buffer.
	maxTimeRatio = 200
	// shortTime is the time that passes for the larger size, since chance decides the ratio
	// of short times.
	shortTime = 50 * time.Millisecond
	// tries is the largest number of measurements. The shortest times count, since other
	// processes can only make a measurement longer.
	tries = 3
)

// Check fails the test if the CPU time of a function grows faster than its input. The
// function prepare makes the input of a size and returns the function to measure, which
// runs once. Choose a size for which a linear function takes a tenth of a second or less,
// and a quadratic one a second or more. Memory of up to 4 GiB is collected only after the
// measurement.
//
// With the race detector, which makes functions many times slower, Check only runs the
// function once, for the smaller size: tests without the detector compare the times.
func Check(t testing.TB, size int, prepare func(size int) (measured func())) {
	t.Helper()
	if racetest.Enabled {
		prepare(size / sizeRatio)()
		return
	}
	// Otherwise garbage collections would add to the time of the larger size only.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(4 << 30))
	small, large := time.Duration(1<<62), time.Duration(1<<62)
	for range tries {
		small = min(small, measure(t, prepare(size/sizeRatio)))
		large = min(large, measure(t, prepare(size)))
		if large <= shortTime || large <= maxTimeRatio*small {
			return
		}
	}
	t.Errorf("size %d took %v, and size %d took %v: at most %d times as long is allowed", size/sizeRatio, small, size, large, maxTimeRatio)
}

// CheckRepeated is [Check] for a function of a text: before, then part as often as it fits
// into the size, at least once, then after.
func CheckRepeated(t testing.TB, size int, before, part, after []byte, f func(content []byte)) {
	t.Helper()
	Check(t, size, func(size int) func() {
		content := slices.Concat(before, bytes.Repeat(part, max(size/max(len(part), 1), 1)), after)
		return func() { f(content) }
	})
}

// measure returns the CPU time of f, which other processes hardly change.
func measure(t testing.TB, f func()) time.Duration {
	runtime.GC() // so that f does not pay for earlier garbage
	start := cpuTime(t)
	f()
	return cpuTime(t) - start
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
