package polisen

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/retry/retrytest"
)

func TestPace(t *testing.T) {
	clock := retrytest.NewClock(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	c, err := NewClient(Options{URL: DefaultURL, UserAgent: "test", StateDir: t.TempDir(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		calls int
		want  time.Duration
	}{
		{0, 0},
		{1, 0},
		{7, time.Minute},
		{60, 590 * time.Second},
		{61, time.Hour},        // the first of them is an hour old then
		{121, 2 * time.Hour},   // and so on
		{1441, 24 * time.Hour}, // 60 an hour is 1440 a day
	} {
		if got := c.Pace(test.calls); got != test.want {
			t.Errorf("%d calls take %v, want %v", test.calls, got, test.want)
		}
	}
	answered, err := c.ledger.turn(t.Context(), DefaultURL, false, func(time.Duration, string) {})
	if err != nil {
		t.Fatal(err)
	}
	answered(200, 0)
	clock.Advance(4 * time.Second)
	if got := c.Pace(1); got != 6*time.Second {
		t.Errorf("4 s after a call the next takes %v, want 6s", got)
	}
	if answered, err = c.ledger.turn(t.Context(), DefaultURL, false, func(time.Duration, string) {}); err != nil {
		t.Fatal(err)
	}
	answered(429, 30*time.Second)
	if got := c.Pace(2); got != 40*time.Second {
		t.Errorf("with a pause of 30 s two calls take %v, want 40s", got)
	}
	if got := (&Client{path: "x"}).Pace(100); got != 0 {
		t.Errorf("a saved response takes %v", got)
	}
}

// TestOneLedgerAHost: the calls of a host are counted together, however its
// name is written.
func TestOneLedgerAHost(t *testing.T) {
	state := t.TempDir()
	paths := map[string]bool{}
	for _, url := range []string{DefaultURL, "https://polisen.se./api/events", "https://POLISEN.SE:443/other"} {
		c, err := NewClient(Options{URL: url, UserAgent: "test", StateDir: state})
		if err != nil {
			t.Fatal(err)
		}
		paths[c.ledger.path] = true
	}
	if len(paths) != 1 {
		t.Errorf("ledgers %v", paths)
	}
}

func TestURL(t *testing.T) {
	c, err := NewClient(Options{URL: DefaultURL, UserAgent: "test", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	q := Query{DateTime: "2018-03-05 21", Locations: []string{"Stockholm", "Järfälla"}}
	const want = DefaultURL + "?DateTime=2018-03-05%2021&locationname=Stockholm;J%C3%A4rf%C3%A4lla"
	if got := c.URL(q); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
