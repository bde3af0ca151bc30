package cmd

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// TestReadmeCommands runs every command of the README, in order, in a copy of
// the project, with fakes in place of the API and the cloud. The test command
// is left out: it is what runs this.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	blocks := regexp.MustCompile("(?ms)(<!-- the test command -->\n)?^```sh\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) < 5 {
		t.Fatalf("found %d blocks of commands", len(blocks))
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "main.go", "cmd", "pkg", "scripts", "testdata"} {
		if out, err := exec.Command("cp", "-R", filepath.Join("..", name), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	id := ociauthtest.Shared()
	configFile, err := id.WriteConfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	verifier := new(ociauthtest.Verifier)
	verifier.Trust(id.KeyID(), &id.Key.PublicKey)
	service := ocitest.New(verifier, "your-namespace", "polisen-events")
	cloud := httptest.NewServer(service)
	defer cloud.Close()
	fake := new(polisentest.API)
	for range 10 {
		fake.Script(polisentest.OK(polisentest.Notice(1, polisentest.Newest)))
	}
	api := httptest.NewServer(fake)
	defer api.Close()
	// The schedulers need not be installed here.
	bin := t.TempDir()
	for _, name := range []string{"crontab", "systemctl"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CI=true",
		"POLISEN_API_URL=" + api.URL, "POLISEN_MIN_INTERVAL=1ms",
		"OCI_ENDPOINT=" + cloud.URL, "OCI_CONFIG_FILE=" + configFile,
	}
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"}
	values, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(values), "\n"), "\n") {
		env = append(env, names[i]+"="+value)
	}
	for _, block := range blocks {
		if block[1] != "" {
			continue
		}
		bash := exec.Command("bash", "-euo", "pipefail", "-c", block[2])
		bash.Dir, bash.Env = dir, env
		if out, err := bash.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, block[2], out)
		} else {
			t.Logf("%s\n%s", block[2], out)
		}
	}
	if len(service.Objects("polisen-events")) == 0 {
		t.Error("nothing was stored in the bucket")
	}
}

// TestReadmeTables: settings and exit codes stand in the README as they are.
func TestReadmeTables(t *testing.T) {
	var settings, exits strings.Builder
	settings.WriteString("| flag | environment | default |\n| --- | --- | --- |\n")
	for _, s := range config.All(config.GeneralGroup | config.APIGroup | config.ArchiveGroup) {
		flag, env, standard := "-", "-", "-"
		if s.Flag != "" {
			flag = "`--" + s.Flag + "`"
		}
		if s.Env != "" {
			env = "`" + s.Env + "`"
		}
		if strings.ContainsAny(s.Implied, "<$") { // which Markdown would take for its own
			standard = "`" + s.Implied + "`"
		} else if s.Implied != "" {
			standard = s.Implied
		} else if s.Default != "" {
			standard = "`" + s.Default + "`"
		}
		fmt.Fprintf(&settings, "| %s | %s | %s |\n", flag, env, standard)
	}
	exits.WriteString("| code | meaning |\n| --- | --- |\n")
	for _, e := range exitMeanings() {
		fmt.Fprintf(&exits, "| %d | %s |\n", e.code, e.meaning)
	}
	text := readme(t)
	for _, table := range []string{settings.String(), exits.String()} {
		if !strings.Contains(text, table) {
			t.Errorf("README.md does not hold this table:\n%s", table)
		}
	}
}
