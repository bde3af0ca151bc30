package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutationsApply checks that the table goes with the source: each mutation changes
// one place, and the packages with its tests exist.
func TestMutationsApply(t *testing.T) {
	const root = "../.."
	guarantees := make(map[string]bool)
	for _, m := range mutations() {
		if guarantees[m.guarantee] || !strings.HasSuffix(m.guarantee, ".") {
			t.Errorf("%s: the guarantee %q is not a sentence, or occurs twice", m.file, m.guarantee)
		}
		guarantees[m.guarantee] = true
		source, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := m.apply(source); err != nil {
			t.Errorf("%v: correct the mutation %q, or remove it with its guarantee", err, m.guarantee)
		}
		if len(m.packages) == 0 {
			t.Errorf("%s: no package has tests of the guarantee %q", m.file, m.guarantee)
		}
		for _, pkg := range m.packages {
			if files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go")); err != nil || len(files) == 0 {
				t.Errorf("%s: the package %s has no tests: %v", m.file, pkg, err)
			}
		}
	}
}

// TestOutcomes tries mutations of a small module, one for each outcome.
func TestOutcomes(t *testing.T) {
	t.Setenv("GOWORK", "off")
	source := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":          "module example\n\ngo 1.26\n",
		".git/config":     "not to be copied",
		"sum/sum.go":      "package sum\n\nfunc sum(a, b int) int { return a + b }\n\nfunc unused(a int) int { return a }\n",
		"sum/sum_test.go": "package sum\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tt.Run(\"small\", func(t *testing.T) {\n\t\tif sum(1, 2) != 3 {\n\t\t\tt.Fail()\n\t\t}\n\t})\n}\n",
	} {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := newCopy(source)
	if err != nil {
		t.Fatal(err)
	}
	defer c.remove()
	if _, err := os.Stat(filepath.Join(c.root, ".git")); err == nil {
		t.Error("the copy has the files of Git")
	}
	in := func(guarantee, old, new, tests string) mutation {
		return mutation{guarantee: guarantee, file: "sum/sum.go", old: old, new: new, packages: []string{"sum"}, tests: tests}
	}
	all := []mutation{
		in("A.", "a + b", "a - b", ""),
		in("B.", "return a }", "return 0 }", ""),
		in("C.", "a * b", "a", ""),
		in("D.", "a + b", "c", ""),
		in("E.", "a + b", "a - b", "TestNothing"),
		in("F.", "int", "int64", ""),
	}
	var out bytes.Buffer
	if err := c.tryAll(t.Context(), all, &out); err != errUnnoticed {
		t.Errorf("got error %v; want errUnnoticed", err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{
		"all tests pass without a mutation",
		"noticed        sum/sum.go: A. [TestSum/small]",
		"NOT NOTICED    sum/sum.go: B. (",
		`does not apply sum/sum.go: C. [sum/sum.go has the text "a * b" 0 times, not once]`,
		"does not build sum/sum.go: D. [sum/sum.go:3:33: undefined: c]",
		"does not apply sum/sum.go: E. [no test of example/sum matches]",
		`does not apply sum/sum.go: F. [sum/sum.go has the text "int" 4 times, not once]`,
		"1 of 6 mutations noticed",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d does not begin with %q:\n%s", i, want, out.String())
		}
	}
	if left, err := os.ReadFile(filepath.Join(c.root, "sum/sum.go")); err != nil || !strings.Contains(string(left), "a + b") {
		t.Errorf("the copy was not restored: %v\n%s", err, left)
	}
}
