//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// added is the number of new events in each response after the first one.
const added = 3

// limit is the time after which a run counts as endless. Runs have a --timeout that is
// shorter.
const limit = 60 * time.Second

// result is the outcome of a run of the program.
type result struct {
	Exit           int
	Killed         bool // by a signal
	Late           bool // it did not end within the limit
	Stdout, Stderr string
	Wall           time.Duration
	MaxRSS         int64 // bytes
}

// output collects stdout and stderr in files, which need no goroutine of the command.
type output struct{ stdout, stderr *os.File }

func newOutput(c *exec.Cmd) (o output, err error) {
	if c.Stdout == nil {
		if o.stdout, err = os.CreateTemp("", "faults"); err != nil {
			return o, err
		}
		c.Stdout = o.stdout
	}
	if c.Stderr == nil {
		if o.stderr, err = os.CreateTemp("", "faults"); err != nil {
			o.close()
			return o, err
		}
		c.Stderr = o.stderr
	}
	return o, nil
}

func (o output) read(r *result) error {
	for file, text := range map[*os.File]*string{o.stdout: &r.Stdout, o.stderr: &r.Stderr} {
		if file != nil {
			all, err := os.ReadFile(file.Name())
			if err != nil {
				return err
			}
			*text = string(all)
		}
	}
	return nil
}

func (o output) close() {
	for _, file := range []*os.File{o.stdout, o.stderr} {
		if file != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}
}

// execute runs a command without a tracer.
func execute(c *exec.Cmd) (r result, err error) {
	out, err := newOutput(c)
	if err != nil {
		return r, err
	}
	defer out.close()
	start := time.Now()
	if err := c.Start(); err != nil {
		return r, err
	}
	late := make(chan struct{})
	timer := time.AfterFunc(limit, func() { close(late); _ = c.Process.Kill() })
	defer timer.Stop()
	if err := c.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			return r, err
		}
	}
	select {
	case <-late:
		r.Late = true
	default:
	}
	r.Wall = time.Since(start)
	r.Exit = c.ProcessState.ExitCode()
	r.Killed = c.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	r.MaxRSS = c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024
	return r, out.read(&r)
}

// world is an archive with the fakes that a run uses.
type world struct {
	program string
	dir     string
	disk    string // folder of the archive, if it is no bucket, and of the state folder
	bucket  bool
	archive string // path below the disk, or prefix in the bucket
	cloud   *cloudtest.Cloud
	// syncsNothing is true if the disk ignores the calls that sync a file or folder.
	syncsNothing bool
	// pause, unless it is nil, is a pause of one run, after which the clocks of all runs
	// have jumped.
	pause *pause

	start     time.Time // time of the newest event of the first response
	published int       // events of the API since the first response
	shown     map[int64]bool
	count     int // events in a response
}

// newWorld starts the fakes, which serve responses of count events.
func newWorld(program, dir string, bucket bool, count int) (*world, error) {
	dir, err := os.MkdirTemp(dir, "world")
	if err != nil {
		return nil, err
	}
	w := &world{program: program, dir: dir, disk: filepath.Join(dir, "disk"), bucket: bucket, archive: "archive", start: time.Now().Add(-time.Hour), count: count, shown: map[int64]bool{}}
	if err := os.Mkdir(w.disk, 0o700); err != nil {
		return nil, err
	}
	if w.cloud, err = cloudtest.Start(dir, "127.0.0.1:0"); err != nil {
		return nil, err
	}
	w.publish(0)
	return w, nil
}

func (w *world) close() { w.cloud.Close() }

// publish lets the API publish more events, and returns its next response.
func (w *world) publish(n int) []byte {
	w.published += n
	items := make([][]byte, w.count)
	for i := range items {
		k := w.published - i
		at := w.start.Add(time.Duration(k) * 10 * time.Second)
		if k <= 0 {
			at = w.start.Add(time.Duration(k) * 25 * time.Minute)
		}
		id := polisentest.FirstID + int64(k)
		items[i] = polisentest.Event(id, polisen.InSweden(at))
		w.shown[id] = true
	}
	body := polisentest.Response(items...)
	w.cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return polisentest.Answer{Body: body} })
	return body
}

// command returns a command that runs the program.
func (w *world) command(args ...string) *exec.Cmd {
	c := exec.Command(w.program, args...)
	c.Dir = w.dir
	c.Env = []string{"HOME=" + w.dir, "POLISEN_TIMEOUT=20s", "POLISEN_HOST=host"}
	for name, value := range w.cloud.Settings() {
		switch name {
		case "POLISEN_STATE_DIR":
			value = filepath.Join(w.disk, "state")
		case "POLISEN_STORE":
			if !w.bucket {
				value = filepath.Join(w.disk, w.archive)
			} else {
				value += "/" + w.archive
			}
		}
		c.Env = append(c.Env, name+"="+value)
	}
	return c
}

// execute runs a command, with a tracer if the world has a pause.
func (w *world) execute(c *exec.Cmd) (result, error) {
	if w.pause == nil {
		return execute(c)
	}
	return trace(c, w.disk, limit, w.pause, func(call) action { return action{} })
}

// mustRun runs the program, which must succeed.
func (w *world) mustRun(args ...string) error {
	r, err := w.execute(w.command(args...))
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("%s ended with exit code %d: %s%s", strings.Join(args, " "), r.Exit, r.Stdout, r.Stderr)
	}
	return err
}

// objects returns the objects of the archive below events/.
func (w *world) objects() (map[string][]byte, error) {
	all := map[string][]byte{}
	if w.bucket {
		for name, body := range w.cloud.Objects.Objects(cloudtest.Bucket) {
			if name, ok := strings.CutPrefix(name, w.archive+"/"); ok && strings.HasPrefix(name, "events/") {
				all[name] = body
			}
		}
		return all, nil
	}
	root := filepath.Join(w.disk, w.archive)
	err := filepath.WalkDir(filepath.Join(root, "events"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		body, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, root+"/")] = body
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return all, err
}

// putObject writes an object directly.
func (w *world) putObject(name string, body []byte) error {
	if w.bucket {
		w.cloud.Objects.Put(cloudtest.Bucket, w.archive+"/"+name, body)
		return nil
	}
	return os.WriteFile(filepath.Join(w.disk, w.archive, name), body, 0o600)
}

// stored returns the number of lines of each event of the archive.
func (w *world) stored() (map[int64]int, error) {
	objects, err := w.objects()
	if err != nil {
		return nil, err
	}
	ids := map[int64]int{}
	for name, body := range objects {
		for line := range bytes.Lines(body) {
			var e struct{ ID int64 }
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("%s has a damaged line: %w", name, err)
			}
			ids[e.ID]++
		}
	}
	return ids, nil
}

// newStored returns the number of the newest events that the archive holds.
func (w *world) newStored() (n int, err error) {
	ids, err := w.stored()
	for i := range added {
		if ids[polisentest.FirstID+int64(w.published-i)] > 0 {
			n++
		}
	}
	return n, err
}

// check checks that the archive holds each event of all responses once, and that verify
// finds nothing.
func (w *world) check() error {
	ids, err := w.stored()
	if err != nil {
		return err
	}
	for id := range w.shown {
		if ids[id] != 1 {
			return fmt.Errorf("event %d is stored %d times", id, ids[id])
		}
	}
	return w.mustRun("verify")
}

// health returns the status that verify --quick prints.
func (w *world) health() (string, error) {
	r, err := w.execute(w.command("verify", "--quick", "--timeout", waiting.String()))
	word, _, _ := strings.Cut(r.Stdout, " ")
	if word == "" && err == nil {
		err = fmt.Errorf("verify --quick printed nothing: exit code %d, %s", r.Exit, r.Stderr)
	}
	return word, err
}
