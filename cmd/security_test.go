package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/tooltest"
)

// securityDocument is the threat model.
const securityDocument = "../.github/SECURITY.md"

// securityTable returns the rows of the table below a heading of the threat model, without
// its first two lines. The cells have no backquotes.
func securityTable(t *testing.T, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(securityDocument)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		if cells, ok := strings.CutPrefix(strings.TrimSpace(line), "| "); ok {
			cells = strings.ReplaceAll(strings.TrimSuffix(cells, " |"), "`", "")
			rows = append(rows, strings.Split(cells, " | "))
		}
	}
	if len(rows) < 3 {
		t.Fatalf("%s: the section %q has no table", securityDocument, heading)
	}
	return rows[2:]
}

// TestThreatsHaveTests checks that each row of the tables about threats links to a test.
// TestDocumentLinks checks that the tests exist.
func TestThreatsHaveTests(t *testing.T) {
	test := regexp.MustCompile(`\[Test\w+\]\(\.\./[\w/]+_test\.go\)`)
	for _, threat := range []string{
		"The API", "Writers of the archive", "The network", "Other users of the host", "The environment and the settings", "Saved responses and lines of the archive", "Secrets",
	} {
		for _, row := range securityTable(t, threat) {
			if len(row) != 2 || !test.MatchString(row[1]) {
				t.Errorf("%s: the row %q has no test", threat, row)
			}
		}
	}
}

// TestFileModes runs every command, and the installer, under two umasks, and compares the
// mode of each file and folder that appears with the table in the threat model.
func TestFileModes(t *testing.T) {
	t.Parallel()
	bash, binary := tooltest.Need(t, "bash", "Debian package bash"), buildProgram(t)
	rows := securityTable(t, "Modes of files")
	const first, later = `{"id":1,"datetime":"2026-01-02 03:04:05 +01:00"}`, `{"id":1,"datetime":"2026-01-02 03:04:05 +01:00","name":"x"}`
	for column, umask := range []string{"022", "077"} {
		dir := t.TempDir()
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "["+first+`,{"id":null}]`) }))
		defer api.Close()
		used := map[string]bool{"help": true}
		execute := func(exit code, name string, args ...string) {
			t.Helper()
			p := exec.Command("sh", append([]string{"-c", `umask "$0" && exec "$@"`, umask, name}, args...)...)
			p.Dir = dir
			p.Env = []string{
				"PATH=" + dir + "/BIN:" + os.Getenv("PATH"), "HOME=" + dir + "/HOME", "POLISEN_API_URL=" + api.URL, "POLISEN_STORE=" + dir + "/ARCHIVE", "POLISEN_MIN_INTERVAL=1ms",
				"POLISEN_STATE_DIR=" + dir + "/STATE", "POLISEN_METRICS_FILE=" + dir + "/METRICS.prom", "TAB=" + dir + "/BIN/tab",
			}
			if output, _ := p.CombinedOutput(); code(p.ProcessState.ExitCode()) != exit {
				t.Errorf("%s %q: %v: %s", name, args, p.ProcessState, output)
			}
		}
		command := func(exit code, args ...string) {
			t.Helper()
			used[args[0]] = true
			execute(exit, binary, args...)
		}
		crontab := "#!/bin/sh\ncase $1 in -l) cat \"$TAB\" 2>/dev/null || { echo 'no crontab for you' >&2; exit 1; } ;; -) cat >\"$TAB\" ;; esac\n"
		if err := errors.Join(os.Mkdir(dir+"/HOME", 0o700), os.Mkdir(dir+"/BIN", 0o700),
			os.WriteFile(dir+"/BIN/crontab", []byte(crontab), 0o700), os.WriteFile(dir+"/BIN/input.json", []byte("["+later+"]"), 0o600)); err != nil {
			t.Fatal(err)
		}
		command(exitPartial, "collect")
		command(exitOK, "backfill", "--input", "BIN/input.json")
		if err := os.WriteFile(dir+"/ARCHIVE/metadata/last_seen.json", []byte("damaged"), 0); err != nil {
			t.Fatal(err)
		}
		command(exitOK, "collect")
		command(exitOK, "verify", "--report", "REPORT.html")
		command(exitOK, "verify", "--repair")
		command(exitOK, "inspect-metadata")
		command(exitOK, "version")
		command(exitOK, "completion", "bash")
		install, err := filepath.Abs("../scripts/install.sh")
		if err != nil {
			t.Fatal(err)
		}
		execute(0, bash, install, "cron", "--binary", binary, "--contact", "you@example.org", "--no-run")
		for _, c := range newRoot(Process{}).Commands() {
			if c.Runnable() && !used[c.Name()] {
				t.Errorf("the test does not run %s", c.Name())
			}
		}

		seen := map[int]bool{}
		err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(dir, file)
			switch name {
			case ".", "HOME":
				return nil
			case "BIN":
				return fs.SkipDir
			}
			if entry.IsDir() {
				name += "/"
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(rows, func(row []string) bool {
				match, err := path.Match(row[0], name)
				return match && err == nil
			})
			if i < 0 {
				t.Errorf("%s has no row for %s", securityDocument, name)
				return nil
			}
			seen[i] = true
			if mode := fmt.Sprintf("%04o", info.Mode().Perm()); mode != rows[i][1+column] {
				t.Errorf("umask %s: the mode of %s is %s, want %s", umask, name, mode, rows[i][1+column])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			if !seen[i] {
				t.Errorf("umask %s: nothing creates %s", umask, row[0])
			}
		}
	}
}

// revealing lists the imports by which a package reaches out of its own memory.
var revealing = []string{"C", "crypto/tls", "golang.org/x/sys/unix", "io/ioutil", "net", "net/http", "os", "os/exec", "os/signal", "plugin", "syscall", "unsafe"}

// TestDependencies compares the table of modules in the threat model with go.mod, with the
// modules of the program, and with their imports. If the cache of Go has the dates of the
// versions, it compares these too.
func TestDependencies(t *testing.T) {
	list := func(v any, add func(), args ...string) {
		t.Helper()
		p := exec.Command("go", append([]string{"list"}, args...)...)
		p.Dir, p.Env = "..", append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOPROXY=off", "GOFLAGS="+flagsWithoutRace())
		out, err := p.Output()
		if err != nil && len(out) == 0 {
			t.Fatalf("go list %q: %v", args, err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); add() {
			if err := d.Decode(v); err != nil {
				t.Fatal(err)
			}
		}
	}
	imports := map[string]map[string]bool{} // of the modules of the program
	var p struct {
		ImportPath string
		Standard   bool
		Module     *struct {
			Path string
			Main bool
		}
		Imports []string
	}
	list(&p, func() {
		if slices.Contains([]string{"os/exec", "plugin", "runtime/cgo"}, p.ImportPath) {
			t.Errorf("the program has the package %s", p.ImportPath)
		}
		if p.Module != nil && !p.Module.Main {
			if imports[p.Module.Path] == nil {
				imports[p.Module.Path] = map[string]bool{}
			}
			for _, path := range p.Imports {
				if slices.Contains(revealing, path) {
					imports[p.Module.Path][path] = true
				}
			}
		}
		p.Module, p.Imports = nil, nil
	}, "-deps", "-json=ImportPath,Standard,Module,Imports", ".")

	gomod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	versions, direct := map[string]string{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(string(gomod), -1) {
		versions[m[1]], direct[m[1]] = m[2], m[3] == ""
	}
	want := map[string]string{}
	for path := range versions {
		switch used, ok := imports[path]; {
		case ok:
			want[path] = strings.Join(slices.Sorted(maps.Keys(used)), ", ")
			if want[path] == "" {
				want[path] = "-"
			}
		case direct[path]:
			want[path] = "tests only"
		}
	}
	var m struct {
		Path string
		Time time.Time
	}
	published := map[string]time.Time{}
	list(&m, func() {
		published[m.Path], m.Time = m.Time, time.Time{}
	}, append([]string{"-m", "-e", "-json=Path,Time"}, slices.Sorted(maps.Keys(want))...)...)

	for _, row := range securityTable(t, "Dependencies") {
		if len(row) != 5 {
			t.Errorf("the row %q has %d cells, want 5", row, len(row))
			continue
		}
		path, version, reason, use := row[0], row[1], row[3], row[4]
		// Module proxies differ in the time of a version: some have that of the commit, others
		// that of its author.
		const tolerance = 120 * 24 * time.Hour
		date, err := time.Parse(time.DateOnly, row[2])
		apart := date.Sub(published[path]).Abs()
		switch _, ok := want[path]; {
		case err != nil:
			t.Errorf("%s: %v", path, err)
		case !ok:
			t.Errorf("%s has a row for %s, which is neither in the program nor a direct requirement of go.mod", securityDocument, path)
		case version != versions[path]:
			t.Errorf("%s: the table has version %s, go.mod %s", path, version, versions[path])
		case !published[path].IsZero() && apart > tolerance:
			t.Errorf("%s: the table says that the version is of %s, and it is of %s", path, row[2], published[path])
		case reason == "":
			t.Errorf("%s has no reason", path)
		case use != want[path]:
			t.Errorf("%s: the table has the imports %q, want %q", path, use, want[path])
		}
		delete(want, path)
	}
	for path := range want {
		t.Errorf("%s has no row for %s", securityDocument, path)
	}
}
