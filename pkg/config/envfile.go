package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// readEnvFile returns the variables of the file. It does not touch the
// process's environment. Its errors repeat nothing of the file but line
// numbers, since the file may hold secrets of other programs.
func readEnvFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the path is named already
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	vars, err := parseEnv(string(text))
	if err == nil {
		return vars, nil
	}
	// The parser does not say where it failed, and quotes what it met. What it
	// met is on the line after the longest part that it accepts.
	lines := slices.Collect(strings.Lines(string(text)))
	for n := len(lines) - 1; n >= 0; n-- {
		if _, err := parseEnv(strings.Join(lines[:n], "")); err == nil {
			return nil, fmt.Errorf("line %d is not of the form NAME=value", n+1)
		}
	}
	return nil, errors.New("not a file of NAME=value lines")
}

func parseEnv(text string) (map[string]string, error) {
	vars, err := godotenv.Unmarshal(text)
	if _, nameless := vars[""]; err == nil && nameless {
		err = errors.New("value without a name")
	}
	return vars, err
}
