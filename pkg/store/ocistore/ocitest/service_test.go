package ocitest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

const object = "/n/testnamespace/b/testbucket/o/a"

// send sends a request that the SDK's signer has signed and that spoil, if not
// nil, has changed after that.
func send(t *testing.T, s *ocitest.Server, method, path, body string, header map[string]string, spoil func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	id := s.Identity
	provider := common.NewRawConfigurationProvider(id.Tenancy, id.User, id.Region, id.Fingerprint, string(id.PEM()), nil)
	if err := common.RequestSignerExcludeBody(provider).Sign(r); err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(content)
}

func TestSignatureIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*http.Request)
		want  string // part of the reason
	}{
		"none":         {func(r *http.Request) { r.Header.Del("Authorization") }, "no signature"},
		"other scheme": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "no signature"},
		"other date": {func(r *http.Request) {
			r.Header.Set("Date", time.Now().UTC().Add(-time.Minute).Format(http.TimeFormat))
		}, "does not match"},
		"other method":  {func(r *http.Request) { r.Method = "HEAD" }, "does not match"},
		"other path":    {func(r *http.Request) { r.URL.Path += "b" }, "does not match"},
		"other host":    {func(r *http.Request) { r.Host = "example.com" }, "does not match"},
		"unknown key":   {func(r *http.Request) { edit(r, "..testuser", "..other") }, "unknown keyId"},
		"unsigned host": {func(r *http.Request) { edit(r, `(request-target) host"`, `(request-target)"`) }, "host is not signed"},
		"unsigned date": {func(r *http.Request) { edit(r, `"date `, `"`) }, "date is not signed"},
		"no base64":     {func(r *http.Request) { edit(r, `signature="`, `signature="!`) }, "base64"},
	} {
		s := ocitest.NewServer(t)
		status, _, _ := send(t, s, "GET", object, "", nil, test.spoil)
		if status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
		if got := s.Requests()[0].Denied; got == nil || !strings.Contains(got.Error(), test.want) {
			t.Errorf("%s: denied because of %v, want %s", name, got, test.want)
		}
	}
	s := ocitest.NewServer(t)
	if status, _, text := send(t, s, "GET", object, "", nil, nil); status != 404 || !strings.Contains(text, "ObjectNotFound") {
		t.Errorf("valid signature: %d %s", status, text)
	}
	for _, skew := range []time.Duration{-4 * time.Minute, 4 * time.Minute, -6 * time.Minute, 6 * time.Minute} {
		s.Clock = func() time.Time { return time.Now().Add(skew) }
		status, _, _ := send(t, s, "GET", object, "", nil, nil)
		if want := skew.Abs() > 5*time.Minute; (status == 401) != want {
			t.Errorf("clock off by %v: %d", skew, status)
		}
	}
}

func edit(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

// The fake rejects requests that ocistore must not send.
func TestRejectedRequests(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		header                   map[string]string
		spoil                    func(*http.Request)
		status                   int
		code                     string
	}{
		{name: "wrong MD5", method: "PUT", path: object, body: "x", header: map[string]string{"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, status: 400, code: "UnmatchedContentMD5"},
		{name: "no length", method: "PUT", path: object, body: "x", spoil: func(r *http.Request) { r.ContentLength = -1 }, status: 411, code: "MissingContentLength"},
		{name: "If-None-Match with an ETag", method: "PUT", path: object, header: map[string]string{"If-None-Match": "abc"}, status: 400, code: "InvalidParameter"},
		{name: "both conditions", method: "PUT", path: object, header: map[string]string{"If-None-Match": "*", "If-Match": "abc"}, status: 400, code: "InvalidParameter"},
		{name: "range", method: "GET", path: object, header: map[string]string{"Range": "bytes=0-0"}, status: 400, code: "InvalidParameter"},
		{name: "query of an object", method: "GET", path: object + "?versionId=1", status: 400, code: "InvalidParameter"},
		{name: "unknown list parameter", method: "GET", path: "/n/testnamespace/b/testbucket/o?max=1", status: 400, code: "InvalidParameter"},
		{name: "unknown list field", method: "GET", path: "/n/testnamespace/b/testbucket/o?fields=name,colour", status: 400, code: "InvalidParameter"},
		{name: "limit too large", method: "GET", path: "/n/testnamespace/b/testbucket/o?limit=1001", status: 400, code: "InvalidParameter"},
		{name: "delimiter", method: "GET", path: "/n/testnamespace/b/testbucket/o?delimiter=-", status: 400, code: "InvalidParameter"},
		{name: "other namespace", method: "GET", path: "/n/other/b/testbucket/o/a", status: 404, code: "NamespaceNotFound"},
		{name: "other bucket", method: "GET", path: "/n/testnamespace/b/other/o/a", status: 404, code: "BucketNotFound"},
		{name: "other route", method: "GET", path: "/n/testnamespace/b/testbucket", status: 404, code: "NotFound"},
		{name: "other method", method: "POST", path: object, status: 405, code: "MethodNotAllowed"},
		{name: "newline in a name", method: "PUT", path: object + "%0A", status: 400, code: "InvalidObjectName"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := ocitest.NewServer(t)
			s.Put(s.Bucket, "a", []byte("x"))
			status, header, text := send(t, s, test.method, test.path, test.body, test.header, test.spoil)
			if status != test.status || !strings.Contains(text, `"code":"`+test.code+`"`) {
				t.Errorf("got %d %s, want %d %s", status, text, test.status, test.code)
			}
			if header.Get("Opc-Request-Id") == "" {
				t.Error("no opc-request-id")
			}
			if all := s.Objects(s.Bucket); len(all) != 1 || string(all["a"]) != "x" {
				t.Errorf("the bucket was changed: %q", all)
			}
		})
	}
}

func TestEscapedNames(t *testing.T) {
	s := ocitest.NewServer(t)
	if status, _, text := send(t, s, "PUT", "/n/testnamespace/b/testbucket/o/a%2Fb%20c", "x", nil, nil); status != 200 {
		t.Fatal(status, text)
	}
	if status, _, text := send(t, s, "GET", "/n/testnamespace/b/testbucket/o/a/b%20c", "", nil, nil); status != 200 || text != "x" {
		t.Error(status, text)
	}
}

func TestList(t *testing.T) {
	s := ocitest.NewServer(t)
	for _, name := range []string{"a", "b/1", "b/2", "c/1", "d"} {
		s.Put(s.Bucket, name, nil)
	}
	for query, want := range map[string]string{
		"":                       `{"objects":[{"name":"a"},{"name":"b/1"},{"name":"b/2"},{"name":"c/1"},{"name":"d"}]}`,
		"?limit=2":               `{"objects":[{"name":"a"},{"name":"b/1"}],"nextStartWith":"b/2"}`,
		"?limit=2&start=b/2":     `{"objects":[{"name":"b/2"},{"name":"c/1"}],"nextStartWith":"d"}`,
		"?startAfter=b/2":        `{"objects":[{"name":"c/1"},{"name":"d"}]}`,
		"?end=b/2":               `{"objects":[{"name":"a"},{"name":"b/1"}]}`,
		"?prefix=b/":             `{"objects":[{"name":"b/1"},{"name":"b/2"}]}`,
		"?delimiter=/":           `{"objects":[{"name":"a"},{"name":"d"}],"prefixes":["b/","c/"]}`,
		"?prefix=c&fields=size":  `{"objects":[{"name":"c/1","size":0}]}`,
		"?prefix=nothing":        `{"objects":[]}`,
		"?prefix=b/&delimiter=/": `{"objects":[{"name":"b/1"},{"name":"b/2"}]}`,
	} {
		if status, _, text := send(t, s, "GET", "/n/testnamespace/b/testbucket/o"+query, "", nil, nil); status != 200 || text != want {
			t.Errorf("%s: %d %s, want %s", query, status, text, want)
		}
	}
}

// A request has no effect if its client cancels it during the delay.
func TestDelayWithoutEffect(t *testing.T) {
	s := ocitest.NewServer(t)
	s.Script(ocitest.Fault{Delay: 100 * time.Millisecond})
	// On a busy machine the time may be up before the request arrives.
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		r, _ := http.NewRequestWithContext(ctx, "PUT", s.URL+object, strings.NewReader("x"))
		_, err := http.DefaultClient.Do(r)
		cancel()
		if err == nil || tries == 100 {
			t.Fatalf("after %d attempts: %v; want the client to cancel after the request has arrived", tries, err)
		}
		if s.Await(1, 500*time.Millisecond) {
			break
		}
	}
	if got := s.Requests()[0]; got.Status != 0 || len(s.Objects(s.Bucket)) != 0 {
		t.Errorf("%v, %d objects", got, len(s.Objects(s.Bucket)))
	}
}

func TestConfigFile(t *testing.T) {
	id := ociauthtest.Shared()
	if id != ociauthtest.Shared() {
		t.Error("Shared returns a new identity")
	}
	s := ocitest.NewServer(t)
	provider, err := common.ConfigurationProviderFromFileWithProfile(s.ConfigFile, "DEFAULT", "")
	if err != nil {
		t.Fatal(err)
	}
	if keyID, err := provider.KeyID(); keyID != id.KeyID() || err != nil {
		t.Error(keyID, err)
	}
	if key, err := provider.PrivateRSAKey(); err != nil || !key.Equal(id.Key) {
		t.Error(err)
	}
}
