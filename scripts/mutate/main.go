// Command mutate checks that the tests notice when a guarantee of the program is
// broken. It breaks one guarantee after the other in a copy of the module, each with
// a small change of the source (a mutation), and runs the tests that have to fail
// then. Run it in any folder of the project:
//
//	go run ./scripts/mutate
//
// mutations.go holds the mutations.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// outcome says what the tests did about a mutation. Its values are the words that
// mutate prints.
type outcome string

// The outcomes of a mutation. Only the first one is a success.
const (
	noticed      outcome = "noticed"
	notNoticed   outcome = "NOT NOTICED"
	doesNotApply outcome = "does not apply"
	doesNotBuild outcome = "does not build"
)

// errUnnoticed is the error of a run with a mutation that is not noticed, does not
// apply or does not build.
var errUnnoticed = errors.New("not all mutations are noticed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "usage: mutate [flags]\n\nBreaks one guarantee of the program after the other, and checks that its tests fail.\nEnds with 1 if a mutation is not noticed, does not apply or does not build.\n\n")
		flags.PrintDefaults()
	}
	selection := flags.String("run", "", "use only mutations whose file or guarantee matches `REGEXP`")
	list := flags.Bool("list", false, "print the mutations and run nothing")
	_ = flags.Parse(args) // ends the process if it fails
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; see --help", flags.Arg(0))
	}
	matches, err := regexp.Compile(*selection)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	var selected []mutation
	for _, m := range mutations() {
		if matches.MatchString(m.file) || matches.MatchString(m.guarantee) {
			selected = append(selected, m)
		}
	}
	switch {
	case len(selected) == 0:
		return fmt.Errorf("no mutation matches %q; -list prints all", *selection)
	case *list:
		for _, m := range selected {
			fmt.Fprintf(stdout, "%s: %s\n", m.file, m.guarantee)
		}
		return nil
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	c, err := newCopy(root)
	if err != nil {
		return err
	}
	defer c.remove()
	return c.tryAll(ctx, selected, stdout)
}

// tryAll checks that the tests pass without a mutation, and then tries the mutations.
// It prints a line for each.
func (c *moduleCopy) tryAll(ctx context.Context, selected []mutation, stdout io.Writer) error {
	start := time.Now()
	for _, tests := range testsOf(selected) {
		if err := c.checkWithout(ctx, tests); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "all tests pass without a mutation (%v)\n", time.Since(start).Round(time.Second))
	counts := make(map[outcome]int)
	for _, m := range selected {
		before := time.Now()
		result, detail, err := c.try(ctx, m)
		if err != nil {
			return err
		}
		counts[result]++
		fmt.Fprintf(stdout, "%-14s %s: %s", result, m.file, m.guarantee)
		if detail != "" {
			fmt.Fprintf(stdout, " [%s]", detail)
		}
		fmt.Fprintf(stdout, " (%.1fs)\n", time.Since(before).Seconds())
	}
	fmt.Fprintf(stdout, "%d of %d mutations noticed (%v)\n", counts[noticed], len(selected), time.Since(start).Round(time.Second))
	if counts[noticed] < len(selected) {
		return errUnnoticed
	}
	return nil
}

// moduleRoot returns the folder of this module's go.mod, which is the current folder
// or one above it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the current folder is not in a Go module; run mutate in the project's folder")
		}
		dir = parent
	}
}
