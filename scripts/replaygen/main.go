// Command replaygen writes the synthetic recording that the replay tests use,
// testdata/replay/synthetic.ndjson.gz. Run it in the top folder of the project:
//
//	go run ./scripts/replaygen
//
// It writes the same recording each time. Package replaytest describes the
// format.
package main

import (
	"compress/gzip"
	"fmt"
	"os"
)

const path = "testdata/replay/synthetic.ndjson.gz"

func main() {
	if err := write(path); err != nil {
		fmt.Fprintln(os.Stderr, "replaygen:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(recording()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
