// Package replaytest reads recorded polls of the API for tests, and works out
// from the recording alone what an archive of them has to hold.
//
// A recording is a file of JSON lines, compressed with gzip:
//
//	{"v": K, "e": {...}}        item K of the responses below, verbatim
//	{"t": UNIX, "s": [K, ...]}  a poll at this time in Unix seconds, with the items of its response in order
//	{"t": UNIX, "raw": "..."}   a poll whose body is not a JSON array
//
// testdata/replay holds a synthetic recording, which scripts/replaygen writes.
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

	"polisen-events-collector/pkg/archive/archivetest"
)

// Env names the environment variable with the folder of another recording,
// which may consist of several files.
const Env = "POLISEN_REPLAY_DIR"

// Poll is one recorded poll.
type Poll struct {
	Time time.Time
	// Items are the items of the response in order, and Body is its body.
	Items [][]byte
	Body  []byte
	// Failed reports that the body is not a JSON array.
	Failed bool
}

// Model is the content that an archive of some polls must have.
type Model struct {
	*archivetest.Model
	highest int64          // the highest id so far
	last    map[int64]bool // the ids of the last response with anything new
}

// Run runs a test on each recording: the synthetic one and, if Env is set, the
// one in its folder.
func Run(t *testing.T, test func(t *testing.T, polls []Poll)) {
	t.Helper()
	t.Run("synthetic", func(t *testing.T) { test(t, Synthetic(t)) })
	if dir := os.Getenv(Env); dir != "" {
		t.Run("recorded", func(t *testing.T) { test(t, load(t, dir)) })
	}
}

// Synthetic returns the polls of the synthetic recording.
func Synthetic(t testing.TB) []Poll {
	t.Helper()
	return load(t, filepath.Join(moduleRoot(t), "testdata", "replay"))
}

// moduleRoot returns the folder of go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
		} else {
			t.Fatal("no go.mod above the working directory")
		}
	}
}

// load reads the recording in a folder.
func load(t testing.TB, dir string) (polls []Poll) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.ndjson.gz in %s (%v)", dir, err)
	}
	slices.Sort(files)
	for _, file := range files {
		polls = append(polls, loadFile(t, file)...)
	}
	return polls
}

func loadFile(t testing.TB, file string) (polls []Poll) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	items := make(map[int][]byte)
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var line struct {
			V   *int
			E   json.RawMessage
			T   int64
			S   []int
			Raw *string
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if line.V != nil {
			items[*line.V] = bytes.Clone(line.E)
			continue
		}
		poll := Poll{Time: time.Unix(line.T, 0)}
		if line.Raw != nil {
			poll.Body, poll.Failed = []byte(*line.Raw), true
		} else {
			for _, k := range line.S {
				poll.Items = append(poll.Items, items[k])
			}
			poll.Body = slices.Concat([]byte("["), bytes.Join(poll.Items, []byte(",")), []byte("]"))
		}
		polls = append(polls, poll)
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return polls
}

// NewModel returns the model of some polls. [Model.AddPoll] adds others.
func NewModel(polls ...Poll) *Model {
	m := &Model{Model: archivetest.NewModel()}
	for _, poll := range polls {
		m.AddPoll(poll)
	}
	return m
}

// Facts compare one poll with all polls before it.
type Facts struct {
	// Events is the number of events in the response, and New how many of them
	// are in no earlier response.
	Events, New int
	// Late is the number of events that have an id below one in an earlier
	// response and are not in the last response with anything new, which is
	// the last that a run commits. Only they may need a lookup.
	Late int
	// NewRejected is the number of items that are not events and are in no
	// earlier response.
	NewRejected int
}

// AddPoll adds the items of a poll and compares it with those before it.
func (m *Model) AddPoll(poll Poll) (facts Facts) {
	highest, ids, changed := m.highest, make(map[int64]bool), false
	for _, item := range poll.Items {
		id, event, change := m.AddItem(item)
		changed = changed || change != archivetest.Nothing
		switch change {
		case archivetest.NewEvent:
			facts.New++
		case archivetest.NewRejected:
			facts.NewRejected++
		}
		if !event {
			continue
		}
		facts.Events++
		if !m.last[id] && id < highest {
			facts.Late++
		}
		m.highest, ids[id] = max(m.highest, id), true
	}
	if changed {
		m.last = ids
	}
	return facts
}
