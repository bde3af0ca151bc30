package verify_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
	"polisen-events-collector/pkg/verify"
)

// fixture is a small archive and the findings that an audit must return. The
// comment of its file has lines of these forms:
//
//	find CHECK OBJECT LINE [*TIMES]      an expected finding
//	repair leaves: CHECK...              the findings after a repair
//	repair=duplicates leaves: CHECK...   the findings after a repair of duplicates
//	cut OBJECT                           removes the final newline of the object
//	damage OBJECT                        makes the store report another MD5
type fixture struct {
	name    string
	finds   []string
	left    map[bool][]string // by whether the repair removes duplicates
	damaged string
	store   *memstore.Store
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var all []fixture
	for _, path := range paths {
		all = append(all, load(t, path))
	}
	return all
}

func load(t *testing.T, path string) fixture {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), left: make(map[bool][]string), store: memstore.New()}
	var cut string
	for line := range strings.SplitSeq(string(a.Comment), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "find":
			times := 1
			if text, n, ok := strings.Cut(rest, " *"); ok {
				rest = text
				times, _ = strconv.Atoi(n)
			}
			f.finds = append(f.finds, slices.Repeat([]string{rest}, times)...)
		case strings.HasPrefix(rest, "leaves: "):
			f.left[word == "repair=duplicates"] = strings.Fields(strings.Replace(strings.TrimPrefix(rest, "leaves: "), "nothing", "", 1))
		case word == "cut":
			cut = rest
		case word == "damage":
			f.damaged = rest
		}
	}
	if len(f.left) != 2 {
		t.Fatalf("%s: no line \"repair leaves\" or \"repair=duplicates leaves\"", path)
	}
	for _, file := range a.Files {
		if file.Name == cut {
			file.Data = file.Data[:len(file.Data)-1]
		}
		storetest.MustPut(t, f.store, file.Name, string(file.Data))
	}
	slices.Sort(f.finds)
	return f
}

// damaged is a store that reports a wrong MD5 of one object.
type damaged struct {
	store.Store
	name string
}

func (d damaged) List(ctx context.Context, prefix string) iter.Seq2[store.Attrs, error] {
	return func(yield func(store.Attrs, error) bool) {
		for a, err := range d.Store.List(ctx, prefix) {
			if a.Name == d.name {
				a.MD5 = store.MD5([]byte("other content"))
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

func (d damaged) Stat(ctx context.Context, name string) (store.Attrs, error) {
	a, err := d.Store.Stat(ctx, name)
	if name == d.name {
		a.MD5 = store.MD5([]byte("other content"))
	}
	return a, err
}

func (f fixture) open() store.Store { return damaged{f.store, f.damaged} }

// found returns the findings in the form of fixtures, sorted.
func found(r *verify.Result) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s %d", f.Check, f.Object, f.Line))
	}
	slices.Sort(out)
	return out
}

// checksOf returns the checks of the findings, sorted.
func checksOf(r *verify.Result) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, string(f.Check))
	}
	slices.Sort(out)
	return out
}

// TestFindings: an audit of each fixture returns exactly the expected findings.
func TestFindings(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			s := storetest.NewFaults(f.open(), nil)
			r, err := verify.Audit(t.Context(), s, options())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f.finds, found(r)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			problems := 0
			for _, x := range r.Findings {
				if x.Expected == "" || x.Actual == "" || x.Fix == (verify.Fix{}) || strings.Contains(x.String(), "\n") {
					t.Errorf("a field is missing, or there is a line break: %q", x)
				}
				if x.Severity == verify.Problem {
					problems++
				}
			}
			if clean := strings.HasPrefix(f.name, "clean"); r.OK != clean || r.OK != (problems == 0) || (r.Err() == nil) != clean {
				t.Errorf("ok %v with %d problems, error %v", r.OK, problems, r.Err())
			}
			if strings.Contains(r.Summary(), "\n") {
				t.Errorf("summary %q", r.Summary())
			}
			wantReadOnly(t, s)
		})
	}
}

func wantReadOnly(t *testing.T, s *storetest.Faults) {
	t.Helper()
	for _, c := range s.Calls() {
		if c.Method == storetest.Put {
			t.Errorf("%v: want only reads", c)
		}
	}
}

// TestEachCheckCanFail: each check has a fixture with a finding.
func TestEachCheckCanFail(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "finding.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Check" {
				text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				checks = append(checks, text)
			}
		}
		return true
	})
	all := []string{string(verify.Unreadable)} // only in a folder: see TestUnlisted
	for _, f := range fixtures(t) {
		for _, line := range f.finds {
			check, _, _ := strings.Cut(line, " ")
			all = append(all, check)
		}
	}
	for _, c := range checks {
		if !slices.Contains(all, c) {
			t.Errorf("no fixture for %s", c)
		}
	}
	if len(checks) < 20 {
		t.Errorf("finding.go has only %d checks", len(checks))
	}
}

// TestRepairs: a repair leaves only the findings of the fixture and loses no line.
// A second repair does nothing, and a dry run writes nothing.
func TestRepairs(t *testing.T) {
	for _, duplicates := range []bool{false, true} {
		for _, f := range fixtures(t) {
			t.Run(fmt.Sprintf("%s duplicates=%v", f.name, duplicates), func(t *testing.T) {
				s := f.open()
				before := lines(t, s)
				dry := storetest.NewFaults(s, nil)
				o := verify.RepairOptions{Duplicates: duplicates, Writer: writerOptions()}
				o.Writer.DryRun = true
				predicted, err := verify.Repair(t.Context(), dry, options(), o)
				if err != nil {
					t.Fatal(err)
				}
				wantReadOnly(t, dry)
				if diff := cmp.Diff(f.finds, found(predicted)); diff != "" {
					t.Errorf("findings of a dry run (-want +got):\n%s", diff)
				}
				r := mustRepair(t, s, duplicates)
				if diff := cmp.Diff(slices.Sorted(slices.Values(f.left[duplicates])), checksOf(r)); diff != "" {
					t.Errorf("findings after the repair (-want +got):\n%s", diff)
				}
				if (len(r.Actions) > 0) != (len(predicted.Actions) > 0) {
					t.Errorf("actions %v, predicted %v", r.Actions, predicted.Actions)
				}
				before.checkKept(t, s)
				again := storetest.NewFaults(s, nil)
				if r := mustRepair(t, again, duplicates); len(r.Actions) > 0 {
					t.Errorf("actions of a second repair: %v", r.Actions)
				}
				wantReadOnly(t, again)
			})
		}
	}
}
