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
	"regexp"
	"slices"
	"testing"
	"time"
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

// Truth is the content that an archive of some polls must have.
type Truth struct {
	// First are the first versions by id, verbatim, and Later the other
	// versions in the order in which they first appear.
	First map[int64]string
	Later map[int64][]string
	// Day is each event's own date as YYYY/MM/DD.
	Day map[int64]string
	// Rejected are the items that are not events.
	Rejected map[string]bool

	highest int64          // id so far
	last    map[int64]bool // ids of the last response with anything new
}

// Run runs a test on each recording: the synthetic one and, if Env is set, the
// one in its folder.
func Run(t *testing.T, test func(t *testing.T, polls []Poll)) {
	t.Helper()
	recordings := map[string]string{"synthetic": filepath.Join(moduleRoot(t), "testdata", "replay")}
	if dir := os.Getenv(Env); dir != "" {
		recordings["recorded"] = dir
	}
	for name, dir := range recordings {
		t.Run(name, func(t *testing.T) { test(t, load(t, dir)) })
	}
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

// NewTruth returns the truth of some polls. [Truth.Add] adds others.
func NewTruth(polls ...Poll) *Truth {
	truth := &Truth{First: map[int64]string{}, Later: map[int64][]string{}, Day: map[int64]string{}, Rejected: map[string]bool{}}
	for _, poll := range polls {
		truth.Add(poll)
	}
	return truth
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

var datetime = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d) \d\d?:\d\d:\d\d [+-]\d\d:\d\d$`)

// Add adds a poll and compares it with those before it.
func (truth *Truth) Add(poll Poll) (facts Facts) {
	if poll.Failed {
		return facts
	}
	highest, ids, later := truth.highest, make(map[int64]bool), 0
	for _, item := range poll.Items {
		raw := string(item)
		var e struct {
			ID       *int64
			Datetime string
		}
		err := json.Unmarshal(item, &e)
		date := datetime.FindStringSubmatch(e.Datetime)
		if err != nil || e.ID == nil || date == nil {
			if !truth.Rejected[raw] {
				facts.NewRejected++
			}
			truth.Rejected[raw] = true
			continue
		}
		id := *e.ID
		facts.Events++
		if !truth.last[id] && id < highest {
			facts.Late++
		}
		first, seen := truth.First[id]
		switch {
		case !seen:
			facts.New++
			truth.First[id] = raw
			truth.Day[id] = date[1] + "/" + date[2] + "/" + date[3]
		case raw != first && !slices.Contains(truth.Later[id], raw):
			later++
			truth.Later[id] = append(truth.Later[id], raw)
		}
		truth.highest, ids[id] = max(truth.highest, id), true
	}
	if facts.New+facts.NewRejected+later > 0 {
		truth.last = ids
	}
	return facts
}
