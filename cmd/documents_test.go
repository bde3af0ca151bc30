package cmd

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents returns the project's Markdown files with their content.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil || len(all) < 5 {
		t.Fatalf("read %d documents: %v", len(all), err)
	}
	return all
}

var (
	markdownLink = regexp.MustCompile(`\[([^\]\n]+)\]\(([^)\s]+)\)`)
	identifier   = regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)?$`)
	testName     = regexp.MustCompile("`(Test\\w+)`")
)

// TestDocumentLinks checks the links between documents and into the code. A
// link such as [Writer.Add](writer.go) has to lead to a file that declares the
// function, method, type, field, constant or variable.
func TestDocumentLinks(t *testing.T) {
	names := map[string]bool{} // that the code declares
	for _, s := range sources(t) {
		for name := range declared(s.file) {
			names[name] = true
		}
	}
	for path, text := range documents(t) {
		for _, link := range markdownLink.FindAllStringSubmatch(text, -1) {
			name, target := link[1], link[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "#") {
				continue
			}
			target, _, _ = strings.Cut(target, "#")
			file := filepath.Join(filepath.Dir(path), target)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: link [%s](%s) leads nowhere", path, name, target)
				continue
			}
			name = strings.Trim(name, "`")
			if filepath.Ext(target) != ".go" || strings.HasSuffix(name, ".go") || !identifier.MatchString(name) || name == filepath.Base(filepath.Dir(file)) {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !declared(parsed)[name] {
				t.Errorf("%s: link [%s](%s): the file does not declare it", path, name, target)
			}
		}
		for _, match := range testName.FindAllStringSubmatch(text, -1) {
			if !names[match[1]] {
				t.Errorf("%s: there is no test %s", path, match[1])
			}
		}
	}
}

// declared returns the names that a file declares at its top: functions,
// types, constants and variables, and methods and fields as Type.Name.
func declared(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names[d.Name.Name] = true
			} else {
				names[receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						names[n.Name] = true
					}
				case *ast.TypeSpec:
					names[spec.Name.Name] = true
					if s, ok := spec.Type.(*ast.StructType); ok {
						for _, f := range s.Fields.List {
							for _, n := range f.Names {
								names[spec.Name.Name+"."+n.Name] = true
							}
						}
					}
				}
			}
		}
	}
	return names
}

// receiver returns the name of a method's receiver type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestPackageMap compares the table of packages in pkg/README.md with the
// imports that the architecture allows.
func TestPackageMap(t *testing.T) {
	text, err := os.ReadFile("../pkg/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| \[([a-z/]+)\]\(([a-z/]+)\) \| .+ \| (.+) \|$`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != m[2] {
			t.Errorf("the row of %s links to %s", m[1], m[2])
		}
		rows[m[1]] = m[3]
	}
	for pkg, imports := range layers {
		name, ok := strings.CutPrefix(pkg, "pkg/")
		if !ok {
			continue
		}
		want := cmp.Or(strings.ReplaceAll(strings.Join(imports, ", "), "pkg/", ""), "-")
		if rows[name] != want {
			t.Errorf("pkg/README.md says that %s imports %q, want %q", name, rows[name], want)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("pkg/README.md has a row for %s, which is not a package", name)
	}
}

// TestReadmeIsShort checks that the README can be read in five minutes.
func TestReadmeIsShort(t *testing.T) {
	const most = 1500
	if n := len(bytes.Fields([]byte(readme(t)))); n > most {
		t.Errorf("README.md has %d words, want at most %d", n, most)
	}
}
