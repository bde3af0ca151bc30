package polisen_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/ratelimit"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

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

// TestFetchQuery checks the query that Fetch sends, and that the response to a query
// may be empty.
func TestFetchQuery(t *testing.T) {
	query := polisen.Query{DateTime: "2018-03-05 21", Locations: []string{"Järfälla", "Luleå"}}
	const encoded = "DateTime=2018-03-05%2021&locationname=J%C3%A4rf%C3%A4lla;Lule%C3%A5"
	for _, tt := range []struct {
		url   string
		query polisen.Query
		want  string
	}{
		{"", query, encoded},
		{"?type=Brand", polisen.Query{}, "type=Brand"},
		{"?type=Brand", query, "type=Brand&" + encoded},
	} {
		w := newWorld(t, func(o *polisen.Options) { o.URL += tt.url })
		w.api.Script(polisentest.OK())
		r, err := w.client.Fetch(t.Context(), tt.query)
		if err != nil || len(r.Events) != 0 || r.Calls != 1 {
			t.Errorf("%s: %d calls, %v", tt.want, r.Calls, err)
		}
		if got := w.api.Calls()[0].Query; got != tt.want {
			t.Errorf("query %s, want %s", got, tt.want)
		}
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
		cut     int                  // the number of events in the last cut answer, if no answer is whole
		script  []polisentest.Answer // before a valid response
		within  time.Duration        // until the deadline; zero means none
		sleeps  []time.Duration
		want    string // status, kind of body, or "other"; empty: success
		wantIs  error
		message string
	}{
		{name: "503 once", script: []polisentest.Answer{polisentest.Status(503)}, sleeps: []time.Duration{10 * s}},
		{
			name: "a different fault each time", sleeps: []time.Duration{10 * s, 20 * s, 40 * s},
			script: []polisentest.Answer{{Reset: true}, polisentest.Status(502), {Body: []byte("<html><title>Underhåll</title>")}},
		},
		{name: "503 each time", script: repeat(polisentest.Status(503)), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "503", message: "the API answered 503 Service Unavailable: a page titled `503 Service Unavailable`"},
		{name: "a reset each time", script: repeat(polisentest.Answer{Reset: true}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "other", message: "EOF"},
		{name: "429 with seconds", script: []polisentest.Answer{polisentest.RetryAfter(429, "35")}, sleeps: []time.Duration{35 * s}},
		{name: "429 with less than the computed delay", script: []polisentest.Answer{polisentest.RetryAfter(429, "1")}, sleeps: []time.Duration{10 * s}},
		{name: "429 without Retry-After", script: []polisentest.Answer{polisentest.Status(429)}, sleeps: []time.Duration{10 * s}},
		{
			name: "Retry-After past the deadline", script: []polisentest.Answer{polisentest.RetryAfter(503, "3600")}, within: 300 * s,
			want: "503", wantIs: retry.ErrNoTime,
		},
		{
			name: "the deadline leaves time for one retry", script: repeat(polisentest.Status(500)), within: 25 * s,
			sleeps: []time.Duration{10 * s}, want: "500", wantIs: retry.ErrNoTime,
		},
		{name: "408", script: []polisentest.Answer{polisentest.Status(408)}, sleeps: []time.Duration{10 * s}},
		{name: "425", script: []polisentest.Answer{polisentest.Status(425)}, sleeps: []time.Duration{10 * s}},
		{name: "408 each time", script: repeat(polisentest.Status(408)), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "408"},
		{name: "403", script: []polisentest.Answer{polisentest.Status(403)}, want: "403", message: "User-Agent"},
		{name: "404", script: []polisentest.Answer{polisentest.Status(404)}, want: "404", message: "permanent"},
		{name: "400", script: []polisentest.Answer{polisentest.Status(400)}, want: "400"},
		{name: "204", script: []polisentest.Answer{{Status: 204}}, want: "204"},
		{name: "304", script: []polisentest.Answer{{Status: 304}}, want: "304"},
		{name: "empty body", script: []polisentest.Answer{{}}, sleeps: []time.Duration{10 * s}},
		{name: "empty array", script: []polisentest.Answer{polisentest.OK()}, sleeps: []time.Duration{10 * s}},
		{name: "empty array each time", script: repeat(polisentest.OK()), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyNoEvents)},
		{name: "object", script: []polisentest.Answer{{Body: []byte(`{"error":1}`)}}, sleeps: []time.Duration{10 * s}},
		{name: "truncated JSON", script: []polisentest.Answer{{Body: full[:len(full)/2]}}, sleeps: []time.Duration{10 * s}},
		{name: "incomplete", script: []polisentest.Answer{{Body: full, Plain: true, Truncate: 100}}, sleeps: []time.Duration{10 * s}},
		{name: "incomplete each time", cut: 499, script: repeat(polisentest.Answer{Body: full, Plain: true, Truncate: 100}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyIncomplete)},
		{name: "incomplete gzip each time", cut: 500, script: repeat(polisentest.Answer{Body: full, Truncate: 1}), sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyIncomplete)},
		{
			name: "gzip without its end", cut: 324, sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyIncomplete),
			script: repeat(polisentest.Answer{Body: polisentest.Gzip(full)[:9000], Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{
			name: "events, and then no answer", cut: 250, sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: "503",
			script: []polisentest.Answer{{Body: full[:len(full)/2]}, polisentest.Status(503), {Body: []byte("<html>")}, polisentest.Status(503)},
		},
		{
			name: "damaged gzip", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyBadGzip),
			script: repeat(polisentest.Answer{Body: append([]byte("\x1f\x8b"), full...), Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{name: "the header says gzip, the body is plain", script: []polisentest.Answer{{Body: full, Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}}},
		{name: "gzip by another name", script: []polisentest.Answer{{Body: polisentest.Gzip(full), Plain: true, Header: http.Header{"Content-Encoding": {"X-GZIP"}}}}},
		{name: "the body is gzip, and no header says so", script: []polisentest.Answer{{Body: polisentest.Gzip(full), Plain: true}}},
		{
			name: "an empty body with a gzip header", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyEmpty),
			script: repeat(polisentest.Answer{Header: http.Header{"Content-Encoding": {"gzip"}}}),
		},
		{name: "gzip with a line end after it", script: []polisentest.Answer{{Body: append(polisentest.Gzip(full), "\r\n"...), Plain: true, Header: http.Header{"Content-Encoding": {"gzip"}}}}},
		{name: "gzip with zeros after it", script: []polisentest.Answer{{Body: append(polisentest.Gzip(full), make([]byte, 9000)...), Plain: true}}},
		{name: "gzip of two members", script: []polisentest.Answer{{Body: append(polisentest.Gzip(full[:9000]), polisentest.Gzip(full[9000:])...), Plain: true}}},
		{name: "an encoding that is none", script: []polisentest.Answer{{Body: full, Plain: true, Header: http.Header{"Content-Encoding": {"br"}}}}},
		{
			name: "an encoding that was not asked for", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyEncoded),
			message: `the response is encoded as br, \xff, which was not asked for`,
			script:  repeat(polisentest.Answer{Body: []byte("\x1b\x02\x00\xff"), Plain: true, Header: http.Header{"Content-Encoding": {"br, \xff"}}}),
		},
		{
			name: "binary data", sleeps: []time.Duration{10 * s, 20 * s, 40 * s}, want: string(polisen.BodyMalformed), message: "the response is not valid JSON: 300 bytes that are not text",
			script: repeat(polisentest.Answer{Body: bytes.Repeat([]byte("\x01\xff\x9b"), 100), Plain: true}),
		},
		{name: "binary data of a status", script: []polisentest.Answer{{Status: 403, Body: bytes.Repeat([]byte("\x01\xff\x9b"), 100), Plain: true}}, want: "403", message: ": 300 bytes that are not text"},
		{
			name: "a decompression bomb", within: 5 * s, want: string(polisen.BodyTooLarge), wantIs: retry.ErrNoTime,
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
			if n := len(r.Events); tt.cut > 0 && (err != nil || n != tt.cut || r.Cut == nil) || tt.cut == 0 && r.Cut != nil {
				t.Errorf("%d events, %v, cut %v; want %d events of a cut response", n, err, r.Cut, tt.cut)
			} else if tt.cut > 0 {
				r.Events, err = nil, r.Cut
			}
			switch {
			case tt.want == "" && (err != nil || len(r.Events) != 500):
				t.Errorf("%d events, %v", len(r.Events), err)
			case tt.want != "" && (err == nil || status(err) != tt.want || len(r.Events) != 0):
				t.Errorf("%d events, %v; want %q", len(r.Events), err, tt.want)
			case tt.want != "" && !errors.Is(err, tt.wantIs) && tt.wantIs != nil:
				t.Errorf("%v; want it to wrap %q", err, tt.wantIs)
			case tt.want != "" && (!strings.Contains(err.Error(), tt.message) || !isOneLine(err.Error())):
				t.Errorf("message %q, want one line with %q", err, tt.message)
			}
			if diff := cmp.Diff(tt.sleeps, w.clock.Sleeps()); diff != "" {
				t.Errorf("sleeps (-want +got):\n%s", diff)
			}
			if r.Waited != w.clock.Slept() || len(w.waits) != len(tt.sleeps) {
				t.Errorf("waited %v, OnWait got %q; slept %v", r.Waited, w.waits, w.clock.Slept())
			}
			if n := len(w.api.Calls()); n != len(tt.sleeps)+1 || r.Calls != n {
				t.Errorf("%d calls, reported as %d; want %d", n, r.Calls, len(tt.sleeps)+1)
			}
			if b := w.api.Breaches(); len(b) > 0 {
				t.Errorf("breaches: %q", b)
			}
		})
	}
}

func TestOnWait(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Script(polisentest.Status(503))
	for range 2 {
		if _, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	host := strings.TrimSuffix(strings.TrimPrefix(w.options.URL, "http://"), "/api/events")
	want := []string{
		"10s before a retry: call " + host + ": the API answered 503 Service Unavailable: a page titled `503 Service Unavailable`",
		"10s at least 10s between calls",
	}
	if diff := cmp.Diff(want, w.waits); diff != "" {
		t.Errorf("OnWait got (-want +got):\n%s", diff)
	}
}

// TestRetryAfterDate checks a Retry-After header with a date.
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

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFetchHanging calls an API that never answers, without a deadline.
func TestFetchHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, polisen.Options{
			URL: apiURL, UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()),
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		})
		started := time.Now()
		r, err := c.Fetch(t.Context(), polisen.Query{})
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no complete response within 1m0s") {
			t.Errorf("got %v; want the timeout of one call, not the deadline of the run", err)
		}
		if took := time.Since(started); r.Calls != 4 || took != 4*time.Minute {
			t.Errorf("%d calls in %v; want each to end after a minute", r.Calls, took)
		}
	})
}

// TestErrorBodyHanging calls an API that answers 403 with a body that never arrives.
func TestErrorBodyHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, polisen.Options{
			URL: apiURL, UserAgent: agent, StateDir: t.TempDir(), Clock: retrytest.NewClock(time.Now()),
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 403, Body: io.NopCloser(hanging{r.Context()})}, nil
			}),
		})
		r, err := c.Fetch(t.Context(), polisen.Query{})
		if e, ok := errors.AsType[*polisen.StatusError](err); !ok || e.Status != 403 || r.Calls != 1 {
			t.Errorf("%d calls, %v; want one, answered with 403", r.Calls, err)
		}
		stop := errors.New("stopped by the test")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		if _, err := c.Fetch(ctx, polisen.Query{}); !errors.Is(err, stop) {
			t.Errorf("cancelled during the body: %v, want the cause", err)
		}
	})
}

// hanging is a body that never arrives.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func TestRedirects(t *testing.T) {
	redirect := func(status int, to string) polisentest.Answer {
		return polisentest.Answer{Status: status, Header: http.Header{"Location": {to}}}
	}
	for _, tt := range []struct {
		name   string
		script []polisentest.Answer
		calls  []string // the paths called
		error  string
	}{
		{"to a path", []polisentest.Answer{redirect(301, "/api/v2?x=1")}, []string{"/api/events", "/api/v2"}, ""},
		{"three times", []polisentest.Answer{redirect(302, "/1"), redirect(307, "/2"), redirect(308, "3")}, []string{"/api/events", "/1", "/2", "/3"}, ""},
		{
			"four times", []polisentest.Answer{redirect(302, "/1"), redirect(302, "/2"), redirect(302, "/3"), redirect(302, "/4")},
			[]string{"/api/events", "/1", "/2", "/3"}, "4 redirects in a row",
		},
		{"to another host over http", []polisentest.Answer{redirect(301, "http://polisen.example/api")}, []string{"/api/events"}, "redirect not followed: it leads to `http://polisen.example/api`, which is not on 127.0.0.1:"},
		{"to another host over https", []polisentest.Answer{redirect(301, "https://polisen.example/api")}, []string{"/api/events"}, "redirect not followed"},
		{"to another port", []polisentest.Answer{redirect(301, "http://127.0.0.1:1/api")}, []string{"/api/events"}, "redirect not followed"},
		{"without a target", []polisentest.Answer{redirect(301, "")}, []string{"/api/events"}, "redirect not followed"},
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
				t.Errorf("breaches: %q", b)
			}
		})
	}
}

// small answers with one event.
func small(*http.Request) polisentest.Answer { return polisentest.Answer{Body: polisentest.Body(1)} }

// TestRetriesAreCalls checks that Fetch stops at the hourly limit, even if it would
// otherwise call again, and returns the error of its last call.
func TestRetriesAreCalls(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Default = small
	for range 58 {
		if _, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Advance(20 * time.Second)
	slept := len(w.clock.Sleeps())
	w.api.Script(polisentest.Status(503), polisentest.Status(502))
	r, err := w.client.Fetch(w.deadline(t, 5*time.Minute), polisen.Query{})
	if e, ok := errors.AsType[*polisen.StatusError](err); !ok || e.Status != 502 || errors.Is(err, ratelimit.ErrExceeded) {
		t.Errorf("%v; want the failure of the last call", err)
	}
	if r.Calls != 2 || len(w.api.Calls()) != 60 || !strings.Contains(err.Error(), "at most 60 calls an hour") || strings.Count(err.Error(), "rate limited") != 1 {
		t.Errorf("%d calls, %v; want 2 calls, and the reason once", r.Calls, err)
	}
	if got, want := w.clock.Sleeps()[slept:], []time.Duration{10 * time.Second, 20 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("slept %v, want %v", got, want)
	}
}

// TestNotFoundIsPermanent checks that after a 404 to the query for the newest events no
// query is sent.
func TestNotFoundIsPermanent(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Default = small
	w.api.Script(polisentest.Status(404))
	_, err := w.client.Fetch(t.Context(), polisen.Query{})
	if e, ok := errors.AsType[*polisen.StatusError](err); !ok || e.Status != 404 || errors.Is(err, ratelimit.ErrExceeded) {
		t.Fatalf("got %v, want the 404", err)
	}
	w.clock.Advance(48 * time.Hour)
	for _, c := range []*polisen.Client{w.client, newClient(t, w.options)} {
		for _, q := range []polisen.Query{{}, {DateTime: "2018-03"}} {
			r, err := c.Fetch(t.Context(), q)
			if !errors.Is(err, ratelimit.ErrNotFound) || errors.Is(err, ratelimit.ErrQueryNotFound) || !strings.Contains(err.Error(), w.options.URL) || r.Calls != 0 {
				t.Fatalf("%+v: %d calls, %v; want none, and ErrNotFound, not ErrQueryNotFound", q, r.Calls, err)
			}
		}
	}
	elsewhere := w.options
	elsewhere.URL += "/v2"
	if _, err := newClient(t, elsewhere).Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Errorf("another address: %v", err)
	}
	if n, b := len(w.api.Calls()), w.api.Breaches(); n != 2 || len(b) > 0 {
		t.Errorf("%d calls; breaches: %q", n, b)
	}
	retrying := w.options
	retrying.RetryNotFound = true
	if _, err := newClient(t, retrying).Fetch(t.Context(), polisen.Query{}); err != nil {
		t.Errorf("with RetryNotFound: %v", err)
	}
}

// TestNotFoundQuery checks that after a 404 to a query for a day that query is not sent
// again, and others are.
func TestNotFoundQuery(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Default = small
	w.api.Script(polisentest.Status(404))
	day := polisen.Query{DateTime: "2018-03-05"}
	if _, err := w.client.Fetch(t.Context(), day); err == nil {
		t.Fatal("no error after a 404")
	}
	for _, c := range []*polisen.Client{w.client, newClient(t, w.options)} {
		r, err := c.Fetch(t.Context(), day)
		if !errors.Is(err, ratelimit.ErrNotFound) || !errors.Is(err, ratelimit.ErrQueryNotFound) || !strings.Contains(err.Error(), "/api/events with this query at ") || r.Calls != 0 {
			t.Fatalf("the same query: %d calls, %v; want none, and ErrQueryNotFound", r.Calls, err)
		}
		for _, q := range []polisen.Query{{}, {DateTime: "2018-03-06"}} {
			if r, err := c.Fetch(t.Context(), q); err != nil || r.Calls != 1 {
				t.Errorf("%+v: %d calls, %v", q, r.Calls, err)
			}
		}
	}
	filtered := w.options
	filtered.URL += "?locationname=Nowhere"
	w.api.Script(polisentest.Status(404))
	for calls := range 2 { // the 404, and no other
		if r, err := newClient(t, filtered).Fetch(t.Context(), polisen.Query{}); err == nil || r.Calls != 1-calls {
			t.Errorf("a URL with a query: %d calls, %v", r.Calls, err)
		}
	}
	if r, err := w.client.Fetch(t.Context(), polisen.Query{}); err != nil || r.Calls != 1 {
		t.Errorf("after a 404 to a URL with a query: %d calls, %v", r.Calls, err)
	}
	if b := w.api.Breaches(); len(b) > 0 {
		t.Errorf("breaches: %q", b)
	}
}

// TestRetryAfterIsKept checks that a client makes no call during the pause that the
// API asked an earlier client for. It waits for at most an hour.
func TestRetryAfterIsKept(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Script(polisentest.RetryAfter(429, "7200"))
	asked := "asked to wait until " + w.clock.Now().Add(2*time.Hour).Local().Format(time.RFC3339)
	if r, err := w.client.Fetch(t.Context(), polisen.Query{}); !errors.Is(err, retry.ErrNoTime) || !strings.Contains(err.Error(), asked) || r.Waited != 0 {
		t.Fatalf("waited %v, %v; want ErrNoTime, and %q", r.Waited, err, asked)
	}
	if r, err := newClient(t, w.options).Fetch(t.Context(), polisen.Query{}); !errors.Is(err, ratelimit.ErrExceeded) || !strings.Contains(err.Error(), asked) || r.Calls != 0 {
		t.Errorf("another client: %d calls, %v; want ErrExceeded, and %q", r.Calls, err, asked)
	}
	w.clock.Advance(time.Hour)
	if r, err := newClient(t, w.options).Fetch(t.Context(), polisen.Query{}); err != nil || r.Waited != time.Hour {
		t.Errorf("an hour before the end: waited %v, %v", r.Waited, err)
	}
}
