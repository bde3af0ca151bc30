package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/text"
)

// newLogger returns a logger that writes to w with the format and the lowest level
// of the settings.
func newLogger(w io.Writer, s config.General) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == config.JSON {
		return slog.New(slog.NewJSONHandler(text.JSONWriter(w), options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// errorLine is the JSON form of an error on stderr.
type errorLine struct {
	Error string `json:"error"`
	Exit  code   `json:"exit_code"`
}

// printError prints the error of a run to stderr as one line; with --log-format
// json the line is a JSON object. Each invalid setting has a line of its own.
// After a mistake in usage another line names the help. It prints no [printedError], and
// nothing about alarms that earlier runs have printed less than a day ago.
func (p Process) printError(cmd *cobra.Command, err error, exit code) {
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
	// The log format is usable even if other settings are invalid.
	s, _ := config.Load(cmd.Flags(), config.GeneralGroup, p.Env, product())
	for _, err := range lines {
		p.printLine(s.General.LogFormat, err, exit)
	}
	if exit == exitUsage && s.General.LogFormat != config.JSON {
		fmt.Fprintf(p.Stderr, "%s: see '%s --help'\n", program, cmd.CommandPath())
	}
}

// printLine prints an error as one line.
func (p Process) printLine(f config.Format, err error, exit code) {
	line := text.OneLine(err.Error())
	if f == config.JSON {
		object, _ := json.Marshal(errorLine{line, exit}) // cannot fail for a string and a number
		fmt.Fprintf(p.Stderr, "%s\n", object)
		return
	}
	fmt.Fprintf(p.Stderr, "%s: %s\n", program, line)
}
