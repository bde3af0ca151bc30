//go:build !linux || !amd64

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "faults: this command needs Linux on amd64, since it traces the system calls of the program")
	os.Exit(1)
}
