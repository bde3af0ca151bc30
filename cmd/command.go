package cmd

import (
	"strings"

	"polisen-events-collector/pkg/config"
)

// archiveCommand returns a function that completes a command that the program
// suggests. Given "verify --repair", the function returns a whole shell command
// that works on the archive of these settings.
func archiveCommand(s config.Archive) func(args string) string {
	return func(args string) string {
		return strings.TrimSpace(program + " " + args + " " + s.Flags)
	}
}
