package cmd

import (
	"github.com/schollz/progressbar/v3"

	"polisen-events-collector/pkg/config"
)

// bar is a progress bar on a terminal, and nothing anywhere else.
type bar struct{ *progressbar.ProgressBar }

// newBar returns a bar of so many steps; -1 if nobody knows how many.
func (p Process) newBar(steps int, s config.General) bar {
	if !p.interactive(s) || steps == 0 {
		return bar{}
	}
	return bar{progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(p.Stderr),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false), // what limits a backfill is the API's rules, not its speed so far
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
	)}
}

// show sets the steps done and the text before the bar. A terminal that cannot
// be written to is no reason to stop.
func (b bar) show(done int, text string) {
	if b.ProgressBar != nil {
		b.Describe(text)
		_ = b.Set(done)
	}
}

func (b bar) close() {
	if b.ProgressBar != nil {
		_ = b.Finish()
	}
}
