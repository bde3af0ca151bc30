package cmd

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestLargestItem has the API send an item that is no event, is as large as a response
// may be, and consists of characters that need escapes. The beginning of the item is stored
// once, and the next runs can read the document.
func TestLargestItem(t *testing.T) {
	t.Parallel()
	w, _ := newBucket(t, buildProgram(t))
	largest := []byte(`[{"id":"` + strings.Repeat(`\"`, 16<<20-16) + `"}]`)
	for i, test := range []struct {
		body []byte
		exit code
	}{
		{largest, exitPartial},
		{largest, exitOK},
		{[]byte("[" + string(archivetest.Item(1, 0, "first")) + "]"), exitOK},
	} {
		p := w.process("--api-url", writeResponse(t, test.body))
		_ = p.Run()
		if got := code(p.ProcessState.ExitCode()); got != test.exit {
			t.Fatalf("run %d: exit code %d, want %d: %.300s", i+1, got, test.exit, &p.stderr)
		}
	}
	c := archivetest.Read(t, w.contents())
	if len(c.Events) != 1 || len(c.Rejected) != 1 || len(c.Problems) > 0 {
		t.Errorf("%d events, %d rejected, problems %.300q", len(c.Events), len(c.Rejected), c.Problems)
	}
	for attrs, err := range w.contents().List(t.Context(), archive.Rejected.Prefix()) {
		if err != nil {
			t.Fatal(err)
		}
		o, err := w.contents().Get(t.Context(), attrs.Name)
		var line struct {
			Raw struct {
				Text, SHA256 string
				Bytes        int
			}
		}
		if err := cmp.Or(err, json.Unmarshal(o.Body, &line)); err != nil {
			t.Fatal(err)
		}
		item := largest[1 : len(largest)-1]
		if r := line.Raw; r.Text != string(item[:64<<10]) || r.Bytes != len(item) || r.SHA256 != fmt.Sprintf("%x", sha256.Sum256(item)) {
			t.Errorf("%s holds %d bytes of the item, its size %d and its hash %s", attrs.Name, len(r.Text), r.Bytes, r.SHA256)
		}
	}
}

// TestBackfillMemory streams the largest items there can be into a backfill,
// among small ones: memory stays under 100 MiB.
func TestBackfillMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the most memory that a process had")
	}
	dir := t.TempDir()
	p := exec.Command(buildProgram(t), "backfill", "--store", dir+"/archive", "--state-dir", dir, "--input", "-")
	p.Env = []string{}
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	p.Stderr = &stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	const each = 15
	for i := range each {
		for j, size := range []int{polisen.MaxItem * 5 / 4, polisen.MaxItem - 1000, 100} { // the first is too large
			// A quotation mark takes two bytes in an item, and four in the document.
			item := polisentest.Event(int64(3*i+j), polisentest.Newest, polisentest.Summary(strings.Repeat(`"`, size/2)))
			if _, err := fmt.Fprintf(stdin, "%s\n", item); err != nil {
				t.Fatalf("%v: %.300s", err, &stderr)
			}
		}
	}
	peak := peakMemory(p.Process.Pid)
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	if _ = p.Wait(); p.ProcessState.ExitCode() != int(exitPartial) {
		t.Errorf("exit code %d: %.300s", p.ProcessState.ExitCode(), &stderr)
	}
	if c := readArchive(t, dir); len(c.Events) != 2*each {
		t.Errorf("%d events are stored, want %d", len(c.Events), 2*each)
	}
	if peak == 0 || peak > maxMemory {
		t.Errorf("the backfill took %d MiB, at most %d are allowed", peak>>20, maxMemory>>20)
	}
}
