package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/lineartest"
)

func readEnvText(t *testing.T, text []byte) (map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := readEnvFile(path)
	if err != nil {
		return nil, err
	}
	return parseEnv(read)
}

func TestWrongLine(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB\nC=2\n":                   "line 2 ",
		"A=1\nB":                          "line 2 ",
		"A=\"1\n2\n\"\nB-C=1\n":           "line 4 ",
		"A=\"1\n2'\n\" \r\n\nB-C=1":       "line 5 ",
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

// TestEnvValues checks how values are read. What other programs may read differently is
// an error with its line.
func TestEnvValues(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nB=$A\n": "line 2 refers", "A=1\n\nB=\"x\n${A}\"\n": "line 3 refers", "A=a${A}": "line 1 refers", "A=$$A": "line 1 refers", "A=$(cat file)": "line 1 refers", "A=\"$A": "line 1 ",
		"A=1 # x": "line 1 has a comment", "A=1\t#x": "line 1 has a comment", "A=# x": "line 1 has a comment", "A='1' # x": "line 1 has a comment", "B=2\nA=\"1\n\" # x": "line 2 has a comment",
		"A='1'B": "line 1 has a quote", "A=it's": "line 1 has a quote", `A=5"`: "line 1 has a quote", `A='it'\''s'`: "line 1 has a quote", `A="x"y"`: "line 1 has a quote",
		`A=\$B`: "line 1 has a backslash", `A="\$B"`: "line 1 refers", `A="a\nb"`: "line 1 has a backslash", "A=1\\\nB=2": "line 1 has a backslash", `A="a\"b"`: "line 1 has a backslash",
		"# x\\\nA=1": "line 1 is a comment that ends", "export A=1": "line 1 begins with export", "A=1\rB=2": "line 1 is not UTF-8 text", "A=\x00": "line 1 is not UTF-8", "A='\xff'": "line 1 is not UTF-8",
		"A: 1": "line 1 is not of the form", "A.B=1": "line 1 is not of the form", "1A=1": "line 1 is not of the form",
	} {
		if vars, err := parseEnv(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", text, vars, err, want)
		}
	}
	for text, want := range map[string]string{
		"# $B\nA='$B ${B} $(B) # \\ \"'": `$B ${B} $(B) # \ "`, "A=5$": "5$", "A='1'\t\r\n": "1", " A = two  words \r\n;x\n#y": "two  words", "\ufeffA=1": "1", "A=a#b": "a#b",
		"A=\"it's\n2\"": "it's\n2", "A='1'\nA=2": "2", "A=": "", "A=å=ö": "å=ö", "A='\r\n'": "\r\n", "A=''": "",
	} {
		if vars, err := parseEnv(text); err != nil || vars["A"] != want || len(vars) != 1 {
			t.Errorf("%q: %q, %v; want %q", text, vars, err, want)
		}
	}
}

// systemdEnv reads an env-file as the manual of systemd describes it for EnvironmentFile=
// (https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html).
func systemdEnv(text string) map[string]string {
	vars := map[string]string{}
	for text != "" {
		text = strings.TrimLeft(text, " \t\r\n")
		line, _, _ := strings.Cut(text, "\n")
		if line == "" || line[0] == '#' || line[0] == ';' || !strings.Contains(line, "=") {
			for strings.HasSuffix(line, "\\") && len(line) < len(text) { // the comment goes on
				next, _, _ := strings.Cut(text[len(line)+1:], "\n")
				line = text[:len(line)+1+len(next)]
			}
			text = text[len(line):]
			continue
		}
		name, rest, _ := strings.Cut(text, "=")
		var value, spaces []byte // spaces wait until more of an unquoted value follows
		quote, begun := byte(0), false
		for rest != "" && (rest[0] != '\n' || quote != 0) {
			c := rest[0]
			rest = rest[1:]
			switch {
			case quote != 0 && c == quote:
				quote = 0
			case c == '\\' && quote != '\'' && rest != "":
				if next := rest[0]; quote == '"' && !strings.ContainsRune("\"\\`$\n", rune(next)) {
					value = append(value, c, next)
				} else if next != '\n' {
					value = append(append(value, spaces...), next)
				}
				rest, begun = rest[1:], begun || quote == 0
			case quote != 0:
				value = append(value, c)
			case strings.ContainsRune(" \t\r", rune(c)):
				if begun {
					spaces = append(spaces, c)
				}
			case !begun && (c == '"' || c == '\''):
				quote = c
			default:
				value, spaces, begun = append(append(value, spaces...), c), nil, true
			}
		}
		vars[strings.TrimRight(name, " \t\r")] = string(value)
		text = rest
	}
	return vars
}

// FuzzEnvFile checks that systemd reads each accepted file in the same way.
func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{
		"A=1\nB='2\n3'\nC=\"4'\"\n", "# x\\\nA=1", "A = two words \r\n;B=1\nC='\r\n'", "A=\n='\n", "A=1\\\nB='2'\n", "A=\"\\x\"", "A='1' '2'", "A='1'\"2\"", "A=1 #2", "export A=1", "\vA=1", "A=\v1\u0085", "A=1\n\u00a0\nB=2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseEnv(text); err == nil {
			if want := systemdEnv(strings.TrimPrefix(text, "\ufeff")); !maps.Equal(got, want) {
				t.Errorf("%q: got %q, and systemd reads %q", text, got, want)
			}
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
		lineartest.CheckRepeated(t, 64<<10, before, part, after, func(text []byte) {
			_, _ = readEnvText(t, text)
		})
	})
}

// TestEnvFileInUTF16 checks that the error names the encoding rather than a line.
func TestEnvFileInUTF16(t *testing.T) {
	if _, err := readEnvText(t, []byte("\xff\xfeA\x00=\x001\x00")); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
		t.Errorf("an env-file in UTF-16: %v", err)
	}
}
