package dirstore_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/tooltest"
)

// The tests in this file let system calls fail as file systems do that lack something,
// or kill the process at a call. strace does both.

// writeAll makes a Put of each kind, and checks its outcome.
func writeAll(ctx context.Context, s *dirstore.Store) error {
	s.OnUnsynced = func(err error) { fmt.Println("unsynced:", err) }
	etag, err := s.Put(ctx, "a/b", []byte(madeBy("create")), store.IfAbsent())
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, "a/b", []byte(madeBy("create again")), store.IfAbsent()); !errors.Is(err, store.ErrPrecondition) {
		return fmt.Errorf("create again: %w", err)
	}
	if _, err := s.Put(ctx, "a/b", []byte(madeBy("replace")), store.IfMatch(etag)); err != nil {
		return err
	}
	if _, err := s.Put(ctx, "a/b", []byte(madeBy("replace again")), store.IfMatch(etag)); !errors.Is(err, store.ErrPrecondition) {
		return fmt.Errorf("replace again: %w", err)
	}
	_, err = s.Put(ctx, "a/c", []byte(madeBy("create or replace")), store.Always())
	return err
}

// madeBy returns the content of an object that the named call of writeAll has made.
func madeBy(call string) string { return string(wholeBody(len(call))) }

// underStrace returns a command that runs cmd and changes its system calls: inject
// names them and what happens to them. It skips the test if strace does not work here.
func underStrace(t *testing.T, cmd *exec.Cmd, inject string) *exec.Cmd {
	t.Helper()
	calls, _, _ := strings.Cut(inject, ":")
	args := []string{"-f", "-qq", "-e", "trace=" + calls, "-e", "inject=" + inject, "-o", "/dev/null"}
	if out, err := exec.Command("strace", append(args, "true")...).CombinedOutput(); err != nil {
		tooltest.Missing(t, "strace", fmt.Sprintf("Debian package strace, and the permission to trace processes: %v %s", err, out))
	}
	with := exec.CommandContext(t.Context(), "strace", append(args, cmd.Path)...)
	with.Env = cmd.Env
	return with
}

// TestFileSystems writes to file systems that lack something.
func TestFileSystems(t *testing.T) {
	const (
		links = "?link,linkat:error="
		sync  = "fsync:error="
		locks = "flock:error="
	)
	var (
		unsynced = func(root, cause string) string { return "unsynced: sync a file or folder in " + root + ": " + cause }
		noLocks  = func(root, cause string) string {
			return "put into " + root + ": no access to the store: lock " + root + "/a/.tmp-*: this file system does not support locks (" + cause +
				"): choose a folder on another file system"
		}
		none = func(string, string) string { return "" }
	)
	for inject, tt := range map[string]struct {
		want  func(root, cause string) string
		cause string
	}{
		links + "EPERM":      {none, ""},
		links + "EOPNOTSUPP": {none, ""},
		links + "ENOSYS":     {none, ""},
		sync + "EINVAL":      {unsynced, "invalid argument"},
		sync + "EOPNOTSUPP":  {unsynced, "operation not supported"},
		sync + "ENOSYS":      {unsynced, "function not implemented"},
		locks + "ENOLCK":     {noLocks, "no locks available"},
		locks + "ENOSYS":     {noLocks, "function not implemented"},
		locks + "EBADF":      {noLocks, "bad file descriptor"},
		locks + "EOPNOTSUPP": {noLocks, "operation not supported"},
	} {
		t.Run(inject, func(t *testing.T) {
			root := t.TempDir()
			out, err := underStrace(t, partCommand(t, "write all", root), inject).CombinedOutput()
			got, want := strings.TrimSpace(string(out)), tt.want(root, tt.cause)
			if before, after, ok := strings.Cut(want, "*"); ok { // the name of a temporary file
				if rest, found := strings.CutPrefix(got, before); !found || !strings.HasSuffix(rest, after) || err == nil {
					t.Errorf("got  %s (%v)\nwant %s", got, err, want)
				}
				if left := files(t, root+"/a"); len(left) > 0 {
					t.Errorf("it left %q", left)
				}
				return
			}
			if got != want || err != nil {
				t.Errorf("got  %s (%v)\nwant %s", got, err, want)
			}
			if o, err := open(t, root).Get(t.Context(), "a/b"); err != nil || string(o.Body) != madeBy("replace") {
				t.Errorf("the object holds %d bytes, %v", len(o.Body), err)
			}
		})
	}
}

// TestKilledAtCalls kills a writer at each of its system calls that change something.
// No object is incomplete, the next writer succeeds, and it leaves no temporary file.
func TestKilledAtCalls(t *testing.T) {
	for _, call := range []string{"mkdirat", "flock", "write", "fsync", "?renameat,?renameat2", "unlinkat"} {
		t.Run(call, func(t *testing.T) {
			killed := 0
			for when := 1; ; when++ {
				root := t.TempDir()
				out, err := underStrace(t, partCommand(t, "write all", root), fmt.Sprintf("%s:signal=KILL:when=%d", call, when)).CombinedOutput()
				if err == nil {
					break
				}
				status, ok := errors.AsType[*exec.ExitError](err)
				if !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("call %d: %v: %s", when, err, out)
				}
				killed++
				s := open(t, root)
				all, err := storetest.Names(t.Context(), s, "")
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range all {
					if o, err := s.Get(t.Context(), name); err != nil || len(o.Body) == 0 || !isWhole(o.Body) {
						t.Errorf("call %d: %s holds %d bytes, %v", when, name, len(o.Body), err)
					}
				}
				put(t, s, "a/b", "next", store.Always())
				for _, file := range files(t, root) {
					if strings.Contains(file, ".tmp-") {
						t.Errorf("call %d: the next writer leaves %s", when, file)
					}
				}
			}
			if killed == 0 {
				t.Error("the writer makes no such call")
			}
		})
	}
}
