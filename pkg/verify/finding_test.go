package verify_test

import (
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/verify"
)

// TestForgedFinding checks that no text of others makes a finding or an action
// look like two, or like another one.
func TestForgedFinding(t *testing.T) {
	const forged = "x\nFORGED\r\x1b[2J\u202e\u2028\u009b"
	texts := map[string]string{
		"object":   verify.Finding{Check: verify.BadName, Object: "events/" + forged, Expected: "a", Actual: "b"}.String(),
		"expected": verify.Finding{Check: verify.BadName, Object: "o", Expected: forged, Actual: "b"}.String(),
		"actual":   verify.Finding{Check: verify.BadName, Object: "o", Expected: "a", Actual: forged}.String(),
		"fix":      verify.Finding{Check: verify.BadName, Object: "o", Fix: verify.Fix{Command: forged, Advice: forged}}.String(),
	}
	r := verify.Result{Store: forged, Actions: []verify.Action{{Verb: "skip", Object: forged, Detail: forged}}}
	var b strings.Builder
	if err := r.ActionsText(&b); err != nil {
		t.Fatal(err)
	}
	texts["action"], texts["summary"] = strings.TrimSuffix(b.String(), "\n"), r.Summary()
	for name, text := range texts {
		if strings.ContainsAny(text, "\n\r\x1b\u202e\u2028\u009b") || !strings.Contains(text, `x\nFORGED\r\x1b[2J\u202e\u2028`) {
			t.Errorf("%s: %q; want the text of others with escapes", name, text)
		}
	}
}

// TestQuotedNames checks that findings quote a name that reads like another text.
func TestQuotedNames(t *testing.T) {
	for name, want := range map[string]string{
		archive.DocumentName:                 archive.DocumentName,
		"events/2026/01/02/events-1.jsonl":   "events/2026/01/02/events-1.jsonl",
		"a: expected b; found c; fix: rm -r": `"a: expected b; found c; fix: rm -r"`,
		`a"b`:                                `"a\"b"`,
		"":                                   `""`,
	} {
		if got := (verify.Finding{Object: name}).String(); !strings.HasPrefix(got, want+": ") {
			t.Errorf("%q: %s; want %s", name, got, want)
		}
	}
}
