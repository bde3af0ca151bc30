package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"polisen-events-collector/pkg/config"
)

func TestSecretNeverPrints(t *testing.T) {
	const canary = "canary"
	secret := config.NewSecret(canary)
	type inner struct{ secret config.Secret } // unexported: package fmt calls no methods of it
	type outer struct{ Secret config.Secret }
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{secret, &secret, outer{secret}, &outer{secret}, inner{secret}, []config.Secret{secret}, map[string]any{"k": secret}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, secret, fmt.Errorf("wrapped %v", secret), errors.New(secret.String()))
	for _, v := range []any{secret, outer{secret}, inner{secret}, map[string]config.Secret{"k": secret}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(text)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", secret, "outer", outer{secret})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "outer", outer{secret})

	// Hexadecimal digits of the canary, as %x would show them, count too.
	if text := out.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret shows:\n%s", text)
	}
	if !strings.Contains(out.String(), config.Redacted) {
		t.Error("nothing was printed at all")
	}
}

func TestSecretReveals(t *testing.T) {
	if got := config.NewSecret("x").Reveal(); got != "x" {
		t.Errorf("got %q", got)
	}
	if got := (config.Secret{}).Reveal(); got != "" {
		t.Errorf("the zero Secret reveals %q", got)
	}
}
