package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"polisen-events-collector/pkg/config"
)

// suggestedCommand returns a function that completes a command that the program
// suggests. Given "verify --repair", the function returns a whole shell command
// that works on the archive of these settings, and with the state of this host if the
// command uses it.
func suggestedCommand(s config.Settings) func(args string) string {
	return func(args string) string {
		words := []string{program, args}
		name, _, _ := strings.Cut(args, " ")
		if s.API.Flags != "" && (name == "collect" || name == "backfill") {
			words = append(words, s.API.Flags)
		}
		if s.Archive.Flags != "" {
			words = append(words, s.Archive.Flags)
		}
		return strings.Join(words, " ")
	}
}

// givenFlag returns the first flag of a group of settings that the command line has, such as
// "--max-age"; empty if it has none.
func givenFlag(cmd *cobra.Command, group config.Group) string {
	for _, s := range config.All(group) {
		if s.Flag != "" && cmd.Flags().Changed(s.Flag) {
			return "--" + s.Flag
		}
	}
	return ""
}
