package cmd

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/config"
)

// TestFlags walks all commands: each can be bound without a clash of flags,
// says what it does, and documents each of its settings and exit codes.
func TestFlags(t *testing.T) {
	settings := map[string]config.Setting{}
	for _, s := range config.All(config.GeneralGroup | config.APIGroup | config.ArchiveGroup) {
		settings[s.Flag] = s
	}
	commands := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if !cmd.Runnable() {
			return
		}
		commands++
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			exit, help, stderr := run(t, append(strings.Fields(cmd.CommandPath())[1:], "--help"))
			if exit != 0 || stderr != "" {
				t.Fatalf("--help ends with %d: %s", exit, stderr)
			}
			if cmd.Short == "" || cmd.Long == "" || !strings.Contains(help, "Exit codes:") {
				t.Error("it lacks a short or a long text or its exit codes")
			}
			cmd.Flags().AddFlagSet(cmd.InheritedFlags()) // panics if two have the same shorthand
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				if !strings.Contains(help, "--"+f.Name) || f.Usage == "" {
					t.Errorf("--%s has no help", f.Name)
				}
				s, ok := settings[f.Name]
				if ok && (!strings.Contains(f.Usage, s.Env) || !strings.Contains(f.Usage, s.DefaultText()) && s.Kind != "") {
					t.Errorf("the help of --%s lacks its variable or default: %s", f.Name, f.Usage)
				}
			})
		})
	}
	root := newRoot(Process{})
	root.InitDefaultHelpCmd()
	walk(root)
	if commands < 4 {
		t.Errorf("only %d commands were found", commands)
	}
}

func TestEnvironmentTopicIsComplete(t *testing.T) {
	_, topic, _ := run(t, []string{"help", "environment"})
	for _, s := range config.All(config.GeneralGroup | config.APIGroup | config.ArchiveGroup) {
		if !strings.Contains(topic, s.Env) || s.Env != "" && s.Flag != "" && !strings.Contains(topic, s.Env+", --"+s.Flag+"\n") {
			t.Errorf("%s is missing", s.Name())
		}
	}
}
