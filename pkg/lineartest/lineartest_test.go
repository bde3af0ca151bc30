//go:build !race

package lineartest_test

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/lineartest"
)

// recorder is a test that notes its failure.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

// work uses the CPU for about d.
func work(d time.Duration) {
	x := uint32(1)
	for range d / (400 * time.Nanosecond) {
		for range 100 {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
		}
	}
	sink = x
}

var sink uint32

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		size  int
		time  func(size int) time.Duration
		fails bool
	}{
		"linear":           {120, func(n int) time.Duration { return time.Duration(n) * time.Millisecond }, false},
		"quadratic":        {64, func(n int) time.Duration { return time.Duration(40*n*n) * time.Microsecond }, true},
		"quadratic, short": {4, func(n int) time.Duration { return time.Duration(n*n) * time.Microsecond }, false},
	} {
		r := &recorder{TB: t}
		lineartest.Check(r, tt.size, func(size int) func() { return func() { work(tt.time(size)) } })
		if r.failed != tt.fails {
			t.Errorf("%s: failed %t", name, r.failed)
		}
	}
	first := true // the first measurement of the larger size is disturbed
	lineartest.Check(t, 120, func(size int) func() {
		d := time.Duration(size) * time.Millisecond
		if size == 120 && first {
			d, first = 10*d, false
		}
		return func() { work(d) }
	})
}
