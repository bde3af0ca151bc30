package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestMain lets the test binary serve as the program, too: tests and scripts run it
// as a separate process under the program's name.
func TestMain(m *testing.M) {
	testscript.Main(cleaned{m}, map[string]func(){
		program: func() { os.Exit(Main(thisProcess())) },
		panicking: func() {
			p := thisProcess()
			p.Stdout, p.Stderr = panicWriter(os.Getenv("PANIC_AT")), panicWriter(os.Getenv("PANIC_AT"))
			os.Exit(Main(p))
		},
		stalling: func() {
			p := thisProcess()
			p.changeWatchdog = func(w *watchdog) {
				w.callLimit = time.Second
				w.onCall = func(what string) {
					if strings.Contains(what, os.Getenv("STALL_AT")) {
						select {}
					}
				}
			}
			os.Exit(Main(p))
		},
		signalledProbe: func() { os.Exit(int(thisProcess().execute(newProbe()))) },
	})
}

// cleaned runs all tests and then deletes the program that they have built.
type cleaned struct{ *testing.M }

func (c cleaned) Run() int {
	defer func() { _ = os.RemoveAll(programFolder) }()
	return c.M.Run()
}

func thisProcess() Process {
	return Process{Args: os.Args[1:], Env: os.LookupEnv, Environ: os.Environ, Setenv: os.Setenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// signalledProbe is the name of a program that waits for a signal inside execute.
// Its argument says what it does then: "ok" succeeds, "fail" returns an error, and
// "stay" never ends.
const signalledProbe = "signalled-probe"

func newProbe() *cobra.Command {
	return &cobra.Command{
		Use: signalledProbe, SilenceErrors: true, SilenceUsage: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			<-cmd.Context().Done()
			fmt.Fprintln(cmd.OutOrStdout(), "cancelled:", context.Cause(cmd.Context()))
			switch args[0] {
			case "fail":
				return io.ErrUnexpectedEOF
			case "stay":
				select {}
			}
			return nil
		},
	}
}

// stalling is the name of a program whose call stalls that the variable STALL_AT names a
// part of, as on a disk that does not respond. Its calls have a limit of a second.
const stalling = "stalling"

// panicking is the name of a program that panics when it writes a line with the text
// of the variable PANIC_AT.
const panicking = "panicking"

type panicWriter string

func (w panicWriter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), string(w)) {
		return int(p[len(p)]), nil // panics, as a mistake in the program would
	}
	return os.Stderr.Write(p)
}

// run runs the program in this process with a home folder of its own, and
// variables given as pairs of name and value.
func run(t *testing.T, args []string, env ...string) (exit int, stdout, stderr string) {
	t.Helper()
	vars := map[string]string{"HOME": t.TempDir()}
	for i := 0; i < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	return runWith(args, vars, strings.NewReader(""))
}

// runWith runs the program in this process with exactly these variables.
func runWith(args []string, vars map[string]string, stdin io.Reader) (exit int, stdout, stderr string) {
	var out, errs strings.Builder
	exit = Main(Process{
		Args:   args,
		Env:    func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Stdin:  stdin,
		Stdout: &out,
		Stderr: &errs,
	})
	return exit, out.String(), errs.String()
}
