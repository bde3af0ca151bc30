// The tests of this folder check the Terraform configuration against the program, and its
// README.md against both.
package oci

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/cmd"
	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// prefix begins the names of all objects of the tests.
const prefix = "archive"

const (
	vaultID     = "ocid1.vault.oc1.eu-stockholm-1.abc.testvault"
	vaultName   = "collector"
	compartment = "ocid1.compartment.oc1..testcompartment"
)

// call is a call of an OCI service.
type call struct {
	operation   string
	permissions []string
}

// callOf returns the call that a request makes, with the permissions that it needs
// (https://docs.oracle.com/iaas/Content/Identity/Reference/objectstoragepolicyreference.htm,
// https://docs.oracle.com/iaas/Content/Identity/Reference/keypolicyreference.htm).
func callOf(r ociauthtest.Request) (call, error) {
	path, _, _ := strings.Cut(r.Path, "?")
	parts := strings.SplitN(strings.Trim(path, "/"), "/", 6) // n/NAMESPACE/b/BUCKET/o/OBJECT
	route := fmt.Sprintf("%s %d", r.Method, len(parts))
	switch {
	case r.Method+" "+path == "GET /20180608/vaults":
		return call{"ListVaults", []string{"VAULT_INSPECT"}}, nil
	case r.Method+" "+path == "POST /20190301/secretbundles/actions/getByName":
		return call{"GetSecretBundleByName", []string{"SECRET_BUNDLE_READ"}}, nil
	case parts[0] != "n":
	case route == "GET 1":
		return call{"GetNamespace", nil}, nil
	case route == "GET 5":
		return call{"ListObjects", []string{"OBJECT_INSPECT"}}, nil
	case route == "GET 6":
		return call{"GetObject", []string{"OBJECT_READ"}}, nil
	case route == "HEAD 6":
		return call{"HeadObject", []string{"OBJECT_READ"}}, nil // or OBJECT_INSPECT
	case route == "PUT 6":
		needs := []string{"OBJECT_CREATE", "OBJECT_OVERWRITE"}
		if r.Header.Get("If-None-Match") == "*" {
			needs = []string{"OBJECT_CREATE"}
		} else if r.Header.Get("If-Match") != "" {
			needs = []string{"OBJECT_OVERWRITE"}
		}
		return call{"PutObject", needs}, nil
	}
	return call{}, fmt.Errorf("no permission is known for %s %s: add it to callOf, to the policies and to README.md", r.Method, r.Path)
}

// needs collects what the calls of a task need.
type needs struct{ operations, permissions map[string]bool }

// world is a cloud with an archive, in which the program runs.
type world struct {
	*ocitest.Server
	env map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := ocitest.NewServer(t)
	s.Cloud.AddVault(ociauthtest.Vault{ID: vaultID, Name: vaultName, Compartment: compartment, Secrets: s.Identity.Secrets("")})
	api := httptest.NewServer(&polisentest.API{Default: cloudtest.Advancing(3)})
	t.Cleanup(api.Close)
	return &world{Server: s, env: map[string]string{
		"POLISEN_API_URL":      api.URL,
		"POLISEN_MIN_INTERVAL": "1ms",
		"POLISEN_RETRY_BASE":   "1ms",
		"POLISEN_STATE_DIR":    t.TempDir(),
		"POLISEN_STORE":        "oci://" + s.Namespace + "/" + s.Bucket + "/" + prefix,
		"OCI_ENDPOINT":         s.URL,
		"OCI_SECRETS_ENDPOINT": s.URL,
		"OCI_KMS_ENDPOINT":     s.URL,
		"OCI_CONFIG_FILE":      s.ConfigFile,
		"API_CONTACT_EMAIL":    "nobody@example.org",
	}}
}

// run runs the program with arguments, and settings beside those of the world. It returns
// what the program prints to stdout.
func (w *world) run(t *testing.T, wantExit int, settings map[string]string, args ...string) string {
	t.Helper()
	env := maps.Clone(w.env)
	maps.Copy(env, settings)
	var stdout, stderr strings.Builder
	exit := cmd.Main(cmd.Process{
		Args: args, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	if exit != wantExit {
		t.Fatalf("%q: exit code %d, want %d: %s%s", args, exit, wantExit, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// needs runs a task and returns what its calls need.
func (w *world) needs(t *testing.T, task task) needs {
	t.Helper()
	w.ResetLog()
	w.Cloud.ResetLog()
	task.run(t, w)
	all := needs{map[string]bool{}, map[string]bool{}}
	for _, r := range append(w.Requests(), w.Cloud.Requests()...) {
		c, err := callOf(r)
		if err != nil {
			t.Error(err)
			continue
		}
		if task.only != nil && !slices.Contains(task.only, c.operation) {
			continue
		}
		if !belowPrefix(r, c) {
			t.Errorf("%s %s is not about objects below the prefix", r.Method, r.Path)
		}
		all.operations[c.operation] = true
		for _, p := range c.permissions {
			all.permissions[p] = true
		}
	}
	return all
}

// belowPrefix reports whether a request is about objects below the prefix only, as far as
// it is about objects.
func belowPrefix(r ociauthtest.Request, c call) bool {
	u, err := url.Parse(r.Path)
	if err != nil {
		return false
	}
	if c.operation == "ListObjects" {
		return strings.HasPrefix(u.Query().Get("prefix"), prefix+"/")
	}
	_, object, about := strings.Cut(u.Path, "/o/")
	return !about || strings.HasPrefix(object, prefix+"/")
}

// copyEvents stores the content of an object with events once more, under another name.
func (w *world) copyEvents(t *testing.T) {
	t.Helper()
	objects := w.Objects(w.Bucket)
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		if strings.HasPrefix(name, prefix+"/events/") {
			w.Put(w.Bucket, filepath.Dir(name)+"/events-1.jsonl", objects[name])
			return
		}
	}
	t.Fatal("the archive has no events")
}

// The roles with a policy of their own, by the names of the policies.
const (
	collectors = "collectors"
	readers    = "readers"
	vault      = "vault"
	nobody     = "" // for a task that the configuration does not provide for
)

// task is a line of the table in README.md.
type task struct {
	name string // of the line
	role string // of the user or instance that runs it
	run  func(*testing.T, *world)
	only []string // the operations that the line is about; nil means all
}

// tasks returns all tasks in the order of the table. Each runs in the world that the ones
// before it leave.
func tasks() []task {
	command := func(args ...string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.run(t, 0, nil, args...) }
	}
	fails := func(t *testing.T, w *world) { // puts no events after its commit
		w.Script(ocitest.Fault{On: ociauthtest.On("PUT", "/"+prefix+"/events/"), Times: ocitest.Forever, Status: 500, Code: "InternalServerError"})
		w.run(t, 5, nil, "collect")
		w.ClearFaults()
	}
	vaultCalls := []string{"GetSecretBundleByName", "ListVaults"}
	return []task{
		{name: "`collect`", role: collectors, run: func(t *testing.T, w *world) {
			w.run(t, 0, nil, "collect") // begins the archive
			w.run(t, 0, nil, "collect")
			fails(t, w)
			w.run(t, 0, nil, "collect") // stores what the last one did not
		}},
		{name: "`backfill`", role: collectors, run: func(t *testing.T, w *world) {
			saved := filepath.Join(t.TempDir(), "saved.json")
			var items [][]byte
			for id := range int64(600) { // more than the document can list beside the others
				items = append(items, polisentest.Event(1+id, time.Now().AddDate(0, 0, -1-int(id%2))))
			}
			if err := os.WriteFile(saved, polisentest.Response(items...), 0o600); err != nil {
				t.Fatal(err)
			}
			w.run(t, 0, nil, "backfill", "--input", saved)
			w.run(t, 0, nil, "backfill", "--input", saved) // looks the events up in their partitions
		}},
		{name: "`verify --repair`", role: collectors, run: func(t *testing.T, w *world) {
			fails(t, w)
			w.run(t, 0, nil, "verify", "--repair")
			w.copyEvents(t)
			w.run(t, 0, nil, "verify", "--repair=duplicates")
			w.run(t, 0, nil, "verify", "--repair=counts")
			w.run(t, 0, nil, "verify", "--repair=gaps")
			w.run(t, 0, nil, "collect") // so that the next tasks meet objects of a last commit
		}},
		{name: "`verify`", role: readers, run: command("verify")},
		{name: "`verify --quick`", role: readers, run: command("verify", "--quick")},
		{name: "`inspect-metadata`", role: readers, run: func(t *testing.T, w *world) {
			w.run(t, 0, nil, "inspect-metadata")
			w.run(t, 7, nil, "inspect-metadata", "--has", "601", "--date", "2026-01-02")
		}},
		{name: "the namespace, for a store without one", role: readers, run: func(t *testing.T, w *world) {
			w.run(t, 0, map[string]string{"POLISEN_STORE": "oci:///" + w.Bucket + "/" + prefix}, "inspect-metadata")
		}, only: []string{"GetNamespace"}},
		{name: "the API key, from `OCI_VAULT_ID`", role: vault, run: func(t *testing.T, w *world) {
			w.run(t, 0, map[string]string{"OCI_VAULT_ID": vaultID}, "inspect-metadata")
		}, only: vaultCalls},
		{name: "the API key, from `OCI_VAULT_NAME`", role: nobody, run: func(t *testing.T, w *world) {
			w.run(t, 0, map[string]string{"OCI_VAULT_NAME": vaultName, "OCI_VAULT_COMPARTMENT_ID": compartment}, "inspect-metadata")
		}, only: vaultCalls},
	}
}

// TestPermissions runs all commands that call OCI, and compares the permissions that their
// calls need with the policies in the Terraform configuration and with the table in
// README.md. A permission too few or too many is an error.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	needed := map[string]map[string]bool{collectors: {}, readers: {}, vault: {}, nobody: {}}
	table := "| task | calls | permissions |\n| --- | --- | --- |\n"
	for _, task := range tasks() {
		all := w.needs(t, task)
		maps.Copy(needed[task.role], all.permissions)
		table += fmt.Sprintf("| %s | %s | %s |\n", task.name, code(all.operations), code(all.permissions))
	}
	delete(needed, nobody)
	for role, want := range needed {
		if got := policy(t, role); !maps.Equal(got, want) {
			t.Errorf("policy %s allows %s; the calls need %s", role, code(got), code(want))
		}
	}
	readme := read(t, "README.md")
	if !strings.Contains(readme, table) {
		t.Errorf("README.md does not contain this table:\n%s", table)
	}
	listed := map[string]bool{} // in the policy for the collector, the only one with conditions
	for _, p := range permission.FindAllStringSubmatch(readme, -1) {
		listed[p[1]] = true
	}
	if !maps.Equal(listed, needed[collectors]) {
		t.Errorf("the policy in README.md allows %s; the calls of the collector need %s", code(listed), code(needed[collectors]))
	}
	if want := verbs["read objects"]; code(needed[readers]) != "`"+strings.Join(want, "`, `")+"`" {
		t.Errorf("the policy for readers in README.md allows %q; their calls need %s", want, code(needed[readers]))
	}
}

// The numbers of requests from which README.md computes the costs.
func TestRequestsOfRun(t *testing.T) {
	for added, want := range []int{3, 6} { // by the number of new events
		w := newWorld(t)
		api := httptest.NewServer(&polisentest.API{Default: cloudtest.Advancing(added)})
		defer api.Close()
		w.env["POLISEN_API_URL"] = api.URL
		w.run(t, 0, nil, "collect") // begins the archive
		w.run(t, 0, nil, "collect") // checks the objects of the first run
		w.ResetLog()
		w.run(t, 0, nil, "collect")
		if n := len(w.Requests()); n != want {
			t.Errorf("a run with %d new events makes %d requests; README.md says %d", added, n, want)
		}
		w.ResetLog()
		w.run(t, 0, nil, "verify", "--quick")
		if n := len(w.Requests()); added > 0 && n != 4 {
			t.Errorf("a health check makes %d requests; README.md says 4", n)
		}
	}
}

// Each command of the program is a task, or makes no calls.
func TestAllCommands(t *testing.T) {
	var known []string
	for _, task := range tasks() {
		known = append(known, strings.Trim(task.name, "`"))
	}
	known = append(known, "completion", "help", "version") // make no calls
	_, list, _ := strings.Cut(newWorld(t).run(t, 0, nil, "--help"), "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	commands := matches(`(?m)^  ([\w-]+) `, list)
	if len(commands) < 7 {
		t.Fatalf("--help lists the commands %q", commands)
	}
	for _, name := range commands {
		if !slices.Contains(known, name) {
			t.Errorf("command %s: add its calls to tasks", name)
		}
	}
}

// code returns names in alphabetical order, as code.
func code(names map[string]bool) string {
	if len(names) == 0 {
		return "none"
	}
	return "`" + strings.Join(slices.Sorted(maps.Keys(names)), "`, `") + "`"
}

// verbs lists the permissions of the resource types that each verb covers, from the tables
// that callOf names. It has those permissions only that a policy here may ask for.
var verbs = map[string][]string{
	"read objects":        {"OBJECT_INSPECT", "OBJECT_READ"},
	"manage objects":      {"OBJECT_INSPECT", "OBJECT_READ", "OBJECT_OVERWRITE", "OBJECT_CREATE", "OBJECT_DELETE"},
	"read secret-bundles": {"SECRET_BUNDLE_INSPECT", "SECRET_BUNDLE_READ"},
}

var (
	statement  = regexp.MustCompile(`"Allow [^"\n]*to ((\w+) [\w-]+) in compartment id \$\{var\.compartment_ocid\} where all \{(.*)\}",\n`)
	permission = regexp.MustCompile(`request\.permission='(\w+)'`)
)

// policy returns the permissions that the statements of a policy allow. Each statement must
// limit the permissions and name what they are about.
func policy(t *testing.T, name string) map[string]bool {
	t.Helper()
	var text string
	for _, file := range []string{"policies.tf", "vault.tf"} {
		text += read(t, file)
	}
	_, rest, ok := strings.Cut(text, fmt.Sprintf("resource \"oci_identity_policy\" %q {", name))
	block, _, ended := strings.Cut(rest, "\n}\n")
	if !ok || !ended {
		t.Fatalf("no policy %s", name)
	}
	statements := statement.FindAllStringSubmatch(block, -1)
	if n := strings.Count(block, `"Allow `); n == 0 || n != len(statements) {
		t.Fatalf("policy %s has %d statements, of which %d have the expected form", name, n, len(statements))
	}
	allowed := map[string]bool{}
	for _, s := range statements {
		covered, conditions := s[1], s[3]
		listed := permission.FindAllStringSubmatch(conditions, -1)
		if len(listed) == 0 {
			t.Errorf("policy %s: a statement allows all of %s: add request.permission to its conditions", name, covered)
		}
		for _, p := range listed {
			if !slices.Contains(verbs[covered], p[1]) {
				t.Errorf("policy %s: %s does not cover %s", name, covered, p[1])
			}
			allowed[p[1]] = true
			limit := "${local.in_prefix}"
			if p[1] == "OBJECT_INSPECT" { // see policies.tf
				limit = "${local.in_bucket}"
			} else if strings.HasPrefix(p[1], "SECRET_") {
				limit = "target.secret.name="
			}
			if !strings.Contains(conditions, limit) {
				t.Errorf("policy %s: the statement with %s has no condition %s", name, p[1], limit)
			}
		}
	}
	return allowed
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
