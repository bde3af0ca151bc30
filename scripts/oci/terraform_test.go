package oci

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// configuration returns the Terraform configuration without its comments.
func configuration(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.tf")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %q: %v", files, err)
	}
	var all strings.Builder
	for _, file := range files {
		all.WriteString(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(read(t, file), ""))
	}
	return all.String()
}

// matches returns the first groups of all matches, without repetitions.
func matches(pattern, text string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// TestTerraformReferences checks that the configuration uses what it declares, and declares
// what it uses. Where Terraform and the provider are installed, "terraform validate" checks
// more.
func TestTerraformReferences(t *testing.T) {
	text := configuration(t)
	var locals strings.Builder
	for _, block := range regexp.MustCompile(`(?ms)^locals \{\n(.*?)^\}`).FindAllStringSubmatch(text, -1) {
		locals.WriteString(block[1])
	}
	address := func(pattern string) []string { // type.name of each block
		var all []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1]+"."+m[2])
		}
		slices.Sort(all)
		return all
	}
	resources := address(`(?m)^resource "(\w+)" "(\w+)"`)
	for what, test := range map[string]struct {
		declared, used []string
		unused         []string // declared for people
	}{
		"variable":    {declared: matches(`(?m)^variable "(\w+)"`, text), used: matches(`\bvar\.(\w+)`, text)},
		"local value": {declared: matches(`(?m)^  (\w+)\s+= `, locals.String()), used: matches(`\blocal\.(\w+)`, text)},
		"data source": {declared: address(`(?m)^data "(\w+)" "(\w+)"`), used: matches(`\bdata\.(\w+\.\w+)`, text)},
		"resource": {declared: resources, used: matches(`(?:^|[^.\w"])(oci_\w+\.\w+)`, text), unused: slices.DeleteFunc(slices.Clone(resources), func(name string) bool {
			return !regexp.MustCompile(`policy\.|membership\.|capabilities|events_rule|vault_secret`).MatchString(name)
		})},
	} {
		for _, name := range test.used {
			if !slices.Contains(test.declared, name) {
				t.Errorf("%s %s is used, but not declared", what, name)
			}
		}
		for _, name := range test.declared {
			if !slices.Contains(test.used, name) && !slices.Contains(test.unused, name) {
				t.Errorf("%s %s is declared, but not used", what, name)
			}
		}
		if len(test.declared) < 2 {
			t.Errorf("found the %ss %q", what, test.declared)
		}
	}
	for _, name := range matches(`(?m)^(?:# )?(\w+)\s+= `, read(t, "terraform.tfvars.example")) {
		if !strings.Contains(text, fmt.Sprintf("\nvariable %q {", name)) {
			t.Errorf("terraform.tfvars.example sets %s, which is no variable", name)
		}
	}
}

// TestTerraformFormat needs no provider. Debian has no Terraform, so CI may have none;
// there check.sh finds errors of syntax and format with hclfmt.
func TestTerraformFormat(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is missing")
	}
	if out, err := exec.CommandContext(t.Context(), terraform, "fmt", "-check", "-diff").CombinedOutput(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
}

// The configuration names settings and secrets that the program reads.
func TestNames(t *testing.T) {
	outputs := read(t, "outputs.tf")
	names := matches(`"([A-Z][A-Z_]+)=`, outputs)
	if len(names) < 5 {
		t.Errorf("outputs.tf names the settings %q", names)
	}
	for _, name := range names {
		if !slices.ContainsFunc(config.All(config.AllGroups), func(s config.Setting) bool { return s.Env == name }) {
			t.Errorf("outputs.tf: %s is not a setting", name)
		}
	}
	secrets := slices.Sorted(maps.Keys(ociauthtest.Shared().Secrets("")))
	if got := matches(`"(oci-[\w-]+)"`, read(t, "vault.tf")); !slices.Equal(got, secrets) {
		t.Errorf("vault.tf has the secrets %q, want %q", got, secrets)
	}
}
