//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is a failure of the machine, which makes a line of the table.
type fault struct {
	name string
	// run runs the program under the fault, checks the archive, and fills the row.
	// An error is a broken promise, unless it is errSkipped.
	run func(program, dir string, r *row) error
}

// kept is the entry of the table for an archive that holds each event once, and about which
// verify finds nothing.
const kept = "each event once"

// errSkipped says that the fault cannot be made on this machine.
var errSkipped = errors.New("not run")

// row runs the fault.
func (f fault) row(program, dir string) row {
	r := row{Fault: f.name}
	if err := f.run(program, dir, &r); err != nil {
		r.After = clean(err.Error(), dir)
		if !errors.Is(err, errSkipped) {
			r.Broken = true
			r.After = "BROKEN: " + r.After
		}
	}
	return r
}

// faults returns all faults in the order of the table.
func faults() []fault {
	return slices.Concat(kills(), powerCuts(), diskFaults(), processFaults(), pauses(), networkFaults(), bucketFaults())
}

// Parts of messages that differ between runs or machines.
var (
	port      = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	temporary = regexp.MustCompile(`\.tmp-[A-Z0-9]+`)
	worldName = regexp.MustCompile(`/world\d+`)
	callsName = regexp.MustCompile(`api-calls-[0-9a-zA-Z._]+`)
	resolver  = regexp.MustCompile(` on [0-9a-f.:]+:53\b`)
	logTime   = regexp.MustCompile(`time=\S+ `)
	object    = regexp.MustCompile(`events/[0-9/]+/events-\d+\.jsonl`)
	nextTry   = regexp.MustCompile(`next try in \d[\d.]*m?s`)
)

// clean returns a message in one line without the parts that differ between runs.
func clean(text, dir string) string {
	text = strings.TrimSpace(text)
	text = strings.ReplaceAll(text, dir, "")
	for expression, with := range map[*regexp.Regexp]string{
		port: "127.0.0.1:PORT", temporary: ".tmp-*", worldName: "", callsName: "api-calls-*",
		logTime: "", resolver: "", object: "events/*", nextTry: "next try in *",
	} {
		text = expression.ReplaceAllString(text, with)
	}
	first, rest, more := strings.Cut(text, "\n")
	if more {
		first += fmt.Sprintf(" (and other lines: %d)", strings.Count(rest, "\n")+1)
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(first)
}

// errorPrefix is the beginning of the line with the error of a run. Log lines do not have it.
const errorPrefix = "polisen-events-collector: "

// message returns the error of a run without its prefix, and the number of other lines.
func message(stderr, dir string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, line := range lines {
		text, ok := strings.CutPrefix(line, errorPrefix)
		if !ok {
			continue
		}
		text = clean(text, dir)
		if n := len(lines) - 1; n > 0 {
			text += fmt.Sprintf(" (and other lines: %d)", n)
		}
		return text
	}
	return clean(stderr, dir)
}

// cost returns the time and memory of a run.
func cost(r result) string {
	return fmt.Sprintf("%.1f s, %d MiB", r.Wall.Seconds(), r.MaxRSS>>20)
}

// single is a fault that happens during one run of collect into an archive of 500 events,
// while the API shows 3 new ones. The next run has to succeed and to store what is missing.
type single struct {
	name   string
	bucket bool
	exits  []int  // the exit codes that are right
	mount  string // options of a file system in memory for the archive and the state folder
	// cause makes the fault before the run, or changes the command. It may return a
	// function that ends the fault.
	cause func(w *world, c *exec.Cmd) (undo func(), err error)
	// react, unless it is nil, is called at the system calls of the run.
	react func(w *world, c call) action
	// pauses is true if the run pauses, and suspended if the whole machine does.
	pauses, suspended bool
}

func (s single) fault() fault { return fault{s.name, s.run} }

func (s single) run(program, dir string, row *row) (err error) {
	w, err := newWorld(program, dir, s.bucket, 500)
	if err != nil {
		return err
	}
	defer w.close()
	if s.pauses {
		w.pause = &pause{suspended: s.suspended}
	}
	if s.mount != "" {
		if err := syscall.Mount("none", w.disk, "tmpfs", 0, s.mount); err != nil {
			return fmt.Errorf("%w: mount a file system: %w (it needs root)", errSkipped, err)
		}
		defer syscall.Unmount(w.disk, syscall.MNT_DETACH)
	}
	if err := w.mustRun("collect"); err != nil {
		return err
	}
	w.publish(added)
	c := w.command("collect")
	undo := func() {}
	defer func() { undo() }()
	if s.cause != nil {
		end, err := s.cause(w, c)
		if err != nil {
			return err
		}
		if end != nil {
			undo = sync.OnceFunc(end)
		}
	}
	var r result
	if s.react == nil {
		r, err = w.execute(c)
	} else {
		r, err = trace(c, w.disk, limit, w.pause, func(c call) action { return s.react(w, c) })
	}
	if err != nil {
		return err
	}
	row.Exit, row.Cost, row.Line = fmt.Sprint(r.Exit), cost(r), message(r.Stderr, w.dir)
	n, err := w.newStored()
	if err != nil {
		return err
	}
	row.Stored = fmt.Sprintf("%d of %d", n, added)
	if row.Health, err = w.health(); err != nil {
		return err
	}
	undo()
	switch {
	case r.Late:
		return fmt.Errorf("the run did not end within %v", limit)
	case !slices.Contains(s.exits, r.Exit):
		return fmt.Errorf("exit code %d, want one of %d: %s", r.Exit, s.exits, r.Stderr)
	case strings.Count(r.Stderr, errorPrefix) > 1:
		return fmt.Errorf("the run printed more than one error: %s", r.Stderr)
	case r.Exit == 0 && n < added:
		return fmt.Errorf("exit code 0, but the archive holds %d of %d new events", n, added)
	}
	if err := w.mustRun("collect"); err != nil {
		return fmt.Errorf("the next run: %w", err)
	}
	if err := w.check(); err != nil {
		return fmt.Errorf("after the next run: %w", err)
	}
	row.After = kept
	return nil
}

// victim is a command that is killed at each of its system calls.
type victim struct {
	name string
	// begin prepares the archive for the k-th kill, and returns the command's arguments.
	begin func(w *world, k int) ([]string, error)
}

var victims = []victim{
	{"collect", func(w *world, k int) ([]string, error) {
		w.publish(added)
		return []string{"collect"}, nil
	}},
	{"first collect", func(w *world, k int) ([]string, error) {
		w.archive = fmt.Sprintf("archive-%d", k)
		return []string{"collect"}, nil
	}},
	{"backfill --input", func(w *world, k int) ([]string, error) {
		file := w.dir + "/input.json"
		return []string{"backfill", "--input", file}, os.WriteFile(file, w.publish(added), 0o600)
	}},
	{"verify --repair=duplicates", func(w *world, k int) ([]string, error) {
		objects, err := w.objects()
		if err != nil || len(objects) == 0 {
			return nil, fmt.Errorf("no objects to copy: %w", err)
		}
		// The copy of an object has only duplicates.
		name := slices.Sorted(maps.Keys(objects))[0]
		return []string{"verify", "--repair=duplicates"}, w.putObject(strings.TrimSuffix(name, ".jsonl")+"9.jsonl", objects[name])
	}},
}

// moment says what happens at a system call of a victim.
type moment string

const (
	killBefore moment = "SIGKILL before"
	killAfter  moment = "SIGKILL after"
	failOnce   moment = "EIO of"
)

// kills returns a fault for each victim, store and moment.
func kills() (all []fault) {
	for _, v := range victims {
		for _, bucket := range []bool{false, true} {
			for _, m := range []moment{killBefore, killAfter, failOnce} {
				name := fmt.Sprintf("%s each system call of %s, %s", m, v.name, choose(bucket, "bucket", "folder"))
				all = append(all, fault{name, func(program, dir string, row *row) error {
					w, err := newWorld(program, dir, bucket, 12)
					if err != nil {
						return err
					}
					defer w.close()
					return w.everyCall(v, m, 1, row)
				}})
			}
		}
	}
	return all
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// everyCall kills the victim at each step-th of its calls, or lets this one call fail, with
// a run for each, until a run makes fewer calls. After each of these runs the same command
// follows, and has to succeed.
func (w *world) everyCall(v victim, m moment, step int, row *row) error {
	if err := w.mustRun("collect"); err != nil {
		return err
	}
	s := newSummary()
	for k := 1; ; k += step {
		args, err := v.begin(w, k)
		if err != nil {
			return err
		}
		n := 0
		at := call{}
		r, err := trace(w.command(args...), w.disk, limit, nil, func(c call) action {
			if !c.changes() || c.After != (m == killAfter) {
				return action{}
			}
			if n++; n != k {
				return action{}
			}
			at = c
			if m == failOnce {
				return action{Error: syscall.EIO}
			}
			return action{Kill: true}
		})
		if err != nil {
			return err
		}
		if r.Late {
			return fmt.Errorf("%s call %d: the run did not end within %v", m, k, limit)
		}
		if n < k {
			if k < 3 || r.Killed || r.Exit != 0 {
				return fmt.Errorf("%s made %d calls and ended with exit code %d: %s", v.name, n, r.Exit, r.Stderr)
			}
			if err := w.check(); err != nil {
				return err
			}
			s.fill(row)
			return nil
		}
		where := fmt.Sprintf("%s call %d, %s of %s", m, k, at.Name, at.Path)
		if err := s.add(w, r); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if m == failOnce && !slices.Contains([]int{0, 1, 3, 4, 5, 6}, r.Exit) {
			return fmt.Errorf("%s: exit code %d: %s", where, r.Exit, r.Stderr)
		}
		if err := w.mustRun(args...); err != nil {
			return fmt.Errorf("%s: the next run: %w", where, err)
		}
		if err := w.check(); err != nil {
			return fmt.Errorf("%s: after the next run: %w", where, err)
		}
	}
}

// summary collects the outcomes of many runs for one row of the table.
type summary struct {
	runs, lowest, highest int
	exits, health         map[string]bool
	largest               result // with the longest time and the most memory
}

func newSummary() *summary {
	return &summary{lowest: added, exits: map[string]bool{}, health: map[string]bool{}}
}

// add adds the outcome of a run, which the archive still shows.
func (s *summary) add(w *world, r result) error {
	s.runs++
	s.exits[choose(r.Killed, "killed", fmt.Sprint(r.Exit))] = true
	s.largest.Wall, s.largest.MaxRSS = max(s.largest.Wall, r.Wall), max(s.largest.MaxRSS, r.MaxRSS)
	stored, err := w.newStored()
	if err != nil {
		return err
	}
	s.lowest, s.highest = min(s.lowest, stored), max(s.highest, stored)
	if !r.Killed && r.Exit == 0 && stored < added {
		return fmt.Errorf("exit code 0, but the archive holds %d of %d new events", stored, added)
	}
	word, err := w.health()
	s.health[word] = true
	return err
}

// fill sets the columns of a row.
func (s *summary) fill(row *row) {
	row.Exit = strings.Join(slices.Sorted(maps.Keys(s.exits)), ", ")
	row.Stored = fmt.Sprintf("%d to %d of %d", s.lowest, s.highest, added)
	row.Health = strings.Join(slices.Sorted(maps.Keys(s.health)), ", ")
	row.Cost = cost(s.largest)
	row.After = kept
	row.Line = fmt.Sprintf("(%d runs)", s.runs)
}

// waiting is the POLISEN_TIMEOUT of runs that wait for an answer that does not come.
const waiting = 4 * time.Second

// set sets an environment variable of the command.
func set(c *exec.Cmd, name, value string) { c.Env = append(c.Env, name+"="+value) }
