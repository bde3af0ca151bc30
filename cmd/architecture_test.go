package cmd

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "polisen-events-collector"

// layers says which packages of this module each package may import, tests
// aside. A new package needs a line here, and so a thought about its place.
// Fakes and test suites, whose names end in "test", may import what they like;
// in turn nothing else may import them, nor the memstore, since no line does.
var layers = map[string][]string{
	".":                  {"cmd"},
	"cmd":                {"pkg/archive", "pkg/config", "pkg/ociauth", "pkg/ociclient", "pkg/pipeline", "pkg/polisen", "pkg/ratelimit", "pkg/report", "pkg/retry", "pkg/saved", "pkg/status", "pkg/store", "pkg/store/dirstore", "pkg/store/ocistore", "pkg/text", "pkg/verify"},
	"pkg/text":           {},
	"pkg/address":        {},
	"pkg/statefile":      {},
	"pkg/config":         {"pkg/address", "pkg/ratelimit"},
	"pkg/retry":          {},
	"pkg/report":         {"pkg/text"},
	"pkg/ratelimit":      {"pkg/retry", "pkg/statefile"},
	"pkg/polisen":        {"pkg/address", "pkg/ratelimit", "pkg/retry"},
	"pkg/saved":          {"pkg/polisen"},
	"pkg/ociclient":      {"pkg/address", "pkg/retry", "pkg/text"},
	"pkg/ociauth":        {"pkg/address", "pkg/ociclient", "pkg/retry"},
	"pkg/store":          {},
	"pkg/store/dirstore": {"pkg/store"},
	"pkg/store/memstore": {"pkg/store"},
	"pkg/store/ocistore": {"pkg/ociclient", "pkg/retry", "pkg/store", "pkg/text"},
	"pkg/archive":        {"pkg/polisen", "pkg/store"},
	"pkg/pipeline":       {"pkg/archive", "pkg/polisen", "pkg/ratelimit", "pkg/report", "pkg/retry", "pkg/saved", "pkg/statefile", "pkg/store", "pkg/text"},
	"pkg/status":         {"pkg/archive", "pkg/polisen", "pkg/report", "pkg/store", "pkg/text"},
	"pkg/verify":         {"pkg/archive", "pkg/status", "pkg/store", "pkg/text"},
}

// outside says where a package from elsewhere, and all below it, may be
// imported, tests and fakes aside.
var outside = map[string][]string{
	"github.com/cenkalti/backoff":    {"pkg/retry"},
	"github.com/joho/godotenv":       {"pkg/config"},
	"github.com/klauspost/compress":  {"pkg/saved"},
	"github.com/oracle/oci-go-sdk":   {"pkg/ociauth", "pkg/ociclient", "pkg/store/ocistore"},
	"github.com/schollz/progressbar": {"cmd"},
	"github.com/spf13/cobra":         {"cmd"},
	"github.com/spf13/pflag":         {"cmd", "pkg/config"},
	"net/http":                       {"pkg/ociauth", "pkg/ociclient", "pkg/polisen", "pkg/ratelimit", "pkg/retry", "pkg/store/ocistore"},
	"os/signal":                      {"cmd"},
}

// source is one Go file of the module.
type source struct {
	pkg  string // folder, "." for the top
	name string
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// isSupport reports whether the package serves tests or trying things out.
func isSupport(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || strings.HasPrefix(pkg, "scripts/")
}

// sources parses the whole module. It reads the files itself, rather than ask
// the go command, so that go test knows when its answer is out of date.
func sources(t *testing.T) []source {
	t.Helper()
	const root = ".."
	var all []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		all = append(all, source{filepath.ToSlash(rel), name, file})
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("read %d files: %v", len(all), err)
	}
	return all
}

func imports(s source) []string {
	var paths []string
	for _, spec := range s.file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
		paths = append(paths, p)
	}
	return paths
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || isSupport(s.pkg) {
			continue
		}
		allowed, known := layers[s.pkg]
		if !known {
			t.Errorf("%s: the table of layers does not name its package", s.name)
			continue
		}
		for _, p := range imports(s) {
			if ours, ok := strings.CutPrefix(p, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s: %s may not import %s", s.name, s.pkg, ours)
			}
			for prefix, where := range outside {
				if (p == prefix || strings.HasPrefix(p, prefix+"/")) && !slices.Contains(where, s.pkg) {
					t.Errorf("%s: %s may not import %s", s.name, s.pkg, p)
				}
			}
		}
	}
}

// ownClock lists the packages that may use the machine's clock: all others are
// given a retry.Clock, so that tests can give them theirs.
var ownClock = map[string]string{
	"cmd":                "gives the clock to the others",
	"pkg/retry":          "is the clock",
	"pkg/store/dirstore": "compares it with the times that the machine gives its files",
}

func TestOneClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	for _, s := range sources(t) {
		if s.isTest() || isSupport(s.pkg) || ownClock[s.pkg] != "" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, sel.Sel.Name) {
					t.Errorf("%s: time.%s: take a retry.Clock", s.name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestNoInit: nothing happens before main but the setting of variables.
func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function", s.name)
			}
		}
	}
}

// TestPackageComments: each package says, in one file, what it is there for.
func TestPackageComments(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		comments[s.pkg] = append(comments[s.pkg], "")
		if s.file.Doc != nil {
			comments[s.pkg][len(comments[s.pkg])-1] = s.file.Doc.Text()
		}
	}
	for pkg, texts := range comments {
		texts = slices.DeleteFunc(texts, func(text string) bool { return text == "" })
		if len(texts) != 1 {
			t.Errorf("%s: %d of its files have a package comment, want 1", pkg, len(texts))
			continue
		}
		if name := path.Base(pkg); pkg != "." && !strings.HasPrefix(pkg, "scripts/") && !strings.HasPrefix(texts[0], "Package "+name+" ") {
			t.Errorf("%s: its comment begins %.40q", pkg, texts[0])
		}
	}
}

// TestTopLevel: everything has its place below these, dot files aside.
func TestTopLevel(t *testing.T) {
	want := []string{"LICENSE", "README.md", "cmd", "go.mod", "go.sum", "main.go", "pkg", "scripts", "testdata"}
	ignored := ignoredAtTop(t)
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !ignored[e.Name()] {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// ignoredAtTop returns the names that .gitignore lists with a leading slash.
func ignoredAtTop(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "/"); ok {
			names[strings.TrimSuffix(name, "/")] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
