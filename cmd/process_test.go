package cmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// programFolder holds the program once a test has called buildProgram. TestMain
// deletes it.
var programFolder string

var buildOnce = sync.OnceValues(func() (path string, err error) {
	programFolder, err = os.MkdirTemp("", "cmd-test")
	if err != nil {
		return "", err
	}
	path = filepath.Join(programFolder, program)
	build := exec.Command("go", "build", "-o", path, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+flagsWithoutRace()) // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// buildProgram builds the program, once for all tests, and returns its path. It
// starts much faster than the test binary with its race detector, so tests can kill it
// more often.
func buildProgram(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// flagsWithoutRace returns GOFLAGS without -race, which a build without cgo
// refuses.
func flagsWithoutRace() string {
	return strings.Join(slices.DeleteFunc(strings.Fields(os.Getenv("GOFLAGS")), func(flag string) bool {
		return flag == "-race" || flag == "-race=true"
	}), " ")
}

// world is an archive with the settings by which the program collects into it.
type world struct {
	program  string
	settings map[string]string
	put      func(name string, body []byte)
	contents func() store.Reader
}

// process is a process of the program that runs collect.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

// process returns a process that has not been started.
func (w *world) process(args ...string) *process {
	p := &process{Cmd: exec.Command(w.program, append([]string{"collect"}, args...)...)}
	p.Env = environ(w.settings)
	p.Stderr = &p.stderr
	return p
}

// environ returns the variables as the environment of a process.
func environ(vars map[string]string) []string {
	env := []string{}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

// unexpected returns the process's output on stderr without the warnings that the
// document was rebuilt, and that the run has begun the archive.
func (p *process) unexpected() string {
	var rest strings.Builder
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.Contains(line, "rebuilt from the archive") && !strings.Contains(line, "began a new archive") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// collect runs the program, which must succeed.
func (w *world) collect(t *testing.T, args ...string) {
	t.Helper()
	if p := w.process(args...); p.Run() != nil || p.unexpected() != "" {
		t.Fatalf("%v: %s", p.ProcessState, &p.stderr)
	}
}

// fill copies all objects of another archive.
func (w *world) fill(t *testing.T, from store.Reader) {
	t.Helper()
	for name, body := range storetest.Objects(t, from) {
		w.put(name, body)
	}
}

// oldEvents is the value of POLISEN_MAX_LAG for runs whose events are from fixed days.
const oldEvents = "1000000h"

// newFolder returns an empty archive in a folder.
func newFolder(t *testing.T, program string) *world {
	t.Helper()
	dir := t.TempDir()
	s, err := dirstore.Open(filepath.Join(dir, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		program:  program,
		settings: map[string]string{"POLISEN_STORE": s.String(), "POLISEN_STATE_DIR": dir, "POLISEN_MAX_LAG": oldEvents},
		put:      func(name string, body []byte) { storetest.MustPut(t, s, name, string(body)) },
		contents: func() store.Reader { return s },
	}
}

// newBucket returns an empty archive in a bucket. Its put and contents send no
// requests, which would take long under the race detector.
func newBucket(t *testing.T, program string) (*world, *cloudtest.Cloud) {
	t.Helper()
	cloud := newCloud(t)
	settings := cloud.Settings()
	settings["POLISEN_MAX_LAG"] = oldEvents
	return &world{
		program:  program,
		settings: settings,
		put:      func(name string, body []byte) { cloud.Objects.Put(cloudtest.Bucket, name, body) },
		contents: func() store.Reader {
			s := memstore.New()
			for name, body := range cloud.Objects.Objects(cloudtest.Bucket) {
				storetest.MustPut(t, s, name, string(body))
			}
			return s
		},
	}, cloud
}

func newCloud(t *testing.T) *cloudtest.Cloud {
	t.Helper()
	cloud, err := cloudtest.Start(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	return cloud
}

// readArchive reads the archive in the folder "archive" of dir, which must have no
// problems.
func readArchive(t *testing.T, dir string) archivetest.Contents {
	t.Helper()
	s, err := dirstore.Open(dir + "/archive")
	if err != nil {
		t.Fatal(err)
	}
	c := archivetest.Read(t, s)
	if len(c.Problems) > 0 {
		t.Errorf("problems %.300q", c.Problems)
	}
	return c
}

// writeResponse writes a response to a file and returns its path.
func writeResponse(t *testing.T, body []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
