package report_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/goldentest"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// ms returns a number of milliseconds.
func ms(n float64) report.Seconds { return report.Seconds(n * float64(time.Millisecond)) }

// typicalRun returns the report of a run that takes as long as the requests of a typical
// collect: its stages overlap, and the call to the API has all phases.
func typicalRun() report.Report {
	return report.Report{
		Duration: ms(2930),
		API:      report.API{Calls: 1, DNS: ms(20), Connect: ms(30), TLS: ms(70), Wait: ms(1310), Transfer: ms(65), Received: ms(1507)},
		Stages: []report.Stage{
			{Name: "fetch", Start: ms(1), Duration: ms(1510)},
			{Name: "credentials", Start: ms(1), Duration: ms(3)},
			{Name: "document", Start: ms(4), Duration: ms(310)},
			{Name: "heal", Start: ms(314), Duration: ms(190)},
			{Name: "dedup", Start: ms(1511), Duration: ms(2)},
			{Name: "commit", Start: ms(1513), Duration: ms(302)},
			{Name: "put", Start: ms(1816), Duration: ms(810)},
			{Name: "report", Start: ms(2627), Duration: ms(303)},
		},
	}
}

// waitingRun returns the report of a run that repeats its call to the API, commits twice
// because another run came first, and repeats requests to the store.
func waitingRun() report.Report {
	return report.Report{
		Duration:     ms(75_300),
		API:          report.API{Calls: 3, Waited: ms(72_000), Connect: ms(30), Wait: ms(400), Transfer: ms(60), Received: ms(73_200)},
		StoreRetries: 2,
		Stages: []report.Stage{
			{Name: "credentials", Duration: ms(40)},
			{Name: "fetch", Duration: ms(73_210)},
			{Name: "document", Start: ms(40), Duration: ms(20_000)},
			{Name: "dedup", Start: ms(73_210), Duration: ms(2)},
			{Name: "commit", Start: ms(73_212), Duration: ms(300)},
			{Name: "document", Start: ms(73_520), Duration: ms(300)},
			{Name: "dedup", Start: ms(73_820), Duration: ms(2)},
			{Name: "commit", Start: ms(73_822), Duration: ms(400)},
			{Name: "put", Start: ms(74_222), Duration: ms(700)},
			{Name: "report", Start: ms(74_922), Duration: ms(378)},
		},
	}
}

// gapRun returns the report of a run that fetches this many missed days after its own
// fetch. All calls but the last one succeed.
func gapRun(days int) report.Report {
	received := max(990, float64(11_000*(days-1)+390)) // in the fetch before the last one
	r := report.Report{
		Duration: ms(float64(2000 + 11_000*days)),
		API:      report.API{Calls: 1 + days, Waited: ms(float64(9000 * days)), Wait: ms(800), Transfer: ms(100), Received: ms(received)},
		Stages:   []report.Stage{{Name: "fetch", Duration: ms(1000)}, {Name: "commit", Start: ms(1000), Duration: ms(300)}, {Name: "gaps", Start: ms(1400), Duration: ms(float64(11_000 * days))}},
	}
	for i := range days {
		begin := float64(1400 + 11_000*i)
		r.Stages = append(r.Stages, report.Stage{Name: "fetch", Start: ms(begin), Duration: ms(10_000)},
			report.Stage{Name: "commit", Start: ms(begin + 10_000), Duration: ms(900)})
	}
	return r
}

// TestWaterfall compares waterfalls with golden files. To rewrite them:
// go test ./pkg/report -run TestWaterfall -update
func TestWaterfall(t *testing.T) {
	failed := report.Report{
		Duration: ms(31_400), ExitCode: 4, Error: "the API failed",
		API: report.API{Calls: 4, Waited: ms(30_000)},
		Stages: []report.Stage{{Name: "credentials", Duration: ms(40)}, {Name: "fetch", Duration: ms(31_000)},
			{Name: "document", Start: ms(40), Duration: ms(500)}, {Name: "heal", Start: ms(540), Duration: ms(500)},
			{Name: "report", Start: ms(31_000), Duration: ms(400)}},
	}
	limited := report.Report{ // by the rate limiter, before its only call
		Duration: ms(6300), API: report.API{Calls: 1, Waited: ms(5000), Wait: ms(1100), Received: ms(6200)},
		Stages: []report.Stage{{Name: "credentials", Duration: ms(10)}, {Name: "fetch", Duration: ms(6210)}, {Name: "report", Start: ms(6210), Duration: ms(90)}},
	}
	instant := report.Report{Stages: []report.Stage{{Name: "credentials"}, {Name: "fetch"}, {Name: "document"}, {Name: "report"}}}
	wide := text.Style{Width: 80}
	for name, c := range map[string]struct {
		report report.Report
		style  text.Style
	}{
		"typical":  {typicalRun(), wide},
		"ascii":    {typicalRun(), text.Style{Width: 80, ASCII: true}},
		"colour":   {gapRun(1), text.Style{Width: 60, Colour: true}},
		"waits":    {waitingRun(), wide},
		"failed":   {failed, wide},
		"limited":  {limited, wide},
		"gaps":     {gapRun(14), wide},
		"instant":  {instant, wide},
		"nothing":  {report.Report{}, wide},
		"narrow":   {typicalRun(), text.Style{Width: 36}},
		"narrower": {typicalRun(), text.Style{Width: 12}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.report.Waterfall(c.style)
			plain := strings.NewReplacer("\x1b[36m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(got)
			for line := range strings.Lines(plain) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(c.style.Width, 24) {
					t.Errorf("%d columns, more than %d: %s", n, c.style.Width, line)
				}
			}
			if strings.Contains(plain, "\x1b") || !c.style.Colour && plain != got {
				t.Errorf("escape sequences: %q", got)
			}
			if c.style.ASCII && len(got) != utf8.RuneCountInString(got) {
				t.Error("characters that are not ASCII")
			}
			goldentest.Compare(t, "testdata/waterfall-"+name+".txt", strings.ReplaceAll(got, "\x1b", "ESC"))
		})
	}
}

// TestWaterfallScale checks for many widths that each bar has as many columns as its
// duration has of the run's, and that a very short stage has a mark.
func TestWaterfallScale(t *testing.T) {
	r := report.Report{Duration: ms(1000), Stages: []report.Stage{
		{Name: "fetch", Duration: ms(250)}, {Name: "put", Start: ms(250), Duration: ms(500)}, {Name: "report", Start: ms(999), Duration: ms(1)},
	}}
	for width := range 300 {
		drawn := r.Waterfall(text.Style{Width: width, ASCII: true})
		columns := float64(strings.Count(drawn, "-"))
		for line := range strings.Lines(drawn) {
			share, ok := map[string]float64{"fetch": 0.25, "put": 0.5}[strings.Fields(line)[0]]
			if got := float64(strings.Count(line, "#")); ok && (got < share*columns-1 || got > share*columns+1) {
				t.Errorf("width %d: %s has %v columns of %v", width, line, got, columns)
			}
		}
		if columns > 0 && !strings.HasSuffix(drawn, "|  1.0ms\n") {
			t.Errorf("width %d: no mark at the end:\n%s", width, drawn)
		}
	}
}

// TestWaterfallOutsideTheRun checks the diagram if a clock that was set makes stages and
// phases begin before the run, or end after it.
func TestWaterfallOutsideTheRun(t *testing.T) {
	r := report.Report{
		Duration: ms(10), API: report.API{Wait: ms(20), Transfer: ms(1), Connect: ms(0.1), Received: ms(15)},
		Stages: []report.Stage{{Name: "credentials", Start: ms(-10), Duration: ms(5)}, {Name: "document", Start: ms(-10), Duration: ms(-3)},
			{Name: "fetch", Start: ms(-5), Duration: ms(25)}, {Name: "put", Start: ms(15), Duration: ms(-5)}},
	}
	const want = `
run          --------------------    20ms
credentials                         5.0ms
document                           -3.0ms
fetch        ####################    25ms
  connect    |                      0.1ms
  wait       ==============          20ms
  transfer                 =        1.0ms
put                                -5.0ms
`
	got := r.Waterfall(text.Style{Width: 41, ASCII: true})
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, got)
	}
}
