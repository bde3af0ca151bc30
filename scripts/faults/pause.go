//go:build linux && amd64

package main

import (
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pause is a time in which the program does not run. The program sees it as a jump of its
// clocks, and so do all later runs of the world.
type pause struct {
	// suspended is true if the whole machine is suspended, in which CLOCK_MONOTONIC stands
	// still. After SIGSTOP it goes on.
	suspended bool
	length    atomic.Int64 // seconds; zero before the pause
}

// pauseLength is the length of a pause. It is longer than the time after which
// verify --quick misses a run.
const pauseLength = 6 * time.Hour

// elapse makes the clocks jump.
func (p *pause) elapse() { p.length.Store(int64(pauseLength / time.Second)) }

// apply adds the pause to the time that clock_gettime has returned to a thread.
func (p *pause) apply(tid int, clock uint64, timespec uintptr) {
	switch clock {
	case unix.CLOCK_REALTIME, unix.CLOCK_BOOTTIME:
	case unix.CLOCK_MONOTONIC:
		if p.suspended {
			return
		}
	default:
		return
	}
	if seconds, err := readWord(tid, timespec); err == nil {
		_ = writeWord(tid, timespec, seconds+uint64(p.length.Load()))
	}
}

// hideVDSO removes the vDSO from a process that has not begun to run. A Go program then
// makes a system call for the time, which a tracer sees.
// The stack holds the number of arguments, their addresses, a zero, the addresses of the
// environment, a zero, and the auxiliary vector (https://man7.org/linux/man-pages/man3/getauxval.3.html).
func hideVDSO(pid int) error {
	const atNull, atIgnore, atSysinfoEHDR = 0, 1, 33
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	at := uintptr(regs.Rsp)
	next := func() (uint64, error) {
		word, err := readWord(pid, at)
		at += 8
		return word, err
	}
	n, err := next()
	at += uintptr(n+1) * 8
	for word := uint64(1); word != 0 && err == nil; {
		word, err = next()
	}
	for err == nil {
		var kind uint64
		kind, err = next()
		switch {
		case err != nil:
		case kind == atNull:
			return errors.New("the process has no vDSO")
		case kind == atSysinfoEHDR:
			return writeWord(pid, at-8, atIgnore)
		}
		at += 8
	}
	return err
}

func readWord(tid int, at uintptr) (uint64, error) {
	var word [8]byte
	_, err := syscall.PtracePeekData(tid, at, word[:])
	return binary.NativeEndian.Uint64(word[:]), err
}

func writeWord(tid int, at uintptr, value uint64) error {
	_, err := syscall.PtracePokeData(tid, at, binary.NativeEndian.AppendUint64(nil, value))
	return err
}

// isCommit reports whether a request writes the document.
func isCommit(r *http.Request) bool { return isPut(r) && path.Base(r.URL.Path) == "last_seen.json" }

// pauseAt returns a fault's cause: the first request that matches takes effect, the program
// then pauses, and the connection is closed without an answer. The clock of the bucket
// goes on during the pause.
func pauseAt(match func(*http.Request) bool) func(w *world, c *exec.Cmd) (func(), error) {
	return func(w *world, _ *exec.Cmd) (func(), error) {
		w.cloud.Objects.Clock = func() time.Time {
			return time.Now().Add(time.Duration(w.pause.length.Load()) * time.Second)
		}
		var once sync.Once
		return w.intercept(match, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			first := false
			once.Do(func() { first = true })
			if !first {
				serve(rw, r)
				return
			}
			serve(httptest.NewRecorder(), r)
			w.pause.elapse()
			panic(http.ErrAbortHandler)
		}), nil
	}
}

// pauseBeforeRename lets the program pause before it renames the new document.
func pauseBeforeRename(w *world, c call) action {
	if c.Name == "renameat" && !c.After && strings.HasSuffix(c.Path, "/last_seen.json") {
		w.pause.elapse()
	}
	return action{}
}

func pauses() (all []fault) {
	for _, suspended := range []bool{false, true} {
		name, exits := "SIGSTOP for 6 hours", []int{4, 5}
		if suspended { // the time limit of the run does not count the pause
			name, exits = "machine suspended for 6 hours", []int{0}
		}
		for _, s := range []single{
			{name: name + " during the call to the API", exits: exits, cause: pauseAt(isAPI)},
			{name: name + " during the commit, folder", exits: exits, react: pauseBeforeRename},
			{name: name + " during the commit, bucket", bucket: true, exits: exits, cause: pauseAt(isCommit)},
		} {
			s.pauses, s.suspended = true, suspended
			all = append(all, s.fault())
		}
	}
	return all
}
