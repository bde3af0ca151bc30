package text

import (
	"strings"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 26660: "26,660", 123456: "123,456", 1234567: "1,234,567",
		-1: "-1", -999: "-999", -1000: "-1,000", -123456: "-123,456",
	} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 lines", 1: "1 line", 2: "2 lines", 4673: "4,673 lines"} {
		if got := Count(n, "line"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 15_520: "15.5 kB", 99_949: "99.9 kB", 99_950: "100 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 120_000_000: "120 MB", 2_500_000_000: "2.5 GB", 3_210_000_000_000: "3.2 TB", 4_000_000_000_000_000: "4000.0 TB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]struct{ short, words string }{
		0:                             {"0s", "0 seconds ago"},
		1400 * time.Millisecond:       {"1s", "1 second ago"},
		11600 * time.Millisecond:      {"12s", "12 seconds ago"},
		59700 * time.Millisecond:      {"1m", "1 minute ago"},
		12 * time.Minute:              {"12m", "12 minutes ago"},
		time.Hour - time.Second:       {"1h0m", "1 hour ago"},
		65 * time.Minute:              {"1h5m", "1 hour 5 minutes ago"},
		2*time.Hour + time.Minute:     {"2h1m", "2 hours 1 minute ago"},
		47 * time.Hour:                {"47h0m", "47 hours ago"},
		48*time.Hour - 1:              {"2.0 days", "2.0 days ago"},
		84 * time.Hour:                {"3.5 days", "3.5 days ago"},
		-90 * time.Second:             {"-2m", "2 minutes in the future"},
		-3*time.Hour - 20*time.Second: {"-3h0m", "3 hours in the future"},
	} {
		if got := Duration(d); got != want.short {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want.short)
		}
		if got := Ago(d); got != want.words {
			t.Errorf("Ago(%v) = %q, want %q", d, got, want.words)
		}
	}
}

func TestTime(t *testing.T) {
	cet, west := time.FixedZone("CET", 3600), time.FixedZone("", -8*3600)
	for _, test := range []struct {
		utc, want string
		zone      *time.Location
	}{
		{"2026-01-02T18:56:12Z", "2026-01-02 18:56:12 UTC", time.UTC},
		{"2026-01-02T18:56:12Z", "2026-01-02 18:56:12 UTC", time.FixedZone("GMT", 0)},
		{"2026-01-02T18:56:12Z", "2026-01-02 19:56:12 CET (18:56:12 UTC)", cet},
		{"2026-01-02T23:56:12Z", "2026-01-03 00:56:12 CET (2026-01-02 23:56:12 UTC)", cet},
		{"2026-01-01T07:00:00+01:00", "2025-12-31 22:00:00 -0800 (2026-01-01 06:00:00 UTC)", west},
	} {
		at, err := time.Parse(time.RFC3339, test.utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := Time(at, test.zone); got != test.want {
			t.Errorf("Time(%s, %s) = %q, want %q", test.utc, test.zone, got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		in, indent string
		width      int
		want       string
	}{
		{"", "  ", 10, "\n"},
		{" one  two\nthree ", "", 80, "one two three\n"},
		{"one  two\nthree", "  ", 0, "  one two three\n"},
		{"räka två tre", "", 8, "räka två\ntre\n"},
		{"räka två tre", "  ", 9, "  räka\n  två tre\n"},
		{"a " + strings.Repeat("b", 20) + " c", "  ", 10, "  a\n  " + strings.Repeat("b", 20) + "\n  c\n"},
	} {
		if got := Wrap(test.in, test.indent, test.width); got != test.want {
			t.Errorf("Wrap(%q, %q, %d) = %q, want %q", test.in, test.indent, test.width, got, test.want)
		}
	}
}

func TestPaint(t *testing.T) {
	for _, test := range []struct {
		style  Style
		colour Colour
		want   string
	}{
		{Style{Colour: true}, Red, "\x1b[31mx\x1b[0m"},
		{Style{Colour: true}, "", "x"},
		{Style{}, Red, "x"},
	} {
		if got := test.style.Paint(test.colour, "x"); got != test.want {
			t.Errorf("%+v paints %q, want %q", test.style, got, test.want)
		}
	}
}
