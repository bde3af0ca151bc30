package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mutation is a small change of the source that breaks a guarantee.
type mutation struct {
	guarantee string // that the change breaks, as one sentence
	file      string // relative to the module
	// old is a text that occurs once in the file, and new replaces it.
	old, new string
	// packages are the folders, relative to the module, of the packages whose tests
	// have to fail.
	packages []string
	// tests is a regular expression for the names of these tests; empty for all
	// tests of the packages.
	tests string
}

// apply returns the source with the mutation. The error says why the mutation does
// not apply.
func (m mutation) apply(source []byte) ([]byte, error) {
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s has the text %q %d times, not once", m.file, m.old, n)
	}
	if m.old == m.new {
		return nil, fmt.Errorf("%s: the new text equals the old one", m.file)
	}
	return bytes.Replace(source, []byte(m.old), []byte(m.new), 1), nil
}

// tests are some tests of a package.
type tests struct{ pkg, pattern string }

func (t tests) String() string {
	if t.pattern == "" {
		return t.pkg
	}
	return t.pkg + " -run " + t.pattern
}

// testsOf returns the tests of the mutations, one element a package.
func testsOf(all []mutation) []tests {
	patterns := make(map[string][]string)
	for _, m := range all {
		for _, pkg := range m.packages {
			if !slices.Contains(patterns[pkg], m.tests) {
				patterns[pkg] = append(patterns[pkg], m.tests)
			}
		}
	}
	var union []tests
	for _, pkg := range slices.Sorted(maps.Keys(patterns)) {
		t := tests{pkg: pkg, pattern: strings.Join(patterns[pkg], "|")}
		if slices.Contains(patterns[pkg], "") {
			t.pattern = ""
		}
		union = append(union, t)
	}
	return union
}

// moduleCopy is a copy of the module in a temporary folder.
type moduleCopy struct {
	root string // the copy
	temp string // for the temporary files of the tests
	// took is the time of the tests of each package without a mutation.
	took map[string]time.Duration
}

// newCopy copies the module in the folder root, except for .git and node_modules.
func newCopy(root string) (*moduleCopy, error) {
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	c := &moduleCopy{root: filepath.Join(dir, "module"), temp: filepath.Join(dir, "tmp"), took: make(map[string]time.Duration)}
	err = os.Chmod(dir, 0o755) // some tests start a process of another user
	if err == nil {
		err = os.Mkdir(c.temp, 0o700)
	}
	if err == nil {
		err = os.Chmod(c.temp, 0o777) // whatever the umask
	}
	if err == nil {
		err = copyTree(root, c.root)
	}
	if err != nil {
		c.remove()
		return nil, fmt.Errorf("copy the module: %w", err)
	}
	return c, nil
}

// remove removes the copy. It ignores errors, since the folder is a temporary one.
func (c *moduleCopy) remove() { _ = os.RemoveAll(filepath.Dir(c.root)) }

// copyTree copies the regular files below from with their modes, except for .git and
// node_modules.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.Name() == ".git", entry.Name() == "node_modules":
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil // of a worktree
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm())
	})
}

// checkWithout checks that tests pass without a mutation, and notes how long they take.
func (c *moduleCopy) checkWithout(ctx context.Context, t tests) error {
	const timeout = 10 * time.Minute
	start := time.Now()
	result, detail, err := c.test(ctx, t, timeout)
	c.took[t.pkg] = time.Since(start)
	if err == nil && result != notNoticed {
		err = fmt.Errorf("test %s without a mutation: %s: %s; correct the tests first", t, result, detail)
	}
	return err
}

// try applies a mutation to the copy, runs its tests, and takes the mutation back. The
// detail is the name of the first test that failed, or the reason why the mutation
// cannot be tried.
func (c *moduleCopy) try(ctx context.Context, m mutation) (result outcome, detail string, err error) {
	path := filepath.Join(c.root, filepath.FromSlash(m.file))
	source, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return doesNotApply, "there is no such file", nil
	}
	if err != nil {
		return "", "", err
	}
	changed, err := m.apply(source)
	if err != nil {
		return doesNotApply, err.Error(), nil
	}
	if err := os.WriteFile(path, changed, 0o644); err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, source, 0o644)) }()
	for _, pkg := range m.packages {
		timeout := time.Minute + 3*c.took[pkg] // a mutation may make the program hang
		result, detail, err = c.test(ctx, tests{pkg, m.tests}, timeout)
		if err != nil || result != notNoticed {
			return result, detail, err
		}
	}
	return notNoticed, "", nil
}

// event is a part of what go test -json prints (see go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// test runs tests in the copy until the first one fails. The result is notNoticed if
// all pass. The detail is the name of the test that failed, or a message of the compiler.
func (c *moduleCopy) test(ctx context.Context, t tests, timeout time.Duration) (result outcome, detail string, err error) {
	args := []string{"test", "-json", "-count=1", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if t.pattern != "" {
		args = append(args, "-run", t.pattern)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+t.pkg)...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), "TMPDIR="+c.temp, "PWD="+c.root)
	// The tests start processes, which have to end with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", "", err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return "", "", fmt.Errorf("start go test: %w", err)
	}
	result, detail = firstFailure(stdout)
	if result != "" {
		cancel() // the other tests do not matter
	}
	_, _ = io.Copy(io.Discard, stdout)
	waitErr := cmd.Wait()
	switch {
	case result != "":
		return result, detail, nil
	case ctx.Err() != nil:
		return "", "", context.Cause(ctx)
	case waitErr != nil:
		return "", "", fmt.Errorf("go test %s: %w: %s", t, waitErr, bytes.TrimSpace(stderr.Bytes()))
	}
	return notNoticed, "", nil
}

// firstFailure reads the events of go test up to the first failure. The result is
// empty if there is none.
func firstFailure(events io.Reader) (result outcome, detail string) {
	compiler, last := "", ""
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // a line that a test has printed
		}
		switch {
		case e.Action == "build-output" && compiler == "" && !strings.HasPrefix(e.Output, "#"):
			compiler = strings.TrimSpace(e.Output)
		case e.Action == "build-fail":
			return doesNotBuild, compiler
		case e.Action == "run":
			last = e.Test
		case e.Action == "output" && strings.HasPrefix(e.Output, "panic: test timed out"):
			return noticed, "timed out; the last test that began is " + last
		case e.Action == "fail" && e.Test != "":
			return noticed, e.Test
		case e.Action == "fail":
			return noticed, "the process of the tests died; the last test that began is " + last
		case e.Action == "pass" && e.Test == "" && last == "":
			return doesNotApply, "no test of " + e.Package + " matches"
		}
	}
	return "", ""
}
