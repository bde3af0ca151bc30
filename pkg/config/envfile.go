package config

import (
	"errors"
	"fmt"
	"io/fs"
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
	return nil, fmt.Errorf("line %d is not of the form NAME=value", wrongLine(string(text)))
}

// wrongLine returns the number of the first line that parseEnv does not accept. (Its
// error quotes the file and has no line number.) It reads each line once.
func wrongLine(text string) int {
	const unterminated = "unterminated quoted value "
	number := 1
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		_, err := parseEnv(line + "\n")
		if err == nil {
			number++
			text = rest
			continue
		}
		_, value, ok := strings.Cut(err.Error(), unterminated)
		start := strings.LastIndex(line, value)
		if !ok || value == "" || start < 0 {
			break
		}
		end := closingQuote(text, start)
		if end < 0 {
			break
		}
		number += strings.Count(text[:end], "\n")
		text = text[end:]
	}
	return number
}

// closingQuote returns the offset after the quote that closes the quoted value at the
// offset start of text, or -1.
func closingQuote(text string, start int) int {
	for i := start + 1; i < len(text); i++ {
		if text[i] == text[start] && text[i-1] != '\\' {
			return i + 1
		}
	}
	return -1
}

func parseEnv(text string) (map[string]string, error) {
	vars, err := godotenv.Unmarshal(text)
	if _, nameless := vars[""]; err == nil && nameless {
		err = errors.New("value without a name")
	}
	return vars, err
}
