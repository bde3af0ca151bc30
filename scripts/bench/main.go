// Command bench measures the built program as a process of its own, against
// fakes of the API and of Object Storage on loopback and against folders, and
// prints the figures beside their budgets. It judges nothing, but fails if a
// run does:
//
//	go run ./scripts/bench PROGRAM
package main

import (
	"fmt"
	"os"
	"slices"

	"polisen-events-collector/pkg/cloudtest"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == launchCommand {
		exitOn(launch(os.Args[2:]))
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bench PROGRAM")
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

// bench is the program, and the world that it is measured in.
type bench struct {
	program string
	dir     string // for anything
	cloud   *cloudtest.Cloud
	envFile string // leads to the cloud

	moved   int // events that the API has shown beyond the first
	pending int // objects of the last commit
}

// measure prints all figures.
func measure(program string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{program: program, dir: dir}
	if b.cloud, err = cloudtest.Start(dir, "127.0.0.1:0"); err != nil {
		return err
	}
	defer b.cloud.Close()
	if b.envFile, err = b.cloud.WriteEnvFile(); err != nil {
		return err
	}
	for _, part := range []func() error{b.first, b.cost, b.requests, b.delays, b.repeats, b.fresh, b.audit} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// run runs the program without settings but for those given.
func (b *bench) run(report any, env []string, args ...string) (usage, error) {
	return run(report, append([]string{"HOME=" + b.dir}, env...), append([]string{b.program, "--output", "json"}, args...))
}

// figure prints one figure, which may be followed by a budget or a remark.
func figure(what, unit string, digits int, value float64, remark string, args ...any) {
	fmt.Printf("  %-40s %10.*f %-5s  "+remark+"\n", append([]any{what, digits, value, unit}, args...)...)
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
