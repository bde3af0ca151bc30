package config

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"regexp"
	"strings"
	"unicode"

	"github.com/joho/godotenv"

	"polisen-events-collector/pkg/statefile"
)

// readEnvFile returns the variables of the file at path. It does not change the
// environment of the process. Its errors show line numbers but no text of the
// file, which may hold secrets of other programs. A reference to a variable is an
// error: a value that repeats another one twice, and so on, would grow without a limit.
func readEnvFile(path string) (map[string]string, error) {
	text, err := statefile.ReadFile(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the caller's error has the path
		}
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	vars := map[string]string{}
	for line, statement := range statements(string(text)) {
		parsed, err := godotenv.Unmarshal(statement.text)
		_, nameless := parsed[""]
		switch {
		case err != nil || nameless: // err quotes the file
			return nil, fmt.Errorf("line %d is not of the form NAME=value", line)
		case statement.refers():
			return nil, fmt.Errorf("line %d refers to a variable ($NAME), which is not supported: write its value; for the character $ put the whole value in single quotes", line)
		}
		maps.Copy(vars, parsed)
	}
	return vars, nil
}

// variable matches a reference to a variable or to the output of a command, which
// godotenv would replace. It does not match the escape \$.
var variable = regexp.MustCompile(`(^|[^\\])\$(\(|\{?\w)`)

// statement is one setting of an env-file: a line or, if the value is quoted, the text
// up to the closing quote.
type statement struct {
	text  string
	quote byte // around the value; zero if there is none
}

// refers reports whether the value refers to a variable.
func (s statement) refers() bool {
	text := s.text
	switch s.quote {
	case '\'':
		return false
	case 0: // a comment may follow
		if i := max(strings.LastIndex(text, " #"), strings.LastIndex(text, "\t#")); i >= 0 {
			text = text[:i]
		}
	}
	return variable.MatchString(text)
}

// statements yields the statements of an env-file, with the numbers of their first
// lines, in the way in which godotenv divides it. It leaves out comments.
func statements(text string) iter.Seq2[int, statement] {
	return func(yield func(int, statement) bool) {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		number := 1
		for {
			begin := strings.TrimLeftFunc(text, unicode.IsSpace)
			number += strings.Count(text[:len(text)-len(begin)], "\n")
			if text = begin; text == "" {
				return
			}
			s, end := nextStatement(text)
			if text[0] != '#' && !yield(number, s) {
				return
			}
			number += strings.Count(text[:end], "\n")
			text = text[end:]
		}
	}
}

// nextStatement returns the statement or the comment at the start of text, and its length.
func nextStatement(text string) (s statement, end int) {
	line, _, _ := strings.Cut(text, "\n")
	if line[0] == '#' {
		return statement{line, 0}, len(line)
	}
	if i := strings.IndexAny(line, "=:"); i >= 0 {
		value := len(line) - len(strings.TrimLeft(line[i+1:], " \t\v\f\r\u0085\u00a0"))
		if value < len(line) && (line[value] == '"' || line[value] == '\'') {
			s.quote = line[value]
			if end := closingQuote(text, value); end >= 0 {
				s.text = text[:end]
				return s, end
			}
			s.text = line // an error, since the quote is not closed
			return s, len(line)
		}
	}
	if end := strings.IndexByte(line, '\r'); end > 0 { // it ends a value too
		line = line[:end]
	}
	return statement{line, 0}, len(line)
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
