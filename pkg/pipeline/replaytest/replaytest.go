// Package replaytest reads recorded polls of the API for tests, and works out
// from the recording alone what an archive of them has to hold.
package replaytest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Env names the environment variable with the folder of recorded polls.
const Env = "POLISEN_REPLAY_DIR"

// Poll is one recorded poll: the time and the response's body.
type Poll struct {
	Time time.Time
	Body []byte
}

// Truth is what an archive of the polls holds.
type Truth struct {
	// First are the first versions by id, verbatim, and Later the other
	// versions in the order of their first showing.
	First map[int64]string
	Later map[int64][]string
	// Day is each event's own date as YYYY/MM/DD.
	Day map[int64]string
}

// Load reads all recorded polls, in order. The test is skipped when there is
// no recording.
func Load(t testing.TB) ([]Poll, Truth) {
	t.Helper()
	dir := os.Getenv(Env)
	if dir == "" {
		t.Skipf("%s is not set: no recorded polls to replay", Env)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.ndjson.gz in %s (%v)", dir, err)
	}
	slices.Sort(files)
	truth := Truth{map[int64]string{}, map[int64][]string{}, map[int64]string{}}
	var polls []Poll
	for _, file := range files {
		polls = append(polls, load(t, file, truth)...)
	}
	return polls, truth
}

func load(t testing.TB, file string, truth Truth) (polls []Poll) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	versions, shown := map[int]json.RawMessage{}, map[int]bool{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var item struct {
			V   *int
			E   json.RawMessage
			T   int64
			S   []int
			Raw *string
		}
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if item.V != nil {
			versions[*item.V] = bytes.Clone(item.E)
			continue
		}
		poll := Poll{Time: time.Unix(item.T, 0)}
		if item.Raw != nil {
			poll.Body = []byte(*item.Raw)
		} else {
			var items [][]byte
			for _, k := range item.S {
				items = append(items, versions[k])
				if !shown[k] {
					shown[k] = true
					truth.show(t, string(versions[k]))
				}
			}
			poll.Body = slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]"))
		}
		polls = append(polls, poll)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return polls
}

func (truth Truth) show(t testing.TB, raw string) {
	var e struct {
		ID       int64
		Datetime string
	}
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	first, seen := truth.First[e.ID]
	switch {
	case !seen:
		truth.First[e.ID] = raw
		truth.Day[e.ID] = e.Datetime[:4] + "/" + e.Datetime[5:7] + "/" + e.Datetime[8:10]
	case raw != first && !slices.Contains(truth.Later[e.ID], raw):
		truth.Later[e.ID] = append(truth.Later[e.ID], raw)
	}
}
