//go:build linux && amd64

// Command faults runs the built program while the machine fails: it kills it at every
// system call, cuts the power, fills the disk, or breaks the network. It prints a Markdown
// table of the outcomes, and fails if the program breaks a promise:
//
//	go run ./scripts/faults -write
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

const usage = `usage: faults [options]

Runs the program while the machine fails, and prints a Markdown table of the outcomes.
Some faults need root: they mount a small file system.

options:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(64)
	default:
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("see --help")

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	pattern := flags.String("run", "", "run only the faults whose name matches this regular `EXPRESSION`")
	list := flags.Bool("list", false, "print the names of the faults, and run none")
	write := flags.Bool("write", false, "write the rows to the table in scripts/faults/README.md, which keeps its other rows")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
			return err
		}
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	selected, err := regexp.Compile(*pattern)
	switch {
	case err != nil:
		return fmt.Errorf("invalid value for -run: %w: %w", err, errUsage)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: %w", flags.Arg(0), errUsage)
	}
	if *list {
		for _, f := range faults() {
			fmt.Fprintln(stdout, f.name)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "polisen-events-collector")
	if err := build(program, "."); err != nil {
		return err
	}
	var rows []row
	broken := 0
	for _, f := range faults() {
		if !selected.MatchString(f.name) || ctx.Err() != nil {
			continue
		}
		r := f.row(program, dir)
		fmt.Fprintln(os.Stderr, r)
		rows = append(rows, r)
		if r.Broken {
			broken++
		}
	}
	if *write && ctx.Err() == nil {
		err = writeRows(readme, rows)
	} else {
		fmt.Fprint(stdout, tableHead)
		for _, r := range rows {
			fmt.Fprintln(stdout, r)
		}
	}
	if err == nil && broken > 0 {
		err = fmt.Errorf("the program broke a promise under %d of %d faults", broken, len(rows))
	}
	return errors.Join(err, ctx.Err())
}

// build builds the program of a module's folder.
func build(to, module string) error {
	c := exec.Command("go", "build", "-race=false", "-o", to, module) // GOFLAGS may have -race
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, out)
	}
	return nil
}

// row is a line of the table.
type row struct {
	Fault  string
	Exit   string
	Stored string // new events in the archive at the end of the run with the fault
	Health string // status words of verify --quick then
	After  string // the archive after the next run
	Cost   string // time and memory
	Line   string // the program's message
	Broken bool
}

func (r row) String() string {
	return "| " + strings.Join([]string{r.Fault, r.Exit, r.Stored, r.Health, r.After, r.Cost, r.Line}, " | ") + " |"
}

// readme is the file with the table, in the folder of the module.
const readme = "scripts/faults/README.md"

// Parts of the file with the table.
const (
	tableBegin = "<!-- begin of the table -->\n"
	tableEnd   = "<!-- end of the table -->\n"
	tableHead  = "| fault | exit code | new events stored | `verify --quick` | after the next run | time, memory | message |\n" +
		"| --- | --- | --- | --- | --- | --- | --- |\n"
)

// readRows returns the lines of the table in a file by the name of the fault, and the text
// before and after the table.
func readRows(path string) (rows map[string]string, before, after string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", "", err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin+tableHead)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return nil, "", "", fmt.Errorf("%s has no table after the line %q", path, tableBegin)
	}
	rows = map[string]string{}
	for line := range strings.Lines(table) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		rows[name] = line
	}
	return rows, before, after, nil
}

// writeRows replaces rows of the table in a file, and puts all rows in their order.
func writeRows(path string, changed []row) error {
	rows, before, after, err := readRows(path)
	if err != nil {
		return err
	}
	for _, r := range changed {
		rows[r.Fault] = r.String() + "\n"
	}
	var table strings.Builder
	for _, f := range faults() {
		table.WriteString(rows[f.name])
	}
	return os.WriteFile(path, []byte(before+tableBegin+tableHead+table.String()+tableEnd+after), 0o644)
}
