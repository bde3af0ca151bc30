package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// usage holds the resources that a run of a command used, and its output.
type usage struct {
	Wall, CPU time.Duration
	MaxRSS    int64 // bytes
	Output    []byte
}

// milliseconds returns CPU in milliseconds, and memory returns MaxRSS in MiB.
func (u usage) milliseconds() float64 { return u.CPU.Seconds() * 1000 }
func (u usage) memory() float64       { return float64(u.MaxRSS) / (1 << 20) }

// launch runs a command with only these environment variables.
func (b *bench) launch(env []string, command ...string) (u usage, err error) {
	c := exec.Command(b.programs.launch, command...)
	c.Env = append([]string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH")}, env...)
	var diagnostics strings.Builder
	c.Stderr = &diagnostics
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &u)
	}
	if err != nil {
		return usage{}, fmt.Errorf("run %s: %w\n%s", strings.Join(command, " "), err, &diagnostics)
	}
	return u, nil
}

// run runs the program, and decodes its JSON output into report.
func (b *bench) run(report any, env []string, args ...string) (usage, error) {
	u, err := b.launch(env, append([]string{b.programs.program, "--output", "json"}, args...)...)
	if err == nil {
		err = json.Unmarshal(u.Output, report)
	}
	return u, err
}

// sample holds the values of several runs.
type sample []float64

// median returns the median of the values.
func (s sample) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// text returns the median with its unit, and the smallest and the largest value.
func (s sample) text(digits int, unit string) string {
	return fmt.Sprintf("%.*f %s (%.*f to %.*f)", digits, s.median(), unit, digits, slices.Min(s), digits, slices.Max(s))
}
