package main

import (
	"fmt"
	"slices"
	"time"

	"polisen-events-collector/pkg/cloudtest"
)

// runReport is the part of a run's JSON report that the benchmarks read.
type runReport struct {
	Counts struct {
		Fetched int `json:"fetched"`
		New     int `json:"new"`
	} `json:"counts"`
	Objects []struct{} `json:"objects"`
	Stages  []struct {
		Name     string  `json:"name"`
		Duration float64 `json:"duration_s"`
	} `json:"stages"`
}

// stage returns the total duration of the stages of this name.
func (r runReport) stage(name string) (d time.Duration) {
	for _, s := range r.Stages {
		if s.Name == name {
			d += time.Duration(s.Duration * float64(time.Second))
		}
	}
	return d
}

// collect runs collect on a response with this number of new events, and checks
// that it stores them.
func (b *bench) collect(added int) (u usage, r runReport, err error) {
	b.published += added
	b.cloud.API.Script(cloudtest.ResponseAfter(b.start, b.published))
	u, err = b.run(&r, nil, "collect", "--env-file", b.envFile)
	if err == nil && r.Counts.New != added {
		err = fmt.Errorf("the run stored %d events, want %d", r.Counts.New, added)
	}
	if added > 0 {
		b.pending = len(r.Objects)
	}
	return u, r, err
}

// first runs the first collect, into an empty archive.
func (b *bench) first() error {
	_, _, err := b.collect(500)
	return err
}

// cost measures CPU and memory of a typical run.
func (b *bench) cost() error {
	const runs = 25
	var cpu, memory []float64
	for range runs {
		u, _, err := b.collect(3)
		if err != nil {
			return err
		}
		cpu = append(cpu, u.CPU.Seconds()*1000)
		memory = append(memory, u.memory())
	}
	fmt.Printf("collect, 3 new events, median of %d runs:\n", runs)
	figure("CPU, user and system", "ms", 1, median(cpu), "budget 25; from %.1f to %.1f", slices.Min(cpu), slices.Max(cpu))
	figure("peak memory", "MiB", 1, median(memory), "budget 20; from %.1f to %.1f", slices.Min(memory), slices.Max(memory))
	return nil
}

// requests prints the numbers of requests of a run with and a run without new
// events.
func (b *bench) requests() error {
	for _, added := range []int{3, 0} {
		b.cloud.Objects.ResetLog()
		calls, heads := len(b.cloud.API.Calls()), 0
		if added > 0 { // the objects of the last commit, after this run's commit
			heads = b.pending
		}
		_, r, err := b.collect(added)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, r := range b.cloud.Objects.Requests() {
			count[r.Method]++
		}
		const gets = 2 // last_seen.json and last_run.json
		puts := 1      // last_run.json
		if added > 0 {
			puts += 1 + len(r.Objects)
		}
		const line = "%d API call, %d GET, %d HEAD, %d PUT"
		fmt.Printf("  %d new events: "+line+"  budget "+line+"\n", added,
			len(b.cloud.API.Calls())-calls, count["GET"], count["HEAD"], count["PUT"], 1, gets, heads, puts)
	}
	return nil
}

// delays measures the duration of a run while the services respond slowly.
func (b *bench) delays() error {
	const runs = 5
	d := cloudtest.Delays{API: 1500 * time.Millisecond, Read: 500 * time.Millisecond,
		PutDocument: 300 * time.Millisecond, Put: 800 * time.Millisecond, PutReport: 300 * time.Millisecond}
	b.cloud.SetDelays(d)
	defer b.cloud.SetDelays(cloudtest.Delays{})
	var wall, ideal, sequential []float64
	for range runs {
		u, r, err := b.collect(3)
		if err != nil {
			return err
		}
		credentials := r.stage("credentials")
		wall = append(wall, u.Wall.Seconds())
		ideal = append(ideal, (max(d.API, credentials+d.Read) + d.PutDocument + d.Put + d.PutReport).Seconds())
		sequential = append(sequential, (credentials + d.API + d.Read + d.PutDocument + d.Put + d.PutReport).Seconds())
	}
	w, i, s := median(wall), median(ideal), median(sequential)
	fmt.Printf("collect, 3 new events, API %v, GET and HEAD %v, PUT of the document %v, of events %v, of the report %v, median of %d runs:\n",
		d.API, d.Read, d.PutDocument, d.Put, d.PutReport, runs)
	figure("measured", "s", 3, w, "")
	figure("max(API, credentials+GET)+PUT+PUT+PUT", "s", 3, i, "ratio %.3f, budget 1.05", w/i)
	figure("all steps one after another", "s", 3, s, "ratio %.3f", w/s)
	return nil
}
