package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/tooltest"
)

const (
	program = "polisen-events-collector"
	release = "v1.2.3"
)

// released is a release for linux/amd64, which all tests share.
var released struct {
	once sync.Once
	dir  string // the folder of its files
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if released.dir != "" {
		_ = os.RemoveAll(filepath.Dir(released.dir))
	}
	os.Exit(code)
}

// releaseFiles returns the folder with the files of a release. scripts/release.sh builds it
// from the files of this module, committed or not, in a clone of its own. That takes most of a
// minute, so only long tests do it.
func releaseFiles(t *testing.T) string {
	t.Helper()
	if os.Getenv("POLISEN_TEST_LONG") == "" {
		t.Skip("builds a release: set POLISEN_TEST_LONG")
	}
	tooltest.Need(t, "git", "Debian package git")
	released.once.Do(func() {
		var root string
		if root, released.err = os.MkdirTemp("", "release"); released.err != nil {
			return
		}
		released.dir = filepath.Join(root, "files")
		clone := filepath.Join(root, "clone")
		released.err = errors.Join(
			os.Chmod(root, 0o755), // the user of the service reads it
			try("../..", "sh", "-c", "mkdir "+clone+" && git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "+clone),
			commit(clone, release),
		)
		if released.err == nil {
			released.err = try(clone, "scripts/release.sh", "--platform", "linux/amd64", "--output", released.dir, release)
		}
	})
	if released.err != nil {
		t.Fatal(released.err)
	}
	return released.dir
}

// try runs a command in a folder. Its error has the output of the command.
func try(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.org", "GIT_AUTHOR_DATE=2026-01-31T12:00:00Z",
		"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.org", "GIT_COMMITTER_DATE=2026-01-31T12:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}

// commit commits the files in a folder, which may be no clone yet, and adds a tag.
func commit(dir, tag string) error {
	return errors.Join(
		try(dir, "git", "init", "-q"),
		try(dir, "git", "add", "-A"),
		try(dir, "git", "commit", "-q", "-m", "test"),
		try(dir, "git", "tag", tag))
}

func TestRefusals(t *testing.T) {
	tooltest.Need(t, "git", "Debian package git")
	script, err := os.ReadFile("../release.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "scripts", "release.sh")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, script, 0o755)); err != nil {
		t.Fatal(err)
	}
	refused := func(code int, text string, args ...string) {
		t.Helper()
		var exit *exec.ExitError
		if err := try(dir, path, args...); !errors.As(err, &exit) || exit.ExitCode() != code || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v, want code %d and %q", args, err, code, text)
		}
	}
	refused(64, "name the version")
	for _, version := range []string{"1.2.3", "v1.2", "v1.2.3.4", "v01.2.3", "v1.2.3-", "v1.2.3-rc..1", "v1.2.3+meta", "latest", "v1.2.3 ", "v1.2.3\nv1.2.4", ""} {
		refused(64, "version", version)
	}
	refused(64, "unexpected argument 'v1.2.4'", release, "v1.2.4")
	refused(64, "unknown platform 'windows/amd64'", "--platform", "windows/amd64", release)
	refused(64, "unknown option '--dirty'", "--dirty", release)
	refused(1, "not a clone", release)

	if err := commit(dir, "v1.2.2"); err != nil {
		t.Fatal(err)
	}
	refused(1, "there is no tag v1.2.3", release)
	refused(1, dir+" exists", "--output", dir, "v1.2.2")
	if err := os.WriteFile(filepath.Join(dir, "new.go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(1, "the files differ from the commit", "v1.2.2")
	if err := commit(dir, release); err != nil {
		t.Fatal(err)
	}
	refused(1, "the tag v1.2.2 is not at the current commit", "v1.2.2")
	if err := try(dir, path, "--help"); err != nil {
		t.Error(err)
	}
}

func TestCheckBuild(t *testing.T) {
	good := func() *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: release}, Settings: []debug.BuildSetting{
			{Key: "vcs.modified", Value: "false"}, {Key: "-trimpath", Value: "true"}, {Key: "CGO_ENABLED", Value: "0"},
		}}
	}
	if err := checkBuild(good(), release); err != nil {
		t.Error(err)
	}
	for i, s := range good().Settings {
		info := good()
		info.Settings[i].Value = "other"
		if err := checkBuild(info, release); err == nil || !strings.Contains(err.Error(), s.Key+"=other") {
			t.Errorf("%s: got %v", s.Key, err)
		}
	}
	info := good()
	info.Main.Version = "v1.2.4-0.20260131120000-0123456789ab"
	if err := checkBuild(info, release); err == nil || !strings.Contains(err.Error(), info.Main.Version) {
		t.Errorf("another version: got %v", err)
	}
}

// TestFiles checks that a release has all files, and that the checksums are theirs.
func TestFiles(t *testing.T) {
	dir := releaseFiles(t)
	want := []string{
		"SHA256SUMS",
		"polisen-events-collector-1.2.3-1.x86_64.rpm",
		"polisen-events-collector_1.2.3_amd64.deb",
		"polisen-events-collector_1.2.3_licenses.txt",
		"polisen-events-collector_1.2.3_linux_amd64.cdx.json",
		"polisen-events-collector_1.2.3_linux_amd64.tar.gz",
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	sums := ""
	for _, e := range entries {
		got = append(got, e.Name())
		if e.Name() != "SHA256SUMS" {
			sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(read(t, filepath.Join(dir, e.Name()))), e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if text := string(read(t, filepath.Join(dir, "SHA256SUMS"))); text != sums {
		t.Errorf("SHA256SUMS has\n%swant\n%s", text, sums)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unpacked unpacks the archive of the release and returns its folder.
func unpacked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := try(dir, "tar", "xzf", filepath.Join(releaseFiles(t), "polisen-events-collector_1.2.3_linux_amd64.tar.gz")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "polisen-events-collector_1.2.3_linux_amd64")
}

// TestArchive checks the content of the archive, and the program in it.
func TestArchive(t *testing.T) {
	dir := unpacked(t)
	for _, name := range []string{
		"LICENSE", "licenses.txt", "CHANGELOG.md", "cmd/JSON.md", "pkg/archive/PROTOCOL.md", "scripts/oci/bucket.tf", "man/polisen-events-collector-collect.1", "man/polisen-events-collector-exit-codes.7",
		"completions/polisen-events-collector.bash", "completions/_polisen-events-collector", "completions/polisen-events-collector.fish",
		"scripts/env", "scripts/crontab", "scripts/polisen-events-collector.service", "scripts/polisen-events-collector-check.timer",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	checkLinks(t, dir)
	if !bytes.Equal(read(t, filepath.Join(dir, "README.md")), read(t, "../../README.md")) {
		t.Error("README.md differs from that of the source: the archive lacks files to which it links")
	}
	out, err := exec.Command(filepath.Join(dir, program), "version", "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version struct {
		Version, Source, Revision, Time string
		Modified                        bool
	}
	if err := json.Unmarshal(out, &version); err != nil {
		t.Fatal(err)
	}
	if version.Version != release || version.Source != "release" || len(version.Revision) != 40 || version.Time != "2026-01-31T12:00:00Z" || version.Modified {
		t.Errorf("the program says that it is %s", out)
	}
	binary := read(t, filepath.Join(dir, program))
	for _, text := range []string{os.TempDir() + "/release", "zz_again"} {
		if bytes.Contains(binary, []byte(text)) {
			t.Errorf("the program contains %q, which comes from the build", text)
		}
	}
}

// checkLinks checks that no link in the documents of a folder leads to a file that the folder
// lacks.
func checkLinks(t *testing.T, dir string) {
	t.Helper()
	documents := 0
	err := eachDocument(dir, func(path, text string) error {
		documents++
		for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
			if dead(dir, path, m[2]) {
				t.Errorf("%s: link %s leads nowhere", strings.TrimPrefix(path, dir+"/"), m[0])
			}
		}
		return nil
	})
	if err != nil || documents < 10 {
		t.Errorf("%d documents: %v", documents, err)
	}
}

// TestUnlink checks which links become text.
func TestUnlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pkg", "README.md")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(filepath.Join(dir, "README.md"), nil, 0o644), os.WriteFile(filepath.Dir(dir)+"/outside.md", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"see [the code](main.go), [Run](../cmd/run.go#top).": "see the code, Run.",
		"[`a`](a.go) [b](../README.md) [c](gone.md)":         "`a` [b](../README.md) c",
		"[the top](../README.md#how) [here](#here)":          "[the top](../README.md#how) [here](#here)",
		"[folder](../pkg) [site](https://example.org/a.go)":  "[folder](../pkg) [site](https://example.org/a.go)",
		"[outside](../../outside.md)":                        "outside",
	} {
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), unlink(dir)); err != nil {
			t.Fatal(err)
		}
		if got := string(read(t, path)); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

// TestInstaller checks that the installer in the archive finds all its files.
func TestInstaller(t *testing.T) {
	dir, root := unpacked(t), t.TempDir()
	if err := try(dir, "scripts/install.sh", "--root", root, "--contact", "you@example.org", "--check-timer", "systemd"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usr/local/bin/" + program, "etc/polisen-events-collector/env", "etc/systemd/system/polisen-events-collector-check.timer"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestLicenses checks that the licences of all modules in the program are in the archive.
func TestLicenses(t *testing.T) {
	dir := unpacked(t)
	info, err := buildinfo.ReadFile(filepath.Join(dir, program))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, filepath.Join(dir, "licenses.txt"))
	for _, m := range info.Deps {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(m.Path+" "+m.Version) + `: (Apache-2\.0|BSD|MIT)`).Match(text) {
			t.Errorf("the list does not name %s %s with its licence", m.Path, m.Version)
		}
		root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.Path).Output()
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "LICENSE*"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d licence files, %v", m.Path, len(files), err)
		}
		for _, file := range files {
			if !bytes.Contains(text, trimText(read(t, file))) {
				t.Errorf("the licences are without %s", file)
			}
		}
	}
	for _, want := range []string{"Go standard library go1.", "file NOTICE.txt\n", "file THIRD_PARTY_LICENSES.txt\n", "Copyright 2009 The Go Authors."} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the licences are without %q", want)
		}
	}
}

// TestSBOM checks that the SBOM names the program and all modules in it.
func TestSBOM(t *testing.T) {
	binary := filepath.Join(unpacked(t), program)
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	d := json.NewDecoder(bytes.NewReader(read(t, filepath.Join(releaseFiles(t), "polisen-events-collector_1.2.3_linux_amd64.cdx.json"))))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	main := got.Metadata.Component
	if hash := fmt.Sprintf("%x", sha256.Sum256(read(t, binary))); main.Name != program || main.Version != release || main.Hashes[0].Content != hash {
		t.Errorf("the program is %+v, want %s %s with hash %s", main, program, release, hash)
	}
	if got.Metadata.Timestamp != "2026-01-31T12:00:00Z" {
		t.Errorf("time %s, want that of the commit", got.Metadata.Timestamp)
	}
	want := []string{"pkg:golang/std@" + info.GoVersion}
	for _, m := range info.Deps {
		want = append(want, "pkg:golang/"+m.Path+"@"+m.Version)
	}
	var names []string
	for _, c := range got.Components {
		names = append(names, c.PURL)
		if len(c.Licenses) == 0 || c.Name != "std" && len(c.Hashes) == 0 {
			t.Errorf("%s has no licence or no hash", c.Name)
		}
	}
	if !slices.Equal(names, want) || !slices.Equal(got.Depends[0].DependsOn, want) {
		t.Errorf("the components are %q, want %q", names, want)
	}
}

func TestPartsWithoutLicence(t *testing.T) {
	mit := []byte("Permission is hereby granted, free of charge,\nto any person obtaining a copy of this software and associated\n documentation files")
	for name, tt := range map[string]struct {
		files []licenseFile
		want  string // "" for no error
	}{
		"a licence":            {[]licenseFile{{"LICENSE", mit}}, ""},
		"in a folder":          {[]licenseFile{{"internal/LICENCE.md", mit}}, ""},
		"no file":              {nil, "example.org/m v1.0.0 has no licence file"},
		"a notice alone":       {[]licenseFile{{"NOTICE", mit}}, "example.org/m v1.0.0 has no licence file"},
		"an unknown licence":   {[]licenseFile{{"COPYING", []byte("All rights reserved.")}}, "licence of module example.org/m v1.0.0 is not known"},
		"another strange file": {[]licenseFile{{"LICENSE", nil}}, "is not known"},
	} {
		err := check([]part{{path: "example.org/m", version: "v1.0.0", files: tt.files}})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// TestModulesOf checks in which folders the licences of a module are looked for.
func TestModulesOf(t *testing.T) {
	list := func(dir string, m string) (p listedPackage) {
		text := fmt.Sprintf(`{"Dir": %q, "Module": %s}`, dir, m)
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	const m = `{"Path": "example.org/m", "Dir": "/cache/m"}`
	got, err := modulesOf([]listedPackage{list("/go/src/fmt", "null"), list("/home/program", `{"Path": "program", "Main": true}`), list("/cache/m/a/b", m), list("/cache/m/c", m)})
	if err != nil || len(got) != 1 || got["example.org/m"].root != "/cache/m" {
		t.Fatalf("got %v, %v", got, err)
	}
	folders := slices.Sorted(maps.Keys(got["example.org/m"].folders))
	if want := []string{"/cache/m", "/cache/m/a", "/cache/m/a/b", "/cache/m/c"}; !slices.Equal(folders, want) {
		t.Errorf("got the folders %q, want %q", folders, want)
	}
	if _, err := modulesOf([]listedPackage{list("/other/m", `{"Path": "example.org/m", "Dir": "/other/m", "Replace": {"Path": "/other/m"}}`)}); err == nil {
		t.Error("a replaced module is no error")
	}
}

func TestMerge(t *testing.T) {
	file := func(name string) licenseFile { return licenseFile{name, []byte(name)} }
	got := string(licenseText(release, merge(
		[]part{{path: "std", version: "go1.26.0", files: []licenseFile{file("LICENSE")}}, {path: "b", version: "v1.0.0", files: []licenseFile{file("LICENSE")}}},
		[]part{{path: "a", version: "v1.0.0", files: []licenseFile{file("COPYING")}}, {path: "b", version: "v1.0.0", files: []licenseFile{file("LICENSE"), file("x/LICENSE")}}})))
	var order []string
	for _, m := range regexp.MustCompile(`(?m)^(\S.*) \S+, file (\S+)$`).FindAllStringSubmatch(got, -1) {
		order = append(order, m[1]+" "+m[2])
	}
	if want := []string{"Go standard library LICENSE", "a COPYING", "b LICENSE", "b x/LICENSE"}; !slices.Equal(order, want) {
		t.Errorf("got the files %q, want %q", order, want)
	}
}

// TestReproducibleArchive checks that the archive of a folder does not depend on the times of
// its files, nor on the rights of their group and of others.
func TestReproducibleArchive(t *testing.T) {
	built := time.Unix(1770000000, 0)
	var archives [2][]byte
	for i, mode := range []os.FileMode{0o600, 0o644} {
		dir := filepath.Join(t.TempDir(), "name")
		for _, name := range []string{"b", "a/c"} {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), mode|0o700), os.WriteFile(path, []byte(name), mode)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "program"), nil, mode|0o100), os.Chtimes(filepath.Join(dir, "b"), time.Time{}, time.Unix(int64(i), 0))); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "out.tar.gz")
		if err := archive(dir, file, built); err != nil {
			t.Fatal(err)
		}
		archives[i] = read(t, file)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the archives differ")
	}
	zipped, err := gzip.NewReader(bytes.NewReader(archives[0]))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o", h.Name, h.Mode))
		if !h.ModTime.Equal(built) || h.Uid != 0 {
			t.Errorf("%s has the time %v and the owner %d", h.Name, h.ModTime, h.Uid)
		}
	}
	if want := []string{"name/ 755", "name/a/ 755", "name/a/c 644", "name/b 644", "name/program 755"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
