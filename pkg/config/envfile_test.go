package config

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"

	"polisen-events-collector/pkg/lineartest"
)

func readEnvText(t *testing.T, text []byte) (map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return readEnvFile(path)
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

// TestVariablesInEnvFile checks that a reference to a variable is an error with its
// line, and that the character $ can stand in a value.
func TestVariablesInEnvFile(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB=$A\n":             "line 2 ",
		"A=1\n\nB=\"x\n${A}\"\n":  "line 3 ",
		"A=a${A}\n":               "line 1 ",
		"A=$a\n":                  "line 1 ",
		"A=$$A":                   "line 1 ",
		"A=$(cat file)\n":         "line 1 ",
		"A='1'B=$A\n":             "line 1 ",
		"# x\rB=$A\nC=$D\n":       "line 2 ",
		"A=1\rB=$A\n":             "line 1 ",
		"A='it\\'s $B'\nB=\"$A\"": "line 2 ",
	} {
		if _, err := readEnvText(t, []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "$NAME") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"# $B\nA='$B ${B} $(B)'": "$B ${B} $(B)", "A=\\$B": "$B", `A="\$B"`: "$B", "A=5$": "5$", "A=1 # $B": "1", "A=1\t# $B": "1", "A='1' # $B": "1", "A=$ #$": "$",
	} {
		if vars, err := readEnvText(t, []byte(text)); err != nil || vars["A"] != want {
			t.Errorf("%q: %q, %v; want %q", text, vars["A"], err, want)
		}
	}
	growing := "A=xxxxxxxxxxxxxxxx\n"
	for range 40 {
		growing += "A=$A$A\n"
	}
	if _, err := readEnvText(t, []byte(growing)); err == nil {
		t.Error("a value can double itself")
	}
}

// FuzzEnvFile checks that dividing a file into statements changes nothing: godotenv
// reads the same variables from the whole file.
func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{"A=1\nB='2\n3'C=\"4\\\"\" # x\n", "export A = 'b' \r\n\rB: c#d #e\n", "A=\n='\n", "A=1 B='2'\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.ContainsAny(text, "$\r") && bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "$\r") {
			t.Skip("variables are an error, and a name does not go on after a carriage return")
		}
		got, err := readEnvText(t, text)
		want, wantErr := godotenv.Unmarshal(string(text))
		if _, nameless := want[""]; nameless {
			wantErr = errors.New("no name")
		}
		if (err == nil) != (wantErr == nil) || err == nil && !maps.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q, %v", text, got, err, want, wantErr)
		}
	})
}

// FuzzEnvFileTime repeats a part of an env-file up to 64 kB, and checks that the time to
// read the file is proportional to its size.
func FuzzEnvFileTime(f *testing.F) {
	for _, s := range [][3]string{
		{"", "A=1\n", "B-C\n"}, {"A='", "\\'\n", ""}, {"", "A=\"\n\"\n", "'"}, {"", "#\n", "x"}, {"", "A=$A\n", "="}, {"A=\"", "'\n", "B"}, {"", "A", "\n"}, {"", "export ", ""},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, before, part, after []byte) {
		lineartest.Check(t, 64<<10, func(size int) func() {
			text := slices.Concat(before, bytes.Repeat(part, size/max(len(part), 1)), after)
			return func() { _, _ = readEnvText(t, text) }
		})
	})
}
