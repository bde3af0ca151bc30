package ping_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ping"
)

// secretPath is the path of all URLs in these tests.
const secretPath = "/0123456789-secret-uuid"

// service is a fake of a ping service. It keeps the pings that it gets.
type service struct {
	answer func(w http.ResponseWriter, r *http.Request) // nil means 200 and "OK"

	mu    sync.Mutex
	pings []string // method, path below secretPath and body
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.pings = append(s.pings, fmt.Sprintf("%s %s %s", r.Method, strings.TrimPrefix(r.URL.Path, secretPath), body))
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	io.WriteString(w, "OK")
}

// got returns the pings so far.
func (s *service) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.pings, "|")
}

func newPinger(t *testing.T, url string) *ping.Pinger {
	t.Helper()
	secret, err := address.ParseSecret(url)
	if err != nil {
		t.Fatal(err)
	}
	return ping.New(secret, "program/1")
}

// run sends both pings of a run that ends with this exit code.
func run(t *testing.T, url string, exit int) error {
	t.Helper()
	p := newPinger(t, url)
	p.Start(t.Context())
	err := p.Finish(t.Context(), exit, "a message")
	if err != nil {
		for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%q", err)} {
			if strings.Contains(text, "secret-uuid") {
				t.Errorf("the error shows the path: %s", text)
			}
		}
		if !strings.HasPrefix(err.Error(), "ping 127.0.0.1:") {
			t.Errorf("the error does not name the host: %v", err)
		}
	}
	return err
}

// TestConvention checks the calls of runs with several exit codes.
func TestConvention(t *testing.T) {
	for exit, want := range map[int]string{
		0:   "POST /start |POST  a message",
		3:   "POST /start |POST /3 a message",
		143: "POST /start |POST /143 a message",
	} {
		s := new(service)
		server := httptest.NewServer(s)
		if err := run(t, server.URL+secretPath, exit); err != nil || s.got() != want {
			t.Errorf("exit code %d: %v, calls %q, want %q", exit, err, s.got(), want)
		}
		server.Close()
	}
}

// TestSecondTry checks which failures have a second try, and that there is no third.
func TestSecondTry(t *testing.T) {
	status := func(codes ...int) func(http.ResponseWriter, *http.Request) {
		i := 0
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/start") {
				return
			}
			w.WriteHeader(codes[min(i, len(codes)-1)])
			i++
		}
	}
	text := func(s string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		calls  int // at the end
		err    string
	}{
		"500 once":            {status(500, 200), 2, ""},
		"500 always":          {status(500), 2, "status 500"},
		"429 once":            {status(429, 200), 2, ""},
		"404":                 {status(404), 1, "status 404"},
		"204":                 {status(204), 1, ""},
		"no such check":       {text("OK (not found)"), 1, "no check with this URL"},
		"too many":            {text("OK (rate limited)\n"), 1, "too many pings"},
		"echo of the secret":  {func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.Path, 400) }, 1, "status 400"},
		"malformed with echo": {hijack(func(c net.Conn, path string) { fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", path) }), 2, "malformed HTTP"},
		"closed":              {hijack(func(net.Conn, string) {}), 2, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{answer: test.answer}
			server := httptest.NewServer(s)
			defer server.Close()
			err := run(t, server.URL+secretPath, 0)
			if (err == nil) != (test.err == "") || !strings.Contains(fmt.Sprint(err), test.err) {
				t.Errorf("%v, want %q", err, test.err)
			}
			if n := strings.Count(s.got(), "POST  a message"); n != test.calls {
				t.Errorf("%d calls, want %d: %s", n, test.calls, s.got())
			}
		})
	}
}

// hijack answers with write on the bare connection, and closes it.
func hijack(write func(c net.Conn, path string)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			write(c, r.URL.Path)
			c.Close()
		}
	}
}

// TestRedirects checks that a redirect is followed on the same host only.
func TestRedirects(t *testing.T) {
	other := new(service)
	elsewhere := httptest.NewServer(other)
	defer elsewhere.Close()
	for target, want := range map[string]string{
		"/moved":                           "",
		elsewhere.URL + secretPath:         "redirects to another host",
		"https://example.org" + secretPath: "redirects to another host",
		secretPath:                         "4 redirects in a row",
		"http://%zz" + secretPath:          "failed to parse",
	} {
		s := new(service)
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/moved" {
				return
			}
			w.Header().Set("Location", target)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		server := httptest.NewServer(s)
		err := run(t, server.URL+secretPath, 0)
		if (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("redirect to %s: %v, want %q", target, err, want)
		}
		if want == "" && !strings.HasSuffix(s.got(), "POST /moved a message") {
			t.Errorf("redirect to %s: %s", target, s.got())
		}
		server.Close()
	}
	if other.got() != "" {
		t.Errorf("the other host got %s", other.got())
	}
}

// redirecting is a transport that redirects each request to a URL.
type redirecting struct {
	target   string
	requests atomic.Int32
}

func (r *redirecting) RoundTrip(*http.Request) (*http.Response, error) {
	r.requests.Add(1)
	return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {r.target}}, Body: http.NoBody}, nil
}

// TestDowngrade checks that a redirect from https to another scheme is not followed, has no
// second try, and has an error of its own, on the same host and on another.
func TestDowngrade(t *testing.T) {
	for _, target := range []string{"http://example.org" + secretPath, "http://example.com" + secretPath, "ftp://example.org" + secretPath} {
		transport := &redirecting{target: target}
		p := newPinger(t, "https://example.org"+secretPath)
		p.SetTransport(transport)
		p.Start(t.Context())
		err := p.Finish(t.Context(), 0, "")
		if want := "ping example.org: it redirects to an address without https"; !strings.HasPrefix(fmt.Sprint(err), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("redirect to %s: %v, want %q", target, err, want)
		}
		if n := transport.requests.Load(); n != 2 { // the start and the end
			t.Errorf("redirect to %s: %d requests, want 2", target, n)
		}
	}
}

// silent is a transport whose requests get no answer.
type silent struct{ requests atomic.Int32 }

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestNoAnswer checks that a service that never answers delays a run by 5 seconds at most,
// whenever the run ends, that it gets two tries, and that ctx ends the wait earlier.
func TestNoAnswer(t *testing.T) {
	for _, work := range []time.Duration{0, time.Second, 3 * time.Second, time.Minute} {
		for _, limit := range []time.Duration{time.Hour, 3 * time.Second, 200 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				transport := new(silent)
				p := newPinger(t, "https://example.org"+secretPath)
				p.SetTransport(transport)
				p.Start(t.Context())
				time.Sleep(work)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begin, before := time.Now(), transport.requests.Load()
				err := p.Finish(ctx, 0, "")
				if d := time.Since(begin); err == nil || d > min(limit, 5*time.Second) {
					t.Errorf("work %v, limit %v: %v after %v", work, limit, err, d)
				}
				if n := transport.requests.Load() - before; limit == time.Hour && n < 2 {
					t.Errorf("work %v: %d tries", work, n)
				}
			})
		}
	}
}

// TestOrder checks that the ping of the start never arrives after that of the end.
func TestOrder(t *testing.T) {
	s := new(service)
	release := make(chan struct{})
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			<-release
		}
	}
	server := httptest.NewServer(s)
	defer server.Close()
	p := newPinger(t, server.URL+secretPath)
	p.Start(t.Context())
	go func() { time.Sleep(50 * time.Millisecond); close(release) }()
	if err := p.Finish(t.Context(), 0, "end"); err != nil || s.got() != "POST /start |POST  end" {
		t.Errorf("%v: %s", err, s.got())
	}
}
