package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// launchCommand makes this program a launcher. Linux counts the memory of the
// parent at the time of the start as the child's own, so the program must not
// be started from a process that holds the fakes.
const launchCommand = "launch"

// usage is what a run took, and what it printed.
type usage struct {
	Wall, CPU time.Duration
	MaxRSS    int64 // bytes
	Output    []byte
}

func (u usage) memory() float64 { return float64(u.MaxRSS) / (1 << 20) }

// run runs a command through the launcher, with these variables alone, and
// decodes the JSON document that it prints into report.
func run(report any, env, command []string) (usage, error) {
	u, err := launched(env, command)
	if err == nil {
		err = json.Unmarshal(u.Output, report)
	}
	if err != nil {
		return usage{}, fmt.Errorf("run %s: %w", strings.Join(command, " "), err)
	}
	return u, nil
}

func launched(env, command []string) (u usage, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, err
	}
	launcher := exec.Command(self, append([]string{launchCommand}, command...)...)
	launcher.Env = env
	launcher.Stderr = os.Stderr
	out, err := launcher.Output()
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(out, &u)
}

// launch runs a command and prints its usage.
func launch(command []string) error {
	var out bytes.Buffer
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = &out, os.Stderr
	begin := time.Now()
	if err := c.Run(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(usage{
		Wall:   time.Since(begin),
		CPU:    c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		MaxRSS: int64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10, // Linux has it in KiB
		Output: out.Bytes(),
	})
}
