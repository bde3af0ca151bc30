package cmd

import (
	"encoding/json"
	"fmt"
	"io"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/text"
)

// output is stdout. It remembers the first error, since cobra and the printing of
// help ignore errors. Its errors say that the result cannot be printed.
type output struct {
	io.Writer
	begin blocking.Begin // nil: nothing ends the process while it waits for a write
	err   error
}

func (o *output) Write(b []byte) (int, error) {
	if o.begin != nil {
		defer o.begin("write to standard output", nil)()
	}
	n, err := o.Writer.Write(b)
	if err != nil {
		err = fmt.Errorf("print the result: %w", err)
	}
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// printResult writes a command's result to stdout: with --output json it writes v
// as indented JSON, otherwise it calls asText.
func (p Process) printResult(s config.General, v any, asText func(io.Writer) error) error {
	if s.Output != config.JSON {
		return asText(p.Stdout)
	}
	enc := json.NewEncoder(text.JSONWriter(p.Stdout))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
