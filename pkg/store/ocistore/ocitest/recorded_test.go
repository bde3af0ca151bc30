package ocitest_test

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// The key that signed the recorded requests, and the time at which they were recorded.
const (
	recordedKeyID = "ocid1.tenancy.oc1..testtenancy/ocid1.user.oc1..testuser/ed:11:5c:2e:9d:1e:e4:84:72:47:a1:61:f5:57:18:63"
	recordedAt    = "2026-11-29T01:10:30Z"
)

// recordedService returns a service at the time of the recording.
func recordedService(t *testing.T) *ocitest.Service {
	t.Helper()
	text, err := os.ReadFile("testdata/recorded/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse(time.RFC3339, recordedAt)
	if err != nil {
		t.Fatal(err)
	}
	v := &ociauthtest.Verifier{Clock: func() time.Time { return now }}
	v.Trust(recordedKeyID, key.(*rsa.PublicKey))
	return ocitest.New(v, "fakenamespace", "fakebucket")
}

// replay sends a recorded request, which change may change before.
func replay(t *testing.T, s *ocitest.Service, name string, change func(string) string) *httptest.ResponseRecorder {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "recorded", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(change(string(text))))))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestRecordedRequests sends requests of the SDK for Node.js (2.142.1) and of rclone
// (1.76.0), as they were recorded at the fake.
func TestRecordedRequests(t *testing.T) {
	s := recordedService(t)
	for _, test := range []struct {
		name   string
		status int
		want   string // part of the headers or the body
	}{
		{"node-namespace", 200, `"fakenamespace"`},
		{"node-put", 200, "Etag"},
		{"node-put-again", 412, "IfNoneMatchFailed"},
		{"node-head", 200, "Content-Length: 6"},
		{"node-get", 200, "hello\n"},
		{"node-list", 200, `"name":"events/2026/a b.jsonl"`},
		{"rclone-head-missing", 404, ""},
		{"rclone-put", 200, "Etag"},
		{"rclone-list", 200, `"name":"small/events/å b.jsonl"`},
		{"rclone-head", 200, "Opc-Meta-Mtime: 1795914631.085599448"},
		{"rclone-get", 200, `{"id":1}`},
	} {
		// The verifier covers the target, the date and the host. Nothing but the recorded
		// request may pass.
		for part, change := range map[string]func(string) string{
			"target": func(text string) string { return strings.Replace(text, " HTTP/1.1", "x HTTP/1.1", 1) },
			"date":   func(text string) string { return strings.ReplaceAll(text, "01:10:", "01:09:") },
			"host":   func(text string) string { return strings.Replace(text, "Host: 127.0.0.1", "Host: 127.0.0.2", 1) },
		} {
			if w := replay(t, s, test.name, change); w.Code != http.StatusUnauthorized {
				t.Errorf("%s with another %s: status %d, want 401", test.name, part, w.Code)
			}
		}
		w := replay(t, s, test.name, func(text string) string { return text })
		var all strings.Builder
		if err := w.Result().Header.Write(&all); err != nil {
			t.Fatal(err)
		}
		all.WriteString(w.Body.String())
		if w.Code != test.status || !strings.Contains(all.String(), test.want) {
			t.Errorf("%s: status %d, want %d with %q in:\n%s", test.name, w.Code, test.status, test.want, all.String())
		}
	}
}
