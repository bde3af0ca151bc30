// Command bench measures the program with fakes of the API and of Object Storage, and with
// folders, and prints the results as two Markdown tables:
//
//	go run ./scripts/bench FOLDER
//
// FOLDER holds the built commands program, bare, sdk and launch. It may hold duckdb.mjs with
// the Node.js package @duckdb/node-api: see bench.sh, which prepares it. The command fails
// if a run fails, but not if a goal is missed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const usageText = `usage: bench FOLDER

Measures the programs in FOLDER and prints the results as Markdown. bench.sh builds them.`

func main() {
	switch {
	case len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "--help"):
		fmt.Println(usageText)
	case len(os.Args) != 2:
		fmt.Fprintln(os.Stderr, usageText)
		os.Exit(64)
	default:
		if err := measure(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

// bench holds the programs, and the results so far.
type bench struct {
	programs struct{ program, bare, sdk, launch string }
	duckdb   duckdb
	dir      string // temporary
	memory   string // temporary and in memory, where the system has such a folder
	table
}

// measure makes all measurements and prints them.
func measure(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	b := new(bench)
	b.programs.program = filepath.Join(folder, "program")
	b.programs.bare = filepath.Join(folder, "bare")
	b.programs.sdk = filepath.Join(folder, "sdk")
	b.programs.launch = filepath.Join(folder, "launch")
	b.duckdb = findDuckDB(folder)
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.memory, err = os.MkdirTemp("/dev/shm", "bench"); err == nil {
		defer os.RemoveAll(b.memory)
	} else {
		b.memory = b.dir
	}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"collect", b.collects}, {"collect after a first run", b.afterFirstRun}, {"import", b.imports},
		{"new events", b.newEvents}, {"verify", b.verify}, {"growth", b.growth},
	} {
		fmt.Fprintf(os.Stderr, "measuring: %s\n", part.name)
		if err := part.run(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	b.table.write(os.Stdout)
	return nil
}
