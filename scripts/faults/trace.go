//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call of a traced process that the tracer reports: see watched.
type call struct {
	Name string
	// Path is the file, or "socket".
	Path string
	// After is true after the call, and false before it.
	After bool
	// FD is the file descriptor of write, fsync, flock and similar calls, and -1 for others.
	FD  int
	PID int
}

// action is the reaction of the tracer to a call.
type action struct {
	Kill  bool          // end the process with SIGKILL
	Error syscall.Errno // the call returns this error and has no effect, but a close does close; only before the call
}

// watched holds the system calls that the tracer reports: those that change a file or write
// to a socket, and read and close, which tests make fail. The value says which argument is
// the path or the file descriptor.
var watched = map[uint64]struct {
	name string
	path int // index of the argument with the path, or -1
	fd   int // index of the file descriptor, or of the path's folder
}{
	unix.SYS_OPENAT:    {"openat", 1, 0}, // only one that creates or truncates
	unix.SYS_MKDIRAT:   {"mkdirat", 1, 0},
	unix.SYS_RENAMEAT:  {"renameat", 3, 2},
	unix.SYS_RENAMEAT2: {"renameat", 3, 2},
	unix.SYS_LINKAT:    {"linkat", 3, 2},
	unix.SYS_UNLINKAT:  {"unlinkat", 1, 0},
	unix.SYS_WRITE:     {"write", -1, 0},
	unix.SYS_PWRITE64:  {"write", -1, 0},
	unix.SYS_WRITEV:    {"write", -1, 0},
	unix.SYS_FTRUNCATE: {"ftruncate", -1, 0},
	unix.SYS_FSYNC:     {"fsync", -1, 0},
	unix.SYS_FDATASYNC: {"fsync", -1, 0},
	unix.SYS_FLOCK:     {"flock", -1, 0},
	unix.SYS_FCHMOD:    {"fchmod", -1, 0},
	unix.SYS_FCHMODAT:  {"fchmodat", 1, 0},
	unix.SYS_UTIMENSAT: {"utimensat", 1, 0},
	// These change nothing, and are here to fail.
	unix.SYS_READ:    {"read", -1, 0},
	unix.SYS_PREAD64: {"read", -1, 0},
	unix.SYS_CLOSE:   {"close", -1, 0},
}

// changes reports whether the call changes something.
func (c call) changes() bool { return c.Name != "read" && c.Name != "close" }

// trace runs a command and calls react before and after each watched call on a file
// below root or on a socket. It kills the process after the time limit. With a pause, the
// process sees the clocks as after the pause.
// The counts of a tool such as strace are by thread, and the goroutines of a Go program
// change threads, so only a tracer that counts the calls of all threads reaches every call.
func trace(c *exec.Cmd, root string, limit time.Duration, p *pause, react func(call) action) (result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var r result
	out, err := newOutput(c)
	if err != nil {
		return r, err
	}
	defer out.close()
	// A process group of its own lets the tracer wait for this program only. Its thread may
	// have started other programs before.
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	start := time.Now()
	if err := c.Start(); errors.Is(err, syscall.EPERM) {
		return r, fmt.Errorf("%w: trace the program: %w (it needs the permission to trace processes)", errSkipped, err)
	} else if err != nil {
		return r, err
	}
	pid := c.Process.Pid
	defer c.Process.Release()
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() { late.Store(true); _ = syscall.Kill(pid, syscall.SIGKILL) })
	defer timer.Stop()

	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return r, fmt.Errorf("wait for the traced program: %w", err)
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|exitKill); err != nil {
		return r, fmt.Errorf("set the options of the tracer: %w", err)
	}
	if p != nil {
		if err := hideVDSO(pid); err != nil {
			return r, fmt.Errorf("make the program call the system for the time: %w", err)
		}
	}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return r, err
	}
	threads := map[int]*thread{pid: {}}
	for {
		var usage syscall.Rusage
		tid, err := syscall.Wait4(-pid, &status, syscall.WALL, &usage)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return r, fmt.Errorf("wait for the traced program: %w", err)
		}
		if status.Exited() || status.Signaled() {
			if tid != pid {
				delete(threads, tid)
				continue
			}
			r.Late = late.Load()
			r.Wall = time.Since(start)
			r.MaxRSS = usage.Maxrss * 1024
			r.Exit = status.ExitStatus()
			r.Killed = status.Signaled()
			return r, out.read(&r)
		}
		if !status.Stopped() {
			continue
		}
		t := threads[tid]
		signal := 0
		switch sig := status.StopSignal(); {
		case t == nil: // a new thread begins with a SIGSTOP
			threads[tid] = &thread{}
		case sig == syscall.SIGTRAP|0x80:
			if t.step(pid, tid, root, p, react) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		case sig == syscall.SIGTRAP: // an event, such as a new thread
		default:
			signal = int(sig)
		}
		_ = syscall.PtraceSyscall(tid, signal) // fails if the thread is dead
	}
}

// thread is the state of a traced thread.
type thread struct {
	inside bool // a system call is under way
	call   call
	counts bool
	fail   syscall.Errno
}

// step handles the entry to a system call, or the exit from it, and reports whether to kill
// the process.
func (t *thread) step(pid, tid int, root string, p *pause, react func(call) action) (kill bool) {
	t.inside = !t.inside
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return false // the thread is dead
	}
	if regs.Orig_rax == unix.SYS_CLOCK_GETTIME && p != nil && !t.inside {
		p.apply(tid, regs.Rdi, uintptr(regs.Rsi))
	}
	if t.inside {
		t.counts, t.fail = false, 0
		kind, ok := watched[regs.Orig_rax]
		args := []uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8}
		if !ok || kind.name == "openat" && args[2]&(syscall.O_CREAT|syscall.O_TRUNC) == 0 {
			return false
		}
		t.call = call{Name: kind.name, FD: -1, PID: pid}
		if kind.path < 0 {
			t.call.FD = int(int32(args[kind.fd]))
		}
		t.call.Path = pathOf(pid, tid, args, kind.path, kind.fd)
		if t.call.Path != "socket" && t.call.Path != root && !strings.HasPrefix(t.call.Path, root+"/") {
			return false
		}
		t.counts = true
		a := react(t.call)
		if a.Error != 0 {
			t.fail = a.Error
			if t.call.Name != "close" { // Linux closes the file even if it returns an error
				regs.Orig_rax = ^uint64(0)
				_ = syscall.PtraceSetRegs(tid, &regs)
			}
		}
		return a.Kill
	}
	if !t.counts {
		return false
	}
	if t.fail != 0 {
		regs.Rax = uint64(-int64(t.fail))
		_ = syscall.PtraceSetRegs(tid, &regs)
		return false
	}
	c := t.call
	c.After = true
	return react(c).Kill
}

// pathOf returns the path that a call is about.
func pathOf(pid, tid int, args []uint64, path, fd int) string {
	name := ""
	if path >= 0 {
		name = readString(tid, uintptr(args[path]))
	}
	if filepath.IsAbs(name) {
		return name
	}
	link := fmt.Sprintf("/proc/%d/fd/%d", pid, int32(args[fd]))
	if int32(args[fd]) == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", pid)
	}
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	if strings.HasPrefix(target, "socket:") {
		return "socket"
	}
	return filepath.Join(target, name)
}

// readString reads a text of the traced process that ends with a zero byte.
func readString(tid int, at uintptr) string {
	var text []byte
	for len(text) < 4096 {
		var word [unsafe.Sizeof(uintptr(0))]byte
		if _, err := syscall.PtracePeekData(tid, at, word[:]); err != nil {
			break
		}
		for _, b := range word {
			if b == 0 {
				return string(text)
			}
			text = append(text, b)
		}
		at += uintptr(len(word))
	}
	return string(text)
}
