package cmd

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
)

// TestFlags checks all commands: their flags do not clash, and the help has a
// description, the exit codes, each flag that is not a setting and each common
// setting. Help has at most 50 lines. TestEnvironmentTopicIsComplete checks the settings in "help environment".
func TestFlags(t *testing.T) {
	const maxLines = 50
	settings := map[string]config.Setting{}
	for _, s := range config.All(config.AllGroups) {
		settings[s.Flag] = s
	}
	var commands []string
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if !cmd.Runnable() {
			return
		}
		commands = append(commands, cmd.Name())
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			exit, help, stderr := run(t, append(strings.Fields(cmd.CommandPath())[1:], "--help"))
			if exit != 0 || stderr != "" {
				t.Fatalf("--help ends with %d: %s", exit, stderr)
			}
			if cmd.Short == "" || cmd.Long == "" || !strings.Contains(help, "Exit codes") {
				t.Error("the short text, the long text or the exit codes are missing")
			}
			if n := strings.Count(help, "\n"); n > maxLines {
				t.Errorf("the help has %d lines, more than %d:\n%s", n, maxLines, help)
			}
			checkWidth(t, help)
			cmd.Flags().AddFlagSet(cmd.InheritedFlags()) // panics if two have the same shorthand
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				s, isSetting := settings[f.Name]
				if f.Usage == "" || !strings.Contains(help, "--"+f.Name) && !cmd.DisableFlagsInUseLine && (s.Common || !isSetting) {
					t.Errorf("--%s is not in the help", f.Name)
				}
				if !isSetting {
					return
				}
				if !strings.Contains(f.Usage, s.Env) || !strings.Contains(f.Usage, s.Default) && s.Placeholder != "" {
					t.Errorf("the help of --%s has no variable or no default: %s", f.Name, f.Usage)
				}
			})
		})
	}
	root := newRoot(Process{})
	root.InitDefaultHelpCmd()
	walk(root)
	for _, name := range []string{"collect", "backfill", "verify", "inspect-metadata", "version", "help", "completion", program} {
		if !slices.Contains(commands, name) {
			t.Errorf("%s was not checked", name)
		}
	}
}

// TestEnvironmentTopicIsComplete checks that the topic has the variable, the
// flag, the meaning and the default of each setting.
func TestEnvironmentTopicIsComplete(t *testing.T) {
	_, topic, _ := run(t, []string{"help", "environment"})
	checkWidth(t, topic)
	topic = strings.Join(strings.Fields(topic), " ") // undo the wrapping
	for _, s := range config.All(config.AllGroups) {
		name := s.Env
		if s.Env != "" && s.Flag != "" {
			name = s.Env + ", --" + s.Flag
		} else if s.Flag != "" {
			name = "--" + s.Flag
		}
		want := name + " " + s.Meaning()
		if s.Detail != "" {
			want += " " + s.Detail
		}
		if s.Alias != "" {
			want += " If neither is set, " + s.Alias + " of Oracle's command line counts."
		}
		if d := s.DefaultText(); d != "" {
			want += " default: " + d
		}
		if !strings.Contains(topic, " "+want+" ") {
			t.Errorf("want %s", want)
		}
	}
}

func TestExitCodesTopicIsComplete(t *testing.T) {
	_, topic, _ := run(t, []string{"help", "exit-codes"})
	checkWidth(t, topic)
	for _, m := range exitMeanings() {
		if !strings.Contains(topic, m.meaning) {
			t.Errorf("%d is missing", m.code)
		}
	}
}

func checkWidth(t *testing.T, help string) {
	t.Helper()
	for line := range strings.Lines(help) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d columns, more than %d: %s", n, helpWidth, line)
		}
	}
}

func TestSuggestion(t *testing.T) {
	names := []string{"store", "state-dir", "quiet"}
	for typed, want := range map[string]string{
		"stroe":   "; did you mean store?",
		"st":      "; did you mean store or state-dir?",
		"QUIET":   "; did you mean quiet?",
		"frobble": "",
	} {
		if got := suggestion(typed, names); got != want {
			t.Errorf("suggestion(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestIsPolisen(t *testing.T) {
	for api, want := range map[string]bool{
		"https://polisen.se/api/events": true, "https://api.polisen.se/": true, "http://127.0.0.1:8080/api/events": false,
		"https://notpolisen.se/": false, "https://example.org/polisen.se": false, "": false,
	} {
		if got := isPolisen(api); got != want {
			t.Errorf("%s: %v, want %v", api, got, want)
		}
	}
}
