package address

import (
	"strings"
	"testing"
)

func TestParseHTTP(t *testing.T) {
	for _, good := range []string{
		"https://polisen.se/api/events", "https://polisen.se:443/x?y=1", "http://localhost:8080/", "http://127.0.0.1:1/x", "http://[::1]:1/",
	} {
		if _, err := ParseHTTP(good); err != nil {
			t.Errorf("ParseHTTP(%q): %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                          "not a URL with a host",
		"polisen.se":                "not a URL with a host",
		"https://":                  "not a URL with a host",
		"https:/a:secret@b.se/":     "not a URL with a host",
		"https://a:secret@b.se:x/":  "not a URL with a host",
		"ftp://polisen.se/":         `unsupported scheme "ftp"`,
		"http://polisen.se/":        "loopback hosts only",
		"http://127.0.0.1.evil.se/": "loopback hosts only",
		"https://a:secret@b.se/":    "must not have a user",
		"https://b.se/#x":           "must not have a user",
	} {
		_, err := ParseHTTP(bad)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseHTTP(%q): %v, want an error with %q", bad, err, want)
		}
	}
}

func TestCheckOCID(t *testing.T) {
	if err := CheckOCID("ocid1.vault.oc1.eu-frankfurt-1.example.abc", "vault"); err != nil {
		t.Error(err)
	}
	if err := CheckOCID("ocid1.tenancy.oc1..abc", "compartment", "tenancy"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "vault", "ocid1.vault.oc1", "ocid1.vault.oc1.x.y z", "ocid1.user.oc1..abc"} {
		if CheckOCID(bad, "vault") == nil {
			t.Errorf("CheckOCID accepts %q as the OCID of a vault", bad)
		}
	}
}
