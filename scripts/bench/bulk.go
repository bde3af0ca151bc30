package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// oneCore limits the program to one core.
var oneCore = []string{"GOMAXPROCS=1"}

// repeats measures a backfill of saved responses in which most events repeat those
// of earlier responses.
func (b *bench) repeats() error {
	const responses, added = 1500, 2
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
	u, r, err := b.backfill(input, filepath.Join(b.dir, "repeats"))
	if err != nil {
		return err
	}
	if want := 500 + (responses-1)*added; r.Counts.New != want {
		return fmt.Errorf("the backfill stored %d events, want %d", r.Counts.New, want)
	}
	fmt.Printf("backfill on one core into a folder, %d responses with %d new events each, %d MB:\n", responses, added, size/1e6)
	figure("input", "MB/s", 0, float64(size)/1e6/u.Wall.Seconds(), "budget 250; %.2f s, CPU %.2f s", u.Wall.Seconds(), u.CPU.Seconds())
	figure("peak memory", "MiB", 1, u.memory(), "budget 100")
	return nil
}

// The size of an archive of three and a half years of polls, but with fewer
// days.
const (
	archiveEvents  = 85_000
	archiveObjects = 3000
)

// summary gives events a size of 346 bytes, the average of the API's events in
// three years.
var summary = polisentest.Summary("Polisen larmades till platsen under natten och talar nu med flera vittnen till händelsen.")

// writeNew writes a file with the events whose ids are part, part+step and so on.
// All archiveEvents events together are spread over this number of days.
func writeNew(path string, part, step, days int) error {
	first := time.Date(2023, 3, 25, 0, 0, 0, 0, time.UTC)
	perDay := archiveEvents / days
	_, err := write(path, func(w *bufio.Writer) {
		for id := part; id < archiveEvents; id += step {
			at := first.AddDate(0, 0, id/perDay).Add(time.Duration(id%perDay) * 10 * time.Minute)
			w.Write(polisentest.Event(int64(id), at, summary))
			w.WriteByte('\n')
		}
	})
	return err
}

// newEvents measures a backfill of new events.
func (b *bench) newEvents() error {
	const days, runs = 1000, 5
	input := filepath.Join(b.dir, "new-events")
	if err := writeNew(input, 0, 1, days); err != nil {
		return err
	}
	fmt.Printf("backfill on one core into a folder, %d new events of %d days, median of %d runs:\n", archiveEvents, days, runs)
	folders := map[string]string{"on the disk of " + os.TempDir(): b.dir}
	if memory, err := os.MkdirTemp("/dev/shm", "bench"); err == nil { // in memory
		defer os.RemoveAll(memory)
		folders["in /dev/shm"] = memory
	}
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		var wall, cpu, memory []float64
		for i := range runs {
			u, r, err := b.backfill(input, filepath.Join(folders[name], fmt.Sprint("new", i)))
			if err != nil {
				return err
			}
			if r.Counts.New != archiveEvents {
				return fmt.Errorf("the backfill stored %d events, want %d", r.Counts.New, archiveEvents)
			}
			wall, cpu, memory = append(wall, u.Wall.Seconds()), append(cpu, u.CPU.Seconds()), append(memory, u.memory())
		}
		figure(name, "/s", 0, archiveEvents/median(wall), "budget 100,000; from %.0f to %.0f; CPU %.2f s, %.1f MiB",
			archiveEvents/slices.Max(wall), archiveEvents/slices.Min(wall), median(cpu), median(memory))
	}
	return nil
}

// fillAudited creates an archive with three objects per day.
func (b *bench) fillAudited() error {
	for part := range 3 {
		input := filepath.Join(b.dir, fmt.Sprint("part", part))
		if err := writeNew(input, part, 3, archiveObjects/3); err != nil {
			return err
		}
		if _, _, err := b.backfill(input, b.auditStore()); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) auditStore() string { return filepath.Join(b.dir, "audited") }

func (b *bench) backfill(input, store string) (u usage, r runReport, err error) {
	u, err = b.run(&r, oneCore, "backfill", "--input", input, "--store", store)
	return u, r, err
}

// auditReport is the part of verify's JSON output that the benchmarks read.
type auditReport struct {
	OK      bool `json:"ok"`
	Checked struct {
		Objects, Events int
	} `json:"checked"`
}

// audit measures verify on an archive in a folder, and then in a bucket whose
// requests take 50 ms.
func (b *bench) audit() error {
	if err := b.fillAudited(); err != nil {
		return err
	}
	var r auditReport
	u, err := b.run(&r, nil, "verify", "--store", b.auditStore())
	if err != nil {
		return err
	}
	if !r.OK || r.Checked.Events != archiveEvents {
		return fmt.Errorf("verify found %+v, want %d events", r, archiveEvents)
	}
	fmt.Printf("verify, %d events in %d objects:\n", r.Checked.Events, r.Checked.Objects)
	figure("in a folder", "s", 2, u.Wall.Seconds(), "budget 2; CPU %.2f s", u.CPU.Seconds())
	figure("peak memory", "MiB", 1, u.memory(), "budget 100")

	return b.auditBucket()
}

func (b *bench) auditBucket() error {
	const concurrency, delay = 32, 50 * time.Millisecond
	dir, err := os.MkdirTemp(b.dir, "cloud")
	if err != nil {
		return err
	}
	cloud, err := cloudtest.Start(dir, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer cloud.Close()
	env, err := cloud.WriteEnvFile()
	if err != nil {
		return err
	}
	if err := upload(cloud, b.auditStore()); err != nil {
		return err
	}
	cloud.SetDelays(cloudtest.Delays{Read: delay})
	var r auditReport
	u, err := b.run(&r, nil, "verify", "--env-file", env, "--concurrency", fmt.Sprint(concurrency))
	if err != nil {
		return err
	}
	calls := len(cloud.Objects.Requests())
	ideal := delay.Seconds() * float64(calls) / concurrency
	figure(fmt.Sprintf("in a bucket, %d calls of %v", calls, delay), "s", 2, u.Wall.Seconds(),
		"calls/concurrency of %d is %.2f, ratio %.2f; CPU %.2f s", concurrency, ideal, u.Wall.Seconds()/ideal, u.CPU.Seconds())
	return nil
}

// upload copies the objects of a folder into the bucket.
func upload(cloud *cloudtest.Cloud, folder string) error {
	return filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(entry.Name(), "."); {
		case err != nil:
			return err
		case entry.IsDir() && hidden:
			return filepath.SkipDir
		case entry.IsDir() || hidden:
			return nil
		}
		body, err := os.ReadFile(path)
		cloud.Objects.Put(cloudtest.Bucket, strings.TrimPrefix(path, folder+"/"), body)
		return err
	})
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
