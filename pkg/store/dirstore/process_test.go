package dirstore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/storetest"
)

// The tests in this file start this test binary in other processes. There,
// TestMain runs a function of parts, named by partEnv, on the store in the folder
// rootEnv, instead of the tests.
const (
	partEnv = "DIRSTORE_TEST_PART"
	rootEnv = "DIRSTORE_TEST_ROOT"
)

func TestMain(m *testing.M) {
	part, ok := partsByName[os.Getenv(partEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	_, err := io.Copy(io.Discard, os.Stdin) // start together, when the parent closes stdin
	if err == nil {
		var s *dirstore.Store
		if s, err = dirstore.Open(os.Getenv(rootEnv)); err == nil {
			err = part(context.Background(), s)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	increments = 60
	creations  = 60
)

// partsByName holds the functions of parts and outsideParts.
var partsByName = func() map[string]func(context.Context, *dirstore.Store) error {
	all := maps.Clone(parts)
	maps.Copy(all, outsideParts)
	return all
}()

var parts = map[string]func(context.Context, *dirstore.Store) error{
	"increment": func(ctx context.Context, s *dirstore.Store) error {
		for range increments {
			if err := storetest.Increment(ctx, s, "counter"); err != nil {
				return err
			}
		}
		return nil
	},
	// create tries to create all objects, and prints those that it has created.
	"create": func(ctx context.Context, s *dirstore.Store) error {
		for i := range creations {
			name := fmt.Sprintf("created/%d", i)
			_, err := s.Put(ctx, name, fmt.Append(nil, os.Getpid()), store.IfAbsent())
			if err == nil {
				fmt.Println(name, os.Getpid())
			} else if !errors.Is(err, store.ErrPrecondition) {
				return err
			}
		}
		return nil
	},
	// write writes until it is killed, and prints a line after each round.
	"write": func(ctx context.Context, s *dirstore.Store) error {
		for i := 0; ; i++ {
			body := wholeBody(i)
			_, err := s.Put(ctx, fmt.Sprintf("new/%d/%d", os.Getpid(), i), body, store.IfAbsent())
			if err == nil {
				_, err = s.Put(ctx, "state", body, store.Always())
			}
			if err != nil {
				return err
			}
			fmt.Println(i)
		}
	},
	"write all": writeAll,
	"put": func(ctx context.Context, s *dirstore.Store) error {
		if _, err := s.Get(ctx, "readable"); err != nil {
			return fmt.Errorf("reading failed: %w", err)
		}
		_, err := s.Put(ctx, "a/b", nil, store.IfAbsent())
		if errors.Is(err, store.ErrAccess) {
			return fmt.Errorf("expected: %w", err)
		}
		return err
	},
	// overflow exceeds the process's limit on file sizes in the middle of a body.
	"overflow": func(ctx context.Context, s *dirstore.Store) error {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10_000, Max: 10_000}); err != nil {
			return err
		}
		_, err := s.Put(ctx, "large", make([]byte, 20_000), store.IfAbsent())
		return err
	},
}

// wholeBody returns up to 300 kB of content that begins with its own checksum,
// which isWhole checks.
func wholeBody(i int) []byte {
	rest := bytes.Repeat([]byte{byte(i)}, i*7919%300_000)
	return append([]byte(store.MD5(rest)+"\n"), rest...)
}

func isWhole(body []byte) bool {
	sum, rest, _ := bytes.Cut(body, []byte("\n"))
	return string(sum) == store.MD5(rest)
}

// partCommand returns a command that runs a part in another process.
func partCommand(t *testing.T, part, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"="+part, rootEnv+"="+root)
	return cmd
}

// runProcesses runs n processes that start the part together, and returns the
// lines that they print.
func runProcesses(t *testing.T, n int, part, root string) []string {
	t.Helper()
	outputs := make([]bytes.Buffer, n)
	var starts []io.Closer
	var cmds []*exec.Cmd
	for i := range n {
		cmd := partCommand(t, part, root)
		cmd.Stdout, cmd.Stderr = &outputs[i], os.Stderr
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		starts, cmds = append(starts, stdin), append(cmds, cmd)
	}
	for _, start := range starts {
		start.Close()
	}
	var lines []string
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		for line := range strings.Lines(outputs[i].String()) { // no lines if the other processes did all the work
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestProcessesLoseNoIncrement(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	put(t, s, "counter", "0", store.IfAbsent())
	runProcesses(t, 3, "increment", root)
	o, err := s.Get(t.Context(), "counter")
	if err != nil || string(o.Body) != strconv.Itoa(3*increments) {
		t.Errorf("the counter is %s, %v; want %d", o.Body, err, 3*increments)
	}
}

func TestOneProcessCreates(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	creator := map[string]string{}
	winners := map[string]bool{}
	for _, line := range runProcesses(t, 4, "create", root) {
		name, pid, _ := strings.Cut(line, " ")
		if creator[name] != "" {
			t.Errorf("%s was created by %s and %s", name, creator[name], pid)
		}
		creator[name] = pid
		winners[pid] = true
		if o, err := s.Get(t.Context(), name); err != nil || string(o.Body) != pid {
			t.Errorf("%s created by %s holds %q, %v", name, pid, o.Body, err)
		}
	}
	if len(creator) != creations {
		t.Errorf("%d objects were created, want %d", len(creator), creations)
	}
	t.Logf("%d processes won", len(winners))
}

// A writer killed at any time leaves no incomplete object and no lock.
func TestKilledWriters(t *testing.T) {
	root := t.TempDir()
	s, ctx := open(t, root), t.Context()
	for round := range 12 {
		cmd := partCommand(t, "write", root)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan() // it has begun to write
		time.Sleep(time.Duration(round) * 1700 * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		for lines.Scan() {
		}
		if err := cmd.Wait(); err == nil || lines.Err() != nil {
			t.Errorf("the writer ended with %v", err)
		}
		o, err := s.Get(ctx, "state")
		if err != nil || !isWhole(o.Body) {
			t.Errorf("after a kill the object holds %d bytes, %v", len(o.Body), err)
		}
		put(t, s, "state", string(o.Body), store.IfMatch(o.ETag))
	}
	all, err := storetest.Names(ctx, s, "")
	if err != nil || len(all) < 13 {
		t.Fatalf("List yields %d objects, %v", len(all), err)
	}
	for _, name := range all {
		if o, err := s.Get(ctx, name); err != nil || !isWhole(o.Body) {
			t.Errorf("%s holds %d bytes, %v", name, len(o.Body), err)
		}
	}
	t.Logf("%d objects, %d files and folders", len(all), len(files(t, root)))
}

// In a folder that is read-only, reading works and writing fails with
// ErrAccess. Root may write anywhere, so as root the test uses another user.
func TestNoPermission(t *testing.T) {
	root := t.TempDir()
	put(t, open(t, root), "readable", "", store.IfAbsent())
	if err := errors.Join(os.Chmod(root, 0o555),
		os.Chmod(filepath.Join(root, "readable"), 0o644)); err != nil {
		t.Fatal(err)
	}
	cmd := partCommand(t, "put", root)
	if os.Geteuid() == 0 {
		// The other user must be able to read the binary and the folder.
		binary, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(filepath.Dir(root), "binary")
		if err := errors.Join(os.WriteFile(cmd.Path, binary, 0o755), os.Chmod(filepath.Dir(root), 0o755)); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	want := "expected: put " + root + "/a/b: no access to the store: permission denied: check the folder's owner, mode and mount, or choose another folder\n"
	if err == nil || !strings.HasPrefix(string(out), want) { // with -cover the process prints a warning after it
		t.Errorf("got  %s(%v)\nwant %s", out, err, want)
	}
	if err := os.Chmod(root, 0o755); err != nil { // so that the test's cleanup can remove it
		t.Error(err)
	}
}

// A body that cannot be written completely leaves neither an object nor a
// temporary file.
func TestFailedWriteLeavesNothing(t *testing.T) {
	root := t.TempDir()
	out, err := partCommand(t, "overflow", root).CombinedOutput()
	if want := "put " + root + "/large: file too large\n"; err == nil || string(out) != want {
		t.Errorf("got  %s(%v)\nwant %s", out, err, want)
	}
	if got := files(t, root); len(got) > 0 {
		t.Errorf("the folder holds %q", got)
	}
}
