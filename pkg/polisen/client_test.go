package polisen_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/transport"
)

const (
	agent  = "polisen-events-collector/test (+me@example.org)"
	apiURL = "https://polisen.se/api/events"
)

// world is a client, the fake API that it calls, and the clock of both.
type world struct {
	api      *polisentest.API
	clock    *retrytest.Clock
	options  polisen.Options
	client   *polisen.Client
	waits    []string // the length and reason of each wait, from OnWait
	warnings []string
}

func newWorld(t *testing.T, change func(*polisen.Options)) *world {
	t.Helper()
	// The clock is a day ahead, so that no deadline set by it passes during the test.
	clock := retrytest.NewClock(time.Now().Add(24 * time.Hour))
	w := &world{api: &polisentest.API{Now: clock.Now}, clock: clock}
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.options = polisen.Options{
		URL: server.URL + "/api/events", UserAgent: agent, StateDir: t.TempDir(), Clock: clock,
		OnWait:    func(d time.Duration, reason string) { w.waits = append(w.waits, fmt.Sprintf("%v %s", d, reason)) },
		OnWarning: func(text string) { w.warnings = append(w.warnings, text) },
	}
	if change != nil {
		change(&w.options)
	}
	w.client = newClient(t, w.options)
	return w
}

func newClient(t *testing.T, o polisen.Options) *polisen.Client {
	t.Helper()
	c, err := polisen.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithDeadline(t.Context(), w.clock.Now().Add(d))
	t.Cleanup(cancel)
	return ctx
}

func TestTLS(t *testing.T) {
	api := &polisentest.API{}
	start := func(config *tls.Config) *httptest.Server {
		server := httptest.NewUnstartedServer(api)
		server.TLS = config
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	fetch := func(server *httptest.Server, trust bool) (*polisen.Response, error) {
		o := polisen.Options{
			URL: server.URL, UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()), MinInterval: time.Millisecond,
		}
		if trust {
			o.Transport = polisen.TransportTrusting(server.Certificate())
		}
		return newClient(t, o).Fetch(t.Context(), polisen.Query{})
	}

	old := start(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if r, err := fetch(old, true); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %d calls, %v; want an error about the version", r.Calls, err)
	}
	modern := start(nil)
	if r, err := fetch(modern, false); err == nil || r.Calls != 1 {
		t.Errorf("unknown authority: %d calls, %v; want one call and an error", r.Calls, err)
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("unknown authority: %v", err)
	} else if !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("unknown authority: no advice: %v", err)
	}
	if n := len(api.Calls()); n != 0 {
		t.Errorf("the API got %d calls", n)
	}
	if r, err := fetch(start(&tls.Config{MaxVersion: tls.VersionTLS12}), true); err != nil || len(r.Events) != 500 {
		t.Errorf("TLS 1.2: %v", err)
	}
}

// TestProxyRefuses checks that the refusal of a proxy names the proxy and is not repeated.
func TestProxyRefuses(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := transport.New()
	tr.Proxy = http.ProxyURL(u)
	c := newClient(t, polisen.Options{
		URL: "https://api.example/events", UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()), Transport: tr,
		MinInterval: time.Minute,
	})
	r, err := c.Fetch(t.Context(), polisen.Query{})
	want := "the proxy " + u.Host + " refuses a connection to api.example:443 (403 Forbidden)"
	if err == nil || !strings.Contains(err.Error(), want) || r.Calls != 1 {
		t.Errorf("%d calls, %v", r.Calls, err)
	}
}

// TestOneRequestPerCall uses servers with which Go's default transport may repeat a
// request: one closes a reused connection, the other offers HTTP/2.
func TestOneRequestPerCall(t *testing.T) {
	client := func(t *testing.T, server *httptest.Server) *polisen.Client {
		o := polisen.Options{URL: server.URL, UserAgent: agent, StateDir: t.TempDir(), MinInterval: time.Millisecond}
		if server.TLS != nil {
			o.Transport = polisen.TransportTrusting(server.Certificate())
		}
		return newClient(t, o)
	}

	t.Run("a reused connection", func(t *testing.T) {
		var requests atomic.Int64
		used := map[string]bool{}
		var mu sync.Mutex
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			mu.Lock()
			reused := used[r.RemoteAddr]
			used[r.RemoteAddr] = true
			mu.Unlock()
			if reused {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(polisentest.Body(1))
		}))
		defer server.Close()
		c, calls := client(t, server), 0
		for range 3 {
			r, err := c.Fetch(t.Context(), polisen.Query{})
			if err != nil {
				t.Fatal(err)
			}
			calls += r.Calls
		}
		if n := int(requests.Load()); n != calls || calls != 3 {
			t.Errorf("%d requests in %d calls, want 3", n, calls)
		}
	})

	t.Run("HTTP/2", func(t *testing.T) {
		var proto atomic.Value
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			proto.Store(r.Proto)
			_, _ = w.Write(polisentest.Body(1))
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		if _, err := client(t, server).Fetch(t.Context(), polisen.Query{}); err != nil || proto.Load() != "HTTP/1.1" {
			t.Errorf("protocol %v, %v; want HTTP/1.1", proto.Load(), err)
		}
	})
}

func TestTimings(t *testing.T) {
	api := &polisentest.API{}
	api.Script(polisentest.Answer{Body: polisentest.Body(500), Delay: 30 * time.Millisecond})
	server := httptest.NewTLSServer(api)
	defer server.Close()
	c := newClient(t, polisen.Options{
		URL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1), UserAgent: agent, StateDir: t.TempDir(), MinInterval: time.Millisecond,
		Transport: polisen.TransportTrusting(server.Certificate()),
	})
	r, err := c.Fetch(t.Context(), polisen.Query{})
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]time.Duration{"connect": r.Timings.Connect, "tls": r.Timings.TLS, "wait": r.Timings.Wait, "transfer": r.Timings.Transfer, "dns": r.Timings.DNS}
	for name, d := range parts {
		if d <= 0 {
			t.Errorf("%s took %v", name, d)
		}
	}
	if r.Timings.Wait < 30*time.Millisecond {
		t.Errorf("waited %v for a response that takes 30ms", r.Timings.Wait)
	}
}

func TestNewClient(t *testing.T) {
	good := polisen.Options{URL: apiURL, UserAgent: agent, StateDir: t.TempDir()}
	for _, tt := range []struct {
		name   string
		change func(*polisen.Options)
		error  string // part of the message; empty: valid
	}{
		{"the API", func(*polisen.Options) {}, ""},
		{"a longer interval", func(o *polisen.Options) { o.MinInterval = time.Minute }, ""},
		{"loopback", func(o *polisen.Options) { o.URL, o.MinInterval = "http://localhost:80/x", time.Millisecond }, ""},
		{"loopback, IPv6", func(o *polisen.Options) { o.URL, o.MinInterval = "http://[::1]:80/x", time.Millisecond }, ""},
		{"http", func(o *polisen.Options) { o.URL = "http://polisen.se/api/events" }, "use https://"},
		{"a name like loopback", func(o *polisen.Options) { o.URL = "http://localhost.example/" }, "use https://"},
		{"an address in this network", func(o *polisen.Options) { o.URL = "http://10.0.0.1/" }, "use https://"},
		{"another scheme", func(o *polisen.Options) { o.URL = "ftp://polisen.se/" }, "use https://"},
		{"no host", func(o *polisen.Options) { o.URL = "https:///api" }, "host"},
		{"nothing", func(o *polisen.Options) { o.URL = "" }, "host"},
		{"a password", func(o *polisen.Options) { o.URL = "https://me:hunter2@polisen.se/" }, "password"},
		{"a short interval", func(o *polisen.Options) { o.MinInterval = 9 * time.Second }, "10s between calls"},
		{"a negative interval", func(o *polisen.Options) { o.URL, o.MinInterval = "http://localhost/", -1 }, "between calls"},
		{"no User-Agent", func(o *polisen.Options) { o.UserAgent = "" }, "User-Agent"},
		{"no state folder", func(o *polisen.Options) { o.StateDir = "" }, "state folder"},
	} {
		o := good
		tt.change(&o)
		_, err := polisen.NewClient(o)
		if tt.error == "" && err != nil || tt.error != "" && !errors.Is(err, polisen.ErrSettings) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.error) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.error)
		}
	}
}

// TestOneLimitForAHost checks that calls to one host count together, even if the
// URLs write its name differently.
func TestOneLimitForAHost(t *testing.T) {
	state := t.TempDir()
	ok := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(polisentest.Body(1)))}, nil
	})
	for _, url := range []string{apiURL, "https://polisen.se./api/events", "https://POLISEN.SE:443/other"} {
		c := newClient(t, polisen.Options{URL: url, UserAgent: agent, StateDir: state, Clock: retrytest.NewClock(time.Now()), Transport: ok})
		if _, err := c.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(state, "api-calls-*.json")); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v", files, err)
	}
}

func TestURL(t *testing.T) {
	c := newClient(t, polisen.Options{URL: apiURL, UserAgent: agent, StateDir: t.TempDir()})
	q := polisen.Query{DateTime: "2018-03-05 21", Locations: []string{"Stockholm", "Järfälla"}}
	const want = apiURL + "?DateTime=2018-03-05%2021&locationname=Stockholm;J%C3%A4rf%C3%A4lla"
	if got := c.URL(q); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
