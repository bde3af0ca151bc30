package ociauth_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

const session = "[work]\ntenancy=ocid1.tenancy.oc1..t\nregion=eu-frankfurt-1\nkey_file={dir}/key.pem\nsecurity_token_file={dir}/token\n"

func TestSession(t *testing.T) {
	id := ociauthtest.Shared()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	v := new(ociauthtest.Verifier)
	for name, test := range map[string]struct {
		config, token string
		want          []string // parts of the error; empty means success
	}{
		"valid":           {config: session, token: v.Token(&id.Key.PublicKey, now.Add(time.Second)) + "\n"},
		"expired":         {config: session, token: v.Token(&id.Key.PublicKey, now), want: []string{"the session expired at 2026-01-02T03:04:05Z", `run "oci session authenticate --profile-name work --region eu-frankfurt-1"`}},
		"no token":        {config: session, token: "canary", want: []string{"token does not hold a token", "oci session authenticate"}},
		"no expiry":       {config: session, token: "e30.e30.canary", want: []string{"does not hold a token"}},
		"API key":         {config: without(session, "security_token_file"), want: []string{"no security_token_file", "oci session authenticate"}},
		"no token file":   {config: strings.Replace(session, "/token", "/other", 1), token: "x", want: []string{"security_token_file: ", "no such file"}},
		"no key file":     {config: strings.Replace(session, "/key.pem", "/other", 1), token: v.Token(&id.Key.PublicKey, now.Add(time.Hour)), want: []string{"key_file: ", "no such file"}},
		"no region":       {config: without(session, "region"), want: []string{"no region"}},
		"no such profile": {config: "[DEFAULT]\n", want: []string{"no profile [work]"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"config": test.config, "token": test.token, "key.pem": string(id.PEM())})
			c, err := ociauth.Resolve(t.Context(), ociauth.Options{
				Kind: ociauth.SecurityToken, ConfigFile: filepath.Join(dir, "config"), Profile: "work",
				Retry: retry.Policy{Attempts: 1, Clock: retrytest.NewClock(now)},
			})
			if len(test.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := c.KeyID(); got != "ST$"+strings.TrimSpace(test.token) {
					t.Errorf("key id %s", got)
				}
				if key, err := c.PrivateRSAKey(); err != nil || !key.Equal(id.Key) {
					t.Errorf("wrong key: %v", err)
				}
				assertNoKey(t, c, id)
				return
			}
			if !errors.Is(err, ociauth.ErrCredentials) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not contain %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("error contains a secret: %v", err)
			}
		})
	}
}
