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

// launchCommand makes this program a launcher. Linux counts the memory of the
// parent at the time of the start as the child's own, so the program must not
// be started from a process that holds the fakes.
const launchCommand = "launch"

// usage is what a run took.
type usage struct {
	Wall, CPU time.Duration
	MaxRSS    int64 // bytes
	Report    runReport
}

// runReport is the part of a run's report that is looked at.
type runReport struct {
	Counts struct {
		New int `json:"new"`
	} `json:"counts"`
	Objects []struct{} `json:"objects"`
	Checked struct {
		Objects int `json:"objects"`
	} `json:"checked"` // of verify
	Stages []struct {
		Name     string  `json:"name"`
		Duration float64 `json:"duration_s"`
	} `json:"stages"`
}

func (r runReport) stage(name string) (d time.Duration) {
	for _, s := range r.Stages {
		if s.Name == name {
			d += time.Duration(s.Duration * float64(time.Second))
		}
	}
	return d
}

// run runs a command that prints its report, through the launcher, with these
// variables in addition to the environment.
func run(command []string, env ...string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	launcher := exec.Command(self, append([]string{launchCommand}, command...)...)
	launcher.Env = append(os.Environ(), env...)
	launcher.Stderr = os.Stderr
	out, err := launcher.Output()
	if err != nil {
		return usage{}, fmt.Errorf("run %s: %w", text(command), err)
	}
	var u usage
	if err := json.Unmarshal(out, &u); err != nil {
		return usage{}, fmt.Errorf("run %s: %w", text(command), err)
	}
	return u, nil
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
	u := usage{
		Wall:   time.Since(begin),
		CPU:    c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		MaxRSS: c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, // Linux has it in KiB
	}
	if err := json.Unmarshal(out.Bytes(), &u.Report); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}
