// Command polisen-events-collector collects the public event notices of the
// Swedish police into an archive that holds each event exactly once.
package main

import (
	"os"
	"runtime/debug"

	"polisen-events-collector/cmd"
)

// softMemoryLimit is the size in bytes from which the garbage collector runs more often,
// so that a run takes less than 100 MiB whatever the API sends. It is not a hard limit.
const softMemoryLimit = 64 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemoryLimit)
	}
	os.Exit(cmd.Main(cmd.Process{
		Args: os.Args[1:], Env: os.LookupEnv, Environ: os.Environ, Setenv: os.Setenv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
