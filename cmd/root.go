// Package cmd is the command line of the program: one file per command, and files
// for help, settings, signals, diagnostics and exit codes.
//
// Commands only connect packages; none of them loops over events.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/text"
)

// program is the name of the executable.
const program = config.Program

// Process holds the arguments, the environment and the streams of one run.
type Process struct {
	Args []string // without the program's name
	Env  config.Lookup
	// Environ returns the environment, as [os.Environ] does. Nil means that nothing looks
	// for misspelt names in it.
	Environ func() []string
	// Setenv sets the variables of the env-file in the environment of the process, for
	// libraries that read it. Nil means that they count for the settings only.
	Setenv func(name, value string) error
	Stdin  io.Reader
	Stdout io.Writer // for results only
	Stderr io.Writer // for diagnostics only

	changeWatchdog func(*watchdog) // nil except in tests, which change the watchdog with it
}

// Main runs the program and returns its exit code; "help exit-codes" explains
// the codes. The first SIGINT or SIGTERM cancels the run, a second one kills the
// process. If the run does not end by itself after a signal or its time limit,
// Main ends the process.
func Main(p Process) int {
	p.Stdout = &output{Writer: p.Stdout}
	return int(p.execute(newRoot(p)))
}

// execute runs the command that the arguments name, prints its error and
// returns the exit code.
func (p Process) execute(root *cobra.Command) code {
	ctx, stop := withSignals(context.Background())
	defer stop()
	w := newWatchdog(p.printLine)
	if p.changeWatchdog != nil {
		p.changeWatchdog(w)
	}
	defer w.stop()
	w.watch(ctx)
	ctx = blocking.With(context.WithValue(ctx, watchdogKey{}, w), w.begin)
	if o, ok := p.Stdout.(*output); ok {
		o.begin = w.beginUnlimited
	}
	m := new(monitor)
	ctx = context.WithValue(ctx, monitorKey{}, m)
	root.SetArgs(append([]string{}, p.Args...)) // cobra reads os.Args if the slice is nil
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)

	cmd, err := root.ExecuteContextC(ctx)
	if o, ok := p.Stdout.(*output); ok && err == nil && o.err != nil {
		err = o.err
	}
	exit := exitCode(err)
	if sig, ok := caught(ctx); ok {
		stopped := fmt.Errorf("stopped by %w", sig)
		if u, ok := errors.AsType[*unfinishedError](err); ok {
			stopped = &unfinishedError{stopped, u.next}
		}
		err, exit = stopped, sig.code()
	}
	if err != nil && w.logFormat() == "" { // as after a mistake in the flags
		_, _ = p.load(cmd, config.GeneralGroup) // the log format is usable even if other settings are invalid
	}
	w.finish(exit) // from here on the watchdog prints nothing
	m.finish(ctx, p, exit, err, func() {
		if err != nil {
			p.printError(w.logFormat(), cmd, err, exit)
		}
	})
	return exit
}

// Commands returns the command tree of the program, for tools that describe it, such as the
// generator of its man pages. They read the tree and run no command.
func Commands() *cobra.Command {
	root := newRoot(Process{})
	for _, t := range topics() {
		if cmd, _, err := root.Find([]string{t.name}); err == nil {
			cmd.Long = t.text(text.Style{Width: helpWidth})
		}
	}
	return root
}

// newRoot returns the command tree of a run.
func newRoot(p Process) *cobra.Command {
	build := readBuild()
	root := &cobra.Command{
		Use:   program + " COMMAND",
		Short: "Archive of the Swedish police's public event notices",
		Long: `Collects the event notices that the Swedish police publish through an open API. The
archive, in OCI Object Storage or in a local folder, holds each event exactly once.
Made for cron: every command does its work and exits.`,
		Example: `  # try it without an account, with a local folder
  ` + program + ` collect --store ./archive --contact ops@example.org
  # explain the exit codes and the settings
  ` + program + ` help exit-codes
  ` + program + ` help environment`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return missingf("no command given")
			}
			return usagef("unknown command %s", typed(args[0], commandNames(cmd)))
		},
		RunE:          func(*cobra.Command, []string) error { return nil }, // never called, since Args always returns an error
		Annotations:   endsWith(),
		Version:       build.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(build.text())
	root.SetHelpFunc(p.printHelp)
	root.SetHelpCommand(newHelpCmd())
	root.SetFlagErrorFunc(flagError)
	config.Bind(root.PersistentFlags(), config.GeneralGroup)
	root.InitDefaultVersionFlag() // cobra adds it only to the command that runs, and flagError looks for it
	root.AddCommand(newCollectCmd(p), newBackfillCmd(p), newVerifyCmd(p), newInspectCmd(p), newVersionCmd(p), newCompletionCmd(p))
	for _, t := range topics() {
		root.AddCommand(p.newTopicCmd(t))
	}
	if len(p.Args) > 0 && strings.HasPrefix(p.Args[0], cobra.ShellCompRequestCmd) { // a shell completes a command line
		completeValues(root)
	}
	return root
}

// flagError returns the error for a mistake in the flags of cmd. For an unknown
// flag it suggests similar ones. The errors of pflag quote the arguments, which may be
// secrets, so all but one are replaced.
func flagError(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if e.GetSpecifiedShortnames() != "" {
			return usagef("unknown flag %s", address.Describe("-"+e.GetSpecifiedShortnames()))
		}
		name := "--" + e.GetSpecifiedName()
		if others := commandsWith(cmd.Root(), e.GetSpecifiedName()); len(others) > 0 {
			return usagef("%s has no flag %s; commands with this flag: %s", cmd.Name(), name, strings.Join(others, ", "))
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		return usagef("unknown flag %s", typed(name, names))
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return usagef("argument %s is not a flag", address.Describe(e.GetSpecifiedFlag()))
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		reason := e.Unwrap().Error()
		switch e.GetFlag().Value.Type() { // the causes of these quote the value
		case "bool":
			reason = "neither true nor false"
		case "int":
			reason = "not a whole number"
		}
		return usagef("invalid argument %s for \"--%s\" flag: %s", address.Describe(e.GetValue()), e.GetFlag().Name, reason)
	}
	return usageError{err: err} // a flag without its value
}

// commandsWith returns the names of the commands that have a flag with this name. The root,
// which has the name of the program, is one of them.
func commandsWith(root *cobra.Command, flag string) (names []string) {
	for _, c := range slices.Concat(root.Commands(), []*cobra.Command{root}) {
		if !c.Hidden && c.Flags().Lookup(flag) != nil {
			names = append(names, c.Name())
		}
	}
	return names
}

// noArgs is the Args of a command that takes no arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %s", address.Describe(args[0]))
	}
	return nil
}

// load returns the settings of the groups for a command. The time limit of the process holds
// from then on, and also while the env-file is read, unless the env-file sets it.
func (p Process) load(cmd *cobra.Command, groups config.Group) (config.Settings, error) {
	w := watchdogOf(cmd.Context())
	w.limit(config.Timeout(cmd.Flags(), p.Env))
	what := "read the settings"
	if path := config.EnvFile(cmd.Flags(), p.Env); path != "" {
		what += " and the env-file " + path
	}
	end := blocking.Call(cmd.Context(), what)
	s, err := config.Load(cmd.Flags(), groups, p.Env, product())
	end()
	w.setFormat(s.General.LogFormat)
	w.limit(s.Archive.Timeout)
	return s, err
}

// settings returns the settings of the groups for a command, and the logger
// that they configure. It also sets the variables of the env-file in the environment,
// before any library reads it.
func (p Process) settings(cmd *cobra.Command, groups config.Group) (config.Settings, *slog.Logger, error) {
	// Before the variables of the env-file are added. Commands such as version need no settings.
	var misspelt []string
	if p.Environ != nil && groups != config.GeneralGroup {
		misspelt = config.Misspelt(p.Environ())
	}
	s, err := p.load(cmd, groups)
	if p.Setenv != nil {
		for name, value := range s.General.Variables {
			err = errors.Join(err, p.Setenv(name, value))
		}
	}
	log := p.newLogger(s.General)
	p.printReplaced(s.General, log)
	for _, text := range misspelt {
		p.printWarnings([]report.Warning{{Level: slog.LevelWarn, Text: text}}, s.General, log)
	}
	return s, log, err
}

// printReplaced prints a warning at level info about the variables of the env-file that
// have no effect because only an older collector reads them.
func (p Process) printReplaced(s config.General, log *slog.Logger) {
	if len(s.Replaced) == 0 {
		return
	}
	warning := fmt.Sprintf("%s in %s are not needed and have no effect; a vault is set with OCI_VAULT_ID", strings.Join(s.Replaced, ", "), s.EnvFile)
	p.printWarnings([]report.Warning{{Level: slog.LevelInfo, Text: warning}}, s, log)
}
