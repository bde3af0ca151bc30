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

// launchCommand is the argument that makes this program a launcher: a small process
// that starts the measured program. On Linux the peak memory of a process includes
// the memory of its parent at the start (getrusage(2), ru_maxrss), and the process
// with the fakes is large.
const launchCommand = "launch"

// usage holds the resources that a run used, and its output.
type usage struct {
	Wall, CPU time.Duration
	MaxRSS    int64 // bytes
	Output    []byte
}

// memory returns MaxRSS in MiB.
func (u usage) memory() float64 { return float64(u.MaxRSS) / (1 << 20) }

// run runs a command through the launcher with only these environment variables,
// and decodes its JSON output into report.
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

// launched starts the launcher for a command and returns its result.
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

// launch is the launcher: it runs a command and prints its usage as JSON.
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
		MaxRSS: int64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10, // Linux returns KiB
		Output: out.Bytes(),
	})
}
