package main

import (
	"fmt"
	"slices"
	"time"

	"polisen-events-collector/pkg/cloudtest"
)

// runReport is the part of a run's report that is looked at.
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

func (r runReport) stage(name string) (d time.Duration) {
	for _, s := range r.Stages {
		if s.Name == name {
			d += time.Duration(s.Duration * float64(time.Second))
		}
	}
	return d
}

// collect is a run on a response with so many events more than the last.
func (b *bench) collect(fresh int) (u usage, r runReport, err error) {
	b.moved += fresh
	b.cloud.API.Script(cloudtest.Response(b.moved))
	u, err = b.run(&r, nil, "collect", "--env-file", b.envFile)
	if err == nil && r.Counts.New != fresh {
		err = fmt.Errorf("the run stored %d events, want %d", r.Counts.New, fresh)
	}
	if fresh > 0 {
		b.pending = len(r.Objects)
	}
	return u, r, err
}

// first fills the archive.
func (b *bench) first() error {
	_, _, err := b.collect(500)
	return err
}

// cost prints what an ordinary run takes of the machine.
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

// requests prints what a run asks of the services.
func (b *bench) requests() error {
	for _, fresh := range []int{3, 0} {
		b.cloud.Objects.ResetLog()
		calls, heads := len(b.cloud.API.Calls()), b.pending
		_, r, err := b.collect(fresh)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, r := range b.cloud.Objects.Requests() {
			count[r.Method]++
		}
		puts := 1 // last_run.json
		if fresh > 0 {
			puts += 1 + len(r.Objects)
		}
		const line = "%d API call, %d GET, %d HEAD, %d PUT"
		fmt.Printf("  %d new events: "+line+"  budget "+line+"\n", fresh,
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
	defer b.cloud.SetDelays(cloudtest.Delays{})
	var wall, ideal, sequential []float64
	for range runs {
		u, r, err := b.collect(3)
		if err != nil {
			return err
		}
		credentials := r.stage("credentials")
		beside := credentials + 2*d.Read // GET the document, then HEAD each pending object, all at once
		wall = append(wall, u.Wall.Seconds())
		ideal = append(ideal, (max(d.API, beside) + d.PutDocument + d.Put).Seconds())
		sequential = append(sequential, (credentials + d.API + d.Read + d.Put + d.PutDocument).Seconds())
	}
	w, i, s := median(wall), median(ideal), median(sequential)
	fmt.Printf("collect, 3 new events, API %v, GET and HEAD %v, PUT of the document %v, other PUTs %v, median of %d runs:\n",
		d.API, d.Read, d.PutDocument, d.Put, runs)
	figure("from start to exit", "s", 3, w, "")
	figure("max(API, credentials+GET+heal)+PUT+PUT", "s", 3, i, "ratio %.3f, budget 1.05", w/i)
	figure("the published design, one after another", "s", 3, s, "ratio %.3f", w/s)
	return nil
}
