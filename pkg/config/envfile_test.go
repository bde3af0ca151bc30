package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func readEnvText(t *testing.T, text []byte) (map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	vars, err := readEnvFile(path)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("%d bytes took %v", len(text), took)
	}
	return vars, err
}

func TestWrongLine(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB\nC=2\n":                   "line 2 ",
		"A=1\nB":                          "line 2 ",
		"A=\"1\n2\n\"\nB-C=1\n":           "line 4 ",
		"A=\"1\n2\\\"\n\" # x\n\nB-C=1":   "line 5 ",
		"A='1\n2\n":                       "line 1 ",
		"# x\r\nA='1'\r\nB=\"\r\nC=1\r\n": "line 3 ",
		"=1\n":                            "line 1 ",
		"A=1\nexport\n":                   "line 2 ",
		"A='\n'\nB='\n'\nC='x\n":          "line 5 ",
	} {
		if _, err := readEnvText(t, []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzEnvFileTime repeats a part of an env-file up to 64 kB, and checks that the file is
// read soon.
func FuzzEnvFileTime(f *testing.F) {
	for _, s := range [][3]string{
		{"", "A=1\n", "B-C\n"}, {"A='", "\\'\n", ""}, {"", "A=\"\n\"\n", "'"}, {"", "#\n", "x"}, {"", "A=$A\n", "="}, {"A=\"", "'\n", "B"}, {"", "A", "\n"}, {"", "export ", ""},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, before, part, after []byte) {
		_, _ = readEnvText(t, slices.Concat(before, bytes.Repeat(part, (64<<10)/max(len(part), 1)), after))
	})
}
