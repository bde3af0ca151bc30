package cmd

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// full opens a file on which each write fails, because the disk is full.
func full(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestFullStdout checks that no command succeeds whose result could not be printed.
func TestFullStdout(t *testing.T) {
	archive := t.TempDir()
	response := writeResponse(t, []byte(`[{"id":1,"datetime":"2026-01-02 03:04:05 +01:00"}]`))
	if exit, _, stderr := run(t, []string{"collect", "--store", archive, "--api-url", response}); exit != 0 {
		t.Fatal(stderr)
	}
	var commands [][]string
	for _, c := range newRoot(Process{}).Commands() {
		commands = append(commands, []string{"help", c.Name()})
		if c.Runnable() {
			commands = append(commands, []string{c.Name(), "--help"})
		}
	}
	commands = append(commands, []string{"help"}, []string{"--help"}, []string{"--version"}, []string{"version"}, []string{"version", "--output", "json"},
		[]string{"completion", "bash"}, []string{"completion", "zsh"}, []string{"completion", "fish"}, []string{"completion", "powershell"},
		[]string{"inspect-metadata"}, []string{"inspect-metadata", "--output", "json"}, []string{"inspect-metadata", "--ids"}, []string{"inspect-metadata", "--raw"}, []string{"inspect-metadata", "--history"},
		[]string{"inspect-metadata", "--has", "1"}, []string{"inspect-metadata", "--against-api"}, []string{"verify"}, []string{"verify", "--output", "json"},
		[]string{"verify", "--quick"}, []string{"verify", "--repair"}, []string{"verify", "--repair", "--dry-run"},
		[]string{"collect", "--output", "json"}, []string{"collect", "--dry-run"}, []string{"backfill", "--input", response, "--output", "json"},
		[]string{"backfill", "--input", response, "--dry-run"}, []string{"backfill", "--from", "2026-11-01", "--dry-run", "--force"},
		[]string{cobra.ShellCompRequestCmd, ""}, []string{cobra.ShellCompRequestCmd, "collect", "--"})
	for _, args := range commands {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			vars := map[string]string{"HOME": t.TempDir(), "POLISEN_STORE": archive, "POLISEN_API_URL": response}
			if args[0] == "backfill" && args[1] == "--from" {
				delete(vars, "POLISEN_API_URL")
			}
			var stderr strings.Builder
			exit := Main(Process{
				Args: args, Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
				Stdin: strings.NewReader(""), Stdout: full(t), Stderr: &stderr,
			})
			if exit != int(exitFailure) || !strings.Contains(stderr.String(), "no space left on device") ||
				strings.Count(stderr.String(), "\n") != 1 && args[0] != cobra.ShellCompRequestCmd { // which says there how it ended
				t.Errorf("exit code %d, stderr %q; want %d and a line with the cause", exit, stderr.String(), exitFailure)
			}
		})
	}
}
