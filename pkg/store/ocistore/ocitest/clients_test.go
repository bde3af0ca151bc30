package ocitest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/store/ocistore/ocitest"
	"polisen-events-collector/pkg/tooltest"
)

// output runs a command, and returns what it prints to stdout.
func output(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	stdout, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout, stderr.String())
	}
	return string(stdout)
}

// count returns the number of requests with a method and a part of their path or query.
func count(s *ocitest.Server, method, part string) (n int) {
	for _, r := range s.Requests() {
		if r.Method == method && strings.Contains(r.Path, part) {
			n++
		}
	}
	return n
}

// The official SDK for Node.js reads and writes objects of the fake.
func TestNodeSDK(t *testing.T) {
	node := tooltest.Need(t, "node", "Debian package nodejs")
	if exec.CommandContext(t.Context(), node, "-e", `require("oci-objectstorage")`).Run() != nil {
		tooltest.Missing(t, "oci-objectstorage", "npm package; NODE_PATH names the folder node_modules that has it")
	}
	s := ocitest.NewServer(t)
	got := output(t, nil, node, "testdata/node.cjs", s.ConfigFile, s.URL, s.Namespace, s.Bucket)
	const want = `namespace testnamespace
put
put again 412 IfNoneMatchFailed
head 7
get Malmö
list events/å b.jsonl 7
`
	if got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if text := string(s.Objects(s.Bucket)["events/å b.jsonl"]); text != "Malmö\n" {
		t.Errorf("the object holds %q", text)
	}
}

// rclone copies an archive from the fake to a folder, and back.
func TestRclone(t *testing.T) {
	rclone := tooltest.Need(t, "rclone", "go build -C pkg/store/ocistore/ocitest/testdata/rclone -o FOLDER")
	s := ocitest.NewServer(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "rclone.conf")
	text := fmt.Sprintf(`[oci]
type = oracleobjectstorage
provider = user_principal_auth
namespace = %s
compartment = ocid1.compartment.oc1..test
region = %s
endpoint = %s
config_file = %s
config_profile = DEFAULT
no_check_bucket = true
`, s.Namespace, s.Identity.Region, s.URL, s.ConfigFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), rclone, "help", "backend", "oracleobjectstorage").Run(); err != nil {
		tooltest.Missing(t, "rclone with the backend oracleobjectstorage", "Debian's rclone 1.60 has none: go build -C pkg/store/ocistore/ocitest/testdata/rclone -o FOLDER")
	}
	run := func(args ...string) string {
		t.Helper()
		return output(t, []string{"RCLONE_CONFIG=" + config}, rclone, args...)
	}
	want := map[string]string{
		"archive/events/2026/01/02/events-1767343092.jsonl": `{"id":1,"name":"Malmö"}` + "\n",
		"archive/events/2026/01/03/events-1767429492.jsonl": `{"id":2}` + "\n",
		"archive/metadata/last_seen.json":                   `{"seen_ids":[2,1]}`,
		"archive/a b/å%2F?#&+":                              "",
	}
	for name, body := range want {
		s.Put(s.Bucket, name, []byte(body))
	}
	copied := filepath.Join(dir, "copy")
	run("copy", "oci:"+s.Bucket+"/archive", copied)
	if text, err := os.ReadFile(filepath.Join(copied, "events/2026/01/02/events-1767343092.jsonl")); string(text) != `{"id":1,"name":"Malmö"}`+"\n" {
		t.Errorf("the copy holds %q, %v", text, err)
	}
	run("copy", copied, "oci:"+s.Bucket+"/back")
	run("copyto", filepath.Join(copied, "metadata/last_seen.json"), "oci:"+s.Bucket+"/one.json")
	run("check", copied, "oci:"+s.Bucket+"/back")
	for name, body := range want {
		copy := strings.Replace(name, "archive/", "back/", 1)
		if got, ok := s.Objects(s.Bucket)[copy]; !ok || string(got) != body {
			t.Errorf("%s holds %q, want %q", copy, got, body)
		}
	}
	if got := string(s.Objects(s.Bucket)["one.json"]); got != want["archive/metadata/last_seen.json"] {
		t.Errorf("one.json holds %q", got)
	}
	// A second copy compares with the stored times of change, and copies nothing again.
	s.ResetLog()
	run("copy", copied, "oci:"+s.Bucket+"/back")
	if n := count(s, "PUT", "/o/"); n > 0 {
		t.Errorf("rclone copies %d unchanged objects again", n)
	}
	// With the flags of scripts/queries/README.md it makes one request for all objects.
	s.ResetLog()
	run("copy", "--transfers", "32", "--checkers", "32", "--fast-list", "--size-only", "oci:"+s.Bucket+"/archive", copied)
	if lists, all := count(s, "GET", "/o?"), len(s.Requests()); lists != 1 || all > 2 { // the other asks whether "archive" is an object
		t.Errorf("a second copy makes %d requests, %d of them lists", all, lists)
	}
}
