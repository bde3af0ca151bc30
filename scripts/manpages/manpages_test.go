package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"polisen-events-collector/cmd"
	"polisen-events-collector/pkg/tooltest"
)

// TestManPages checks that each command and each topic has a page with all its flags and exit
// codes, and that the texts of the help keep their characters.
func TestManPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1770000000")
	dir := t.TempDir()
	if err := run([]string{"v1.2.3", dir}); err != nil {
		t.Fatal(err)
	}
	root := cmd.Commands()
	count := 0
	for _, c := range append(root.Commands(), root) {
		count++
		section := ".1"
		if !c.Runnable() {
			section = ".7"
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + section
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		page := plain(text)
		for _, want := range []string{"polisen-events-collector v1.2.3", "Feb 2026", c.Short} {
			if !strings.Contains(page, want) {
				t.Errorf("%s is without %q", name, want)
			}
		}
		if section == ".7" {
			if long := strings.TrimSpace(c.Long); !strings.Contains(page, long) {
				t.Errorf("%s is without the text of the topic:\n%s", name, page)
			}
			continue
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			if !strings.Contains(page, "--"+f.Name) || !strings.Contains(page, value) || !strings.Contains(page, usage) {
				t.Errorf("%s is without --%s %s: %s", name, f.Name, value, usage)
			}
		})
		for _, code := range strings.Fields(c.Annotations["exit-codes"]) {
			if !strings.Contains(page, "\n.TP\n"+code+"\n") {
				t.Errorf("%s is without the exit code %s", name, code)
			}
		}
		if strings.Contains(page, "Auto generated") || strings.Contains(page, "[=]") {
			t.Errorf("%s has parts that only the generator knows:\n%s", name, page)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != count {
		t.Errorf("%d pages for %d commands and topics: %v", len(entries), count, err)
	}
}

// TestSyntax checks the pages with the man program.
func TestSyntax(t *testing.T) {
	mandoc := tooltest.Need(t, "mandoc", "Debian package mandoc")
	pages, err := manPages(cmd.Commands(), "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		check := exec.Command(mandoc, "-T", "lint", "-W", "error")
		check.Stdin = bytes.NewReader(page)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// plain returns a page without the escapes of its characters and its fonts.
func plain(page []byte) string {
	return strings.NewReplacer(`\-`, "-", `\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\e`, `\`, `\&`, "", `\[aq]`, "'", `\[rs]`, `\`, `\'`, "'", "\\`", "`").Replace(string(page))
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"v1.2.3"}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "usage: manpages VERSION FOLDER") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
