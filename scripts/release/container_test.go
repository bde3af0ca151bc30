package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"polisen-events-collector/pkg/config"
)

// TestContainerFiles checks that the files in scripts/container agree with the program and with
// each other: the settings exist, and the user and the version are the same.
func TestContainerFiles(t *testing.T) {
	known := map[string]bool{}
	for _, s := range config.All(config.AllGroups) {
		known[s.Env] = true
	}
	variable := regexp.MustCompile(`\b(API|POLISEN|OCI|LOG)_[A-Z][A-Z_]*[A-Z]\b`)
	user := regexp.MustCompile(`(?i)"?(runAsUser|runAsGroup|fsGroup)"?: (\d+)`)
	for _, name := range []string{"cronjob.yaml", "container-instance.json", "README.md"} {
		text := string(read(t, filepath.Join("../container", name)))
		names := variable.FindAllString(text, -1)
		if len(names) < 3 {
			t.Errorf("%s has only the settings %q", name, names)
		}
		for _, v := range names {
			if !known[v] {
				t.Errorf("%s has %s, which is no setting", name, v)
			}
		}
		for _, m := range user.FindAllStringSubmatch(text, -1) {
			if m[2] != "65532" {
				t.Errorf("%s has %s, want the user of the image, 65532", name, m[0])
			}
		}
		if !strings.Contains(text, "/home/nonroot") || !strings.Contains(text, "polisen-events-collector:1.2.3") {
			t.Errorf("%s has another home folder or image", name)
		}
	}
	// Podman would give the files of the host to the user of the container.
	for _, mount := range regexp.MustCompile(`-v [./~]\S*[:,]U\b`).FindAllString(string(read(t, "../container/README.md")), -1) {
		t.Errorf("README.md mounts files of the host with U: %s", mount)
	}
	if text := read(t, "../container/container-instance.json"); !json.Valid(text) {
		t.Error("container-instance.json is not JSON")
	}
	if text := string(read(t, "../container/Containerfile")); !strings.Contains(text, "\nUSER 65532:65532\n") || !strings.Contains(text, "\nENV HOME=/home/nonroot\n") {
		t.Error("the Containerfile has another user or home folder")
	}
}
