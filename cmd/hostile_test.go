package cmd

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"polisen-events-collector/pkg/archive"
)

// hostile is a text that forges a line and changes how a terminal shows others: it
// holds line breaks, an escape sequence, an 8-bit one, a mark that reverses text, a
// line separator and a byte that is not UTF-8.
const hostile = "x\nFORGED: ok\r\x1b[2J\u009b2J\u202e\u2066\u200f\u2028\xff"

// checkOutput checks that a text shows no character of hostile and that no line is
// forged.
func checkOutput(t *testing.T, stream, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "FORGED") {
			t.Errorf("%s has a forged line: %q", stream, text)
		}
		for i, r := range strings.TrimSuffix(line, "\n") {
			if !unicode.IsPrint(r) || r == unicode.ReplacementChar && !strings.HasPrefix(line[i:], "\ufffd") {
				t.Errorf("%s holds %q: %q", stream, r, line)
				break
			}
		}
	}
}

// TestHostileText runs every command on an archive and on responses that somebody
// else wrote, in all formats.
func TestHostileText(t *testing.T) {
	inJSON := func(s string) string { // as a string of JSON that holds the characters themselves
		s = strings.ToValidUTF8(s, "")
		b := new(bytes.Buffer)
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(b.String())
	}
	raw := "\u009b2J\u202e\u2066\u200f\u2028" // characters that JSON may hold without an escape
	lines := strings.Join([]string{
		`{"id":1,"datetime":` + inJSON(hostile) + `}`,
		`{"id":"` + raw + `","datetime":"2026-01-02 03:04:05 +01:00"}`,
		`{"id":` + inJSON(hostile) + `,"datetime":"2026-01-02 03:04:05 +01:00"}`,
		`{"id":2,"datetime":"` + raw + `"}`,
		`"` + raw + `"`,
		"{\"id\":\xff}",
		"{\x1b[2J" + raw,
		`{"id":3,"datetime":"2026-01-03 03:04:05 +01:00"}`,
	}, "\n") + "\n"
	document := `{"seen_ids":[3],"last_updated":"2026-01-02T00:00:00Z","total_tracked":1,"commit":{"id":` + inJSON(hostile) +
		`,"sequence":1,"timestamp":1},"rejected":{"complete":true,"hashes":[` + inJSON(hostile) + `,"` + raw + `"]},"version":1,` +
		`"fingerprints":{"3":[` + inJSON(hostile) + `]},"complete_above":0,"gaps":[{"day":` + inJSON(hostile) + `},{"day":"` + raw + `","unserved":true}]}`
	lastRun := `{"finished":"2026-01-02T00:00:00Z","exit_code":4,"run_id":` + inJSON(hostile) + `,"error":` + inJSON(hostile+"|") +
		`,"host":` + inJSON(hostile) + `,"warnings":[{"level":"WARN","text":"` + raw + `"}],"hosts":[{"name":` + inJSON(hostile) + `,"last_run":"2026-01-02T00:00:00Z",` +
		`"failures":2,"error":` + inJSON(hostile+"|") + `},{"name":"` + raw + `","last_run":"2126-01-02T00:00:00Z"}],"runs":[{"host":` + inJSON(hostile) + `},{"host":"` + raw + `"}]}`
	item := `[{"id":4,"datetime":"` + raw + `"},` + inJSON(hostile) + `,{"id":5,"datetime":"2026-01-05 03:04:05 +01:00"}]`

	api := func(body string, status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status == http.StatusFound {
				w.Header().Set("Location", body)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	html, refusal, body := api("<title>"+hostile+"</title>", 200), api(hostile, 403), api(hostile, 200)
	redirect := api("https://elsewhere/"+raw, 302)

	archives := map[string]map[string]string{
		"lines":            {"events/2026/01/02/events-1.jsonl": lines, archive.DocumentName: document, archive.LastRunName: lastRun},
		"damaged document": {archive.DocumentName: hostile, archive.LastRunName: lastRun},
		"odd version":      {archive.DocumentName: `{"seen_ids":[` + inJSON(hostile) + `]}`},
		"odd pending": {archive.DocumentName: `{"seen_ids":[3],"last_updated":"2026-01-02T00:00:00Z","total_tracked":1,"version":1,` +
			`"commit":{"id":"a","sequence":1,"timestamp":1},"pending":[{"name":` + inJSON("events/"+hostile) + `,"content":"` + raw + `"}]}`},
		"names": {
			hostile: "a", "events/" + hostile: "b", "events/2026/01/02/" + hostile + "/c": "c", "metadata/" + hostile: "d", "rejected/" + hostile: "e",
			"fix: another command; found nothing": "f", "événements ok": "g",
		},
	}
	page := filepath.Join(t.TempDir(), "page.html")
	commands := [][]string{
		{"verify"}, {"verify", "--report", page}, {"verify", "--repair"}, {"verify", "--repair=duplicates", "--dry-run"}, {"verify", "--repair=duplicates"},
		{"verify", "--quick"}, {"inspect-metadata"}, {"inspect-metadata", "--history"}, {"inspect-metadata", "--has", "1", "3", "77"}, {"inspect-metadata", "--ids"},
		{"collect", "--api-url", writeResponse(t, []byte(item))}, {"collect", "--api-url", writeResponse(t, []byte(hostile))},
		{"backfill", "--input", writeResponse(t, []byte(lines)), "--dry-run"}, {"backfill", "--input", writeResponse(t, []byte(item))},
		{"collect", "--api-url", html}, {"collect", "--api-url", refusal}, {"collect", "--api-url", body}, {"collect", "--api-url", redirect},
		{"inspect-metadata", "--against-api", "--api-url", refusal},
		{hostile}, {"help", hostile}, {"verify", hostile}, {"--" + hostile}, {"verify", "--from", hostile}, {"inspect-metadata", "--has", hostile},
		{"verify", "--repair=" + hostile}, {"backfill", "--input", hostile}, {"collect", "--timeout", hostile}, {"collect", "--oci-profile", hostile},
	}
	for name, objects := range archives {
		for _, args := range commands {
			for _, format := range []string{"text", "json"} {
				t.Run(name+" "+strconv.Quote(strings.Join(args, " "))+" "+format, func(t *testing.T) {
					dir := t.TempDir()
					for key, body := range objects {
						path := filepath.Join(dir, key)
						if os.MkdirAll(filepath.Dir(path), 0o700) != nil || os.WriteFile(path, []byte(body), 0o600) != nil {
							t.Fatal("cannot write", path)
						}
					}
					_, stdout, stderr := run(t, append(args, "--output", format, "--log-format", format, "--log-level", "debug"),
						"POLISEN_STORE", dir, "POLISEN_MIN_INTERVAL", "1ms", "POLISEN_TIMEOUT", "5s")
					checkOutput(t, "stdout", stdout)
					checkOutput(t, "stderr", stderr)
					if body, err := os.ReadFile(page); err == nil {
						checkOutput(t, "the page", strings.ReplaceAll(string(body), "\t", " "))
					}
				})
			}
		}
	}
	if _, err := os.Stat(page); err != nil {
		t.Errorf("no page was checked: %v", err)
	}
}
