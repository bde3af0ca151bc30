package cmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/address"
)

// newCompletionCmd returns a command that replaces cobra's, whose help is longer.
func newCompletionCmd(p Process) *cobra.Command {
	shells := []cobra.Completion{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print a script for completion in a shell",
		Long:  `Prints a script with which a shell completes the commands, flags and values of this program.`,
		Example: `  # bash, for this session or for all sessions; needs the package bash-completion
  source <(` + program + ` completion bash)
  ` + program + ` completion bash >/etc/bash_completion.d/` + program + `
  # zsh
  ` + program + ` completion zsh >"${fpath[1]}/_` + program + `"
  # fish
  ` + program + ` completion fish >~/.config/fish/completions/` + program + `.fish
  # PowerShell, in the profile
  ` + program + ` completion powershell | Out-String | Invoke-Expression`,
		DisableFlagsInUseLine: true,
		Annotations:           endsWith(),
		ValidArgs:             shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return missingf("completion needs one shell: %s", strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				err = root.GenBashCompletionV2(p.Stdout, true)
			case "zsh":
				err = root.GenZshCompletion(p.Stdout)
			case "fish":
				err = root.GenFishCompletion(p.Stdout, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(p.Stdout)
			default:
				return usagef("unknown shell %s: use one of %s", address.Describe(args[0]), strings.Join(shells, ", "))
			}
			if err != nil {
				return fmt.Errorf("print completion script: %w", err)
			}
			return nil
		},
	}
}

// completeValues makes shells complete the values of all flags that have a fixed
// set of values. It stops shells from offering files as arguments of commands that
// define no completion, since no command takes files as arguments.
func completeValues(root *cobra.Command) {
	for _, cmd := range append(root.Commands(), root) {
		register := func(f *pflag.Flag) {
			if v, ok := f.Value.(interface{ Choices() []string }); ok && v.Choices() != nil {
				// Cannot fail: the flag exists and has no completions yet.
				_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(v.Choices(), cobra.ShellCompDirectiveNoFileComp))
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(register)
		cmd.PersistentFlags().VisitAll(register)
		if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// typed describes a name that the user typed, and suggests similar ones of names. It
// shows a name that is similar to one of them, since that is no secret.
func typed(name string, names []string) string {
	if similar := suggestion(name, names); similar != "" {
		return strconv.Quote(name) + similar
	}
	return address.Describe(name)
}

// suggestion returns "; did you mean X?" with the names that are similar to the
// typed one, or nothing if there are none. As in cobra, a name is similar if it is
// at most two edits away or starts with the typed one.
func suggestion(typed string, names []string) string {
	candidates := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range names {
		// cobra suggests only commands that can run
		candidates.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	similar := candidates.SuggestionsFor(typed)
	if len(similar) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(similar, " or ") + "?"
}
