package address

import (
	"strings"
	"testing"
)

func TestCheckPath(t *testing.T) {
	key := "MIIEpAIBAAKCAQEA" + strings.Repeat("q2W/x+9", 200) + "=="
	for _, s := range []string{
		"/", ".", "..", "a", "archive-2/åäö", "./a b", "/var/lib/a b+c=d", "../x@y", "/home/me/.oci/oci_api_key.pem", "./oci:/b", `./it's "$HOME" here`,
	} {
		if err := CheckPath(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		key, "/" + key, "./" + key, "-----BEGIN PRIVATE KEY-----\n" + key, `-----BEGIN RSA PRIVATE KEY-----\n` + key, "correct horse battery", "p@ssphrase",
		"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl", "https:/user:password@host", "user:password@host", "//user:password@host", "/a\nb", "/a\x00", "/\u202e", "/\xff",
		"/" + strings.Repeat("a", 129),
	} {
		if err := CheckPath(s); err == nil || strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v; want an error that does not repeat it", s, err)
		}
	}
}

func TestMayShow(t *testing.T) {
	for s, want := range map[string]bool{"1234567": true, "12345678": false, "/etc/key.pem": true, "//host/api?token=x": false, "~/key.pem": true, "keys/key.pem": false, "user:password@host": false,
		"responses/newest.json": true, "hunter2 hunter3.json": false, "user:password@host.json": false, "2026-02-30": true, "2026-02-300": false} {
		if MayShow(s) != want {
			t.Errorf("%q: want %v", s, want)
		}
	}
	for s, want := range map[string]string{"a\x1b": `"a\x1b"`, "hunter2hunter3å": "(15 characters, not shown)"} {
		if got := Describe(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}
