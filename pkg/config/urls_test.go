package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/address"
)

func TestParseStore(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	longest := "oci://" + strings.Repeat("n", 128) + "/" + strings.Repeat("b", 256)
	tests := map[string]string{ // from text to String
		longest:                 longest,
		"oci://ns/events":       "oci://ns/events",
		"oci://ns/events/":      "oci://ns/events",
		"oci:///events.v1_a":    "oci:///events.v1_a",
		"oci://ns/b/a/b-c":      "oci://ns/b/a/b-c",
		"oci:///b/police.v2/":   "oci:///b/police.v2",
		"file:///var/lib/x":     "file:///var/lib/x",
		"file:///var/lib/a%20b": "file:///var/lib/a%20b",
		"file://localhost/x":    "file:///x",
		"/var/lib/a b":          "file:///var/lib/a%20b",
		"./archive":             "file://" + here + "/archive",
		".":                     "file://" + here,
		"./a/../b":              "file://" + here + "/b",
		"./oci:/b":              "file://" + here + "/oci:/b",
	}
	for text, want := range tests {
		got, err := parseStore(text)
		if err != nil || got.String() != want {
			t.Errorf("parseStore(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"oci://", "oci:///", "oci://ns", "oci://ns/", "oci://ns//b", "oci://ns/b//", "oci://ns/b//a", "oci://ns/b/a//b", "oci://ns/b/../a", "oci://ns/b/.a", "oci://ns/b/a b", "oci://ns/b/" + strings.Repeat("p", 257), "oci://ns/b?c", "oci://n.s/b", "OCI://ns/b",
		longest + "b", "oci://n" + longest[len("oci://"):],
		"oci:/bucket", "oci:/ns/b", "file:/x", "s3:/",
		"oci:bucket", "oci:ns/bucket", "s3:bucket", "gdrive:police/archive", "host.example.org:/x", "file:x", `C:\archive`, "archive", "ns/bucket", "ocid1.bucket.oc1.eu-stockholm-1.aaaa",
		"file://x/y", "file://", "file:///x?y", "s3://b/c", "https://example.org/", "a\x00b",
	} {
		if got, err := parseStore(text); err == nil {
			t.Errorf("parseStore(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseAPIURL(t *testing.T) {
	tests := map[string]APIURL{
		"https://polisen.se/api/events":                                            {URL: "https://polisen.se/api/events"},
		"https://polisen.se/api?type=R%C3":                                         {URL: "https://polisen.se/api?type=R%C3"},
		"https://polisen.se/api/events?locationname=Stockholms län;Åre&type=Brand": {URL: "https://polisen.se/api/events?locationname=Stockholms%20l%C3%A4n;%C3%85re&type=Brand"},
		`https://polisen.se/?a=%C3%A4+b%&c=100%&d="<x>"`:                           {URL: "https://polisen.se/?a=%C3%A4+b%25&c=100%25&d=%22%3Cx%3E%22"},
		"https://[::1]:8443/":                                                      {URL: "https://[::1]:8443/", Loopback: true},
		"http://127.0.0.2:80/x":                                                    {URL: "http://127.0.0.2:80/x", Loopback: true},
		"http://localhost:80/x":                                                    {URL: "http://localhost:80/x", Loopback: true},
		"/tmp/response.json":                                                       {Path: "/tmp/response.json"},
		"file:///tmp/response.json":                                                {Path: "/tmp/response.json"},
	}
	for text, want := range tests {
		if got, err := parseAPIURL(text); err != nil || got != want {
			t.Errorf("parseAPIURL(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"https:/polisen.se/api/events", "http://localhost.example.org/", "http://127.0.0.1.example.org/", "http://0.0.0.0/", "http://127.1/", "http://127.0.0.1@example.org/",
		"https://user@polisen.se/", "https://polisen.se/#x", "https://", "ws://localhost/", "https://a b/",
	} {
		if got, err := parseAPIURL(text); err == nil {
			t.Errorf("parseAPIURL(%q) = %+v, want an error", text, got)
		}
	}
}

// FuzzStoreURL checks each text that is a store: its String is the same store and passes
// the checks of --store, and its parts are those that package net/url finds in the String.
func FuzzStoreURL(f *testing.F) {
	for _, s := range []string{
		"oci://ns/events", "oci:///b/p.2/q/", "oci://ns//b", "oci://ns/b/../c", "oci://ns/b/a/.c", "oci://ns/b/%2e", "oci://ns/b?c#d", "file:///var/lib/a%20b", "file:///a%24b%27c%5Cd%23%3Fe", "file:///a%2Fb/../c",
		"file://localhost/x", "file://x/y", "/var/lib/å b", "/a?b#c%41", "//a//b/.", "./oci:/b", "../x", "~/x", ".", "..", "s3://b", "s3:b", "oci:/b", "x", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseStore(text)
		if err != nil {
			return
		}
		written := first.String()
		if second, err := parseStore(written); err != nil || second != first {
			t.Errorf("%q is %#v, but %q is %#v, %v", text, first, written, second, err)
		}
		if err := address.CheckLiteral(written); err != nil {
			t.Errorf("%q is written as %q: %v", text, written, err)
		}
		u, err := url.Parse(written)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != string(first.Kind) {
			t.Fatalf("%q is written as %q: %#v, %v", text, written, u, err)
		}
		want := first.Path
		if first.Kind == OCIStore {
			want = "/" + first.Bucket
			if first.Prefix != "" {
				want += "/" + first.Prefix
			}
		} else if !filepath.IsAbs(first.Path) || filepath.Clean(first.Path) != first.Path {
			t.Errorf("%q has the path %q", text, first.Path)
		}
		if strings.Contains("/"+first.Prefix, "/.") {
			t.Errorf("%q has the prefix %q", text, first.Prefix)
		}
		if u.Host != first.Namespace || u.Path != want {
			t.Errorf("%q is %#v, but its URL has the host %q and the path %q", text, first, u.Host, u.Path)
		}
	})
}
