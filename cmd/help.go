package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
)

// helpWidth is the maximum number of columns in help texts.
const helpWidth = 100

// printHelp prints the help of a command or a topic. So that the help of a command
// fits a screen of 50 lines, it leaves the less common settings and the meanings
// of the exit codes to the topics.
func printHelp(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	b.WriteString(strings.TrimSpace(cmd.Long) + "\n")
	if cmd.Runnable() { // a topic is not runnable
		fmt.Fprintf(&b, "\nUsage: %s\n", cmd.UseLine())
		if cmd.HasExample() {
			fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
		}
		writeCommands(&b, cmd)
		if !cmd.DisableFlagsInUseLine {
			writeFlags(&b, cmd.Flags())
		}
		writeExitCodeNames(&b, strings.Fields(cmd.Annotations[exitCodesKey]))
	}
	fmt.Fprint(cmd.OutOrStdout(), b.String())
}

// writeCommands lists the subcommands and the topics of cmd.
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

// writeFlags lists the command's own flags and the common settings.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	own, common := newFlagSet(), newFlagSet()
	settings := map[string]bool{}
	for _, s := range config.All(config.AllGroups) {
		settings[s.Flag] = true
		if f := flags.Lookup(s.Flag); f != nil && s.Common {
			common.AddFlag(f)
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !settings[f.Name] {
			own.AddFlag(f)
		}
	})
	fmt.Fprintf(b, "\nFlags:\n%s", own.FlagUsagesWrapped(helpWidth))
	fmt.Fprintf(b, "\nCommon settings (\"%s help environment\" lists all):\n%s", program, common.FlagUsagesWrapped(helpWidth))
}

func newFlagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	return flags
}

// writeExitCodeNames lists the numbers and short names of some exit codes.
func writeExitCodeNames(b *strings.Builder, numbers []string) {
	var names []string
	for _, m := range exitMeanings() {
		if number := strconv.Itoa(int(m.code)); slices.Contains(numbers, number) {
			names = append(names, number+" "+m.name())
		}
	}
	fmt.Fprintf(b, "\nExit codes (\"%s help exit-codes\" explains them):\n%s", program, wrap(strings.Join(names, ", "), "  "))
}

// wrap breaks text into lines of at most [helpWidth] columns, each of which
// starts with indent.
func wrap(text, indent string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
			b.WriteString(indent)
			width = len(indent)
		case width+1+n > helpWidth:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	b.WriteByte('\n')
	return b.String()
}

// newHelpCmd replaces cobra's help command, which prints help and exits with 0
// if the name is unknown.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [COMMAND or TOPIC]",
		Short:                 "Print the help of a command or a topic",
		Long:                  "Prints the help of a command or a topic.",
		Example:               "  " + program + " help collect",
		DisableFlagsInUseLine: true,
		Annotations:           endsWith(),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				name := strings.Join(args, " ")
				return usagef("no help about %s", typed(name, commandNames(cmd.Root())))
			}
			target.InitDefaultHelpFlag()
			target.InitDefaultVersionFlag()
			return target.Help()
		},
	}
}

// commandNames returns the names of all commands and topics.
func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// newExitCodesTopic returns the help topic with the meaning of each exit code.
func newExitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every run ends with one of these exit codes. Treat any other as a failure.\n\n")
	for _, m := range exitMeanings() {
		fmt.Fprintf(&b, "  %-4d %s\n", m.code, m.meaning)
	}
	return &cobra.Command{Use: "exit-codes", Short: "Meaning of each exit code", Long: b.String()}
}

// newEnvironmentTopic returns the help topic with all settings. Its text is made only if it
// is printed.
func newEnvironmentTopic() *cobra.Command {
	topic := &cobra.Command{Use: "environment", Short: "All settings, their variables and defaults"}
	topic.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.Long = environmentText()
		printHelp(cmd, args)
	})
	return topic
}

// environmentText describes all settings.
func environmentText() string {
	var b strings.Builder
	b.WriteString(wrap(`A setting has the value of its flag. Without the flag, it has that of its environment
variable, then that of the variable in the file that --env-file or POLISEN_ENV_FILE names, and then its default.
An empty variable counts as not set. At the beginning of a value, ~/ stands for the home folder.`, ""))
	for _, s := range config.All(config.AllGroups) {
		var names []string
		if s.Env != "" {
			names = append(names, s.Env)
		}
		if s.Flag != "" {
			names = append(names, "--"+s.Flag)
		}
		const indent = "    "
		fmt.Fprintf(&b, "\n%s\n%s", strings.Join(names, ", "), wrap(s.Meaning(), indent))
		if s.Detail != "" {
			b.WriteString(wrap(s.Detail, indent))
		}
		if s.Alias != "" {
			b.WriteString(wrap("If neither is set, "+s.Alias+" of Oracle's command line counts.", indent))
		}
		if d := s.DefaultText(); d != "" {
			b.WriteString(wrap("default: "+d, indent))
		}
	}
	b.WriteString(`
HOME, XDG_DATA_HOME, XDG_STATE_HOME
    the default folders are below these

HTTPS_PROXY, NO_PROXY
    the proxy for all calls, as in http://proxy.example.org:3128, and the hosts without it

SSL_CERT_FILE, SSL_CERT_DIR
    file and folder of CA certificates in PEM form, instead of those of the machine; a file with
    the CA of a proxy must also have the others. OCI_DEFAULT_CERTS_PATH has no effect
`)
	return b.String()
}
