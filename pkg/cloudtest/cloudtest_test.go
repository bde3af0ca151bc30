package cloudtest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/cloudtest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store"
)

func start(t *testing.T) *cloudtest.Cloud {
	t.Helper()
	c, err := cloudtest.Start(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func open(t *testing.T, c *cloudtest.Cloud) store.Store {
	t.Helper()
	s, err := c.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0", "localhost"} {
		if c, err := cloudtest.Start(t.TempDir(), listen); err == nil {
			c.Close()
			t.Errorf("Start listens on %s", listen)
		}
	}
}

func TestDelays(t *testing.T) {
	c := start(t)
	const delay = 50 * time.Millisecond
	c.SetDelays(cloudtest.Delays{Put: delay})
	begin := time.Now()
	if _, err := open(t, c).Put(t.Context(), "a", nil, store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("a PUT took %v, want %v", took, delay)
	}
}

// An intercept can serve a request, drop it, or serve it after the client has
// closed the connection.
func TestIntercept(t *testing.T) {
	c := start(t)
	s := open(t, c)
	late := make(chan func(), 1)
	c.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/dropped"):
			panic(http.ErrAbortHandler)
		case strings.HasSuffix(r.URL.Path, "/late"):
			late <- func() { serve(httptest.NewRecorder(), r) }
			panic(http.ErrAbortHandler)
		}
		serve(w, r)
	})
	if _, err := s.Put(t.Context(), "served", nil, store.IfAbsent()); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/dropped", "/late"} {
		resp, err := http.Post(c.URL+path, "text/plain", strings.NewReader("body"))
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s got a response", path)
		}
	}
	(<-late)()
	if got := c.Objects.Requests(); len(got) != 2 || got[1].Path != "/late" {
		t.Errorf("served: %v", got)
	}
}

func TestBrowse(t *testing.T) {
	c := start(t)
	for _, name := range []string{"b/c", "a"} {
		if _, err := open(t, c).Put(t.Context(), name, []byte("text of "+name), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{"": "a\nb/c\n", "b/c": "text of b/c", "x": "404 page not found\n"} {
		resp, err := http.Get(c.URL + cloudtest.Browse + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != want || err != nil {
			t.Errorf("GET %q returns %q, %v", path, body, err)
		}
	}
}

// Each response has n events that were in no earlier one; the others are
// unchanged.
func TestAdvancing(t *testing.T) {
	for _, n := range []int{0, 3, 500} {
		next := cloudtest.Advancing(n)
		seen := map[int64]string{}
		for call := range 4 {
			events, rejected, err := polisen.Parse(next(httptest.NewRequest(http.MethodGet, "/", nil)).Body)
			if err != nil || len(rejected) > 0 || len(events) != polisen.FullResponse {
				t.Fatalf("%d events, %v, %v", len(events), rejected, err)
			}
			added := 0
			for _, e := range events {
				if before, ok := seen[e.ID]; !ok {
					added++
				} else if before != string(e.Raw) {
					t.Errorf("event %d changed from %s to %s", e.ID, before, e.Raw)
				}
				seen[e.ID] = string(e.Raw)
			}
			if want := map[bool]int{true: polisen.FullResponse, false: n}[call == 0]; added != want {
				t.Errorf("response %d has %d new events, want %d", call, added, want)
			}
		}
	}
}

func TestAdvancingByTime(t *testing.T) {
	next := cloudtest.Advancing(3)
	all, _, err := polisen.Parse(next(httptest.NewRequest(http.MethodGet, "/", nil)).Body)
	window, _ := polisen.NewWindow(all, time.Now().Add(time.Hour))
	if age := time.Since(window.To); err != nil || age > 3*time.Hour || age < -3*time.Hour {
		t.Errorf("the newest event is from %v, want about now (%v)", window.To, err)
	}
	yesterday := polisen.InSweden(time.Now().AddDate(0, 0, -1)).Format(time.DateOnly)
	for query, most := range map[string]int{"DateTime=" + yesterday: 80, "DateTime=" + yesterday + "%2009": 10, "DateTime=2020-01-01": 0} {
		events, _, err := polisen.Parse(next(httptest.NewRequest(http.MethodGet, "/?"+query, nil)).Body)
		if err != nil || len(events) > most || len(events) < most/10 {
			t.Errorf("%s: %d events, %v", query, len(events), err)
		}
		for _, e := range events {
			if e.Time.Format(time.DateOnly) != yesterday {
				t.Errorf("%s: an event of %v", query, e.Time)
			}
		}
	}
}
