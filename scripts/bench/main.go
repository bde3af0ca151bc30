// Command bench runs the built program with fakes of the API and of Object Storage,
// and with folders, and prints the measured figures next to their budgets:
//
//	go run ./scripts/bench PROGRAM
//
// It fails if a run fails, but not if a figure is over budget.
package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"polisen-events-collector/pkg/cloudtest"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == launchCommand {
		exitOn(launch(os.Args[2:]))
		return
	}
	const usage = "usage: bench PROGRAM\n\nMeasures the built program and prints the figures next to their budgets."
	switch {
	case len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "--help"):
		fmt.Println(usage)
		return
	case len(os.Args) != 2:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(64)
	}
	exitOn(measure(os.Args[1]))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench holds the program and its environment.
type bench struct {
	program string
	dir     string // temporary
	cloud   *cloudtest.Cloud
	envFile string // the settings that use cloud

	start     time.Time // time of the newest event of the API's first response
	published int       // new events of the API since then
	pending   int       // objects of the last commit
}

// measure runs all benchmarks.
func measure(program string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{program: program, dir: dir, start: time.Now()}
	if b.cloud, err = cloudtest.Start(dir, "127.0.0.1:0"); err != nil {
		return err
	}
	defer b.cloud.Close()
	if b.envFile, err = b.cloud.WriteEnvFile(); err != nil {
		return err
	}
	for _, part := range []func() error{b.first, b.cost, b.requests, b.delays, b.repeats, b.newEvents, b.audit} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// run runs the program with only these arguments and environment variables, and
// decodes its JSON output into report.
func (b *bench) run(report any, env []string, args ...string) (usage, error) {
	return run(report, append([]string{"HOME=" + b.dir}, env...), append([]string{b.program, "--output", "json"}, args...))
}

// figure prints a figure, its unit and a remark.
func figure(name, unit string, digits int, value float64, remark string, args ...any) {
	fmt.Printf("  %-40s %10.*f %-5s  "+remark+"\n", append([]any{name, digits, value, unit}, args...)...)
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
