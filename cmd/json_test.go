package cmd

import (
	"encoding"
	"encoding/json"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/status"
	"polisen-events-collector/pkg/verify"
)

// jsonTables are the tables of JSON.md and the types they describe.
var jsonTables = map[string]reflect.Type{
	"report":     reflect.TypeFor[report.Report](),
	"last_run":   reflect.TypeFor[report.LastRun](),
	"document":   reflect.TypeFor[archive.Document](),
	"gap":        reflect.TypeFor[archive.Gap](),
	"backup":     reflect.TypeFor[archive.Backup](),
	"plan":       reflect.TypeFor[callPlan](),
	"result":     reflect.TypeFor[verify.Result](),
	"health":     reflect.TypeFor[status.Health](),
	"summary":    reflect.TypeFor[status.Summary](),
	"history":    reflect.TypeFor[status.History](),
	"found":      reflect.TypeFor[status.Found](),
	"comparison": reflect.TypeFor[status.Comparison](),
	"version":    reflect.TypeFor[build](),
	"error":      reflect.TypeFor[errorLine](),
}

// TestJSONContract compares JSON.md with the types whose JSON form it
// describes: the names and the types of all fields.
func TestJSONContract(t *testing.T) {
	tables := readJSONTables(t)
	for name := range tables {
		if name != "checks" && jsonTables[name] == nil {
			t.Errorf("JSON.md: no type is known for the table %s", name)
		}
	}
	for name, typ := range jsonTables {
		want := map[string]string{}
		describeFields(t, typ, "", want)
		compareTables(t, name, want, tables[name])
	}
	checks := map[string]string{}
	for _, value := range stringConstants(t, "pkg/verify", "Check") {
		checks[value] = ""
	}
	for check := range tables["checks"] {
		tables["checks"][check] = ""
	}
	compareTables(t, "checks", checks, tables["checks"])
}

func compareTables(t *testing.T, name string, want, got map[string]string) {
	t.Helper()
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if typ, ok := got[field]; !ok {
			t.Errorf("JSON.md, table %s: no row for %s, %s", name, field, want[field])
		} else if typ != want[field] {
			t.Errorf("JSON.md, table %s: %s is described as %q, want %q", name, field, typ, want[field])
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok {
			t.Errorf("JSON.md, table %s: there is no field %s", name, field)
		}
	}
}

var (
	tableMark = regexp.MustCompile(`^<!-- table: (\w+)(?: with all fields of (\w+))? -->$`)
	tableRow  = regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]+) \\|")
)

// readJSONTables returns the second column of each table of JSON.md by the
// first, by the table's name. A table with all fields of an earlier one has its rows too.
func readJSONTables(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile("JSON.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]map[string]string{}
	var rows map[string]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := tableMark.FindStringSubmatch(line); m != nil {
			rows = map[string]string{}
			maps.Copy(rows, tables[m[2]])
			tables[m[1]] = rows
		} else if m := tableRow.FindStringSubmatch(line); m != nil && rows != nil {
			if _, twice := rows[m[1]]; twice {
				t.Errorf("JSON.md: two rows for %s", m[1])
			}
			rows[m[1]] = strings.TrimSpace(m[2])
		} else if !strings.HasPrefix(line, "|") && line != "" {
			rows = nil // the table has ended
		}
	}
	return tables
}

// describeFields puts the fields of a struct into rows: the path of each field,
// and its type in the words of JSON.md.
func describeFields(t *testing.T, typ reflect.Type, prefix string, rows map[string]string) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-", f.PkgPath != "" && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			describeFields(t, f.Type, prefix, rows)
			continue
		case name == "":
			t.Errorf("%v.%s: no json tag", typ, f.Name)
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		text := describeType(t, f.Type, prefix+name, rows)
		if optional {
			text = strings.TrimSuffix(text, " or null") + ", optional"
		}
		rows[prefix+name] = text
	}
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func describeType(t *testing.T, typ reflect.Type, path string, rows map[string]string) string {
	t.Helper()
	for name, known := range jsonTables {
		if typ == known {
			return name
		}
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "time"
	case typ == reflect.TypeFor[report.Seconds]():
		return "seconds"
	case typ == reflect.TypeFor[json.RawMessage](): // package report does not know the type
		return "backup"
	case typ.Kind() == reflect.Pointer:
		return describeType(t, typ.Elem(), path, rows) + " or null"
	case typ.Implements(textMarshaler):
		return "string"
	case typ.Implements(reflect.TypeFor[json.Marshaler]()):
		t.Errorf("%s: %v has a JSON form of its own, which this test does not know", path, typ)
	}
	switch typ.Kind() {
	case reflect.Struct:
		describeFields(t, typ, path+".", rows)
		return "object"
	case reflect.Slice:
		return "array of " + describeType(t, typ.Elem(), path+"[]", rows)
	case reflect.Map:
		return "map of " + describeType(t, typ.Elem(), path+"{}", rows)
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	}
	t.Errorf("%s: %v has no name in JSON.md", path, typ)
	return typ.String()
}

// stringConstants returns the values of a package's constants of a type.
func stringConstants(t *testing.T, pkg, typ string) (values []string) {
	t.Helper()
	for _, s := range sources(t) {
		if s.pkg != pkg {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if name, ok := v.Type.(*ast.Ident); !ok || name.Name != typ {
				return true
			}
			for _, e := range v.Values {
				literal, ok := e.(*ast.BasicLit)
				if !ok {
					continue // a variable
				}
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", pkg, typ)
	}
	return values
}

// TestJSONOutput runs every command with --output json and checks that each
// prints the table that JSON.md promises, with no other field and no array that
// is null.
func TestJSONOutput(t *testing.T) {
	dir := t.TempDir()
	first, err := filepath.Abs("../testdata/responses/first.json")
	if err != nil {
		t.Fatal(err)
	}
	rejected, err := filepath.Abs("../testdata/responses/rejected.json")
	if err != nil {
		t.Fatal(err)
	}
	tables := readJSONTables(t)
	today := time.Now().Format(time.DateOnly)
	for _, test := range []struct {
		table string
		exit  int
		args  string
	}{
		{"summary", 7, "inspect-metadata"},
		{"report", 0, "collect --dry-run --api-url " + first},
		{"report", 0, "collect --api-url " + first},
		{"report", 3, "backfill --input " + rejected},
		{"plan", 0, "backfill --dry-run --from " + today + " --state-dir " + t.TempDir()},
		{"result", 0, "verify"},
		{"result", 0, "verify --repair=duplicates"},
		{"health", 0, "verify --quick --max-age 10000h"},
		{"summary", 0, "inspect-metadata"},
		{"history", 0, "inspect-metadata --history"},
		{"found", 7, "inspect-metadata --has 601009 1"},
		{"comparison", 0, "inspect-metadata --against-api --api-url " + first},
		{"version", 0, "version"},
	} {
		args := append(strings.Fields(test.args), "--output", "json")
		if test.table != "version" {
			args = append(args, "--store", dir)
		}
		exit, stdout, stderr := run(t, args)
		if exit != test.exit {
			t.Errorf("%s: exit code %d, want %d: %s", test.args, exit, test.exit, stderr)
		}
		checkJSON(t, test.args, test.table, []byte(stdout), tables)
	}
	for table, name := range map[string]string{"document": archive.DocumentName, "last_run": archive.LastRunName} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		checkJSON(t, name, table, text, tables)
	}
	exit, _, stderr := run(t, []string{"verify", "--max-age", "1h", "--log-format", "json", "--store", dir})
	if exit != int(exitUsage) {
		t.Errorf("exit code %d, want %d: %s", exit, exitUsage, stderr)
	}
	checkJSON(t, "an error", "error", []byte(stderr), tables)
	exit, stdout, _ := run(t, []string{"inspect-metadata", "--ids", "--output", "json", "--store", dir})
	var ids []int64
	if err := json.Unmarshal([]byte(stdout), &ids); exit != 0 || err != nil || len(ids) == 0 {
		t.Errorf("inspect-metadata --ids: exit code %d, %v: %s", exit, err, stdout)
	}
}

func checkJSON(t *testing.T, what, table string, text []byte, tables map[string]map[string]string) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%s: %v: %s", what, err, text)
		return
	}
	if list, ok := v.([]any); ok { // of one object for each answer
		for _, v := range list {
			checkValue(t, what, table, v, tables)
		}
		return
	}
	checkValue(t, what, table, v, tables)
}

// checkValue checks that v has the fields of the table and no other.
func checkValue(t *testing.T, what, table string, v any, tables map[string]map[string]string) {
	t.Helper()
	seen := map[string]bool{}
	walkJSON(v, "", tables[table], func(path string, value any) {
		seen[path] = true
		typ, ok := tables[table][path]
		switch {
		case !ok:
			t.Errorf("%s: field %s is not in the table %s of JSON.md", what, path, table)
		case value == nil && !strings.HasSuffix(typ, "or null"):
			t.Errorf("%s: field %s is null, but JSON.md says %q", what, path, typ)
		}
		if nested, _, _ := strings.Cut(typ, " "); value != nil && tables[nested] != nil {
			checkValue(t, what, nested, value, tables)
		}
	})
	for path, typ := range tables[table] {
		if !strings.ContainsAny(path, ".[{") && !strings.HasSuffix(typ, "optional") && !seen[path] {
			t.Errorf("%s: no field %s, which JSON.md does not call optional", what, path)
		}
	}
}

// walkJSON calls visit for each field of v with its path, down to the fields
// whose value is a map or another table.
func walkJSON(v any, prefix string, types map[string]string, visit func(path string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			path := prefix + name
			visit(path, value)
			switch typ := types[path]; {
			case strings.HasPrefix(typ, "object"):
				walkJSON(value, path+".", types, visit)
			case strings.HasPrefix(typ, "array of object"):
				walkJSON(value, path+"[].", types, visit)
			}
		}
	case []any:
		for _, value := range v {
			walkJSON(value, prefix, types, visit)
		}
	}
}
