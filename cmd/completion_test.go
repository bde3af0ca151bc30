package cmd

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/tooltest"
)

func TestCompletionScripts(t *testing.T) {
	for shell, check := range map[string][]string{ // a command that checks the script's syntax
		"bash":       {"bash", "-n"},
		"zsh":        {"zsh", "-n"},
		"fish":       {"fish", "--no-execute"},
		"powershell": nil,
	} {
		t.Run(shell, func(t *testing.T) {
			exit, script, stderr := run(t, []string{"completion", shell})
			if exit != 0 || stderr != "" || !strings.Contains(script, "__complete") {
				t.Fatalf("exit code %d, stderr %q, script\n%s", exit, stderr, script)
			}
			if check == nil {
				return
			}
			cmd := exec.Command(tooltest.Need(t, check[0], "Debian package "+check[0]), check[1:]...)
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestCompletions checks the answers that the scripts get from the program.
func TestCompletions(t *testing.T) {
	const files, noFiles = ":0", ":4" // cobra's directives, the last line of its answer
	for line, want := range map[string][]string{
		"collect --auth=":         {"vault", "api_key", "instance_principal", "resource_principal", "security_token", noFiles},
		"collect --auth ":         {"vault", "api_key", "instance_principal", "resource_principal", "security_token", noFiles},
		"verify --vault-auth ":    {"api_key", "instance_principal", "resource_principal", "security_token", noFiles},
		"backfill --output ":      {"text", "json", noFiles},
		"--log-level ":            {"debug", "info", "warn", "error", noFiles},
		"version --log-level ":    {"debug", "info", "warn", "error", noFiles},
		"collect --log-format ":   {"text", "json", noFiles},
		"verify --repair=":        {"document", "duplicates", "counts", "gaps", noFiles},
		"collect --env-file ":     {files},
		"collect ":                {noFiles},
		"completion ":             {"bash", "zsh", "fish", "powershell", noFiles},
		"help ":                   {"backfill", "collect", "completion", "environment", "exit-codes", "help", "inspect-metadata", "verify", "version", noFiles},
		"help collect ":           {noFiles},
		"ver":                     {"verify", "version", noFiles},
		"inspect-metadata --agai": {"--against-api", noFiles},
	} {
		t.Run(line, func(t *testing.T) {
			exit, stdout, _ := run(t, append([]string{"__completeNoDesc"}, strings.Split(line, " ")...))
			got := strings.Fields(stdout)
			if exit != 0 || !sameButForOrder(got, want) {
				t.Errorf("exit code %d, got %q, want %q", exit, got, want)
			}
		})
	}
}

func sameButForOrder(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestCompletionUsage(t *testing.T) {
	for _, args := range [][]string{{"completion"}, {"completion", "bash", "zsh"}, {"completion", "tcsh"}} {
		exit, stdout, stderr := run(t, args)
		if exit != 64 || stdout != "" || !strings.Contains(stderr, "bash, zsh, fish, powershell") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, exit, stdout, stderr)
		}
	}
}
