package polisen_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/retry/retrytest"
)

// TestBadLocation checks that a redirect whose target is not followed costs one
// call, and that the error and the reasons of waits show no password.
func TestBadLocation(t *testing.T) {
	for name, location := range map[string]string{
		"another host":      "https://user:canary-canary@example.org/x?key=canary-canary",
		"only a user":       "https://canary-canary@example.org/x",
		"not a URL":         "https://user:canary-canary@exa mple.org:x/%zz",
		"no slashes":        "https:/user:canary-canary@%zz",
		"control character": "https://user:canary-canary@host/\x7f",
		"opaque":            "mailto:canary-canary@example.org",
		"another scheme":    "canary-canary://127.0.0.1/",
		"hostile":           "//exa\u202emple.org/\u009b",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.api.Script(polisentest.Answer{Status: 302, Header: http.Header{"Location": {location}}})
			r, err := w.client.Fetch(t.Context(), polisen.Query{})
			if name == "control character" { // not an answer of HTTP at all
				if text := strings.Join(w.waits, ""); err != nil || strings.Contains(text, "canary") {
					t.Errorf("%q, %v; want another call", text, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "redirect not followed") || r.Calls != 1 || len(w.api.Calls()) != 1 {
				t.Fatalf("%d calls, %q, %v; want one that is not repeated", len(w.api.Calls()), w.waits, err)
			}
			if text := err.Error() + strings.Join(w.waits, ""); strings.Contains(text, "canary") || strings.ContainsAny(text, "\u202e\u009b") {
				t.Errorf("the error shows the target: %s", text)
			}
		})
	}
}

// TestRedirectScheme checks which redirects keep or improve the scheme.
func TestRedirectScheme(t *testing.T) {
	for _, tt := range []struct {
		url, location string
		followed      bool
	}{
		{"https://polisen.se/api", "https://polisen.se/new", true},
		{"https://polisen.se/api", "/new", true},
		{"https://polisen.se/api", "http://polisen.se/new", false},
		{"http://127.0.0.1/api", "https://127.0.0.1/new", true},
		{"https://localhost/api/events", "https://localhost:443/api/events/", true},
		{"https://polisen.se:443/api", "https://polisen.se/new", true},
		{"https://polisen.se/api", "https://POLISEN.se./new", true},
		{"https://polisen.se./api", "https://polisen.se/new", true},
		{"http://127.0.0.1/api", "https://127.0.0.1:443/new", true},
		{"http://[::1]:80/api", "http://[::1]/new", true},
		{"https://polisen.se/api", "https://polisen.se:80/new", false},
		{"https://polisen.se/api", "https://polisen.se:8443/new", false},
		{"https://polisen.se/api", "https://www.polisen.se/new", false},
		{"http://127.0.0.1/api", "http://127.0.0.1/new", true},
		{"https://polisen.se/api", "ftp://polisen.se/new", false},
	} {
		var called []string
		c := newClient(t, polisen.Options{
			URL: tt.url, UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()),
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				called = append(called, r.URL.String())
				if len(called) == 1 {
					return &http.Response{StatusCode: 301, Header: http.Header{"Location": {tt.location}}, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(polisentest.Body(1))))}, nil
			}),
		})
		_, err := c.Fetch(t.Context(), polisen.Query{})
		if followed := err == nil && len(called) == 2; followed != tt.followed || !followed && (len(called) != 1 || !strings.Contains(err.Error(), "redirect not followed")) {
			t.Errorf("%s to %s: calls %q, %v; want followed %v", tt.url, tt.location, called, err, tt.followed)
		}
	}
}

// TestRedirectCase checks that the client follows a redirect to the same host with the
// default port of https. It leaves the port out.
func TestRedirectCase(t *testing.T) {
	file, err := os.ReadFile("../../testdata/cases/05-redirect-443.http")
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	c := newClient(t, polisen.Options{
		URL: "https://localhost/api/events", UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()),
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			called = append(called, r.URL.String())
			if len(called) == 1 {
				return http.ReadResponse(bufio.NewReader(bytes.NewReader(file)), r)
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(polisentest.Body(3)))}, nil
		}),
	})
	r, err := c.Fetch(t.Context(), polisen.Query{})
	if want := []string{"https://localhost/api/events", "https://localhost/api/events/"}; err != nil || len(r.Events) != 3 || !slices.Equal(called, want) {
		t.Errorf("%d events, calls %q, %v; want calls %q", len(r.Events), called, err, want)
	}
}

// TestRedirectLoop checks that a loop is noticed at the first repeated address, and that
// its error shows the addresses.
func TestRedirectLoop(t *testing.T) {
	for name, tt := range map[string]struct {
		locations []string
		calls     int
		want      string
	}{
		"to itself":    {[]string{"/api/events?x=canary-canary", "/api/events?x=canary-canary"}, 2, "/api/events`, `"},
		"with a slash": {[]string{"/api/events/", "/api/events"}, 2, "/api/events/`, `"},
	} {
		w := newWorld(t, nil)
		for _, l := range tt.locations {
			w.api.Script(polisentest.Answer{Status: 301, Header: http.Header{"Location": {l}}})
		}
		r, err := w.client.Fetch(t.Context(), polisen.Query{})
		if err == nil || r.Calls != tt.calls || !strings.Contains(err.Error(), "form a loop: `http://127.0.0.1:") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %d calls, %v", name, r.Calls, err)
		}
	}
}
