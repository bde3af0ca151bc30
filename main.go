// Command polisen-events-collector collects the Swedish police's public event
// notices into an archive in which each event stands exactly once.
package main

import (
	"os"

	"polisen-events-collector/cmd"
)

func main() {
	os.Exit(cmd.Main(cmd.Process{
		Args: os.Args[1:], Env: os.LookupEnv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
