package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"polisen-events-collector/pkg/statefile"
)

// readEnvFile returns the variables of the file at path. It does not change the
// environment of the process. Its errors show line numbers but no text of the
// file, which may hold secrets of other programs.
func readEnvFile(path string) (map[string]string, error) {
	text, err := statefile.ReadFile(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the caller's error has the path
		}
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	vars, err := parseEnv(string(text))
	if err == nil {
		return vars, nil
	}
	// The parser's error quotes the file and has no line number. Find the longest
	// beginning of the file that the parser accepts: the next line is wrong.
	lines := slices.Collect(strings.Lines(string(text)))
	for n := len(lines) - 1; n >= 0; n-- {
		if _, err := parseEnv(strings.Join(lines[:n], "")); err == nil {
			return nil, fmt.Errorf("line %d is not of the form NAME=value", n+1)
		}
	}
	return nil, errors.New("the file does not consist of NAME=value lines")
}

func parseEnv(text string) (map[string]string, error) {
	vars, err := godotenv.Unmarshal(text)
	if _, nameless := vars[""]; err == nil && nameless {
		err = errors.New("value without a name")
	}
	return vars, err
}
