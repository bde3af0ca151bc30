package cmd

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/text"
)

// helpWidth is the maximum number of columns in help texts. On a narrower terminal they have
// as many columns as the terminal, but at least minHelpWidth.
const (
	helpWidth    = 100
	minHelpWidth = 40
)

// helpStyle returns the form of help texts on w.
func (p Process) helpStyle(w io.Writer) text.Style {
	style := p.style(w)
	style.Width = min(max(cmp.Or(style.Width, helpWidth), minHelpWidth), helpWidth)
	return style
}

// printHelp prints the help of a command. It has at most 50 lines, so it leaves the less common
// settings and the meanings of the exit codes to the topics.
func (p Process) printHelp(cmd *cobra.Command, _ []string) {
	h := help{style: p.helpStyle(p.Stdout)}
	for i, paragraph := range strings.Split(strings.TrimSpace(cmd.Long), "\n\n") {
		if i > 0 {
			h.b.WriteByte('\n')
		}
		h.b.WriteString(text.Wrap(paragraph, "", h.style.Width))
	}
	h.heading("Usage")
	fmt.Fprintf(&h.b, " %s\n", cmd.UseLine())
	if cmd.HasExample() {
		h.heading("Examples")
		fmt.Fprintf(&h.b, "\n%s\n", cmd.Example)
	}
	h.writeCommands(cmd)
	if !cmd.DisableFlagsInUseLine {
		h.writeFlags(cmd.Flags())
	}
	h.writeExitCodeNames(strings.Fields(cmd.Annotations[exitCodesKey]))
	fmt.Fprint(p.Stdout, h.b.String())
}

// printMissing prints to w how to use a command whose arguments lack something.
func (p Process) printMissing(w io.Writer, cmd *cobra.Command) {
	h := help{style: p.helpStyle(w)}
	if cmd.HasParent() {
		_, example, _ := strings.Cut(cmd.Example, "\n") // after the line that explains it
		example, _, _ = strings.Cut(example, "\n")
		fmt.Fprintf(&h.b, "%s %s\n", h.style.Paint(text.Bold, "Usage:"), cmd.UseLine())
		fmt.Fprintf(&h.b, "%s %s\n", h.style.Paint(text.Bold, "Example:"), strings.TrimSpace(example))
	} else {
		h.heading("Usage")
		fmt.Fprintf(&h.b, " %s\n", cmd.UseLine())
		h.writeCommands(cmd)
		h.heading("Examples")
		fmt.Fprintf(&h.b, "\n%s\n\n", cmd.Example)
	}
	fmt.Fprint(w, h.b.String())
}

// help is the help of a command.
type help struct {
	style text.Style
	b     strings.Builder
}

// heading writes a blank line and the beginning of a heading.
func (h *help) heading(title string) {
	h.b.WriteString("\n" + h.style.Paint(text.Bold, title+":"))
}

// writeCommands lists the subcommands and the topics of cmd.
func (h *help) writeCommands(cmd *cobra.Command) {
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
		h.heading("Commands")
		h.b.WriteString("\n" + commands)
		h.heading("Help topics")
		h.b.WriteString("\n" + topics)
	}
}

// writeFlags lists the command's own flags and the common settings.
func (h *help) writeFlags(flags *pflag.FlagSet) {
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
	h.heading("Flags")
	h.b.WriteString("\n" + own.FlagUsagesWrapped(h.style.Width))
	h.heading(fmt.Sprintf("Common settings (\"%s help environment\" lists all)", program))
	h.b.WriteString("\n" + common.FlagUsagesWrapped(h.style.Width))
}

func newFlagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags = false
	return flags
}

// writeExitCodeNames lists the numbers and short names of some exit codes.
func (h *help) writeExitCodeNames(numbers []string) {
	var names []string
	for _, m := range exitMeanings() {
		if number := strconv.Itoa(int(m.code)); slices.Contains(numbers, number) {
			names = append(names, number+" "+m.name())
		}
	}
	h.heading(fmt.Sprintf("Exit codes (\"%s help exit-codes\" explains them)", program))
	h.b.WriteString("\n" + text.Wrap(strings.Join(names, ", "), "  ", h.style.Width))
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
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("help takes one name: that of a command or a topic")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("no help about %s", typed(args[0], commandNames(cmd.Root())))
			}
			target.InitDefaultHelpFlag()
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

// topic is a text that help prints by its name.
type topic struct {
	name, short string
	text        func(text.Style) string
}

// topics returns all help topics.
func topics() []topic {
	return []topic{
		{"exit-codes", "Meaning of each exit code", exitCodesTopic},
		{"environment", "All settings, their variables and defaults", environmentTopic},
	}
}

// newTopicCmd returns the command of a topic. Its text is made only if it is printed.
func (p Process) newTopicCmd(t topic) *cobra.Command {
	cmd := &cobra.Command{Use: t.name, Short: t.short}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { fmt.Fprint(p.Stdout, t.text(p.helpStyle(p.Stdout))) })
	return cmd
}

// exitCodesTopic returns the meaning of each exit code.
func exitCodesTopic(style text.Style) string {
	var b strings.Builder
	b.WriteString(text.Wrap("Every run ends with one of these exit codes. Treat any other as a failure.", "", style.Width) + "\n")
	const indent = "       "
	for _, m := range exitMeanings() {
		fmt.Fprintf(&b, "  %-4d %s", m.code, strings.TrimPrefix(text.Wrap(m.meaning, indent, style.Width), indent))
	}
	return b.String()
}

// environmentTopic returns all settings.
func environmentTopic(style text.Style) string {
	var b strings.Builder
	const indent = "    "
	paragraph := func(s string) { b.WriteString(text.Wrap(s, indent, style.Width)) }
	b.WriteString(text.Wrap(`The program takes each setting from the first of these that has it: the flag, the environment
variable, that variable in the settings file (--env-file or POLISEN_ENV_FILE), the default. An empty variable counts as
not set. At the beginning of a path, ~/ stands for the home folder.`, "", style.Width))
	heading := func(title string) { b.WriteString("\n" + style.Paint(text.Bold, title) + "\n") }
	settings := config.All(config.AllGroups)
	for _, g := range []struct {
		group config.Group
		title string
	}{
		{config.APIGroup, "The events API"}, {config.ArchiveGroup, "The archive and the access to it"},
		{config.HealthGroup, "The health check, verify --quick"}, {config.MonitoringGroup, "Monitoring of collect"},
		{config.GeneralGroup, "Settings file, messages and output"},
	} {
		heading(g.title)
		for _, s := range settings {
			if first := s.Group & -s.Group; first != g.group {
				continue
			}
			var names []string
			if s.Env != "" {
				names = append(names, s.Env)
			}
			if s.Flag != "" {
				names = append(names, "--"+s.Flag)
			}
			fmt.Fprintf(&b, "\n%s\n", strings.Join(names, ", "))
			paragraph(s.Meaning())
			if s.Detail != "" {
				paragraph(s.Detail)
			}
			if s.Alias != "" {
				paragraph("If neither is set, " + s.Alias + " of Oracle's command line counts.")
			}
			if d := s.DefaultText(); d != "" {
				paragraph("default: " + d)
			}
		}
	}
	heading("Variables of other programs that count here too")
	for _, variable := range []struct{ names, meaning string }{
		{"HOME, XDG_DATA_HOME, XDG_STATE_HOME", "the default folders are below these"},
		{"HTTPS_PROXY, NO_PROXY", "the proxy for all calls, as in http://proxy.example.org:3128, and the hosts without it"},
		{"SSL_CERT_FILE, SSL_CERT_DIR", `file and folder of CA certificates in PEM form, instead of those of the machine; a file with
the CA of a proxy must also have the others. OCI_DEFAULT_CERTS_PATH has no effect`},
		{"NO_COLOR", "if it is not empty, a terminal shows no colours"},
		{"TZ", "time zone of the times that inspect-metadata shows, by default that of the machine"},
	} {
		fmt.Fprintf(&b, "\n%s\n", variable.names)
		paragraph(variable.meaning)
	}
	return b.String()
}
