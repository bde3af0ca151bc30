package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/text"
)

// oneCore limits a Go program to one core.
var oneCore = []string{"GOMAXPROCS=1"}

// event is the type of an event, as DuckDB reads it.
const event = "STRUCT(id BIGINT, datetime VARCHAR, name VARCHAR, summary VARCHAR, url VARCHAR, type VARCHAR, location STRUCT(name VARCHAR, gps VARCHAR))"

// imports measures a backfill of saved responses in which most events repeat those of
// earlier responses.
func (b *bench) imports() error {
	const responses, added, runs = 1500, 2, 3
	input := filepath.Join(b.dir, "responses")
	size, err := write(input, func(w *bufio.Writer) {
		for i := range responses {
			w.Write(cloudtest.ResponseAfter(polisentest.Newest, i*added).Body)
			w.WriteByte('\n')
		}
	})
	if err != nil {
		return err
	}
	defer remove(input)
	rate := func(u usage) float64 { return float64(size) / 1e6 / u.CPU.Seconds() }
	var program, peer, counted, memory sample
	for i := range runs {
		store := filepath.Join(b.memory, fmt.Sprint("import", i))
		u, r, err := b.backfill(input, store)
		if err != nil {
			return err
		}
		remove(store)
		if want := polisen.FullResponse + (responses-1)*added; r.Counts.New != want {
			return fmt.Errorf("the backfill stored %d events, want %d", r.Counts.New, want)
		}
		program, memory = append(program, rate(u)), append(memory, u.memory())
		if u, err = b.launch(nil, "sh", "-c", `cat "$0" | wc -c`, input); err != nil {
			return err
		}
		counted = append(counted, rate(u))
		if b.duckdb.missing == "" {
			u, err := b.query("SELECT count(*) FROM (SELECT DISTINCT unnest(items) FROM read_json('" + input +
				"', format='unstructured', records=false, columns={items: '" + event + "[]'}))")
			if err != nil {
				return err
			}
			peer = append(peer, rate(u))
		}
	}
	r := row{
		work: fmt.Sprintf("import of %d saved responses, %d MB, of which %d events in each are new, on one core", responses, size/1e6, added),
		goal: 3, atLeast: true, digits: 2, unit: "times", missing: b.duckdb.missing,
		measured: program.text(0, "MB/s of CPU"),
		bound:    fmt.Sprintf("`wc -c` of the same bytes from a pipe: %.0f MB/s", counted.median()),
	}
	if r.missing == "" {
		r.result = program.median() / peer.median()
		r.bound = "DuckDB, distinct events: " + peer.text(0, "MB/s") + "; " + r.bound
	}
	b.add(r)
	b.note("import of saved responses: peak memory", memory.text(1, "MiB"), "100 MiB")
	return nil
}

// The size of an archive of three and a half years of polls.
const (
	archiveEvents  = 85_000
	archiveObjects = 2500
)

// newEvents measures a backfill of new events.
func (b *bench) newEvents() error {
	const runs = 5
	var rate, memory sample
	for i := range runs {
		store := filepath.Join(b.memory, fmt.Sprint("new", i))
		u, err := b.fill(store, archiveEvents, 1000, 1)
		if err != nil {
			return err
		}
		remove(store)
		rate, memory = append(rate, archiveEvents/u.Wall.Seconds()), append(memory, u.memory())
	}
	b.add(row{
		work:   fmt.Sprintf("new events from a file into a folder in memory, %s of 1000 days, on one core", text.Number(archiveEvents)),
		result: rate.median(), digits: 0, unit: "a second", goal: 200_000, atLeast: true, measured: rate.text(0, "a second"),
	})
	b.note("import of new events: peak memory", memory.text(1, "MiB"), "100 MiB")
	return nil
}

// fill creates an archive of events that are spread over days, by this number of
// backfills, each of which adds an object to each day. It returns the usage of the last
// one.
func (b *bench) fill(store string, events, days, backfills int) (u usage, err error) {
	for part := range backfills {
		input := filepath.Join(b.dir, "events")
		if err := writeEvents(input, events, days, part, backfills); err != nil {
			return u, err
		}
		var r runReport
		if u, r, err = b.backfill(input, store); err != nil {
			return u, err
		}
		if want := (events - part + backfills - 1) / backfills; r.Counts.New != want {
			return u, fmt.Errorf("the backfill stored %d events, want %d", r.Counts.New, want)
		}
	}
	return u, nil
}

func (b *bench) backfill(input, store string) (u usage, r runReport, err error) {
	u, err = b.run(&r, oneCore, "backfill", "--input", input, "--store", store)
	return u, r, err
}

// summary gives events a size of 346 bytes, the average of the API's events in three
// years.
var summary = polisentest.Summary("Polisen larmades till platsen under natten och talar nu med flera vittnen till händelsen.")

// writeEvents writes a file with the events whose ids are part, part+step and so on. All
// events together are spread over this number of days, of which the last is a week ago.
func writeEvents(path string, events, days, part, step int) error {
	first := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -days-7)
	perDay := (events + days - 1) / days
	_, err := write(path, func(w *bufio.Writer) {
		for id := part; id < events; id += step {
			at := first.AddDate(0, 0, id/perDay).Add(time.Duration(id%perDay) * 10 * time.Minute)
			w.Write(polisentest.Event(int64(id), at, summary))
			w.WriteByte('\n')
		}
	})
	return err
}

// audit runs verify and checks that it finds this number of events and no problem.
func (b *bench) audit(events int, args ...string) (usage, error) {
	var r struct {
		OK      bool `json:"ok"`
		Checked struct {
			Events int
		} `json:"checked"`
	}
	u, err := b.run(&r, nil, append([]string{"verify"}, args...)...)
	if err == nil && (!r.OK || r.Checked.Events != events) {
		err = fmt.Errorf("verify found %+v, want %d events and no problem", r, events)
	}
	return u, err
}

// verify measures verify on an archive in a folder, and then in a bucket whose requests
// take 50 ms.
func (b *bench) verify() error {
	const runs, backfills = 5, 3
	store := filepath.Join(b.memory, "audited")
	if _, err := b.fill(store, archiveEvents, archiveObjects/backfills, backfills); err != nil {
		return err
	}
	defer remove(store)
	lines := filepath.Join(store, "events", "*", "*", "*", "*.jsonl")
	var program, sums, peer, memory sample
	for range runs {
		u, err := b.audit(archiveEvents, "--store", store)
		if err != nil {
			return err
		}
		program, memory = append(program, u.CPU.Seconds()), append(memory, u.memory())
		if u, err = b.launch(nil, "sh", "-c", "md5sum "+lines+" >/dev/null"); err != nil {
			return err
		}
		sums = append(sums, u.CPU.Seconds())
		if b.duckdb.missing == "" {
			u, err := b.query("SELECT count(DISTINCT e.id), max(e.datetime), max(e.name), max(e.summary), max(e.url), max(e.type), max(e.location.gps) FROM read_json('" +
				lines + "', format='newline_delimited', records=false, columns={e: '" + event + "'})")
			if err != nil {
				return err
			}
			peer = append(peer, u.CPU.Seconds())
		}
	}
	r := row{
		work: fmt.Sprintf("`verify` of %s events in some %s objects: CPU", text.Number(archiveEvents), text.Number(archiveObjects)),
		goal: 1, digits: 2, unit: "times", missing: b.duckdb.missing,
		measured: program.text(2, "s"),
		bound:    fmt.Sprintf("`md5sum` of the same files: %.2f s", sums.median()),
	}
	if r.missing == "" {
		r.result = program.median() / peer.median()
		r.bound = "DuckDB, one thread, reads the same lines: " + peer.text(2, "s") + "; " + r.bound
	}
	b.add(r)
	b.note("`verify` of them in a folder: peak memory", memory.text(1, "MiB"), "100 MiB")
	return b.verifyBucket(store)
}

// verifyBucket measures the duration of verify in a bucket.
func (b *bench) verifyBucket(archive string) error {
	const concurrency, delay = 32, 50 * time.Millisecond
	w, err := b.newWorld()
	if err != nil {
		return err
	}
	defer w.cloud.Close()
	if err := w.upload(archive); err != nil {
		return err
	}
	w.cloud.SetDelays(cloudtest.Delays{Read: delay})
	u, err := b.audit(archiveEvents, "--env-file", w.envFile, "--concurrency", fmt.Sprint(concurrency))
	if err != nil {
		return err
	}
	calls := len(w.cloud.Objects.Requests())
	ideal := delay.Seconds() * float64(calls) / concurrency
	b.note(fmt.Sprintf("duration of `verify` in a bucket, %s calls of %v, %d at a time", text.Number(calls), delay, concurrency),
		fmt.Sprintf("%.2f s, CPU %.2f s", u.Wall.Seconds(), u.CPU.Seconds()),
		fmt.Sprintf("%.2f s, the time of the calls", ideal))
	return nil
}

// write creates a file, writes it with fill and returns its size.
func write(path string, fill func(*bufio.Writer)) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fill(w)
	err = w.Flush() // also returns the error of an earlier write
	size, seekErr := f.Seek(0, io.SeekCurrent)
	return size, errors.Join(err, seekErr, f.Close())
}

// remove removes a temporary file or folder. What it cannot remove goes with the folder
// of all of them.
func remove(path string) { _ = os.RemoveAll(path) }
