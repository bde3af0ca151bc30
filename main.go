// Command polisen-events-collector collects the public event notices of the
// Swedish police into an archive that holds each event exactly once.
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
