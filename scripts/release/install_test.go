package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/tooltest"
)

// machine is a copy-on-write copy of this machine's files, for one test. Package managers
// run in it with the scripts of the packages, as on the machine of a user, and change nothing
// here. No systemd runs in it.
type machine struct {
	t        *testing.T
	overlays string // the folder with the changes
}

// newMachine returns a new copy. Without root and the overlay file system the test is skipped.
func newMachine(t *testing.T) *machine {
	t.Helper()
	tooltest.Need(t, "unshare", "Debian package util-linux")
	if os.Getuid() != 0 {
		t.Skip("only root can mount a copy of the machine's files")
	}
	m := &machine{t, t.TempDir()}
	if out, err := m.command("true").CombinedOutput(); err != nil {
		tooltest.Missing(t, "the overlay file system", fmt.Sprintf("%v: %s", err, out))
	}
	return m
}

// command returns a command in the copy. Each command mounts the copy in a namespace of its
// own, so nothing stays mounted.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	const mount = `set -e
cd "$1"; shift
mkdir -p upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /dev root/dev
mount -t proc proc root/proc
exec chroot root "$@"`
	return exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "sh", "-c", mount, "sh", m.overlays, name}, args...)...)
}

// run runs a shell script in the copy, which has to succeed, and returns its output.
func (m *machine) run(script string) string {
	m.t.Helper()
	cmd := m.command("sh", "-ec", script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s%s", script, err, out, stderr.String())
	}
	return string(out) + stderr.String()
}

// put writes a file that all users of the copy may read.
func (m *machine) put(path string, text []byte) {
	m.t.Helper()
	target := filepath.Join(m.overlays, "upper", path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, text, 0o644), os.Chmod(target, 0o644)); err != nil {
		m.t.Fatal(err)
	}
}

// asService begins a command with the user and the home folder of the systemd service.
const asService = "runuser -u polisen-events-collector -- env -i PATH=/usr/bin:/bin HOME=/var/lib/polisen-events-collector "

// checkInstalled checks the files of a package, and runs the program from it.
func (m *machine) checkInstalled() {
	m.t.Helper()
	owned := m.run(`cd / && stat -c '%n %U:%G %a' usr/bin/polisen-events-collector etc/polisen-events-collector etc/polisen-events-collector/env var/lib/polisen-events-collector var/lib/polisen-events-collector/.oci usr/lib/systemd/system/polisen-events-collector.timer usr/share/polisen-events-collector usr/share/polisen-events-collector/scripts/queries usr/share/polisen-events-collector/scripts/queries/views.sql usr/share/polisen-events-collector/scripts/install.sh`)
	const want = `usr/bin/polisen-events-collector root:root 755
etc/polisen-events-collector root:polisen-events-collector 750
etc/polisen-events-collector/env root:polisen-events-collector 640
var/lib/polisen-events-collector polisen-events-collector:polisen-events-collector 750
var/lib/polisen-events-collector/.oci polisen-events-collector:polisen-events-collector 700
usr/lib/systemd/system/polisen-events-collector.timer root:root 644
usr/share/polisen-events-collector root:root 755
usr/share/polisen-events-collector/scripts/queries root:root 755
usr/share/polisen-events-collector/scripts/queries/views.sql root:root 644
usr/share/polisen-events-collector/scripts/install.sh root:root 755
`
	if owned != want {
		m.t.Errorf("owners and modes are\n%swant\n%s", owned, want)
	}
	if got := m.run("getent passwd polisen-events-collector"); !strings.Contains(got, ":/var/lib/polisen-events-collector:") || !strings.Contains(got, "nologin") {
		m.t.Errorf("the user is %q", got)
	}
	if got := m.run("polisen-events-collector version"); !strings.HasPrefix(got, "polisen-events-collector v1.2.3\nrelease, commit ") {
		m.t.Errorf("the version is %q", got)
	}
	units := m.run("cat /usr/lib/systemd/system/polisen-events-collector*.service")
	if strings.Contains(units, "/usr/local/") || strings.Count(units, "ExecStart=/usr/bin/polisen-events-collector ") != 2 {
		m.t.Errorf("the units start another program:\n%s", units)
	}
	if got := m.run("find /etc/systemd/system -name 'polisen-events-collector*'"); got != "" {
		m.t.Errorf("the package enables %s", got)
	}
	m.run("cd /usr/share/doc/polisen-events-collector && test -s CHANGELOG.md && grep -q 'Apache License' copyright && grep -q 'MIT License' copyright")
	m.run("cd /usr/share/polisen-events-collector/scripts/queries && test -s run.mjs && test -s DATA.md && test ! -e golden && test ! -e queries_test.go")
	m.run("gzip -dc /usr/share/man/man7/polisen-events-collector-environment.7.gz | grep -q POLISEN_STORE")
	m.run("bash -c 'source /usr/share/bash-completion/completions/polisen-events-collector; complete -p polisen-events-collector'")

	// The settings of the package are enough for a run.
	m.put("srv/first.json", read(m.t, "../../testdata/responses/first.json"))
	m.run(asService + "polisen-events-collector collect --env-file /etc/polisen-events-collector/env --api-url /srv/first.json")
	if got := m.run("cat /var/lib/polisen-events-collector/archive/events/*/*/*/*.jsonl | wc -l"); got != "11\n" {
		m.t.Errorf("the archive has %q events, want 11", got)
	}
}

// checkCloud collects from the fake API into the fake bucket, with the OCI configuration in
// the home folder of the service.
func (m *machine) checkCloud() {
	m.t.Helper()
	cloud := startCloud(m.t)
	const home = "/var/lib/polisen-events-collector"
	config := bytes.ReplaceAll(read(m.t, cloud.Settings()["OCI_CONFIG_FILE"]), []byte(cloud.Dir), []byte(home+"/.oci"))
	m.put("srv/oci/config", config)
	keys, err := filepath.Glob(filepath.Join(cloud.Dir, "*.pem"))
	if err != nil || len(keys) == 0 {
		m.t.Fatalf("%d keys: %v", len(keys), err)
	}
	for _, key := range keys {
		m.put(filepath.Join("srv/oci", filepath.Base(key)), read(m.t, key))
	}
	m.run("install -m 0600 -o polisen-events-collector -g polisen-events-collector /srv/oci/* " + home + "/.oci")
	settings := cloudSettings(cloud)
	m.run(asService + strings.Join(settings, " ") + " polisen-events-collector collect --env-file /etc/polisen-events-collector/env")
	checkStored(m.t, cloud)
}

// startCloud starts fakes of the API and of a bucket on the loopback address, which copies
// share with this machine.
func startCloud(t *testing.T) *cloudtest.Cloud {
	t.Helper()
	cloud, err := cloudtest.Start(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cloud.Close() })
	cloud.API.SetDefault(cloudtest.Advancing(3))
	return cloud
}

// cloudSettings returns the settings for the cloud as NAME=value, without those of the OCI
// configuration and the state folder, which have their default places.
func cloudSettings(cloud *cloudtest.Cloud) []string {
	var all []string
	for name, value := range cloud.Settings() {
		if name != "OCI_CONFIG_FILE" && name != "POLISEN_STATE_DIR" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// checkStored checks that a run has stored its events in the bucket.
func checkStored(t *testing.T, cloud *cloudtest.Cloud) {
	t.Helper()
	s, err := cloud.Store(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	for _, err := range s.List(context.Background(), "events/") {
		if err != nil {
			t.Fatal(err)
		}
		objects++
	}
	if objects == 0 {
		t.Error("the bucket has no events")
	}
}

func TestDeb(t *testing.T) {
	dir := releaseFiles(t)
	tooltest.Need(t, "dpkg", "Debian")
	tooltest.Need(t, "systemctl", "Debian package systemd")
	m := newMachine(t)
	m.put("srv/first.deb", read(t, filepath.Join(dir, "polisen-events-collector_1.2.3_amd64.deb")))
	out := m.run("dpkg -i /srv/first.deb")
	for _, next := range []string{"systemctl start polisen-events-collector.service", "systemctl enable --now polisen-events-collector.timer"} {
		if !strings.Contains(out, next) {
			t.Errorf("the installation does not say %q:\n%s", next, out)
		}
	}
	m.checkInstalled()
	m.checkCloud()
	content := t.TempDir()
	if err := try(dir, "dpkg-deb", "-x", "polisen-events-collector_1.2.3_amd64.deb", content); err != nil {
		t.Fatal(err)
	}
	checkLinks(t, content)

	// An upgrade keeps changed settings, their owner and mode, and prints no first steps.
	m.run("echo API_CONTACT_EMAIL=me@example.org >>/etc/polisen-events-collector/env; mkdir -p /etc/systemd/system/timers.target.wants; ln -s /usr/lib/systemd/system/polisen-events-collector.timer /etc/systemd/system/timers.target.wants/")
	if out := m.run("dpkg -i /srv/first.deb"); strings.Contains(out, "start its timer") {
		t.Errorf("an upgrade prints the first steps:\n%s", out)
	}
	m.run("grep -q me@example.org /etc/polisen-events-collector/env && test -L /etc/systemd/system/timers.target.wants/polisen-events-collector.timer")
	if got := m.run("stat -c '%U:%G %a' /etc/polisen-events-collector/env"); got != "root:polisen-events-collector 640\n" {
		t.Errorf("after an upgrade the settings have %s", got)
	}

	// A unit of an earlier installation is used, until the advised command removes it.
	m.run("touch /etc/systemd/system/polisen-events-collector.service")
	const installer = "/usr/share/polisen-events-collector/scripts/install.sh"
	if out := m.run("dpkg -i /srv/first.deb"); !strings.Contains(out, "sudo "+installer+" systemd &&") {
		t.Errorf("with a unit of an earlier installation the package says:\n%s", out)
	}
	m.run(installer + " --root / systemd && test ! -e /etc/systemd/system/polisen-events-collector.service")

	// A removal stops the timer and keeps the archive, and the settings too unless they are purged.
	m.run("dpkg -r polisen-events-collector")
	m.run("test ! -e /usr/bin/polisen-events-collector && test -f /etc/polisen-events-collector/env && test -d /var/lib/polisen-events-collector/archive/events")
	m.run("test ! -L /etc/systemd/system/timers.target.wants/polisen-events-collector.timer")
	out = m.run("dpkg -P polisen-events-collector")
	m.run("test ! -e /etc/polisen-events-collector && test -d /var/lib/polisen-events-collector/archive/events && id polisen-events-collector")
	if !strings.Contains(out, "/var/lib/polisen-events-collector and the user polisen-events-collector stay") {
		t.Errorf("the removal does not say that the archive stays:\n%s", out)
	}
}

func TestRPM(t *testing.T) {
	dir := releaseFiles(t)
	tooltest.Need(t, "rpm", "Debian package rpm")
	m := newMachine(t)
	m.put("srv/first.rpm", read(t, filepath.Join(dir, "polisen-events-collector-1.2.3-1.x86_64.rpm")))
	// The packages that it needs are those of Debian, which rpm does not know.
	if out := m.run("rpm -i --nodeps /srv/first.rpm"); !strings.Contains(out, "systemctl enable --now polisen-events-collector.timer") {
		t.Errorf("the installation does not say the next steps:\n%s", out)
	}
	m.checkInstalled()
	m.run("rpm -V --nodeps polisen-events-collector")
	m.run("echo API_CONTACT_EMAIL=me@example.org >>/etc/polisen-events-collector/env")
	if out := m.run("rpm -U --force --nodeps /srv/first.rpm"); strings.Contains(out, "start its timer") {
		t.Errorf("an upgrade prints the first steps:\n%s", out)
	}
	m.run("grep -q me@example.org /etc/polisen-events-collector/env")
	m.run("rpm -e polisen-events-collector")
	m.run("test ! -e /usr/bin/polisen-events-collector && test ! -e /usr/share/polisen-events-collector && test -d /var/lib/polisen-events-collector/archive/events && grep -q me@example.org /etc/polisen-events-collector/env.rpmsave")
}

// TestContainer builds the image of scripts/container, on a base of local files that is like
// the one in the Containerfile. It runs the program in the files of the image: read-only, as
// the user of the image, and with a volume over the home folder.
func TestContainer(t *testing.T) {
	tooltest.Need(t, "buildah", "Debian package buildah")
	content := unpacked(t)
	newMachine(t) // skips the test where it may not mount
	dir := t.TempDir()
	buildah := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("buildah", append([]string{"--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("buildah %q: %v: %s", args, err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	base := buildah("from", "scratch")
	buildah("copy", base, certificates(t), "/etc/ssl/certs/ca-certificates.crt")
	buildah("copy", "--chown", "65532:65532", base, t.TempDir(), "/home/nonroot")
	buildah("commit", "-q", base, "localhost/base")
	buildah("build", "--isolation", "chroot", "--build-arg", "BASE=localhost/base", "-f", "../container/Containerfile", "-t", "localhost/collector", content)
	for format, want := range map[string]string{
		"{{.OCIv1.Config.User}}": "65532:65532", "{{.OCIv1.Config.Entrypoint}}": "[/usr/local/bin/polisen-events-collector]",
		"{{.OCIv1.Config.Cmd}}": "[collect]", "{{.OCIv1.Config.Env}}": "[PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/nonroot]",
	} {
		if got := buildah("inspect", "--type", "image", "--format", format, "localhost/collector"); got != want {
			t.Errorf("%s of the image is %q, want %q", format, got, want)
		}
	}
	root := buildah("mount", buildah("from", "localhost/collector"))

	cloud := startCloud(t)
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(filepath.Join(home, ".oci"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := cloud.Settings()["OCI_CONFIG_FILE"]
	text := bytes.ReplaceAll(read(t, config), []byte(cloud.Dir), []byte("/home/nonroot/.oci"))
	if err := os.WriteFile(filepath.Join(home, ".oci", "config"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(cloud.Dir, "sh", "-c", "cp *.pem "+home+"/.oci && chown -R 65532:65532 "+home); err != nil {
		t.Fatal(err)
	}
	run := func(args string) string {
		t.Helper()
		script := `set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1/home/nonroot"
mount -o remount,bind,ro "$1"
cd "$1"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/nonroot ` + strings.Join(cloudSettings(cloud), " ") + ` chroot --userspec=65532:65532 --groups= . /usr/local/bin/polisen-events-collector ` + args
		out, err := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", root, home).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("collect") // warns that the archive is new
	if out := run("collect"); out != "" {
		t.Errorf("a run prints %q", out)
	}
	checkStored(t, cloud)
	if out := run("verify --quick"); !strings.HasPrefix(out, "OK") {
		t.Errorf("after a run the health check says %q", out)
	}
	if err := try(home, "test", "-d", ".local/state/polisen-events-collector"); err != nil {
		t.Errorf("the volume has no state: %v", err)
	}
}

// certificates returns the file with the CA certificates of this machine.
func certificates(t *testing.T) string {
	t.Helper()
	const file = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(file); err != nil {
		tooltest.Missing(t, file, "Debian package ca-certificates")
	}
	return file
}
