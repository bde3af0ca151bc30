package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// TestRecordingIsCurrent compares the recording in the repository with the one
// that this program writes now, both uncompressed: the compressed form may
// change with the version of Go.
func TestRecordingIsCurrent(t *testing.T) {
	f, err := os.Open("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, recording()) {
		t.Errorf("%s is out of date: run go run ./scripts/replaygen", path)
	}
	if info, err := f.Stat(); err != nil || info.Size() > 200_000 {
		t.Errorf("%s is too large for the repository: %d bytes, error %v", path, info.Size(), err)
	}
}
