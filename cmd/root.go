// Package cmd is the command line: one file a command, the settings, signals,
// diagnostics, and the one place that turns an error into an exit code.
//
// Commands only wire packages together; none of them loops over events.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
)

const program = "polisen-events-collector"

// Process is what a run has of the world around it.
type Process struct {
	Args   []string // without the program's name
	Env    config.Lookup
	Stdin  io.Reader
	Stdout io.Writer // results, and nothing else
	Stderr io.Writer // diagnostics, and nothing else
}

// Main runs the program and returns its exit code; "help exit-codes" lists
// them. SIGINT and SIGTERM cancel the run, a second one kills the process.
func Main(p Process) int { return int(p.execute(newRoot(p))) }

// execute runs the command tree and reports how it ended: one line an error.
func (p Process) execute(root *cobra.Command) code {
	ctx, stop := withSignals(context.Background())
	defer stop()
	root.SetArgs(append([]string{}, p.Args...)) // nil would mean os.Args
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)

	cmd, err := root.ExecuteContextC(ctx)
	if sig, ok := caught(ctx); ok {
		stopped := fmt.Errorf("stopped by %w", sig)
		if u, ok := errors.AsType[*unfinishedError](err); ok {
			stopped = &unfinishedError{stopped, u.next}
		}
		p.report(cmd, stopped, sig.code())
		return sig.code()
	}
	if err != nil {
		p.report(cmd, err, exitCode(err))
	}
	return exitCode(err)
}

func newRoot(p Process) *cobra.Command {
	build := readBuild()
	root := &cobra.Command{
		Use:   program + " COMMAND",
		Short: "Archive of the Swedish police's public event notices",
		Long: `Collects the event notices of the Swedish police's open API into an archive, in
OCI Object Storage or a local folder, in which each event stands exactly once.
Made for cron: every command does its work and exits.`,
		Example: `  # try it without an account, into a local folder
  ` + program + ` collect --store ./archive --contact ops@example.org
  # what the exit codes mean, what can be set in the environment
  ` + program + ` help exit-codes
  ` + program + ` help environment`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no command given")
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("unknown command %q, perhaps %s?", args[0], strings.Join(near, " or "))
			}
			return usagef("unknown command %q", args[0])
		},
		RunE:                       func(*cobra.Command, []string) error { return nil }, // Args lets nothing through
		Annotations:                endsWith(),
		Version:                    build.Version,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetVersionTemplate(build.text())
	root.SetHelpFunc(printHelp)
	root.SetHelpCommand(newHelpCmd())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	config.Bind(root.PersistentFlags(), config.GeneralGroup)
	root.AddCommand(newCollectCmd(p), newBackfillCmd(p), newVerifyCmd(p), newInspectCmd(p), newVersionCmd(p), newExitCodesTopic(), newEnvironmentTopic())
	return root
}

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// settings reads the settings of a command that takes the groups, and makes
// the logger that they ask for.
func (p Process) settings(cmd *cobra.Command, groups config.Group) (config.Settings, *slog.Logger, error) {
	s, err := config.Load(cmd.Flags(), groups, p.Env, product())
	return s, newLogger(p.Stderr, s.General), err
}
