package filelock_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/filelock"
)

// The tests start this test binary in other processes. There TestMain runs a
// function of parts on the folder dirEnv, instead of the tests.
const (
	partEnv = "FILELOCK_TEST_PART"
	dirEnv  = "FILELOCK_TEST_DIR"
)

const increments = 300

var parts = map[string]func(lock, counter string) error{
	// hold locks the file until it is killed.
	"hold": func(lock, _ string) error {
		if _, err := filelock.Create(context.Background(), lock); err != nil {
			return err
		}
		fmt.Println("locked")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	},
	// increment counts, and removes the lock file each time.
	"increment": func(lock, counter string) error {
		for range increments {
			l, err := filelock.Create(context.Background(), lock)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(counter)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(text))
			if err != nil {
				return err
			}
			if err := errors.Join(os.WriteFile(counter, fmt.Append(nil, n+1), 0o600), os.Remove(lock)); err != nil {
				return err
			}
			l.Release()
		}
		return nil
	},
}

func TestMain(m *testing.M) {
	part, ok := parts[os.Getenv(partEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	dir := os.Getenv(dirEnv)
	if err := part(filepath.Join(dir, "lock"), filepath.Join(dir, "counter")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(t *testing.T, part, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"="+part, dirEnv+"="+dir)
	return cmd
}

// TestRemovedFile has processes that remove the file before they unlock it. Another
// process may then lock the removed file, which keeps nobody out.
func TestRemovedFile(t *testing.T) {
	dir := t.TempDir()
	counter := filepath.Join(dir, "counter")
	if err := os.WriteFile(counter, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	const processes = 4
	var outputs [processes]bytes.Buffer
	var cmds [processes]*exec.Cmd
	for i := range cmds {
		cmds[i] = command(t, "increment", dir)
		cmds[i].Stdout, cmds[i].Stderr = &outputs[i], &outputs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &outputs[i])
		}
	}
	if n, err := os.ReadFile(counter); string(n) != strconv.Itoa(processes*increments) {
		t.Errorf("the counter is %s, %v; want %d", n, err, processes*increments)
	}
}

// TestHolder locks a file in another process and kills it. A wait ends with its
// context at once, and its error names the process.
func TestHolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	cmd := command(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	cause := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	_, err = filelock.Create(ctx, path) // the lock is not released before it returns
	holder := "another process"
	if _, err := os.Stat("/proc/locks"); err == nil {
		holder = "process " + strconv.Itoa(cmd.Process.Pid)
	}
	want := "lock " + path + ": wait for " + holder + ", which has locked the file: stopped; if it hangs, end it, and keep the file: without the file, two processes would write at once"
	if !errors.Is(err, cause) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error says that it was killed
	l, err := filelock.Existing(t.Context(), path)
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	l.Release()
}

func TestUnusableFile(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	pipe, folder := filepath.Join(dir, "pipe"), filepath.Join(dir, "folder")
	if err := errors.Join(os.Symlink(target, link), syscall.Mkfifo(pipe, 0o600), os.Mkdir(folder, 0o700)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, path := range []string{link, pipe, folder} {
		for _, lock := range []func(context.Context, string) (*filelock.Lock, error){filelock.Create, filelock.Existing} {
			if _, err := lock(ctx, path); err == nil || !strings.Contains(err.Error(), path+": not a regular file") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
	if _, err := filelock.Existing(ctx, target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Existing: %v, want ErrNotExist", err)
	}
}
