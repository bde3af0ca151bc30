package config

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"polisen-events-collector/pkg/statefile"
)

// readEnvFile returns the text of the file at path.
func readEnvFile(path string) (string, error) {
	text, err := statefile.ReadFile(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the caller's error has the path
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("the file cannot be read: %w: run the command as root, or as the user of the collector", err)
		}
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	if statefile.IsUTF16(string(text)) {
		return "", errors.New("the file is not UTF-8 text: save it as UTF-8")
	}
	return string(text), nil
}

// The errors of a line of an env-file.
var (
	errNoAssignment = errors.New("is not of the form NAME=value")
	errExport       = errors.New("begins with export, which systemd does not read: remove this word")
	errReference    = errors.New("refers to a variable ($NAME), which is not supported: write its value; for the character $ put the whole value in single quotes")
	errComment      = errors.New("has a comment after the value, which systemd reads as a part of it: write the comment on a line of its own, or put the whole value in single quotes")
	errQuote        = errors.New("has a quote within the value, or text after its closing quote: put the whole value in quotes, in single ones if it has double ones")
	errOpenQuote    = errors.New("has no closing quote")
	errBackslash    = errors.New(`has a backslash, which programs read differently: put the whole value in single quotes`)
	errCommentEnd   = errors.New("is a comment that ends with a backslash, after which systemd skips the next line: remove the backslash")
	errText         = errors.New("is not UTF-8 text, or has a control character in it")
)

// reference matches a reference to a variable or to the output of a command.
var reference = regexp.MustCompile(`\$(\(|\{?\w)`)

// variableName matches the name of a variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseEnv returns the variables of an env-file. It accepts only what the setting
// EnvironmentFile= of systemd reads in the same way
// (https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html): lines
// NAME=value, comments on lines of their own, and values in single or double quotes,
// which may have several lines. Anything that this program, systemd, a shell or another
// reader of such files could read differently is an error with its line number. The
// errors show no text of the file, which may hold secrets of other programs.
func parseEnv(text string) (map[string]string, error) {
	text = strings.TrimPrefix(text, "\ufeff") // some editors begin a file with a byte order mark
	vars := map[string]string{}
	for number := 1; text != ""; {
		line, _, _ := strings.Cut(text, "\n")
		length := len(line)
		trimmed := strings.Trim(line, " \t\r")
		switch {
		case trimmed == "":
		case trimmed[0] == '#' || trimmed[0] == ';':
			if strings.HasSuffix(trimmed, `\`) {
				return nil, fmt.Errorf("line %d %w", number, errCommentEnd)
			}
		default:
			name, rest, ok := strings.Cut(text, "=")
			name = strings.Trim(name, " \t\r")
			if first, _, _ := strings.Cut(name, " "); ok && first == "export" && !strings.Contains(name, "\n") {
				return nil, fmt.Errorf("line %d %w", number, errExport)
			}
			if !ok || !variableName.MatchString(name) {
				return nil, fmt.Errorf("line %d %w", number, errNoAssignment)
			}
			value, after, err := envValue(rest)
			if err != nil {
				return nil, fmt.Errorf("line %d %w", number, err)
			}
			vars[name] = value
			length = len(text) - len(after)
		}
		number += strings.Count(text[:length], "\n") + 1
		text = text[min(length+1, len(text)):]
	}
	return vars, nil
}

// envValue returns the value at the beginning of text, and the rest from the end of
// its last line on.
func envValue(text string) (value, rest string, err error) {
	text = strings.TrimLeft(text, " \t\r")
	if text == "" || text[0] != '"' && text[0] != '\'' {
		value, _, _ = strings.Cut(text, "\n")
		rest = text[len(value):]
		value = strings.TrimRight(value, " \t\r")
		switch {
		case !isText(value) || strings.Contains(value, "\r"):
			err = errText
		case value != "" && value[0] == '#', strings.Contains(value, " #"), strings.Contains(value, "\t#"):
			err = errComment
		case strings.ContainsAny(value, `"'`):
			err = errQuote
		case strings.Contains(value, `\`):
			err = errBackslash
		case reference.MatchString(value):
			err = errReference
		}
		return value, rest, err
	}
	quote := text[0]
	value, rest, ok := strings.Cut(text[1:], string(quote))
	if ok && quote == '"' && reference.MatchString(value) {
		return "", "", errReference
	}
	after, _, _ := strings.Cut(rest, "\n")
	after = strings.Trim(after, " \t\r")
	switch {
	case !ok:
		return "", "", errOpenQuote
	case quote == '"' && strings.Contains(value, `\`):
		return "", "", errBackslash
	case strings.HasPrefix(after, "#"):
		return "", "", errComment
	case after != "":
		return "", "", errQuote
	case !isText(value):
		return "", "", errText
	}
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		return value, rest[i:], nil
	}
	return value, "", nil
}

// isText reports whether s is UTF-8 text without control characters other than line
// ends and tabs.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || r == '\ufeff'
	})
}
