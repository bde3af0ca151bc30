package polisen_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

const agent = "polisen-events-collector/test (+me@example.org)"

// world is a client, the API it calls over loopback, and the clock of both.
type world struct {
	api      *polisentest.API
	clock    *retrytest.Clock
	options  polisen.Options
	client   *polisen.Client
	waits    []string // what OnWait was told
	warnings []string
}

func newWorld(t *testing.T, change func(*polisen.Options)) *world {
	t.Helper()
	clock := retrytest.NewClock(time.Now())
	w := &world{api: &polisentest.API{Now: clock.Now}, clock: clock}
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.options = polisen.Options{
		URL: server.URL + "/api/events", UserAgent: agent, StateDir: t.TempDir(), Clock: clock,
		OnWait:    func(d time.Duration, why string) { w.waits = append(w.waits, fmt.Sprintf("%v %s", d, why)) },
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

func TestFetch(t *testing.T) {
	body := polisentest.Body(50)
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain %v", plain), func(t *testing.T) {
			w := newWorld(t, nil)
			w.api.Script(polisentest.Answer{Body: body, Plain: plain})
			r, err := w.client.Fetch(t.Context(), polisen.Query{})
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := polisen.Parse(body)
			if diff := cmp.Diff(want, r.Events); diff != "" || len(r.Rejected) != 0 {
				t.Errorf("events (-want +got):\n%s\nrejected: %v", diff, r.Rejected)
			}
			wire := int64(len(body))
			if !plain {
				wire = int64(len(polisentest.Gzip(body)))
			}
			if r.WireBytes != wire || r.Bytes != int64(len(body)) || r.Calls != 1 || r.Waited != 0 {
				t.Errorf("%d bytes as %d, %d calls, waited %v; want %d as %d, 1 call, no wait", r.Bytes, r.WireBytes, r.Calls, r.Waited, len(body), wire)
			}
			if !r.FetchedAt.Equal(w.clock.Now()) {
				t.Errorf("fetched at %v, want %v", r.FetchedAt, w.clock.Now())
			}
			call := w.api.Calls()[0]
			for name, want := range map[string]string{"User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "gzip"} {
				if got := call.Header.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if call.Path != "/api/events" || call.Query != "" {
				t.Errorf("called %s?%s", call.Path, call.Query)
			}
		})
	}
}

func TestFetchQuery(t *testing.T) {
	w := newWorld(t, func(o *polisen.Options) { o.URL += "?lang=sv" })
	w.api.Script(polisentest.OK())
	r, err := w.client.Fetch(t.Context(), polisen.Query{DateTime: "2018-03-05 21", Locations: []string{"Järfälla", "Rån"}})
	if err != nil || len(r.Events) != 0 || r.Calls != 1 {
		t.Errorf("%d calls: %v; no events are an answer to a query", r.Calls, err)
	}
	if got, want := w.api.Calls()[0].Query, "lang=sv&DateTime=2018-03-05%2021&locationname=J%C3%A4rf%C3%A4lla;R%C3%A5n"; got != want {
		t.Errorf("query %s, want %s", got, want)
	}
}

func TestFetchFaults(t *testing.T) {
	const s = time.Second
	full := polisentest.Body(500)
	status := func(err error) string {
		if e, ok := errors.AsType[*polisen.StatusError](err); ok {
			return fmt.Sprint(e.Status)
		}
		if e, ok := errors.AsType[*polisen.BodyError](err); ok {
			return string(e.Kind)
		}
		return "other"
	}
	repeat := func(a polisentest.Answer) []polisentest.Answer { return []polisentest.Answer{a, a, a, a} }
	for _, tt := range []struct {
		name    string
		script  []polisentest.Answer // then a good answer
		within  time.Duration        // deadline; zero means none
		sleeps  []time.Duration
		want    string // the failure; empty for success
		wantIs  error
		message string
	}{
		{name: "503 once", script: []polisentest.Answer{polisentest.Status(503)}, sleeps: []time.Duration{10 * s}},
		{
			name: "a different fault each time", sleeps: []time.Duration{10 * s, 20 * s, 40 * s},
			script: []polisentest.Answer{{Reset: true}, polisentest.Status(502), {Body: []byte("<html><title>Underhåll</title>")}},
		},
		{name: "503 for ever", script: repeat(polisentest.Status(503)), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "503", message: "the API answered 503 Service Unavailable: a page titled `503 Service Unavailable`"},
		{name: "resets for ever", script: repeat(polisentest.Answer{Reset: true}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "other", message: "EOF"},
		{name: "429 with seconds", script: []polisentest.Answer{polisentest.RetryAfter(429, "35")}, sleeps: []time.Duration{35 * s}},
		{name: "429 with less than our delay", script: []polisentest.Answer{polisentest.RetryAfter(429, "1")}, sleeps: []time.Duration{10 * s}},
		{name: "429 without a hint", script: []polisentest.Answer{polisentest.Status(429)}, sleeps: []time.Duration{10 * s}},
		{
			name: "Retry-After past the deadline", script: []polisentest.Answer{polisentest.RetryAfter(503, "3600")}, within: 300 * s,
			want: "503", wantIs: retry.ErrNoTime,
		},
		{
			name: "the deadline leaves time for one retry", script: repeat(polisentest.Status(500)), within: 25 * s,
			sleeps: []time.Duration{10 * s}, want: "500", wantIs: retry.ErrNoTime,
		},
		{name: "403", script: []polisentest.Answer{polisentest.Status(403)}, want: "403", message: "User-Agent"},
		{name: "404", script: []polisentest.Answer{polisentest.Status(404)}, want: "404", message: "permanent"},
		{name: "400", script: []polisentest.Answer{polisentest.Status(400)}, want: "400"},
		{name: "204", script: []polisentest.Answer{{Status: 204}}, want: "204"},
		{name: "304", script: []polisentest.Answer{{Status: 304}}, want: "304"},
		{name: "empty body", script: []polisentest.Answer{{}}, sleeps: []time.Duration{10 * s}},
		{name: "empty array", script: []polisentest.Answer{polisentest.OK()}, sleeps: []time.Duration{10 * s}},
		{name: "empty array for ever", script: repeat(polisentest.OK()), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyNoEvents)},
		{name: "object", script: []polisentest.Answer{{Body: []byte(`{"error":1}`)}}, sleeps: []time.Duration{10 * s}},
		{name: "truncated JSON", script: []polisentest.Answer{{Body: full[:len(full)/2]}}, sleeps: []time.Duration{10 * s}},
		{name: "cut short", script: []polisentest.Answer{{Body: full, Plain: true, Truncate: 100}}, sleeps: []time.Duration{10 * s}},
		{name: "cut short for ever", script: repeat(polisentest.Answer{Body: full, Plain: true, Truncate: 100}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyCutShort)},
		{name: "gzip cut short for ever", script: repeat(polisentest.Answer{Body: full, Truncate: 1}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyCutShort)},
		{
			name: "gzip whole, but short of its end", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyCutShort),
			script: repeat(polisentest.Answer{Body: polisentest.Gzip(full)[:9000], Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{
			name: "no gzip, though it says so", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyBadGzip),
			script: repeat(polisentest.Answer{Body: full, Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{
			name: "nothing, said to be gzip", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyEmpty),
			script: repeat(polisentest.Answer{Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{
			name: "a bomb", within: 5 * s, want: string(polisen.BodyTooLarge), wantIs: retry.ErrNoTime,
			script: []polisentest.Answer{{Body: polisentest.Gzip(make([]byte, 32<<20+1)), Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.api.Script(tt.script...)
			ctx := t.Context()
			if tt.within > 0 {
				ctx = w.deadline(t, tt.within)
			}
			r, err := w.client.Fetch(ctx, polisen.Query{})
			switch {
			case tt.want == "" && (err != nil || len(r.Events) != 500):
				t.Errorf("%d events, %v", len(r.Events), err)
			case tt.want != "" && (err == nil || status(err) != tt.want || len(r.Events) != 0):
				t.Errorf("%d events, %v; want the failure %q", len(r.Events), err, tt.want)
			case tt.want != "" && !errors.Is(err, tt.wantIs) && tt.wantIs != nil:
				t.Errorf("%v; want it to wrap %q", err, tt.wantIs)
			case tt.want != "" && (!strings.Contains(err.Error(), tt.message) || !isOneLine(err.Error())):
				t.Errorf("message %q, want %q in it, in one line", err, tt.message)
			}
			if diff := cmp.Diff(tt.sleeps, w.clock.Sleeps()); diff != "" {
				t.Errorf("sleeps (-want +got):\n%s", diff)
			}
			if r.Waited != w.clock.Slept() || len(w.waits) != len(tt.sleeps) {
				t.Errorf("waited %v, told of %q; slept %v", r.Waited, w.waits, w.clock.Slept())
			}
			if n := len(w.api.Calls()); n != len(tt.sleeps)+1 || r.Calls != n {
				t.Errorf("%d calls, reported as %d; want %d", n, r.Calls, len(tt.sleeps)+1)
			}
			if b := w.api.Breaches(); len(b) > 0 {
				t.Errorf("broke the API's rules: %q", b)
			}
		})
	}
}

func TestFetchTellsOfWaits(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Script(polisentest.Status(503))
	for range 2 {
		if _, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"10s to try again: the API answered 503 Service Unavailable: a page titled `503 Service Unavailable`",
		"10s for its turn to call: at least 10s between calls",
	}
	if diff := cmp.Diff(want, w.waits); diff != "" {
		t.Errorf("told of waits (-want +got):\n%s", diff)
	}
}

// TestRetryAfterDate is apart from the table, since the date is counted from
// the clock of the test.
func TestRetryAfterDate(t *testing.T) {
	w := newWorld(t, nil)
	at := w.clock.Now().Add(90 * time.Second).UTC().Truncate(time.Second)
	w.api.Script(polisentest.RetryAfter(503, at.Format(http.TimeFormat)))
	if _, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Fatal(err)
	}
	if calls := w.api.Calls(); len(calls) != 2 || !calls[1].Time.Equal(at) {
		t.Errorf("calls %v; want the second at %v", calls, at)
	}
}

func TestFetchCancelled(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Script(polisentest.Answer{Delay: time.Hour})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	r, err := w.client.Fetch(ctx, polisen.Query{})
	if !errors.Is(err, stop) || r.Calls != 1 {
		t.Errorf("%d calls, %v; want one call and the cause", r.Calls, err)
	}
}

func TestRedirects(t *testing.T) {
	redirect := func(status int, to string) polisentest.Answer {
		return polisentest.Answer{Status: status, Header: http.Header{"Location": {to}}}
	}
	for _, tt := range []struct {
		name   string
		script []polisentest.Answer
		calls  []string // the paths called; then success if message is empty
		error  string
	}{
		{"to a path", []polisentest.Answer{redirect(301, "/api/v2?x=1")}, []string{"/api/events", "/api/v2"}, ""},
		{"three times", []polisentest.Answer{redirect(302, "/1"), redirect(307, "/2"), redirect(308, "3")}, []string{"/api/events", "/1", "/2", "/3"}, ""},
		{
			"four times", []polisentest.Answer{redirect(302, "/1"), redirect(302, "/2"), redirect(302, "/3"), redirect(302, "/4")},
			[]string{"/api/events", "/1", "/2", "/3"}, "4 came in a row",
		},
		{"to another host over http", []polisentest.Answer{redirect(301, "http://polisen.example/api")}, []string{"/api/events"}, "redirect not followed: `http://polisen.example/api` is not https on 127.0.0.1"},
		{"to another host over https", []polisentest.Answer{redirect(301, "https://polisen.example/api")}, []string{"/api/events"}, "redirect not followed"},
		{"to another port", []polisentest.Answer{redirect(301, "http://127.0.0.1:1/api")}, []string{"/api/events"}, "redirect not followed"},
		{"nowhere", []polisentest.Answer{redirect(301, "")}, []string{"/api/events"}, "redirect not followed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.api.Script(tt.script...)
			r, err := w.client.Fetch(t.Context(), polisen.Query{})
			if (err == nil) != (tt.error == "") || err != nil && !strings.Contains(err.Error(), tt.error) {
				t.Errorf("got %v, want %q", err, tt.error)
			}
			var paths []string
			for _, call := range w.api.Calls() {
				paths = append(paths, call.Path)
				if call.Header.Get("User-Agent") != agent {
					t.Errorf("%s was called as %q", call.Path, call.Header.Get("User-Agent"))
				}
			}
			if diff := cmp.Diff(tt.calls, paths); diff != "" || r.Calls != len(paths) {
				t.Errorf("%d calls reported; paths (-want +got):\n%s", r.Calls, diff)
			}
			if b := w.api.Breaches(); len(b) > 0 {
				t.Errorf("broke the API's rules: %q", b)
			}
		})
	}
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
		t.Errorf("TLS 1.1: %d calls, %v; want the version refused", r.Calls, err)
	}
	modern := start(nil)
	if r, err := fetch(modern, false); err == nil || r.Calls != 1 {
		t.Errorf("unknown authority: %d calls, %v; want one call and an error", r.Calls, err)
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("unknown authority: %v", err)
	}
	if n := len(api.Calls()); n != 0 {
		t.Errorf("the API got %d calls", n)
	}
	if r, err := fetch(start(&tls.Config{MaxVersion: tls.VersionTLS12}), true); err != nil || len(r.Events) != 500 {
		t.Errorf("TLS 1.2: %v", err)
	}
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
		t.Errorf("waited %v for an answer that takes 30ms", r.Timings.Wait)
	}
	if r, err = c.Fetch(t.Context(), polisen.Query{}); err != nil || r.Timings.Connect != 0 || r.Timings.TLS != 0 {
		t.Errorf("on a kept connection: %+v, %v", r.Timings, err)
	}
}

func TestSavedResponse(t *testing.T) {
	body := polisentest.Body(7)
	dir := t.TempDir()
	path := filepath.Join(dir, "ö 1.json")
	for _, content := range [][]byte{body, polisentest.Gzip(body)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, url := range []string{path, "file://" + path, "file://localhost" + strings.ReplaceAll(path, " ", "%20")} {
			r, err := newClient(t, polisen.Options{URL: url}).Fetch(t.Context(), polisen.Query{})
			if err != nil || len(r.Events) != 7 || r.Calls != 0 || r.WireBytes != int64(len(content)) || r.Bytes != int64(len(body)) || r.FetchedAt.IsZero() {
				t.Errorf("%s: %d events, %+v, %v", url, len(r.Events), r, err)
			}
		}
	}
	c := newClient(t, polisen.Options{URL: path})
	if r, err := c.Fetch(t.Context(), polisen.Query{DateTime: "2018-03"}); !errors.Is(err, polisen.ErrSettings) || r == nil {
		t.Errorf("a query of a file: %v", err)
	}
	if err := os.WriteFile(path, []byte("[] []"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := c.Fetch(t.Context(), polisen.Query{})
	if _, ok := errors.AsType[*polisen.BodyError](err); !ok || !strings.Contains(err.Error(), path) || r == nil {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := newClient(t, polisen.Options{URL: dir + "/none"}).Fetch(t.Context(), polisen.Query{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files beside the saved response: %v", entries)
	}
}

func TestNewClient(t *testing.T) {
	good := polisen.Options{URL: polisen.DefaultURL, UserAgent: agent, StateDir: t.TempDir()}
	for _, tt := range []struct {
		name   string
		change func(*polisen.Options)
		error  string // empty: fine
	}{
		{"the API", func(*polisen.Options) {}, ""},
		{"a longer interval", func(o *polisen.Options) { o.MinInterval = time.Minute }, ""},
		{"loopback", func(o *polisen.Options) { o.URL, o.MinInterval = "http://localhost:80/x", time.Millisecond }, ""},
		{"loopback, IPv6", func(o *polisen.Options) { o.URL, o.MinInterval = "http://[::1]:80/x", time.Millisecond }, ""},
		{"http", func(o *polisen.Options) { o.URL = "http://polisen.se/api/events" }, "https is needed"},
		{"a name like loopback", func(o *polisen.Options) { o.URL = "http://localhost.example/" }, "https is needed"},
		{"an address in this network", func(o *polisen.Options) { o.URL = "http://10.0.0.1/" }, "https is needed"},
		{"another scheme", func(o *polisen.Options) { o.URL = "ftp://polisen.se/" }, "https is needed"},
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
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.error)
		}
	}
}
