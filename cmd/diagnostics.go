package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
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
			}{oneLine(err), exit})
			fmt.Fprintf(p.Stderr, "%s\n", line)
		} else {
			fmt.Fprintf(p.Stderr, "%s: %s\n", program, oneLine(err))
		}
	}
	if exit == exitUsage && s.General.LogFormat != config.JSON {
		fmt.Fprintf(p.Stderr, "%s: see '%s --help'\n", program, cmd.CommandPath())
	}
}

// oneLine keeps an error's text, parts of which a server may have written, on
// one line and off the terminal's controls.
func oneLine(err error) string {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
