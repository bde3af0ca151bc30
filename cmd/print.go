package cmd

import (
	"encoding/json"
	"io"

	"polisen-events-collector/pkg/config"
)

// printResult writes a command's result to stdout: with --output json it writes v
// as indented JSON, otherwise it calls text.
func (p Process) printResult(s config.General, v any, text func(io.Writer) error) error {
	if s.Output != config.JSON {
		return text(p.Stdout)
	}
	enc := json.NewEncoder(p.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
