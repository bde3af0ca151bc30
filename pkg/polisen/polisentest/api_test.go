package polisentest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

func TestBody(t *testing.T) {
	body := polisentest.Body(501)
	events, rejected, err := polisen.Parse(body)
	if err != nil || len(events) != 501 || len(rejected) > 0 {
		t.Fatalf("%d events, %d rejected, %v", len(events), len(rejected), err)
	}
	if !bytes.Equal(body, polisentest.Body(501)) {
		t.Error("two calls return different bodies")
	}
	seen := make(map[int64]bool)
	oneDigit := 0
	for _, e := range events {
		seen[e.ID] = true
		if bytes.Contains(e.Raw, []byte(polisentest.DateTime(e.Time))) && e.Time.Hour() < 10 {
			oneDigit++
		}
	}
	if len(seen) != 501 || oneDigit < 100 {
		t.Errorf("%d ids, %d hours of one digit", len(seen), oneDigit)
	}
	byTime := func(a, b polisen.Event) int { return b.Time.Compare(a.Time) }
	byID := func(a, b polisen.Event) int { return int(b.ID - a.ID) }
	if slices.IsSortedFunc(events, byTime) || slices.IsSortedFunc(events, byID) {
		t.Error("events are sorted; the API's are not")
	}
}

func TestEvent(t *testing.T) {
	at := time.Date(2026, 7, 2, 9, 8, 7, 0, time.FixedZone("", 7200))
	plain := string(polisentest.Event(7, at))
	if !strings.HasPrefix(plain, `{"id":7,"datetime":"2026-07-02 9:08:07 +02:00","name":"02 juli 09:08, `) {
		t.Error(plain)
	}
	set := string(polisentest.Event(7, at, polisentest.Summary("text"), polisentest.Type("Rån"), polisentest.Location("Umeå")))
	for _, want := range []string{`"summary":"text"`, `"type":"Rån"`, `"location":{"name":"Umeå",`} {
		if !strings.Contains(set, want) {
			t.Errorf("%s lacks %s", set, want)
		}
	}
}

// TestBreaches checks that the fake reports each breach of a rule, and nothing else.
func TestBreaches(t *testing.T) {
	const s = time.Second
	ok := polisentest.OK
	for _, tt := range []struct {
		name     string
		script   []polisentest.Answer
		agent    string
		pauses   []time.Duration // before each call
		interval time.Duration
		want     []string
	}{
		{name: "no breach", agent: "me", pauses: []time.Duration{0, 10 * s, 10 * s}},
		{name: "too soon", agent: "me", pauses: []time.Duration{0, 10 * s, 9 * s}, want: []string{"call 3: 2 calls in 9s, less than 10s"}},
		{name: "another interval", agent: "me", pauses: []time.Duration{0, s, s - 1}, interval: s, want: []string{"call 3: 2 calls in 999.999999ms, less than 1s"}},
		{name: "61 in an hour", agent: "me", pauses: slices.Repeat([]time.Duration{10 * s}, 61), want: []string{"call 61: 61 calls in 10m0s, less than 1h0m0s"}},
		{name: "60 an hour, all day", agent: "me", pauses: slices.Repeat([]time.Duration{60 * s}, 1500)},
		{name: "no User-Agent", agent: "", pauses: []time.Duration{0}, want: []string{`call 1: the User-Agent "" names no program`}},
		{name: "Go's default User-Agent", agent: "Go-http-client/1.1", pauses: []time.Duration{0}, want: []string{`call 1: the User-Agent "Go-http-client/1.1" names no program`}},
		{
			name: "after a 404", agent: "me", script: []polisentest.Answer{ok(), polisentest.Status(404)}, pauses: []time.Duration{0, 10 * s, 10 * s},
			want: []string{"call 3: /api?x=1 answered 404 before"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
			api := &polisentest.API{
				Now: func() time.Time { return now }, MinInterval: tt.interval,
				Default: func(*http.Request) polisentest.Answer { return ok() },
			}
			api.Script(tt.script...)
			for _, pause := range tt.pauses {
				now = now.Add(pause)
				r := httptest.NewRequest(http.MethodGet, "/api?x=1", nil)
				r.Header.Set("User-Agent", tt.agent)
				api.ServeHTTP(httptest.NewRecorder(), r)
			}
			if got := api.Breaches(); !slices.Equal(got, tt.want) {
				t.Errorf("breaches %q, want %q", got, tt.want)
			}
			if calls := api.Calls(); len(calls) != len(tt.pauses) || calls[0].Path != "/api" || calls[0].Query != "x=1" {
				t.Errorf("%d calls, %+v", len(calls), calls[0])
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	body := polisentest.Body(3)
	api := &polisentest.API{Now: time.Now}
	server := httptest.NewServer(api)
	defer server.Close()
	get := func(encoding string) (status int, header http.Header, got []byte, err error) {
		r, _ := http.NewRequest(http.MethodGet, server.URL, nil)
		r.Header.Set("Accept-Encoding", encoding)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, nil, nil, err
		}
		defer answer.Body.Close()
		got, err = io.ReadAll(answer.Body)
		return answer.StatusCode, answer.Header, got, err
	}

	api.Script(polisentest.Answer{Body: body}, polisentest.Answer{Body: body}, polisentest.Answer{Body: body, Plain: true})
	for encoding, want := range map[string][]byte{"identity": body, "gzip": polisentest.Gzip(body)} {
		if _, _, got, err := get(encoding); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", encoding, len(got), err, len(want))
		}
	}
	if _, _, got, err := get("gzip"); err != nil || !bytes.Equal(got, body) {
		t.Errorf("plain: %d bytes, %v", len(got), err)
	}
	api.Script(polisentest.RetryAfter(429, "7"))
	if status, header, _, _ := get(""); status != 429 || header.Get("Retry-After") != "7" {
		t.Errorf("status %d with Retry-After %q, want 429 with 7", status, header.Get("Retry-After"))
	}
	api.Script(polisentest.Answer{Body: body, Truncate: 5})
	if _, _, got, err := get(""); err != io.ErrUnexpectedEOF || !bytes.Equal(got, body[:len(body)-5]) {
		t.Errorf("truncated: %d bytes of %d, %v", len(got), len(body), err)
	}
	api.Script(polisentest.Answer{Reset: true})
	if _, _, _, err := get(""); err == nil {
		t.Error("reset: no error")
	}
	if _, _, got, err := get("identity"); err != nil || !bytes.Equal(got, polisentest.BodyAt(api.Calls()[0].Time.In(polisentest.Newest.Location()), 500)) {
		t.Errorf("without a script: %d bytes, %v", len(got), err)
	}
}

// TestRoundTrip checks that a client without a network gets what it gets over one.
func TestRoundTrip(t *testing.T) {
	api := &polisentest.API{Now: time.Now, MinInterval: 1}
	get := func() (status int, body []byte, err error) {
		r, _ := http.NewRequest(http.MethodGet, "https://example.org/api", nil)
		answer, err := api.RoundTrip(r)
		if err != nil {
			return 0, nil, err
		}
		defer answer.Body.Close()
		body, err = io.ReadAll(answer.Body)
		return answer.StatusCode, body, err
	}
	body := polisentest.Body(3)
	api.Script(polisentest.Answer{Body: body}, polisentest.Status(503), polisentest.Answer{Body: body, Truncate: 5}, polisentest.Answer{Reset: true})
	if status, got, err := get(); status != 200 || !bytes.Equal(got, body) || err != nil {
		t.Errorf("status %d, %d bytes, %v", status, len(got), err)
	}
	if status, _, err := get(); status != 503 || err != nil {
		t.Errorf("status %d, %v; want 503", status, err)
	}
	if _, got, err := get(); err != io.ErrUnexpectedEOF || !bytes.Equal(got, body[:len(body)-5]) {
		t.Errorf("truncated: %d bytes of %d, %v", len(got), len(body), err)
	}
	if _, _, err := get(); err == nil {
		t.Error("reset: no error")
	}
}

// TestRecording checks the answers of a recording to each kind of query, at times
// before, between and after its responses.
func TestRecording(t *testing.T) {
	at := func(day, hour int) time.Time {
		return time.Date(2026, 1, day, hour, 30, 0, 0, time.FixedZone("", 3600))
	}
	event := func(id int64, day, hour int, text string) []byte {
		return polisentest.Event(id, at(day, hour), polisentest.Summary(text))
	}
	var r polisentest.Recording
	add := func(day int, items ...[]byte) { r.Add(at(day, 12), polisentest.Response(items...), items) }
	add(1, event(1, 1, 9, "a"), event(2, 1, 10, "a"))
	add(2, event(3, 2, 9, "a"), event(1, 1, 9, "b"), []byte(`{"id":null}`))
	add(3, event(4, 1, 9, "late"))
	full := make([][]byte, 501)
	for i := range full {
		full[i] = event(int64(100+i), 4, 9, "a")
	}
	add(4, full...)

	for _, tt := range []struct {
		query string
		now   time.Time
		want  [][]byte
	}{
		{"", at(1, 11), nil},
		{"", at(1, 12), [][]byte{event(1, 1, 9, "a"), event(2, 1, 10, "a")}},
		{"", at(3, 11), [][]byte{event(3, 2, 9, "a"), event(1, 1, 9, "b"), []byte(`{"id":null}`)}},
		{"DateTime=2026-01-01", at(1, 13), [][]byte{event(2, 1, 10, "a"), event(1, 1, 9, "a")}},
		{"DateTime=2026-01-01", at(3, 13), [][]byte{event(4, 1, 9, "late"), event(2, 1, 10, "a"), event(1, 1, 9, "b")}},
		{"DateTime=2026-01-01%2009", at(3, 13), [][]byte{event(4, 1, 9, "late"), event(1, 1, 9, "b")}},
		{"DateTime=2026-01-05", at(3, 13), nil},
		{"DateTime=2026-01-04", at(4, 13), reversed(full)[:500]},
	} {
		request := httptest.NewRequest(http.MethodGet, "/api?"+tt.query, nil)
		if got := r.Answer(request, tt.now); !bytes.Equal(got.Body, polisentest.Response(tt.want...)) {
			t.Errorf("%q at %v: %s", tt.query, tt.now, got.Body)
		}
	}
	if got := r.Spread(3, at(4, 13)); len(got) != 3 || !bytes.Equal(got[0], full[500]) || !bytes.Equal(got[1], full[500-168]) {
		t.Errorf("3 of all events: %s", got)
	}
	if !r.First().Equal(at(1, 12)) || !r.Last().Equal(at(4, 12)) {
		t.Errorf("from %v to %v", r.First(), r.Last())
	}
}

func reversed(items [][]byte) [][]byte {
	items = slices.Clone(items)
	slices.Reverse(items)
	return items
}
