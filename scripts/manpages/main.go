// Command manpages writes the man pages of the program, one for each command and each help
// topic, from the same texts as its help:
//
//	go run ./scripts/manpages v1.2.3 /tmp/man
//
// Commands are in section 1 and help topics in section 7. The pages show the month of
// SOURCE_DATE_EPOCH (seconds since 1970), or without it the current month.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"polisen-events-collector/cmd"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

// run writes the pages. The last line of each page has the version. The folder is created
// if it is missing.
func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: manpages VERSION FOLDER")
	}
	version, dir := args[0], args[1]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	pages, err := manPages(cmd.Commands(), version)
	if err != nil {
		return err
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manPages returns the man pages of all commands and help topics by their file names.
func manPages(root *cobra.Command, version string) (map[string][]byte, error) {
	root.DisableAutoGenTag = true
	exitCodes := ""
	if topic, _, err := root.Find([]string{"exit-codes"}); err == nil {
		exitCodes = topic.Long
	}
	commands := append(root.Commands(), root)
	for _, c := range commands {
		c.LocalNonPersistentFlags().VisitAll(plainUsage)
		c.PersistentFlags().VisitAll(plainUsage)
	}
	pages := map[string][]byte{}
	for _, c := range commands {
		section := "1"
		if isTopic(c) {
			section = "7"
		}
		name := pageName(c)
		page, err := manPage(c, &doc.GenManHeader{
			Title: strings.ToUpper(name), Section: section, Source: strings.TrimSpace(root.Name() + " " + version), Manual: manuals[section],
		}, exitCodes)
		if err != nil {
			return nil, fmt.Errorf("write the man page of %s: %w", name, err)
		}
		pages[name+"."+section] = page
	}
	return pages, nil
}

// manuals has the title of each section of the manual, for the heading of the pages.
var manuals = map[string]string{"1": "User Commands", "7": "Miscellaneous"}

// isTopic reports whether c is a help topic and no command.
func isTopic(c *cobra.Command) bool { return !c.Runnable() }

// pageName returns the name of the page of c without its section.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage returns the page of a command or a topic.
func manPage(c *cobra.Command, header *doc.GenManHeader, exitCodes string) ([]byte, error) {
	if isTopic(c) {
		c.Long = "```\n" + c.Long + "\n```" // keeps the lines of its lists
		c.DisableFlagsInUseLine = true
	} else {
		c.Long = escape(c.Long)
	}
	c.Short = escape(c.Short)
	var b bytes.Buffer
	if err := doc.GenMan(c, header, &b); err != nil {
		return nil, err
	}
	if isTopic(c) {
		return withoutSections(b.Bytes(), "SYNOPSIS", "OPTIONS", "OPTIONS INHERITED FROM PARENT COMMANDS"), nil
	}
	page := withoutSections(withoutValueQuotes(b.Bytes()), "SEE ALSO")
	page = append(page, exitStatus(strings.Fields(c.Annotations["exit-codes"]), exitCodes)...)
	return append(page, seeAlso(c)...), nil
}

// special matches the characters that have a meaning in Markdown, from which cobra makes man
// pages.
var special = regexp.MustCompile("[\\\\`*_<>\\[\\]#|]")

func escape(text string) string { return special.ReplaceAllString(text, `\$0`) }

// plainUsage makes cobra write a flag as --flag=VALUE, where VALUE is the name in backquotes
// in the flag's text. It adds the default to the text, unless the text has it.
func plainUsage(f *pflag.Flag) {
	value, text := pflag.UnquoteUsage(f)
	switch f.DefValue {
	case "", "false", "0", "[]":
	default:
		if !strings.Contains(text, "default") {
			text += " (default " + f.DefValue + ")"
		}
	}
	f.Usage, f.DefValue = escape(text), value
}

// valueQuotes matches the value of a flag in the double quotes that cobra puts around some.
var valueQuotes = regexp.MustCompile(`(?m)(^\\fB--[a-z-]+\\fP\[?)="([^"]*)"`)

// withoutValueQuotes returns the page without these quotes, and without the empty brackets
// after flags that take no value.
func withoutValueQuotes(page []byte) []byte {
	page = valueQuotes.ReplaceAll(page, []byte("$1=$2"))
	return bytes.ReplaceAll(page, []byte("[=]"), nil)
}

// withoutSections returns the page without the sections of these names.
func withoutSections(page []byte, names ...string) []byte {
	var kept []byte
	skip := false
	for line := range bytes.Lines(page) {
		if title, ok := bytes.CutPrefix(line, []byte(".SH ")); ok {
			skip = false
			for _, name := range names {
				skip = skip || string(bytes.TrimSpace(title)) == name
			}
		}
		if !skip {
			kept = append(kept, line...)
		}
	}
	return kept
}

// exitStatus returns the section that explains these exit codes with the lines of the help
// topic.
func exitStatus(numbers []string, topic string) string {
	var b strings.Builder
	b.WriteString(".SH EXIT STATUS\n")
	for line := range strings.Lines(topic) {
		number, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, n := range numbers {
			if n == number {
				fmt.Fprintf(&b, ".TP\n%s\n%s\n", number, roff(strings.TrimSpace(meaning)))
			}
		}
	}
	return b.String()
}

// seeAlso returns the section that names the pages of all commands and topics but c.
func seeAlso(c *cobra.Command) string {
	root := c.Root()
	var others []string
	for _, other := range append([]*cobra.Command{root}, root.Commands()...) {
		switch {
		case other == c:
		case isTopic(other):
			others = append(others, `\fB`+roff(pageName(other))+`\fR(7)`)
		default:
			others = append(others, `\fB`+roff(pageName(other))+`\fR(1)`)
		}
	}
	return ".SH SEE ALSO\n" + strings.Join(others, ",\n") + "\n"
}

// roff escapes text for a line of a man page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
