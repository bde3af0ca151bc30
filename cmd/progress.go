package cmd

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/text"
)

const (
	// minRedraw is the time between two drawings of a progress bar.
	minRedraw = 100 * time.Millisecond
	// minElapsed is the time from which on a bar shows the speed.
	minElapsed = 500 * time.Millisecond
	// minBarWidth is the number of columns that a bar needs. In fewer columns its lines would
	// wrap, and the bar could not be removed.
	minBarWidth = 50
	// barSteps is the number of steps in which the library counts.
	barSteps = 1000
)

// progress is the state of a long operation.
type progress struct {
	done, total int64 // zero if the total is unknown
	// unit is the noun of the things that are counted; empty means bytes.
	unit string
	// growing says that the total is still increasing. Then share is the part of the work
	// that is done, or zero if it is unknown.
	growing bool
	share   float64
	// left is the time left where rate limits determine it; zero where the speed does.
	left time.Duration
	// others are further facts, the most important first.
	others []string
}

// facts returns the texts beside the bar after this time, the most important first.
func (p progress) facts(elapsed time.Duration) []string {
	amount, unit := text.Number[int64], " "+p.unit+"s"
	if p.unit == "" {
		amount, unit = text.Bytes, ""
	}
	var facts []string
	switch {
	case p.growing && p.share == 0:
		facts = append(facts, fmt.Sprintf("%s of at least %s%s", amount(p.done), amount(p.total), unit))
	case p.total > 0 && !p.growing:
		facts = append(facts, fmt.Sprintf("%s of %s%s", amount(p.done), amount(p.total), unit))
	case p.unit == "":
		facts = append(facts, text.Bytes(p.done))
	default:
		facts = append(facts, text.Count(int(p.done), p.unit))
	}
	left := p.left
	if elapsed >= minElapsed && p.done > 0 {
		facts = append(facts, p.speed(elapsed))
		if part := p.part(); part > 0 && left == 0 {
			left = time.Duration(float64(elapsed) * (1 - part) / part)
		}
	}
	if left.Round(time.Second) > 0 {
		facts = append(facts, text.Duration(left)+" left")
	}
	return append(facts, p.others...)
}

// part returns the part of the work that is done, from 0 to 1; zero if it is unknown.
func (p progress) part() float64 {
	switch {
	case p.growing:
		return p.share
	case p.total > 0:
		return share(int(p.done), int(p.total))
	}
	return 0
}

// share returns the part of the total that is done, at most 1; zero if the total is unknown.
func share(done, total int) float64 {
	if total <= 0 {
		return 0
	}
	return min(float64(done)/float64(total), 1)
}

// speed returns the speed so far, in the smallest unit of time in which it is not below 1.
func (p progress) speed(elapsed time.Duration) string {
	perSecond := float64(p.done) / elapsed.Seconds()
	if p.unit == "" {
		return text.Bytes(int64(perSecond)) + "/s"
	}
	for _, per := range []struct {
		name    string
		seconds float64
	}{{"s", 1}, {"min", 60}} {
		if n := perSecond * per.seconds; n >= 1 {
			return fmt.Sprintf("%s/%s", text.Number(int64(n)), per.name)
		}
	}
	return fmt.Sprintf("%s/h", text.Number(int64(perSecond*3600)))
}

// bar is a progress bar on a terminal. Elsewhere, and with --quiet, it shows nothing.
// Its methods must not be called at the same time.
type bar struct {
	library *progressbar.ProgressBar // nil until the first show
	options []progressbar.Option     // nil if the bar shows nothing
	width   int
	start   time.Time
	drawn   time.Time
	last    progress
}

// newBar returns a bar. It shows nothing if log messages show the progress already, or if the
// terminal is too narrow or cannot move its cursor.
func (p Process) newBar(s config.General) *bar {
	style := p.style(p.Stderr)
	if !p.interactive(s) || s.LogLevel <= slog.LevelInfo || p.isDumb() || style.Width < minBarWidth {
		return new(bar)
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.Stderr),
		progressbar.OptionSetPredictTime(false), // facts has the time left
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
		// Otherwise a goroutine of the library moves the bar of an unknown number of
		// steps, and reads the bar's state without a lock.
		progressbar.OptionSetSpinnerChangeInterval(0),
	}
	if style.ASCII {
		options = append(options, progressbar.OptionSetTheme(progressbar.Theme{Saucer: "#", SaucerPadding: " ", BarStart: "|", BarEnd: "|"}))
	}
	return &bar{options: options, width: style.Width, start: time.Now()}
}

// show draws the bar, unless that happened a moment ago. It ignores errors, since the run
// goes on even if the terminal is gone.
func (b *bar) show(p progress) {
	b.last = p
	if now := time.Now(); b.options != nil && now.Sub(b.drawn) >= minRedraw {
		b.draw(now)
	}
}

// note adds facts to those of the last show and draws the bar. It reports whether the bar
// shows anything.
func (b *bar) note(facts ...string) bool {
	if b.options == nil {
		return false
	}
	last := b.last
	b.last.others = append(facts, last.others...)
	b.draw(time.Now())
	b.last = last
	return true
}

// draw draws the bar. It is empty while the length of the work is unknown.
func (b *bar) draw(now time.Time) {
	const reserved = 20 // columns for the percentage and the bar
	line := join(b.last.facts(now.Sub(b.start)), b.width-reserved)
	b.drawn = now
	if b.library == nil {
		steps := int64(-1)
		if b.last.total > 0 {
			steps = barSteps
		}
		b.library = progressbar.NewOptions64(steps, append(b.options, progressbar.OptionSetDescription(line))...)
	}
	if b.last.total > 0 {
		// At its last step the library would remove the bar.
		_ = b.library.Set64(min(int64(b.last.part()*barSteps), barSteps-1))
	}
	b.library.Describe(line)
}

// join joins as many of the facts as fit into this number of columns, but at least one.
func join(facts []string, columns int) string {
	line := facts[0]
	for _, fact := range facts[1:] {
		if utf8.RuneCountInString(line)+len(", ")+utf8.RuneCountInString(fact) > columns {
			break
		}
		line += ", " + fact
	}
	return strings.TrimSpace(text.Clean(line))
}

// close removes the bar from the terminal.
func (b *bar) close() {
	if b.library != nil {
		_ = b.library.Finish()
	}
}
