package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"polisen-events-collector/pkg/polisen/polisentest"
)

// bulk prints what backfill and verify take for much data, in folders below
// dir. Where fsync is slow, so is storing; a folder in memory shows the rest.
func bulk(program, dir string) error {
	const newEvents = 85_000
	repeats, fresh, thin := filepath.Join(dir, "repeats.json"), filepath.Join(dir, "fresh.jsonl"), filepath.Join(dir, "thin.jsonl")
	repeatBytes, err := writeRepeats(repeats)
	if err != nil {
		return err
	}
	if err := writeFresh(fresh, newEvents, 70); err != nil { // a day as it is in life
		return err
	}
	if err := writeFresh(thin, newEvents, 28); err != nil { // some 3,000 objects
		return err
	}
	fmt.Println("backfill, on one processor (GOMAXPROCS=1):")
	u, err := run([]string{program, "backfill", "--output", "json", "--store", filepath.Join(dir, "repeats"), "--input", repeats}, "GOMAXPROCS=1")
	if err != nil {
		return err
	}
	fmt.Printf("  saved responses, mostly repeats  %6.0f MB/s, peak memory %.1f MiB  target 250 MB/s, 100 MiB\n",
		float64(repeatBytes)/1e6/u.Wall.Seconds(), float64(u.MaxRSS)/(1<<20))
	stores := []struct{ name, path string }{{"a local folder", filepath.Join(dir, "fresh")}}
	if memory, err := os.MkdirTemp("/dev/shm", "bench"); err == nil {
		defer os.RemoveAll(memory)
		stores = append(stores, struct{ name, path string }{"a folder in memory", memory})
	}
	for _, s := range stores {
		u, err := run([]string{program, "backfill", "--output", "json", "--store", s.path, "--input", fresh}, "GOMAXPROCS=1")
		if err != nil {
			return err
		}
		if u.Report.Counts.New != newEvents {
			return fmt.Errorf("the backfill stored %d events, want %d", u.Report.Counts.New, newEvents)
		}
		fmt.Printf("  new events into %-18s %6.0f events/s, peak memory %.1f MiB  target 100,000 events/s, 100 MiB\n",
			s.name, newEvents/u.Wall.Seconds(), float64(u.MaxRSS)/(1<<20))
	}
	archive := filepath.Join(dir, "thin")
	if _, err = run([]string{program, "backfill", "--output", "json", "--store", archive, "--input", thin}); err != nil {
		return err
	}
	u, err = run([]string{program, "verify", "--output", "json", "--store", archive})
	if err != nil {
		return err
	}
	fmt.Printf("verify, %d events in %d objects of a local folder: %.2f s, peak memory %.1f MiB  target 2 s, 100 MiB\n",
		newEvents, u.Report.Checked.Objects, u.Wall.Seconds(), float64(u.MaxRSS)/(1<<20))
	return nil
}

// writeRepeats writes 1,500 responses of 500 events, each with one event more
// than the one before, and returns their size.
func writeRepeats(path string) (int64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	items := make([][]byte, 0, 2000)
	for id := range int64(2000) {
		items = append(items, polisentest.Notice(id+1, polisentest.Newest.Add(time.Duration(id)*20*time.Minute)))
	}
	for first := range 1500 {
		w.Write(polisentest.Response(items[first : first+500]...)) // Flush tells of its error
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// writeFresh writes n events, one a line, so many a day.
func writeFresh(path string, n, perDay int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	for i := range n {
		at := polisentest.Newest.AddDate(0, 0, i/perDay)
		w.Write(append(polisentest.Notice(int64(i+1), at), '\n'))
	}
	return w.Flush()
}
