package ocistore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// TestLocation checks that the location names the namespace, which it looks up if
// necessary, and the endpoint: buckets of several regions may have the same address.
func TestLocation(t *testing.T) {
	server, other := ocitest.NewServer(t), ocitest.NewServer(t)
	for _, test := range []struct {
		server    *ocitest.Server
		namespace string
	}{{server, "testnamespace"}, {server, ""}, {other, "testnamespace"}} {
		s := open(t, test.server, func(o *ocistore.Options) { o.Namespace = test.namespace })
		location, err := s.Location(t.Context())
		if want := "oci://testnamespace/testbucket at " + test.server.URL; err != nil || location != want {
			t.Errorf("with the namespace %q: %q, %v, want %q", test.namespace, location, err, want)
		}
	}
	if diff := cmp.Diff([]string{"GET 200"}, sent(server)); diff != "" {
		t.Error(diff)
	}
}

func TestRequests(t *testing.T) {
	server := ocitest.NewServer(t)
	var retries []error
	s := open(t, server, func(o *ocistore.Options) {
		o.Namespace = ""
		o.OnRetry = func(_ string, err error, _ time.Duration) { retries = append(retries, err) }
	})
	ctx := t.Context()
	if got := s.String(); got != "oci:///testbucket" {
		t.Errorf("String() before the first call = %s", got)
	}
	etag, err := s.Put(ctx, "metadata/last_seen.json", []byte(`{"a":1}`), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.String(); got != "oci://testnamespace/testbucket" {
		t.Errorf("String() after it = %s", got)
	}
	got, err := s.Get(ctx, "metadata/last_seen.json")
	if err != nil {
		t.Fatal(err)
	}
	want := store.Object{Body: []byte(`{"a":1}`), Attrs: store.Attrs{
		Name: "metadata/last_seen.json", Size: 7, ETag: etag, MD5: store.MD5([]byte(`{"a":1}`)),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stat, err := s.Stat(ctx, "metadata/last_seen.json")
	if diff := cmp.Diff(want.Attrs, stat); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if diff := cmp.Diff([]string{"GET 200", "PUT 200", "GET 200", "HEAD 200"}, sent(server)); diff != "" {
		t.Error(diff)
	}
	if len(retries) != 0 {
		t.Errorf("retries after %q", retries)
	}

	r := server.Requests()[1]
	for name, want := range map[string]string{
		"Content-Type":   "application/json",
		"Content-Length": "7",
		"Content-Md5":    want.MD5,
		"If-None-Match":  "*",
		"Expect":         "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("PUT has %s: %q, want %q", name, got, want)
		}
	}
	if got := server.Requests()[2].Header.Get("Accept-Encoding"); got != "" {
		t.Errorf("GET has Accept-Encoding: %s", got)
	}
}

func TestContentTypes(t *testing.T) {
	server := ocitest.NewServer(t)
	s := open(t, server)
	for name, want := range map[string]string{
		"metadata/last_run.json":                    "application/json",
		"events/2026/01/02/events-1767312000.jsonl": "application/x-ndjson",
		"notes": "application/octet-stream",
	} {
		server.ResetLog()
		if _, err := s.Put(t.Context(), name, nil, store.Always()); err != nil {
			t.Fatal(err)
		}
		if got := server.Requests()[0].Header.Get("Content-Type"); got != want {
			t.Errorf("%s is put as %s, want %s", name, got, want)
		}
	}
}

func TestNamesAreEscaped(t *testing.T) {
	server := ocitest.NewServer(t)
	s := open(t, server)
	for _, name := range []string{"a b", "å/ä/ö", "q?x=1&y", "100%25", "h#t", "+/plus+", "{x}", "a..b/c~"} {
		body := []byte("content of " + name)
		if _, err := s.Put(t.Context(), name, body, store.IfAbsent()); err != nil {
			t.Errorf("put %s: %v", name, err)
		}
		if got := server.Objects(server.Bucket)[name]; !bytes.Equal(got, body) {
			t.Errorf("%s holds %q in the service", name, got)
		}
		if got, err := s.Get(t.Context(), name); err != nil || !bytes.Equal(got.Body, body) {
			t.Errorf("get %s: %q, %v", name, got.Body, err)
		}
	}
}

func TestList(t *testing.T) {
	server := ocitest.NewServer(t)
	s := open(t, server)
	var want []string
	for i := range 2001 {
		name := fmt.Sprintf("events/%05d.jsonl", i)
		want = append(want, name)
		server.Put(server.Bucket, name, []byte("x"))
	}
	server.Put(server.Bucket, "other/1", nil)
	var got []string
	for a, err := range s.List(t.Context(), "events/") {
		if err != nil {
			t.Fatal(err)
		}
		if a.Size != 1 || a.ETag == "" || a.MD5 != store.MD5([]byte("x")) {
			t.Fatalf("incomplete attributes %+v", a)
		}
		got = append(got, a.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d names, want %d in order", len(got), len(want))
	}
	if n := len(server.Requests()); n != 3 {
		t.Errorf("%d requests for 2001 objects, want 3", n)
	}
	server.ResetLog()
	for range s.List(t.Context(), "") {
		break
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("%d requests for a loop that ends early, want 1", n)
	}
}

// TestListThatStandsStill checks that a list ends if the service repeats a page.
func TestListThatStandsStill(t *testing.T) {
	page := func(next string) string {
		return `{"objects":[{"name":"b","size":1,"etag":"e","md5":"m"}],"nextStartWith":"` + next + `"}`
	}
	for name, pages := range map[string][]string{
		"the same page":       {page("c"), page("c")},
		"an earlier page":     {page("c"), page("b")},
		"the same, no object": {`{"objects":[],"nextStartWith":"c"}`},
		"its own object":      {page("b")},
		"an empty name":       {page("")},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := ocitest.NewServer(t)
			s := open(t, server, func(o *ocistore.Options) {
				o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					body := pages[min(requests, len(pages)-1)]
					requests++
					if requests > 10 {
						return nil, errors.New("the list does not end")
					}
					return &http.Response{
						StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
						Body: io.NopCloser(strings.NewReader(body)),
					}, nil
				})
			})
			var last error
			for _, err := range s.List(t.Context(), "events/") {
				last = err
			}
			if last == nil || requests > 3 || !strings.Contains(last.Error(), "list events/ in oci://") || !strings.Contains(last.Error(), "next page") {
				t.Errorf("%d requests, error %v", requests, last)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	const limit = 96 << 20
	server := ocitest.NewServer(t)
	server.Put(server.Bucket, "fits", make([]byte, limit))
	server.Put(server.Bucket, "large", make([]byte, limit+1))
	for name, transport := range map[string]http.RoundTripper{
		"known":   nil,
		"unknown": withHeader(func(h http.Header) { h.Del("Content-Length") }),
	} {
		server.ResetLog()
		s := open(t, server, func(o *ocistore.Options) { o.Transport = transport })
		if o, err := s.Get(t.Context(), "fits"); err != nil || o.Size != limit {
			t.Errorf("length %s, 96 MiB: %v", name, err)
		}
		if _, err := s.Get(t.Context(), "large"); err == nil || !strings.Contains(err.Error(), "larger than 96 MiB") {
			t.Errorf("length %s, 96 MiB and a byte: %v", name, err)
		}
		if n := len(server.Requests()); n != 2 {
			t.Errorf("length %s: %d requests, want 2", name, n)
		}
	}
}

func TestOpen(t *testing.T) {
	server := ocitest.NewServer(t)
	for name, o := range map[string]ocistore.Options{
		"no bucket":        {},
		"plain http":       {Bucket: "b", Endpoint: "http://objectstorage.example.com"},
		"endpoint's path":  {Bucket: "b", Endpoint: "https://objectstorage.example.com/v1"},
		"no scheme":        {Bucket: "b", Endpoint: "objectstorage.example.com"},
		"other scheme":     {Bucket: "b", Endpoint: "ftp://127.0.0.1"},
		"password in host": {Bucket: "b", Endpoint: "https://user:pass@objectstorage.example.com"},
	} {
		if _, err := ocistore.Open(credentials(t, server.ConfigFile), o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, endpoint := range []string{"", "https://objectstorage.example.com", "http://localhost:1", "http://[::1]:1", "http://127.0.0.9"} {
		if _, err := ocistore.Open(credentials(t, server.ConfigFile), ocistore.Options{Bucket: "b", Endpoint: endpoint}); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("Open made %d requests", n)
	}
}
