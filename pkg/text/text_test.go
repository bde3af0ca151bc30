package text

import (
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 lines", 1: "1 line", 2: "2 lines"} {
		if got := Count(n, "line"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0s ago",
		11600 * time.Millisecond: "12s ago",
		65 * time.Minute:         "1h5m ago",
		47 * time.Hour:           "47h0m ago",
		59700 * time.Millisecond: "1m ago",
		48*time.Hour - 1:         "2.0 days ago",
		84 * time.Hour:           "3.5 days ago",
		-90 * time.Second:        "2m in the future",
	} {
		if got := Ago(d); got != want {
			t.Errorf("Ago(%v) = %q, want %q", d, got, want)
		}
	}
}
