package ocitest_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// authorize sends a PUT of an object with this body. Its signature covers the headers in
// signed, in this order; x-content-sha256 is that of the body "x". form is the
// Authorization header, or several of them on lines of their own. SIGNED, KEY and SIG in it
// stand for this list, the keyId and the signature. authorize returns the reason why the
// signature was rejected, or nil.
func authorize(t *testing.T, body, signed, form string) error {
	t.Helper()
	s := ocitest.NewServer(t)
	r, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL+object, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	sum := sha256.Sum256([]byte("x"))
	r.Header.Set("X-Content-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	r.Header["X-Two"] = []string{"one", "two"}
	var lines []string
	for _, name := range strings.Fields(strings.ToLower(signed)) {
		value := strings.Join(r.Header.Values(name), ", ")
		switch name {
		case "(request-target)":
			value = "put " + object
		case "host":
			value = r.URL.Host
		}
		lines = append(lines, name+": "+value)
	}
	hash := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.Identity.Key, crypto.SHA256, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("SIGNED", signed, "SIG", base64.StdEncoding.EncodeToString(sig), "KEY", s.Identity.KeyID())
	for value := range strings.SplitSeq(form, "\n") {
		r.Header.Add("Authorization", fill.Replace(value))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	denied := s.Requests()[0].Denied
	if (resp.StatusCode == http.StatusOK) != (denied == nil) {
		t.Errorf("status %d, denied because of %v", resp.StatusCode, denied)
	}
	return denied
}

const (
	signedParts = "date (request-target) host"
	goForm      = `Signature version="1",headers="SIGNED",keyId="KEY",algorithm="rsa-sha256",signature="SIG"`
)

func TestSignatureForms(t *testing.T) {
	for name, test := range map[string]struct{ signed, form string }{
		"Go SDK":                 {signedParts, goForm},
		"SDK for Node.js":        {signedParts, `Signature version="1",keyId="KEY",algorithm="rsa-sha256",headers="SIGNED",signature="SIG"`},
		"SDK for Python":         {signedParts, `Signature algorithm="rsa-sha256",headers="SIGNED",keyId="KEY",signature="SIG",version="1"`},
		"no version":             {signedParts, `Signature keyId="KEY",algorithm="rsa-sha256",headers="SIGNED",signature="SIG"`},
		"names in any case":      {"Date (Request-Target) HOST", `signature VERSION="1",KeyID="KEY",Algorithm="RSA-SHA256",Headers="SIGNED",Signature="SIG"`},
		"blanks":                 {signedParts, `Signature version="1", headers = "SIGNED" , keyId="KEY",  algorithm="rsa-sha256", signature="SIG"`},
		"unknown parameter":      {signedParts, `Signature version="1",opaque="",headers="SIGNED",keyId="KEY",algorithm="rsa-sha256",signature="SIG"`},
		"other order of headers": {"host date (request-target)", goForm},
		"more headers":           {signedParts + " x-two", goForm},
		"hash of the body":       {signedParts + " x-content-sha256", goForm},
	} {
		if denied := authorize(t, "x", test.signed, test.form); denied != nil {
			t.Errorf("%s: %v", name, denied)
		}
	}
}

func TestMalformedSignatures(t *testing.T) {
	for name, test := range map[string]struct{ signed, form, want string }{
		"two headers":       {signedParts, goForm + "\n" + goForm, "2 Authorization headers"},
		"other version":     {signedParts, strings.Replace(goForm, `"1"`, `"2"`, 1), `version "2"`},
		"other algorithm":   {signedParts, strings.Replace(goForm, "rsa-sha256", "hs2019", 1), `algorithm "hs2019"`},
		"no algorithm":      {signedParts, strings.Replace(goForm, `algorithm="rsa-sha256",`, "", 1), `algorithm ""`},
		"no keyId":          {signedParts, strings.Replace(goForm, `keyId="KEY",`, "", 1), "no keyId"},
		"twice":             {signedParts, goForm + `,keyId="KEY"`, "keyid occurs twice"},
		"no quotes":         {signedParts, strings.Replace(goForm, `"1"`, `1`, 1), "malformed"},
		"no comma":          {signedParts, strings.Replace(goForm, `",keyId`, `" keyId`, 1), "malformed"},
		"no list":           {signedParts, strings.Replace(goForm, `headers="SIGNED",`, "", 1), "date is not signed"},
		"header not sent":   {signedParts + " x-three", goForm, "x-three is signed, but not sent"},
		"order of the list": {"host date (request-target)", strings.Replace(goForm, "SIGNED", signedParts, 1), "does not match"},
	} {
		if denied := authorize(t, "x", test.signed, test.form); denied == nil || !strings.Contains(denied.Error(), test.want) {
			t.Errorf("%s: denied because of %v, want %s", name, denied, test.want)
		}
	}
	if denied := authorize(t, "y", signedParts+" x-content-sha256", goForm); denied == nil || !strings.Contains(denied.Error(), "does not match the body") {
		t.Errorf("other body: denied because of %v", denied)
	}
}
