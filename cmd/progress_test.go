package cmd

import (
	"slices"
	"testing"
	"time"
)

func TestProgressFacts(t *testing.T) {
	for name, test := range map[string]struct {
		progress progress
		elapsed  time.Duration
		want     []string
	}{
		"bytes":          {progress{done: 131_000, total: 155_000, others: []string{"x"}}, 2 * time.Second, []string{"131 kB of 155 kB", "65.5 kB/s", "x"}},
		"too early":      {progress{done: 131_000, total: 155_000}, 100 * time.Millisecond, []string{"131 kB of 155 kB"}},
		"unknown total":  {progress{done: 5_000_000}, time.Second, []string{"5.0 MB", "5.0 MB/s"}},
		"objects":        {progress{done: 6_665, total: 26_660, unit: "object"}, time.Minute, []string{"6,665 of 26,660 objects", "111/s", "3m left"}},
		"a growing list": {progress{done: 1000, total: 2000, unit: "object", growing: true}, time.Second, []string{"1,000 of at least 2,000 objects", "1,000/s"}},
		"a known share":  {progress{done: 1000, total: 1002, unit: "object", growing: true, share: 0.25}, 2 * time.Second, []string{"1,000 objects", "500/s", "6s left"}},
		"nothing done":   {progress{total: 31, unit: "day", left: 6 * time.Minute}, time.Minute, []string{"0 of 31 days", "6m left"}},
		"by minute":      {progress{done: 10, total: 31, unit: "day", left: 30 * time.Minute}, 2 * time.Minute, []string{"10 of 31 days", "5/min", "30m left"}},
		"by hour":        {progress{done: 10, total: 31, unit: "day"}, time.Hour, []string{"10 of 31 days", "10/h", "2h6m left"}},
		"finished":       {progress{done: 31, total: 31, unit: "day"}, time.Hour, []string{"31 of 31 days", "31/h"}},
		"more than all":  {progress{done: 200, total: 100}, time.Second, []string{"200 B of 100 B", "200 B/s"}},
	} {
		if got := test.progress.facts(test.elapsed); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestJoinFacts(t *testing.T) {
	facts := []string{"131 kB of 155 kB", "65 kB/s", "3s left"}
	for columns, want := range map[int]string{
		0: "131 kB of 155 kB", 24: "131 kB of 155 kB", 25: "131 kB of 155 kB, 65 kB/s", 80: "131 kB of 155 kB, 65 kB/s, 3s left",
	} {
		if got := join(facts, columns); got != want {
			t.Errorf("in %d columns: %q, want %q", columns, got, want)
		}
	}
}
