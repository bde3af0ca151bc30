package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	codeBlock  = regexp.MustCompile("(?ms)(<!-- the test command -->\n)?^```([a-z]+)\n(.*?)^```$")
	storeLine  = regexp.MustCompile(`(?m)^POLISEN_STORE=.*\n`)
	settingRow = regexp.MustCompile("(?m)^(\\| (?:-|`--.+?`) \\| (?:-|`[A-Z_]+`) \\|)( .*? \\|) .* \\|$")
)

// TestReadmeCommands runs every command of the README in one shell, in order,
// in a copy of the project and with an empty home folder. Fakes stand in for
// the API and the cloud. Blocks marked as bash need a tool that may be missing
// (DuckDB); they are left out if it is. The test command is left out too:
// it runs this test.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	dir, home := copyProject(t), t.TempDir()
	id := ociauthtest.Shared()
	verifier := new(ociauthtest.Verifier)
	verifier.Trust(id.KeyID(), &id.Key.PublicKey)
	service := ocitest.New(verifier, "your-namespace", "polisen-events")
	cloud := httptest.NewServer(service)
	defer cloud.Close()
	fake := new(polisentest.API)
	for range 10 {
		fake.Script(polisentest.OK(polisentest.Event(1, polisentest.Newest)))
	}
	api := httptest.NewServer(fake)
	defer api.Close()
	// The schedulers of this machine stay as they are.
	bin := t.TempDir()
	for _, name := range []string{"crontab", "systemctl"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "CI=true",
		"POLISEN_API_URL=" + api.URL, "POLISEN_MIN_INTERVAL=1ms", "OCI_ENDPOINT=" + cloud.URL,
		"GOFLAGS=" + flagsWithoutRace(),
	}
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"}
	values, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(values), "\n"), "\n") {
		env = append(env, names[i]+"="+value)
	}
	shell := func(script string) {
		t.Helper()
		bash := exec.Command("bash", "-euo", "pipefail", "-c", script)
		bash.Dir, bash.Env = dir, env
		out, err := bash.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, script, out)
		}
		t.Logf("%s", out)
	}

	var commands, bucket strings.Builder
	found := 0 // blocks of commands, with those that are left out
	blocks := codeBlock.FindAllStringSubmatch(readme(t), -1)
	for _, block := range blocks {
		switch mark, language, text := block[1], block[2], block[3]; {
		case language == "ini":
			bucket.WriteString(text)
		case language == "bash" && !haveTool(text):
			found++
			t.Logf("left out, since its tool is missing:\n%s", text)
		case language == "sh" && mark == "", language == "bash":
			found++
			commands.WriteString("echo; cat <<'COMMANDS'\n" + text + "COMMANDS\n" + text)
		}
	}
	if found < 8 || bucket.Len() == 0 {
		t.Fatalf("found %d blocks of commands, and the settings %q", found, &bucket)
	}
	shell(commands.String())

	// What the README says about a bucket: other lines in the settings file.
	oci := filepath.Join(home, ".oci")
	if err := os.Mkdir(oci, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := id.WriteConfig(oci); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(home, ".config", program, "env")
	text, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	if text = storeLine.ReplaceAll(text, []byte(bucket.String())); !strings.Contains(string(text), bucket.String()) {
		t.Fatalf("the settings file has no POLISEN_STORE to replace: %s", text)
	}
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	shell("~/.local/bin/" + program + " collect --env-file " + settings)
	if len(service.Objects("polisen-events")) == 0 {
		t.Error("nothing was stored in the bucket")
	}

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ignored := ignoredAtTop(t)
	for _, e := range entries {
		if name := e.Name(); !ignored(name) && !slices.Contains(copied, name) {
			t.Errorf("the commands left %s in the project, which .gitignore does not list", name)
		}
	}
}

// haveTool reports whether the command that a block begins with is installed, and the
// packages that it needs. Comments come before it.
func haveTool(block string) bool {
	if _, err := os.Stat("../scripts/queries/node_modules"); err != nil && strings.Contains(block, "run.mjs") {
		return false
	}
	for line := range strings.Lines(block) {
		if !strings.HasPrefix(line, "#") {
			_, err := exec.LookPath(strings.Fields(line)[0])
			return err == nil
		}
	}
	return false
}

// copied are the parts of the project that its README's commands need.
var copied = []string{"go.mod", "go.sum", "main.go", "cmd", "pkg", "scripts", "testdata"}

func copyProject(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range copied {
		if out, err := exec.Command("cp", "-R", filepath.Join("..", name), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return dir
}

// TestReadmeTables compares the tables of settings and exit codes in the README
// with the program's own. The README shows the settings that matter most.
func TestReadmeTables(t *testing.T) {
	rows := map[string]bool{}
	for _, s := range config.All(config.AllGroups) {
		flag, env := "-", "-"
		if s.Flag != "" {
			flag = "`--" + s.Flag + "`"
		}
		if s.Env != "" {
			env = "`" + s.Env + "`"
		}
		rows[fmt.Sprintf("| %s | %s | %s |", flag, env, cmp.Or(s.DefaultText(), "-"))] = true
	}
	text := readme(t)
	shown := settingRow.FindAllStringSubmatch(text, -1)
	if len(shown) != 10 {
		t.Errorf("README.md has %d settings, want 10", len(shown))
	}
	for _, row := range shown {
		if !rows[row[1]+strings.ReplaceAll(row[2], "`", "")] {
			t.Errorf("README.md has this row, which is not one of the program's settings:\n%s", row[0])
		}
		for i, part := range strings.Split(row[2], "`") { // those with an odd number are in ticks
			if code := i%2 == 1; code && strings.Contains(part, " ") || !code && strings.ContainsAny(part, "<$~_") {
				t.Errorf("README.md has ticks around more or less than the values of this default: %s", row[2])
			}
		}
	}
	if t.Failed() {
		t.Logf("the rows of all settings:\n%s", strings.Join(slices.Sorted(maps.Keys(rows)), "\n"))
	}
	var exits strings.Builder
	exits.WriteString("| code | meaning |\n| --- | --- |\n")
	for _, e := range exitMeanings() {
		fmt.Fprintf(&exits, "| %d | %s |\n", e.code, e.meaning)
	}
	if !strings.Contains(text, exits.String()) {
		t.Errorf("README.md does not hold this table:\n%s", &exits)
	}
}
