package cloudtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/tooltest"
)

// count returns the number of requests with a method and a part of their path or query.
func count(c *cloudtest.Cloud, method, part string) (n int) {
	for _, r := range c.Objects.Requests() {
		if r.Method == method && strings.Contains(r.Path, part) {
			n++
		}
	}
	return n
}

// rclone copies an archive from the bucket to a folder, and back.
func TestRclone(t *testing.T) {
	const build = "go build -C pkg/cloudtest/testdata/rclone -o FOLDER"
	rclone := tooltest.Need(t, "rclone", build)
	if exec.CommandContext(t.Context(), rclone, "help", "backend", "oracleobjectstorage").Run() != nil {
		tooltest.Missing(t, "rclone with the backend oracleobjectstorage", "Debian's rclone 1.60 has none: "+build)
	}
	c := start(t)
	config, err := c.WriteRcloneConfig()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), rclone, append(args, "--config", config)...).CombinedOutput()
		if err != nil {
			t.Fatalf("rclone %s: %v\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
	}
	want := map[string]string{
		"archive/events/2026/01/02/events-1767343092.jsonl": `{"id":1,"name":"Malmö"}` + "\n",
		"archive/events/2026/01/03/events-1767429492.jsonl": `{"id":2}` + "\n",
		"archive/metadata/last_seen.json":                   `{"seen_ids":[2,1]}`,
		"archive/a b/å%2F?#&+":                              "",
	}
	for name, body := range want {
		c.Objects.Put(cloudtest.Bucket, name, []byte(body))
	}
	copied := filepath.Join(t.TempDir(), "copy")
	run("copy", "oci:"+cloudtest.Bucket+"/archive", copied)
	if text, err := os.ReadFile(filepath.Join(copied, "events/2026/01/02/events-1767343092.jsonl")); string(text) != `{"id":1,"name":"Malmö"}`+"\n" {
		t.Errorf("the copy holds %q, %v", text, err)
	}
	run("copy", copied, "oci:"+cloudtest.Bucket+"/back")
	run("copyto", filepath.Join(copied, "metadata/last_seen.json"), "oci:"+cloudtest.Bucket+"/one.json")
	run("check", copied, "oci:"+cloudtest.Bucket+"/back")
	for name, body := range want {
		back := strings.Replace(name, "archive/", "back/", 1)
		if got, ok := c.Objects.Objects(cloudtest.Bucket)[back]; !ok || string(got) != body {
			t.Errorf("%s holds %q, want %q", back, got, body)
		}
	}
	if got := string(c.Objects.Objects(cloudtest.Bucket)["one.json"]); got != want["archive/metadata/last_seen.json"] {
		t.Errorf("one.json holds %q", got)
	}
	// A second copy compares with the stored times of change, and copies nothing again.
	c.Objects.ResetLog()
	run("copy", copied, "oci:"+cloudtest.Bucket+"/back")
	if n := count(c, "PUT", "/o/"); n > 0 {
		t.Errorf("rclone copies %d unchanged objects again", n)
	}
	// With the flags of scripts/queries/README.md it makes one request for all objects.
	c.Objects.ResetLog()
	run("copy", "--transfers", "32", "--checkers", "32", "--fast-list", "--size-only", "oci:"+cloudtest.Bucket+"/archive", copied)
	if lists, all := count(c, "GET", "/o?"), len(c.Objects.Requests()); lists != 1 || all > 2 { // the other asks whether "archive" is an object
		t.Errorf("a second copy makes %d requests, %d of them lists", all, lists)
	}
}
