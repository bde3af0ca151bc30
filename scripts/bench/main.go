// Command bench measures the built program as a process of its own, against
// fakes of the API and of Object Storage on loopback, and prints the figures
// beside their budgets. It judges nothing, but fails if a run does:
//
//	go run ./scripts/bench PROGRAM
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

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

// measure prints all figures.
func measure(program string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cloud, err := cloudtest.Start(dir, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer cloud.Close()
	env, err := cloud.WriteEnvFile()
	if err != nil {
		return err
	}
	b := &bench{cloud: cloud, command: []string{program, "collect", "--output", "json", "--env-file", env}}
	if _, err := b.next(500); err != nil { // the archive's first run
		return err
	}
	for _, part := range []func() error{b.cost, b.requests, b.delays} {
		if err := part(); err != nil {
			return err
		}
	}
	return bulk(program, dir)
}

// bench is an archive in a cloud, and the command that collects into it.
type bench struct {
	cloud   *cloudtest.Cloud
	command []string
	moved   int // events so far
	pending int // objects of the last commit
}

// next runs the command on a response with so many events more than the last.
func (b *bench) next(fresh int) (usage, error) {
	b.moved += fresh
	b.cloud.API.Script(cloudtest.Response(b.moved))
	u, err := run(b.command)
	if err == nil && u.Report.Counts.New != fresh {
		err = fmt.Errorf("the run stored %d events, want %d", u.Report.Counts.New, fresh)
	}
	if fresh > 0 {
		b.pending = len(u.Report.Objects)
	}
	return u, err
}

// cost prints what an ordinary run takes of the machine.
func (b *bench) cost() error {
	const runs = 25
	var cpu, memory []float64
	for range runs {
		u, err := b.next(3)
		if err != nil {
			return err
		}
		cpu = append(cpu, u.CPU.Seconds()*1000)
		memory = append(memory, float64(u.MaxRSS)/(1<<20))
	}
	fmt.Printf("A run with 3 new events, median of %d:\n", runs)
	fmt.Printf("  CPU, user and system       %6.1f ms   (%.1f to %.1f)  budget 25 ms\n", median(cpu), slices.Min(cpu), slices.Max(cpu))
	fmt.Printf("  peak memory                %6.1f MiB  (%.1f to %.1f)  budget 20 MiB\n", median(memory), slices.Min(memory), slices.Max(memory))
	return nil
}

// requests prints what a run asks of the services.
func (b *bench) requests() error {
	fmt.Println("Requests of a run:")
	for _, fresh := range []int{3, 0} {
		b.cloud.Objects.ResetLog()
		calls, heads := len(b.cloud.API.Calls()), b.pending
		u, err := b.next(fresh)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, r := range b.cloud.Objects.Requests() {
			count[r.Method]++
		}
		puts := 1 // last_run.json
		if fresh > 0 {
			puts += 1 + len(u.Report.Objects)
		}
		const line = "%d API call, %d GET, %d HEAD, %d PUT"
		fmt.Printf("  %d new events               "+line+"  budget "+line+"\n", fresh,
			len(b.cloud.API.Calls())-calls, count["GET"], count["HEAD"], count["PUT"], 1, 1, heads, puts)
	}
	return nil
}

// delays prints how long a run takes when the services take their time.
func (b *bench) delays() error {
	const runs = 5
	d := cloudtest.Delays{API: 1200 * time.Millisecond, Read: 500 * time.Millisecond,
		PutDocument: 300 * time.Millisecond, Put: 800 * time.Millisecond}
	b.cloud.SetDelays(d)
	var wall, ideal, sequential []float64
	for range runs {
		u, err := b.next(3)
		if err != nil {
			return err
		}
		credentials := u.Report.stage("credentials")
		beside := credentials + 2*d.Read // GET the document, and HEAD each pending object at once
		wall = append(wall, u.Wall.Seconds())
		ideal = append(ideal, (max(d.API, beside) + d.PutDocument + d.Put).Seconds())
		sequential = append(sequential, (credentials + d.API + d.Read + d.Put + d.PutDocument).Seconds())
	}
	w := median(wall)
	fmt.Printf("A run with 3 new events when the API takes %v, a GET or HEAD %v, the document's PUT %v,\n"+
		"other PUTs %v; median of %d:\n", d.API, d.Read, d.PutDocument, d.Put, runs)
	fmt.Printf("  from start to exit         %6.3f s\n", w)
	fmt.Printf("  max(API, credentials+GET+heal)+document PUT+events PUT\n"+
		"                             %6.3f s    ratio %.3f  budget 1.05\n", median(ideal), w/median(ideal))
	fmt.Printf("  the published design, all in a row (credentials, API, GET, PUT, PUT, nothing healed)\n"+
		"                             %6.3f s    ratio %.3f\n", median(sequential), w/median(sequential))
	return nil
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// text shows a command as one would type it.
func text(command []string) string { return strings.Join(command, " ") }
