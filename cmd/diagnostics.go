package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/text"
)

func newLogger(w io.Writer, s config.General) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == config.JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// report writes a run's error to stderr: one line, or one JSON object with
// --log-format json; of wrong settings one for each. A mistake in usage is
// followed by the way to the help text.
func (p Process) report(cmd *cobra.Command, err error, exit code) {
	lines := []error{err}
	if problems, ok := errors.AsType[config.Problems](err); ok {
		lines = problems
	}
	// Whatever else may be wrong with the settings, the format may be known.
	s, _ := config.Load(cmd.Flags(), config.GeneralGroup, p.Env, product())
	for _, err := range lines {
		if s.General.LogFormat == config.JSON {
			line, _ := json.Marshal(struct { // strings and numbers always encode
				Error string `json:"error"`
				Exit  code   `json:"exit_code"`
			}{text.OneLine(err.Error()), exit})
			fmt.Fprintf(p.Stderr, "%s\n", line)
		} else {
			fmt.Fprintf(p.Stderr, "%s: %s\n", program, text.OneLine(err.Error()))
		}
	}
	if exit == exitUsage && s.General.LogFormat != config.JSON {
		fmt.Fprintf(p.Stderr, "%s: see '%s --help'\n", program, cmd.CommandPath())
	}
}
