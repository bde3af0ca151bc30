package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
)

const helpWidth = 100

// printHelp writes a command's help: what it does, examples, flags, settings
// with their variables and defaults, and exit codes. All lists come from the
// tables that the program itself runs on.
func printHelp(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(cmd.Long) + "\n")
	if cmd.Runnable() { // help topics are not
		fmt.Fprintf(&b, "\nUsage:\n  %s\n", strings.TrimSuffix(cmd.UseLine(), " [flags]")+" [flags]")
		if cmd.HasExample() {
			fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
		}
		writeCommands(&b, cmd)
		writeFlags(&b, cmd.Flags())
		if codes, ok := cmd.Annotations[exitCodesKey]; ok {
			b.WriteString("\nExit codes:\n")
			writeExitCodes(&b, strings.Fields(codes))
		}
	}
	fmt.Fprint(cmd.OutOrStdout(), b.String())
}

func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	commands, topics := "", ""
	for _, c := range cmd.Commands() {
		line := fmt.Sprintf("  %-18s %s\n", c.Name(), c.Short)
		if c.Runnable() {
			commands += line
		} else {
			topics += line
		}
	}
	if commands != "" {
		fmt.Fprintf(b, "\nCommands:\n%s\nHelp topics:\n%s", commands, topics)
	}
}

// writeFlags lists the command's own flags, then its settings by group.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	settings := map[string]config.Group{}
	for _, s := range config.All(config.APIGroup | config.ArchiveGroup | config.GeneralGroup) {
		settings[s.Flag] = s.Group
	}
	for _, section := range []struct {
		title string
		group config.Group // zero holds the flags that are no settings
	}{
		{"Flags", 0},
		{"Settings of the API", config.APIGroup},
		{"Settings of the archive", config.ArchiveGroup},
		{"General settings", config.GeneralGroup},
	} {
		set := pflag.NewFlagSet(section.title, pflag.ContinueOnError)
		set.SortFlags = false
		for _, f := range inOrder(flags) {
			if settings[f.Name] == section.group {
				set.AddFlag(f)
			}
		}
		if set.HasFlags() {
			fmt.Fprintf(b, "\n%s:\n%s", section.title, set.FlagUsagesWrapped(helpWidth))
		}
	}
}

// inOrder returns flags in the order of the settings' table, others first and
// by name.
func inOrder(flags *pflag.FlagSet) []*pflag.Flag {
	rank := map[string]int{}
	for i, s := range config.All(config.APIGroup | config.ArchiveGroup | config.GeneralGroup) {
		rank[s.Flag] = i + 1
	}
	var all []*pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) { all = append(all, f) })
	slices.SortStableFunc(all, func(a, b *pflag.Flag) int { return rank[a.Name] - rank[b.Name] })
	return all
}

func writeExitCodes(b *strings.Builder, only []string) {
	for _, m := range exitMeanings() {
		if number := strconv.Itoa(int(m.code)); only == nil || slices.Contains(only, number) {
			fmt.Fprintf(b, "  %-4s %s\n", number, m.meaning)
		}
	}
}

// newHelpCmd is cobra's own but for its answer to an unknown name, which is an
// error like any other.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND or TOPIC]",
		Short: "Help about a command or a topic",
		Long:  "Prints the help of a command or a topic.",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("no help about %q", strings.Join(args, " "))
			}
			target.InitDefaultHelpFlag()
			target.InitDefaultVersionFlag()
			return target.Help()
		},
		Annotations: endsWith(),
	}
}

func newExitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every run ends with one of these exit codes. Take any other for a failure.\n\n")
	writeExitCodes(&b, nil)
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}

func newEnvironmentTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString(`Settings are taken from the command line, else from the environment, else from the
file that --env-file or POLISEN_ENV_FILE names, else they have their defaults. A
variable that is set to nothing counts as not set. A value that begins with ~/ is
taken from the home folder.
`)
	for _, s := range config.All(config.APIGroup | config.ArchiveGroup | config.GeneralGroup) {
		if s.Env == "" {
			continue
		}
		flag := ""
		if s.Flag != "" {
			flag = ", --" + s.Flag
		}
		fmt.Fprintf(&b, "\n%s%s\n    %s\n", s.Env, flag, s.Help)
		if d := s.DefaultText(); d != "" {
			fmt.Fprintf(&b, "    default: %s\n", d)
		}
	}
	b.WriteString(`
HOME, XDG_DATA_HOME, XDG_STATE_HOME
    where the default folders are
`)
	return &cobra.Command{Use: "environment", Short: "Settings in the environment", Long: b.String()}
}
