package dirstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
)

// The tests in this file stop, kill and limit processes at chosen moments, which
// they find by means of Linux: locks in /proc, and mounts of one process only.

var outsideParts = map[string]func(context.Context, *dirstore.Store) error{
	// replace replaces an object that it has read.
	"replace": func(ctx context.Context, s *dirstore.Store) error {
		o, err := s.Get(ctx, "large")
		if err == nil {
			_, err = s.Put(ctx, "large", []byte("by the stopped process"), store.IfMatch(o.ETag))
		}
		return err
	},
	// write large creates an object, which takes a while.
	"write large": func(ctx context.Context, s *dirstore.Store) error {
		_, err := s.Put(ctx, "folder/large", largeBody(), store.IfAbsent())
		return err
	},
	// disks writes to folders that are on other disks.
	"disks": func(ctx context.Context, s *dirstore.Store) error {
		root := os.Getenv(rootEnv)
		for _, folder := range []string{"events", "metadata"} {
			if err := mountTmpfs(filepath.Join(root, folder), "mode=700"); err != nil {
				return err
			}
		}
		if _, err := s.Put(ctx, "events/2026/01/02/a", []byte("a"), store.IfAbsent()); err != nil {
			return err
		}
		for _, body := range []string{"1", "2"} {
			if _, err := s.Put(ctx, "metadata/b", []byte(body), store.Always()); err != nil {
				return err
			}
		}
		for _, name := range []string{"events/2026/01/02/a", "metadata/b"} {
			if _, err := s.Get(ctx, name); err != nil {
				return err
			}
		}
		return nil
	},
	// full writes to disks on which nothing fits, and prints the errors.
	"full": func(ctx context.Context, _ *dirstore.Store) error {
		root := os.Getenv(rootEnv)
		if err := mountTmpfs(root, "nr_inodes=1"); err != nil {
			return err
		}
		s, err := dirstore.Open(filepath.Join(root, "archive"))
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, "a", nil, store.IfAbsent())
		printError(err)
		if err := mountTmpfs(root, "size=64k"); err != nil {
			return err
		}
		if s, err = dirstore.Open(root); err != nil {
			return err
		}
		_, err = s.Put(ctx, "a", largeBody(), store.IfAbsent())
		printError(err)
		return nil
	},
	// no descriptors makes calls while no file can be opened, and prints the errors.
	"no descriptors": func(ctx context.Context, _ *dirstore.Store) error {
		root := os.Getenv(rootEnv)
		s, err := dirstore.Open(filepath.Join(root, "missing"))
		if err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(root, "missing"), 0o700); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: 3}); err != nil {
			return err
		}
		_, err = dirstore.Open(root)
		printError(err)
		_, err = s.Get(ctx, "a")
		printError(err)
		_, err = s.Put(ctx, "a", nil, store.IfAbsent())
		printError(err)
		for _, err := range s.List(ctx, "") {
			printError(err)
		}
		return nil
	},
}

func printError(err error) { fmt.Printf("ErrAccess %v: %v\n", errors.Is(err, store.ErrAccess), err) }

func largeBody() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 4<<20) }

func mountTmpfs(dir, options string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	return nil
}

// withMounts lets the process mount file systems that no other process sees. Where
// the system does not allow that, it skips the test.
func withMounts(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	unshare := []string{"unshare", "--mount", "--map-root-user"}
	if err := exec.Command(unshare[0], append(unshare[1:], "true")...).Run(); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	with := exec.CommandContext(t.Context(), unshare[0], append(unshare[1:], cmd.Path)...)
	with.Env = cmd.Env
	return with
}

// stopped is a process that is stopped while it has a lock on file.
type stopped struct {
	*os.Process
	file string
	end  chan error // gets the process's error and output
}

// startStopped starts a part and stops it when it has locked one of the files that
// find returns. If the process is faster, it tries again, from prepare on.
func startStopped(t *testing.T, part, root string, prepare func(), find func() []string) stopped {
	t.Helper()
	for range 10 {
		prepare()
		cmd, output := partCommand(t, part, root), new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p := stopped{Process: cmd.Process, end: make(chan error, 1)}
		go func() {
			err := cmd.Wait()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, output)
			}
			p.end <- err
		}()
		for len(p.end) == 0 {
			for _, p.file = range find() {
				if !lockedBy(p.file, p.Pid) {
					continue
				}
				_ = p.Signal(syscall.SIGSTOP) // fails if the process has ended
				if lockedBy(p.file, p.Pid) {
					return p
				}
				_ = p.Signal(syscall.SIGCONT)
			}
		}
		if err := <-p.end; err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no process was stopped in time")
	return stopped{}
}

func lockedBy(file string, pid int) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false
	}
	inode := info.Sys().(*syscall.Stat_t).Ino
	return slices.ContainsFunc(strings.Split(string(locks), "\n"), func(line string) bool {
		f := strings.Fields(line)
		return len(f) == 8 && f[4] == strconv.Itoa(pid) && strings.HasSuffix(f[5], fmt.Sprintf(":%d", inode))
	})
}

// TestStoppedWriter stops a process that is about to replace an object. No other
// process can replace the object until the first has ended, and there is no lock
// file that somebody could remove.
func TestStoppedWriter(t *testing.T) {
	root := t.TempDir()
	var s *dirstore.Store
	var etag store.ETag
	object := filepath.Join(root, "large")
	prepare := func() {
		etag = put(t, open(t, root), "large", string(largeBody()), store.Always()) // so that it takes a while to compare its ETag
		s = open(t, root)
	}
	p := startStopped(t, "replace", root, prepare, func() []string { return []string{object} })
	for _, name := range files(t, root) {
		if _, name, _ := strings.Cut(name, " "); name[0] == '.' && !strings.HasPrefix(name, ".tmp-") {
			t.Errorf("the store keeps the file %s", name)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Put(ctx, "large", []byte("by another process"), store.IfMatch(etag))
	wantError(t, err, nil, "process "+strconv.Itoa(p.Pid), object, "keep the file")
	if !errors.Is(err, context.DeadlineExceeded) { // the other process, which goes on below, has still the lock
		t.Errorf("the wait ended with %v", err)
	}

	if err := errors.Join(p.Signal(syscall.SIGCONT), <-p.end); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Get(t.Context(), "large"); err != nil || string(o.Body) != "by the stopped process" {
		t.Errorf("the object holds %.30q, %v", o.Body, err)
	}
}

// TestTemporaryFiles stops a writer with a temporary file. While the writer lives
// others keep the file, however old it looks; once the writer is gone, the next
// write to the folder removes it, however new it looks.
func TestTemporaryFiles(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "folder")
	temps := func() []string {
		beside, err := filepath.Glob(filepath.Join(folder, ".*"))
		if err != nil {
			t.Fatal(err)
		}
		return beside
	}
	put(t, open(t, root), "folder/0", "", store.IfAbsent())
	for i, end := range []syscall.Signal{syscall.SIGCONT, syscall.SIGKILL} {
		p := startStopped(t, "write large", root, func() { _ = os.Remove(filepath.Join(folder, "large")) }, temps)
		if end == syscall.SIGCONT {
			old := time.Now().Add(-72 * time.Hour)
			if err := os.Chtimes(p.file, old, old); err != nil {
				t.Fatal(err)
			}
		}
		put(t, open(t, root), fmt.Sprintf("folder/during %d", i), "", store.IfAbsent())
		if _, err := os.Stat(p.file); err != nil {
			t.Errorf("the temporary file of a living process: %v", err)
		}
		if err := p.Signal(end); err != nil {
			t.Fatal(err)
		}
		if err := <-p.end; (err == nil) != (end == syscall.SIGCONT) {
			t.Errorf("%v: %v", end, err)
		}
		put(t, open(t, root), fmt.Sprintf("folder/after %d", i), "", store.IfAbsent())
		if left := temps(); len(left) > 0 {
			t.Errorf("%v: left %q", end, left)
		}
		o, err := open(t, root).Get(t.Context(), "folder/large")
		if end == syscall.SIGKILL {
			wantError(t, err, store.ErrNotExist)
		} else if err != nil || !bytes.Equal(o.Body, largeBody()) {
			t.Errorf("the object holds %d bytes, %v", len(o.Body), err)
		}
	}
}

// TestFoldersOnOtherDisks mounts other file systems on folders of the store.
func TestFoldersOnOtherDisks(t *testing.T) {
	if out, err := withMounts(t, partCommand(t, "disks", t.TempDir())).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestShortages checks the errors of a machine that has no space or no file
// descriptors left. They are not ErrAccess: the settings are right.
func TestShortages(t *testing.T) {
	for part, want := range map[string][]string{
		"full":           {"no space left on device: free some space", "no space left on device: free some space"},
		"no descriptors": slices.Repeat([]string{"too many open files: end other programs, or raise the limit (ulimit -n)"}, 4),
	} {
		t.Run(part, func(t *testing.T) {
			cmd := partCommand(t, part, t.TempDir())
			if part == "full" {
				cmd = withMounts(t, cmd)
			}
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err != nil || len(lines) != len(want) {
				t.Fatalf("%v: %s", err, out)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, "ErrAccess false: ") || !strings.HasSuffix(line, want[i]) {
					t.Errorf("call %d: %s", i, line)
				}
			}
		})
	}
}
