package address_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"polisen-events-collector/pkg/address"
)

// TestSecretIsNotPrinted prints and encodes a secret in many ways. None may show the path
// or the query.
func TestSecretIsNotPrinted(t *testing.T) {
	s, err := address.ParseSecret("https://ping.example.org:8080/hunter2/path?key=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		Exported   address.Secret
		unexported address.Secret
		pointer    *address.Secret
	}{s, s, &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p", "%t"} {
		for _, v := range []any{s, &s, []address.Secret{s}, map[string]address.Secret{"a": s}, holder, &holder, fmt.Errorf("%v", s)} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	for _, v := range []any{s, &s, holder} {
		body, err := json.Marshal(v)
		shown = append(shown, string(body), fmt.Sprint(err))
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", v)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", v)
		shown = append(shown, logged.String())
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("shown: %s", text)
		}
	}
	if got := s.String(); got != "ping.example.org:8080/..." {
		t.Errorf("String returns %s", got)
	}
}

func TestSecretReveal(t *testing.T) {
	for text, want := range map[string][2]string{
		"https://example.org/uuid":      {"https://example.org/uuid", "https://example.org/uuid/start"},
		"https://example.org/uuid/":     {"https://example.org/uuid/", "https://example.org/uuid/start"},
		"https://example.org":           {"https://example.org", "https://example.org/start"},
		"https://example.org/a%2Fb?c=d": {"https://example.org/a%2Fb?c=d", "https://example.org/a%2Fb/start?c=d"},
		"http://127.0.0.1:1/a":          {"http://127.0.0.1:1/a", "http://127.0.0.1:1/a/start"},
	} {
		s, err := address.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{s.Reveal().String(), s.Reveal("start").String()}; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "http://example.org/a", "https://user:secret@example.org/a", "ftp://example.org", "/a", "https:///a", "https://example.org/a#b"} {
		if _, err := address.ParseSecret(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	var zero address.Secret
	if s, _ := address.ParseSecret("https://example.org/a"); !zero.IsZero() || zero.String() != "" || s.IsZero() || s.Equal(zero) || !zero.Equal(zero) || !s.Equal(s) {
		t.Error("the zero Secret differs")
	}
}
