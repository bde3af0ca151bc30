// Command launch runs a command and prints its use of resources as JSON.
//
// It is a program of its own because it has to be small: on Linux the peak memory of a
// process includes the memory that its parent has when it starts it (getrusage(2),
// ru_maxrss).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if err := launch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		os.Exit(1)
	}
}

// launch runs a command. The fields of its output are those of usage of package bench.
func launch(command []string) error {
	var out bytes.Buffer
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = &out, os.Stderr
	begin := time.Now()
	if err := c.Run(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"Wall":   time.Since(begin),
		"CPU":    c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		"MaxRSS": int64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10, // Linux returns KiB
		"Output": out.Bytes(),
	})
}
