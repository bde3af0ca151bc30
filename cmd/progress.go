package cmd

import (
	"github.com/schollz/progressbar/v3"

	"polisen-events-collector/pkg/config"
)

// bar is a progress bar on a terminal. Elsewhere it is empty and shows nothing.
type bar struct{ *progressbar.ProgressBar }

// newBar returns a bar of this many steps; -1 if the number is unknown.
func (p Process) newBar(steps int64, s config.General, more ...progressbar.Option) bar {
	if !p.interactive(s) || steps == 0 {
		return bar{}
	}
	return bar{progressbar.NewOptions64(steps, append(more,
		progressbar.OptionSetWriter(p.Stderr),
		progressbar.OptionShowCount(),
		// The library would predict from the speed so far, but rate limits make later
		// calls slower.
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
		// Otherwise a goroutine of the library moves the bar of an unknown number of
		// steps, and reads the bar's state without a lock.
		progressbar.OptionSetSpinnerChangeInterval(0),
	)...)}
}

// show sets the number of finished steps and the text before the bar. It ignores
// errors, since the run goes on even if the terminal is gone.
func (b bar) show(done int64, text string) {
	if b.ProgressBar != nil {
		b.Describe(text)
		_ = b.Set64(done)
	}
}

// close removes the bar from the terminal.
func (b bar) close() {
	if b.ProgressBar != nil {
		_ = b.Finish()
	}
}
