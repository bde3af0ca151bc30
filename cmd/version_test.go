package cmd

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"polisen-events-collector/pkg/tooltest"
)

const (
	testRevision = "0123456789abcdef0123456789abcdef01234567"
	testTime     = "2026-01-31T12:00:00Z"
)

// vcs returns the build settings that the go command records in a clone.
func vcs(modified string) []debug.BuildSetting {
	return []debug.BuildSetting{
		{Key: "vcs.revision", Value: testRevision}, {Key: "vcs.time", Value: testTime}, {Key: "vcs.modified", Value: modified},
	}
}

func TestBuildOf(t *testing.T) {
	const pseudo = "v0.0.0-20260131120000-0123456789ab"
	for name, tt := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		want     buildSource
		text     string // the first two lines
	}{
		"release":                   {"v1.2.3", vcs("false"), sourceRelease, "v1.2.3\nrelease, commit " + testRevision + " of " + testTime},
		"pre-release":               {"v1.2.3-rc.1", vcs("false"), sourceRelease, "v1.2.3-rc.1\nrelease, commit " + testRevision + " of " + testTime},
		"release by go install":     {"v1.2.3", nil, sourceRelease, "v1.2.3\nrelease"},
		"clone":                     {pseudo, vcs("false"), sourceClone, pseudo + "\nclone, commit " + testRevision + " of " + testTime},
		"modified clone":            {pseudo + "+dirty", vcs("true"), sourceClone, pseudo + "+dirty\nclone, commit " + testRevision + " of " + testTime + ", modified"},
		"clone after a release":     {"v1.2.4-0.20260131120000-0123456789ab", vcs("false"), sourceClone, "v1.2.4-0.20260131120000-0123456789ab\nclone, commit " + testRevision + " of " + testTime},
		"modified release":          {"v1.2.3+dirty", vcs("true"), sourceClone, "v1.2.3+dirty\nclone, commit " + testRevision + " of " + testTime + ", modified"},
		"clone by an old toolchain": {"(devel)", vcs("false"), sourceClone, "(devel)\nclone, commit " + testRevision + " of " + testTime},
		"tarball":                   {"(devel)", nil, sourceUnversioned, "(devel)\nunversioned source (no information from version control)"},
		"nothing recorded at all":   {"", nil, sourceUnversioned, "(devel)\nunversioned source (no information from version control)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := buildOf(&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: tt.version}, Settings: tt.settings})
			b.Platform = "linux/amd64"
			if b.Source != tt.want {
				t.Errorf("source %s, want %s", b.Source, tt.want)
			}
			if want := program + " " + tt.text + "\ngo1.26.8 linux/amd64\n"; b.text() != want {
				t.Errorf("got\n%swant\n%s", b.text(), want)
			}
		})
	}
}

// TestBuildInfo checks buildOf against what the go command records: it builds a
// small module without git, as a clone, as a modified clone and as a release.
func TestBuildInfo(t *testing.T) {
	dir := newModule(t)
	dir.write("go.mod", "module "+module+"\n\ngo 1.26.0\n")
	dir.write("main.go", "package main\n\nfunc main() {}\n")
	check := func(source buildSource, modified bool, version string) {
		t.Helper()
		info, err := buildinfo.ReadFile(dir.build())
		if err != nil {
			t.Fatal(err)
		}
		b := buildOf(info)
		if b.Source != source || b.Modified != modified || (b.Revision != "") != (source != sourceUnversioned) ||
			!regexp.MustCompile("^"+version+"$").MatchString(b.Version) || !strings.HasPrefix(b.Go, "go1.") {
			t.Errorf("got %+v, want %s, modified %t, version %s", b, source, modified, version)
		}
	}
	check(sourceUnversioned, false, `\(devel\)`)
	dir.commit()
	check(sourceClone, false, `v0\.0\.0-\d{14}-[0-9a-f]{12}`)
	dir.write("main.go", "package main\n\nfunc main() { println() }\n")
	check(sourceClone, true, `v0\.0\.0-\d{14}-[0-9a-f]{12}\+dirty`)
	dir.commit()
	dir.run("git", "tag", "v1.2.3")
	check(sourceRelease, false, `v1\.2\.3`)
}

// TestVersionOfARelease builds this module as a release and runs it.
func TestVersionOfARelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := newModule(t)
	for _, name := range []string{"go.mod", "go.sum", "main.go", "cmd", "pkg"} {
		path, err := filepath.Abs(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		dir.run("cp", "-R", path, ".")
	}
	dir.commit()
	dir.run("git", "tag", "v1.2.3")
	out, err := exec.Command(dir.build(), "version", "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b build
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatal(err)
	}
	if b.Version != "v1.2.3" || b.Source != sourceRelease || b.Revision == "" || b.Time == "" || b.Modified ||
		b.Go != runtime.Version() || b.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("got %s", out)
	}
}

// moduleDir is a folder in which a test builds a module.
type moduleDir struct {
	t   *testing.T
	dir string
}

func newModule(t *testing.T) moduleDir {
	t.Helper()
	tooltest.Need(t, "git", "Debian package git")
	return moduleDir{t, t.TempDir()}
}

func (m moduleDir) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m moduleDir) run(name string, args ...string) {
	m.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+flagsWithoutRace(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.org", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.org")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// commit makes the folder a clone, if it is none, and commits all files.
func (m moduleDir) commit() {
	m.t.Helper()
	m.run("git", "init", "-q")
	m.run("git", "add", ".")
	m.run("git", "commit", "-q", "-m", "test")
}

// build builds the module as a release is built and returns the program's path.
func (m moduleDir) build() string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), program)
	m.run("go", "build", "-buildvcs=auto", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	return path
}
