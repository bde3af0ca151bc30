package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/text"
)

// newLogger returns a logger that writes to stderr with the format and the lowest level
// of the settings. In the journal, which knows the time of each line, lines of text have
// no time.
func (p Process) newLogger(s config.General) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	handler := func(level slog.Level) slog.Handler {
		w := p.diagnostics(level)
		if s.LogFormat == config.JSON {
			return slog.NewJSONHandler(text.JSONWriter(w), options)
		}
		return slog.NewTextHandler(w, options)
	}
	if !p.inJournal() {
		return slog.New(handler(slog.LevelInfo)) // the writer is the same for all levels
	}
	if s.LogFormat != config.JSON {
		options.ReplaceAttr = withoutTime
	}
	return slog.New(newJournalHandler(handler))
}

// errorLine is the JSON form of an error on stderr.
type errorLine struct {
	Error string `json:"error"`
	Exit  code   `json:"exit_code"`
}

// printError prints the error of a run to stderr as one line; in the format JSON the
// line is an object. Each invalid setting has a line of its own.
// After a mistake in usage it also says where the help is, and if the command lacks
// something, how to use it. It prints no [printedError], and
// nothing about alarms that earlier runs have printed less than a day ago.
func (p Process) printError(f config.Format, cmd *cobra.Command, err error, exit code) {
	if _, ok := errors.AsType[printedError](err); ok {
		return
	}
	if partial, ok := errors.AsType[*pipeline.PartialError](err); ok && err.Error() == partial.Error() { // there is no other error
		if err = partial.Unprinted(); err == nil {
			return
		}
	}
	lines := []error{err}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		lines = problems
	}
	for _, err := range lines {
		p.printLine(f, err, exit)
	}
	if exit == exitUsage && f != config.JSON {
		w := p.diagnostics(slog.LevelError)
		if usage, _ := errors.AsType[usageError](err); usage.missing {
			p.printMissing(w, cmd)
		}
		fmt.Fprintf(w, "%s: see '%s --help'\n", program, cmd.CommandPath())
	}
}

// printLine prints an error as one line. A partial success is a warning.
func (p Process) printLine(f config.Format, err error, exit code) {
	level := slog.LevelError
	if exit == exitPartial {
		level = slog.LevelWarn
	}
	w := p.diagnostics(level)
	line := text.OneLine(err.Error())
	if f == config.JSON {
		object, _ := json.Marshal(errorLine{line, exit}) // cannot fail for a string and a number
		fmt.Fprintf(w, "%s\n", object)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", program, line)
}
