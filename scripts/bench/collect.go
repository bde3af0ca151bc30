package main

import (
	"fmt"
	"net/http"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// collects measures runs of collect with 3 new events.
func (b *bench) collects() error {
	w, err := b.newWorld()
	if err != nil {
		return err
	}
	defer w.cloud.Close()
	if err := w.first(); err != nil {
		return err
	}
	if _, _, err := w.collect(3); err != nil { // the document then no longer holds the first 500 events
		return err
	}
	for _, part := range []func() error{w.countRequests, w.delays, w.cost} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// cost compares CPU and memory of a typical run with those of the bare program.
func (w *world) cost() error {
	const runs = 25
	var cpu, memory, bareCPU, bareMemory, sdkCPU, sdkMemory sample
	for len(cpu) < runs {
		before := len(w.last.Objects)
		u, r, err := w.collect(3)
		if err != nil {
			return err
		}
		if before != 1 || len(r.Objects) != 1 { // events of two days: these are other requests than those of bare
			continue
		}
		cpu, memory = append(cpu, u.milliseconds()), append(memory, u.memory())
		if u, err = w.send(w.programs.bare); err != nil {
			return err
		}
		bareCPU, bareMemory = append(bareCPU, u.milliseconds()), append(bareMemory, u.memory())
		if u, err = w.send(w.programs.sdk); err != nil {
			return err
		}
		sdkCPU, sdkMemory = append(sdkCPU, u.milliseconds()), append(sdkMemory, u.memory())
	}
	w.add(row{
		work: "`collect` with 3 new events, a bucket on this machine: CPU", digits: 2, unit: "times",
		result: cpu.median() / bareCPU.median(), goal: 1.5, measured: cpu.text(1, "ms"),
		bound: "the same signed requests, by a program that does nothing else: " + bareCPU.text(1, "ms"),
	})
	w.add(row{
		work: "the same: peak memory", digits: 2, unit: "times",
		result: memory.median() / bareMemory.median(), goal: 1.4, measured: memory.text(1, "MiB"),
		bound: "that program: " + bareMemory.text(1, "MiB"),
	})
	w.note("`collect` with 3 new events: CPU", cpu.text(1, "ms"), "25 ms")
	w.note("the same: peak memory", memory.text(1, "MiB"), "20 MiB")
	w.note("the same requests by a program that only has the SDK: CPU", fmt.Sprintf("%s, %.2f times the bound of collect", sdkCPU.text(1, "ms"), sdkCPU.median()/bareCPU.median()), "")
	w.note("the same: peak memory", fmt.Sprintf("%s, %.2f times the bound", sdkMemory.text(1, "MiB"), sdkMemory.median()/bareMemory.median()), "")
	return nil
}

// requests are numbers of requests to the bucket.
type requests struct{ gets, heads, puts int }

func (r requests) String() string {
	return fmt.Sprintf("%d GET, %d HEAD, %d PUT", r.gets, r.heads, r.puts)
}

func (r requests) sum() float64 { return float64(r.gets + r.heads + r.puts) }

// sent counts the requests to the bucket since the last reset of its log. A list is a GET.
func (w *world) sent() (n requests) {
	for _, r := range w.cloud.Objects.Requests() {
		switch r.Method {
		case http.MethodGet:
			n.gets++
		case http.MethodHead:
			n.heads++
		case http.MethodPut:
			n.puts++
		}
	}
	return n
}

// countRequests counts the requests of a run with and a run without new events.
func (w *world) countRequests() error {
	for _, added := range []int{3, 0} {
		w.cloud.Objects.ResetLog()
		calls, heads := len(w.cloud.API.Calls()), 0
		if added > 0 { // the objects of the last commit, after this run's commit
			heads = len(w.last.Objects)
		}
		_, r, err := w.collect(added)
		if err != nil {
			return err
		}
		const gets = 2 // last_seen.json and last_run.json
		puts := 1      // last_run.json
		if added > 0 {
			puts += 1 + len(r.Objects)
		}
		w.note(fmt.Sprintf("requests of a `collect` with %d new events", added),
			fmt.Sprintf("%d API call, %s", len(w.cloud.API.Calls())-calls, w.sent()),
			fmt.Sprintf("1 API call, %s", requests{gets, heads, puts}))
	}
	return nil
}

// delays measures the duration of a run while the services respond slowly.
func (w *world) delays() error {
	const runs = 5
	d := cloudtest.Delays{API: 1500 * time.Millisecond, Read: 500 * time.Millisecond,
		PutDocument: 300 * time.Millisecond, Put: 800 * time.Millisecond, PutReport: 300 * time.Millisecond}
	w.cloud.SetDelays(d)
	defer w.cloud.SetDelays(cloudtest.Delays{})
	var wall, ideal, ratio sample
	for range runs {
		u, r, err := w.collect(3)
		if err != nil {
			return err
		}
		best := max(d.API, r.stage("credentials")+d.Read) + d.PutDocument + d.Put + d.PutReport
		wall, ideal = append(wall, u.Wall.Seconds()), append(ideal, best.Seconds())
		ratio = append(ratio, u.Wall.Seconds()/best.Seconds())
	}
	w.note(fmt.Sprintf("duration of a `collect` whose calls take %v (API), %v (GET), and %v, %v and %v (PUT)", d.API, d.Read, d.PutDocument, d.Put, d.PutReport),
		fmt.Sprintf("%s, %.3f times the longest chain of calls", wall.text(3, "s"), ratio.median()),
		fmt.Sprintf("1.05 times %.3f s", ideal.median()))
	return nil
}

// responseOf returns a response of 500 events, of which the first ones have just been
// published, and the others cover 30 days.
func responseOf(newest time.Time, published int) polisentest.Answer {
	var items [][]byte
	for i := range published {
		items = append(items, polisentest.Event(int64(polisentest.FirstID+1+i), newest))
	}
	for i := range polisen.FullResponse - published {
		items = append(items, polisentest.Event(int64(polisentest.FirstID-i), newest.Add(-time.Duration(i)*84*time.Minute)))
	}
	return polisentest.OK(items...)
}

// afterFirstRun compares a run without new events after a first run, whose objects the
// document still holds, with such a run after a small commit.
func (b *bench) afterFirstRun() error {
	const runs = 25
	newest := time.Now()
	partitions := 0 // 30 or 31, by the time of day
	var cpu [2]sample
	var worlds [2]*world
	for i := range worlds {
		w, err := b.newWorld()
		if err != nil {
			return err
		}
		defer w.cloud.Close()
		_, r, err := w.answer(responseOf(newest, 0), polisen.FullResponse)
		if err != nil {
			return err
		}
		worlds[i], partitions = w, len(r.Objects)
	}
	if _, _, err := worlds[1].answer(responseOf(newest, 3), 3); err != nil {
		return err
	}
	for range runs {
		for i, w := range worlds {
			u, _, err := w.answer(responseOf(newest, 3*i), 0)
			if err != nil {
				return err
			}
			cpu[i] = append(cpu[i], u.milliseconds())
		}
	}
	b.add(row{
		work: fmt.Sprintf("`collect` with no new event, after a first run of 500 events in %d partitions: CPU", partitions), digits: 2, unit: "times",
		result: cpu[0].median() / cpu[1].median(), goal: 1.1, measured: cpu[0].text(1, "ms"),
		bound: "the same after a commit of 3 events: " + cpu[1].text(1, "ms"),
	})
	return nil
}
