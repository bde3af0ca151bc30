package main

import (
	"fmt"
	"path/filepath"

	"polisen-events-collector/pkg/text"
)

// sizes are the numbers of events of the archives in growth. Each day has 50 of them.
var sizes = [3]int{2_000, 20_000, 200_000}

// grown holds the medians of the measurements of an archive of one size.
type grown struct {
	events                    int
	backfillCPU               float64 // in milliseconds, as all CPU times
	verifyCPU, verifyMemory   float64 // memory is in MiB
	collectCPU, collectMemory float64 // with 3 new events, into a bucket
	sent                      requests
}

// growth measures archives of three sizes.
func (b *bench) growth() error {
	var measured [len(sizes)]grown
	var worlds [len(sizes)]*world
	for i, events := range sizes {
		var err error
		if measured[i], worlds[i], err = b.grow(events); err != nil {
			return err
		}
		defer worlds[i].cloud.Close()
	}
	if err := collectMore(worlds[:], measured[:]); err != nil {
		return err
	}
	small, middle, large := measured[0], measured[1], measured[2]
	flat := func(work, unit string, of func(grown) float64) {
		b.add(row{
			work: work, digits: 2, unit: "times", result: of(large) / of(small), goal: 1.1,
			measured: fmt.Sprintf("%.1f %s", of(large), unit),
			bound:    fmt.Sprintf("%s events: %.1f %s", text.Number(small.events), of(small), unit),
		})
	}
	flat("`collect` with 3 new events into an archive of "+text.Number(large.events)+": CPU", "ms", func(g grown) float64 { return g.collectCPU })
	flat("the same: peak memory", "MiB", func(g grown) float64 { return g.collectMemory })
	b.add(row{
		work: "requests to the bucket of a `collect` with no new event there", digits: 2, unit: "times",
		result: large.sent.sum() / small.sent.sum(), goal: 1, measured: large.sent.String(),
		bound: text.Number(small.events) + " events: " + small.sent.String(),
	})
	linear := func(work string, of func(grown) float64) {
		// perEvent returns the CPU of each event that to has more than from, in microseconds.
		perEvent := func(from, to grown) float64 { return (of(to) - of(from)) * 1000 / float64(to.events-from.events) }
		b.add(row{
			work: work, digits: 2, unit: "times", result: perEvent(middle, large) / perEvent(small, middle), goal: 1.1,
			measured: fmt.Sprintf("%.1f µs; %.0f ms in all", perEvent(middle, large), of(large)),
			bound:    fmt.Sprintf("from %s to %s: %.1f µs", text.Number(small.events), text.Number(middle.events), perEvent(small, middle)),
		})
	}
	linear(fmt.Sprintf("`backfill` into a folder, from %s events to %s: CPU of each event more", text.Number(middle.events), text.Number(large.events)),
		func(g grown) float64 { return g.backfillCPU })
	linear("`verify` of these: CPU of each event more", func(g grown) float64 { return g.verifyCPU })
	b.add(row{
		work: "`verify` of these: peak memory of each event more", digits: 0, unit: "bytes", goal: 60,
		result:   (large.verifyMemory - small.verifyMemory) * (1 << 20) / float64(large.events-small.events),
		measured: fmt.Sprintf("%.1f MiB for %s events", large.verifyMemory, text.Number(large.events)),
		bound:    fmt.Sprintf("%.1f MiB for %s events", small.verifyMemory, text.Number(small.events)),
	})
	return nil
}

// grow measures an archive of this number of events in a folder. It returns a world with a
// copy of it.
func (b *bench) grow(events int) (g grown, w *world, err error) {
	const runs = 5
	g.events = events
	archive := filepath.Join(b.memory, "grown")
	var cpu, memory sample
	for range runs {
		remove(archive)
		u, err := b.fill(archive, events, events/50, 1)
		if err != nil {
			return g, nil, err
		}
		cpu = append(cpu, u.milliseconds())
	}
	defer remove(archive)
	g.backfillCPU = cpu.median()

	cpu = nil
	for range runs {
		u, err := b.audit(events, "--store", archive)
		if err != nil {
			return g, nil, err
		}
		cpu, memory = append(cpu, u.milliseconds()), append(memory, u.memory())
	}
	g.verifyCPU, g.verifyMemory = cpu.median(), memory.median()

	if w, err = b.newWorld(); err != nil {
		return g, nil, err
	}
	return g, w, w.upload(archive)
}

// collectMore measures collects into the bucket of each world. It takes turns, so that
// other work on the machine affects all of them.
func collectMore(worlds []*world, measured []grown) error {
	const runs = 15
	cpu, memory := make([]sample, len(worlds)), make([]sample, len(worlds))
	for _, w := range worlds {
		if err := w.first(); err != nil {
			return err
		}
	}
	for range runs {
		for i, w := range worlds {
			u, _, err := w.collect(3)
			if err != nil {
				return err
			}
			cpu[i], memory[i] = append(cpu[i], u.milliseconds()), append(memory[i], u.memory())
		}
	}
	for i, w := range worlds {
		w.cloud.Objects.ResetLog()
		if _, _, err := w.collect(0); err != nil {
			return err
		}
		measured[i].collectCPU, measured[i].collectMemory, measured[i].sent = cpu[i].median(), memory[i].median(), w.sent()
	}
	return nil
}
