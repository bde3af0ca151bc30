package ocitest_test

import (
	"os/exec"
	"testing"

	"polisen-events-collector/pkg/store/ocistore/ocitest"
	"polisen-events-collector/pkg/tooltest"
)

// The official SDK for Node.js reads and writes objects of the fake.
func TestNodeSDK(t *testing.T) {
	node := tooltest.Need(t, "node", "Debian package nodejs")
	if exec.CommandContext(t.Context(), node, "-e", `require("oci-objectstorage")`).Run() != nil {
		tooltest.Missing(t, "oci-objectstorage", "npm package; NODE_PATH names the folder node_modules that has it")
	}
	s := ocitest.NewServer(t)
	c := exec.CommandContext(t.Context(), node, "testdata/node.cjs", s.ConfigFile, s.URL, s.Namespace, s.Bucket)
	c.Stderr = t.Output()
	got, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	const want = `namespace testnamespace
put
put again 412 IfNoneMatchFailed
head 7
get Malmö
list events/å b.jsonl 7
`
	if string(got) != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if text := string(s.Objects(s.Bucket)["events/å b.jsonl"]); text != "Malmö\n" {
		t.Errorf("the object holds %q", text)
	}
}
