// Package tooltest finds the tools that tests run, such as promtool. A test that needs a
// tool is skipped on a machine without it. On a machine that should have all tools, where
// POLISEN_TEST_TOOLS is set, a missing tool is a failure.
package tooltest

import (
	"os"
	"os/exec"
	"testing"
)

// Need returns the path of the tool with this name. Without it the test ends: it fails if
// POLISEN_TEST_TOOLS is set, and is skipped otherwise. The hint says where the tool comes
// from, such as "Debian package prometheus".
func Need(t testing.TB, name, hint string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, hint)
	}
	return path
}

// Missing ends the test because a tool is missing, as [Need] does. It is for tools that are
// not found by their name, and for tools that do not work on this machine.
func Missing(t testing.TB, name, hint string) {
	t.Helper()
	if os.Getenv("POLISEN_TEST_TOOLS") != "" {
		t.Fatalf("%s is missing (%s), and POLISEN_TEST_TOOLS asks for all tools", name, hint)
	}
	t.Skipf("%s is missing (%s)", name, hint)
}
