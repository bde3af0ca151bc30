package cmd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "polisen-events-collector"

// layers lists the packages of this module that each package may import. It does
// not apply to tests, nor to packages of fakes and test suites, whose names end
// in "test". Only those may import such packages and the memstore, since no line
// lists them.
var layers = map[string][]string{
	".":                  {"cmd"},
	"cmd":                {"pkg/address", "pkg/archive", "pkg/blocking", "pkg/config", "pkg/ociauth", "pkg/ociclient", "pkg/ping", "pkg/pipeline", "pkg/polisen", "pkg/ratelimit", "pkg/report", "pkg/retry", "pkg/saved", "pkg/statefile", "pkg/status", "pkg/store", "pkg/store/dirstore", "pkg/store/ocistore", "pkg/text", "pkg/verify", "pkg/verify/page"},
	"pkg/text":           {},
	"pkg/transport":      {},
	"pkg/address":        {},
	"pkg/blocking":       {},
	"pkg/statefile":      {},
	"pkg/filelock":       {"pkg/blocking"},
	"pkg/config":         {"pkg/address", "pkg/ratelimit", "pkg/report", "pkg/statefile"},
	"pkg/retry":          {},
	"pkg/report":         {"pkg/text"},
	"pkg/ping":           {"pkg/address", "pkg/retry", "pkg/text", "pkg/transport"},
	"pkg/ratelimit":      {"pkg/blocking", "pkg/filelock", "pkg/retry", "pkg/statefile"},
	"pkg/polisen":        {"pkg/address", "pkg/ratelimit", "pkg/retry", "pkg/text", "pkg/transport"},
	"pkg/saved":          {"pkg/archive", "pkg/blocking", "pkg/polisen"},
	"pkg/ociclient":      {"pkg/address", "pkg/retry", "pkg/text", "pkg/transport"},
	"pkg/ociauth":        {"pkg/address", "pkg/blocking", "pkg/ociclient", "pkg/retry", "pkg/statefile"},
	"pkg/store":          {},
	"pkg/store/dirstore": {"pkg/address", "pkg/filelock", "pkg/statefile", "pkg/store"},
	"pkg/store/memstore": {"pkg/store"},
	"pkg/store/ocistore": {"pkg/ociclient", "pkg/retry", "pkg/store", "pkg/text"},
	"pkg/archive":        {"pkg/polisen", "pkg/store", "pkg/text"},
	"pkg/pipeline":       {"pkg/archive", "pkg/blocking", "pkg/filelock", "pkg/polisen", "pkg/ratelimit", "pkg/report", "pkg/retry", "pkg/saved", "pkg/statefile", "pkg/store", "pkg/text"},
	"pkg/status":         {"pkg/archive", "pkg/polisen", "pkg/ratelimit", "pkg/report", "pkg/store", "pkg/text"},
	"pkg/verify":         {"pkg/archive", "pkg/report", "pkg/status", "pkg/store", "pkg/text"},
	"pkg/verify/page":    {"pkg/archive", "pkg/report", "pkg/status", "pkg/text", "pkg/verify"},
}

// outside lists the packages that may import a package of another module or of
// the standard library, or a package below it. It does not apply to tests and
// fakes. Packages without a line may be imported anywhere.
var outside = map[string][]string{
	"github.com/cenkalti/backoff":    {"pkg/retry"},
	"github.com/klauspost/compress":  {"pkg/saved"},
	"github.com/oracle/oci-go-sdk":   {"pkg/ociauth", "pkg/ociclient", "pkg/store/ocistore"},
	"github.com/prometheus":          {"pkg/report"},
	"github.com/schollz/progressbar": {"cmd"},
	"github.com/spf13/cobra":         {"cmd"},
	"github.com/spf13/pflag":         {"cmd", "pkg/config"},
	"github.com/youmark/pkcs8":       {"pkg/ociauth"},
	"html/template":                  {"pkg/verify/page"},
	"net/http":                       {"pkg/ociauth", "pkg/ociclient", "pkg/ping", "pkg/polisen", "pkg/ratelimit", "pkg/retry", "pkg/store/ocistore", "pkg/transport"},
	"os/signal":                      {"cmd"},
}

// source is one Go file of the module.
type source struct {
	pkg  string // folder relative to the module; "." for main
	name string
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// isSupport reports whether the package serves tests or experiments.
func isSupport(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || strings.HasPrefix(pkg, "scripts/")
}

// sources parses all Go files of the module. It does not ask the go command for
// them, because go test caches a result until a file changes that the test itself
// has opened.
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
		p, _ := strconv.Unquote(spec.Path.Value) // valid, since the parser accepted it
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
			t.Errorf("%s: add its package %s to layers", s.name, s.pkg)
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

// ownClock lists the packages that may read the system clock, and why. All others
// take a clock as a parameter, so that tests can replace it.
var ownClock = map[string]string{
	"cmd":       "passes the clock to the other packages",
	"pkg/retry": "is the clock",
}

func TestOneClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	for _, s := range sources(t) {
		if s.isTest() || isSupport(s.pkg) || ownClock[s.pkg] != "" {
			continue
		}
		for _, use := range uses(s, "time", clock...) {
			t.Errorf("%s: %s: take a retry.Clock", s.name, use)
		}
	}
}

// uses returns the uses of these names of an imported package, such as time.Now.
func uses(s source, pkg string, names ...string) (all []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg && slices.Contains(names, sel.Sel.Name) {
				all = append(all, pkg+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return all
}

// TestOneEnvironment checks that only main.go can change the environment of the process.
// Other packages get its function as [Process.Setenv].
func TestOneEnvironment(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || isSupport(s.pkg) || s.pkg == "." {
			continue
		}
		for _, use := range uses(s, "os", "Setenv", "Unsetenv", "Clearenv") {
			t.Errorf("%s: %s: use Process.Setenv", s.name, use)
		}
	}
}

// TestSmallPatterns checks that the regular expressions are small, since most are compiled
// at the start of each run. A repetition with a maximum of 255 takes 0.5 ms.
func TestSmallPatterns(t *testing.T) {
	const maxInstructions = 160
	checked := 0
	for _, s := range sources(t) {
		if s.isTest() || isSupport(s.pkg) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			sel, isSel := call.Fun.(*ast.SelectorExpr)
			text, isText := call.Args[0].(*ast.BasicLit)
			if !isSel || !isText || sel.Sel.Name != "MustCompile" {
				return true
			}
			pattern, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := syntax.Parse(pattern, syntax.Perl)
			if err != nil {
				t.Fatal(err)
			}
			program, err := syntax.Compile(parsed.Simplify())
			if err != nil {
				t.Fatal(err)
			}
			checked++
			if n := len(program.Inst); n > maxInstructions {
				t.Errorf("%s: the pattern %s has %d instructions, more than %d: check the length apart from the pattern", s.name, text.Value, n, maxInstructions)
			}
			return true
		})
	}
	if checked < 10 {
		t.Errorf("found only %d patterns", checked)
	}
}

// TestNoInit checks that no package has an init function.
func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function", s.name)
			}
		}
	}
}

// TestPackageComments checks that each package has exactly one package comment.
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

// TestTopLevel checks that the module has no other files and folders at the top,
// except for hidden ones and those that .gitignore excludes.
func TestTopLevel(t *testing.T) {
	want := []string{"LICENSE", "README.md", "cmd", "go.mod", "go.sum", "main.go", "pkg", "scripts", "testdata"}
	ignored := ignoredAtTop(t)
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !ignored(e.Name()) {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// ignoredAtTop returns a function that reports whether .gitignore excludes a file
// or folder at the top of the module.
func ignoredAtTop(t *testing.T) func(name string) bool {
	t.Helper()
	text, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	patterns := strings.Fields(string(text))
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			match, err := path.Match(strings.Trim(pattern, "/"), name)
			return match && err == nil
		})
	}
}
