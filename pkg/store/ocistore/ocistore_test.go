package ocistore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

func TestRequests(t *testing.T) {
	server := ocitest.NewServer(t)
	s := open(t, server, func(o *ocistore.Options) { o.Namespace = "" })
	ctx := t.Context()
	if got := s.String(); got != "oci:///testbucket" {
		t.Errorf("before the first use the store is %s", got)
	}
	put, err := s.Put(ctx, "metadata/last_seen.json", []byte(`{"a":1}`), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.String(); got != "oci://testnamespace/testbucket" {
		t.Errorf("after it the store is %s", got)
	}
	got, err := s.Get(ctx, "metadata/last_seen.json")
	if err != nil {
		t.Fatal(err)
	}
	want := store.Object{Body: []byte(`{"a":1}`), Attrs: store.Attrs{
		Name: "metadata/last_seen.json", Size: 7, ETag: put.ETag, MD5: store.MD5([]byte(`{"a":1}`)),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stat, err := s.Stat(ctx, "metadata/last_seen.json")
	if diff := cmp.Diff(want.Attrs, stat); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if err := s.Delete(ctx, "metadata/last_seen.json", put.ETag); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"GET 200", "PUT 200", "GET 200", "HEAD 200", "DELETE 204"}, sent(server)); diff != "" {
		t.Error(diff)
	}
	if got := s.Stats(); got != (ocistore.Stats{Requests: 5}) {
		t.Errorf("stats are %+v", got)
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
		t.Errorf("GET accepts the encodings %s", got)
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

func TestNamesSurvive(t *testing.T) {
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
		t.Errorf("%d requests for a loop that breaks off, want 1", n)
	}
}

// Every way of failing and the error that comes of it.
func TestErrors(t *testing.T) {
	get := func(s *ocistore.Store, ctx context.Context) error { _, err := s.Get(ctx, "a/b"); return err }
	stat := func(s *ocistore.Store, ctx context.Context) error { _, err := s.Stat(ctx, "a/b"); return err }
	put := func(cond store.Cond) func(*ocistore.Store, context.Context) error {
		return func(s *ocistore.Store, ctx context.Context) error {
			_, err := s.Put(ctx, "a/b", []byte("new"), cond)
			return err
		}
	}
	remove := func(s *ocistore.Store, ctx context.Context) error { return s.Delete(ctx, "a/b", "stale") }
	listing := func(s *ocistore.Store, ctx context.Context) error {
		for _, err := range s.List(ctx, "a/") {
			return err
		}
		return nil
	}
	fault := func(status int, code string) ocitest.Fault {
		return ocitest.Fault{Status: status, Code: code, Times: ocitest.Forever}
	}
	tests := []struct {
		name   string
		exists bool // whether there is an object a/b
		fault  *ocitest.Fault
		do     func(*ocistore.Store, context.Context) error
		want   error // a sentinel; nil means none of them
		text   string
		sent   []string
	}{
		{name: "get nothing", do: get, want: store.ErrNotExist, text: "404 ObjectNotFound", sent: []string{"GET 404"}},
		{name: "stat nothing", do: stat, want: store.ErrNotExist, text: "404 ObjectNotFound", sent: []string{"HEAD 404", "GET 404"}},
		{name: "delete nothing", do: remove, want: store.ErrNotExist, sent: []string{"DELETE 404"}},
		{name: "create what exists", exists: true, do: put(store.IfAbsent()), want: store.ErrPrecondition, text: "412 IfNoneMatchFailed", sent: []string{"PUT 412"}},
		{name: "replace a stale version", exists: true, do: put(store.IfMatch("stale")), want: store.ErrPrecondition, text: "412 IfMatchFailed", sent: []string{"PUT 412"}},
		{name: "replace nothing", do: put(store.IfMatch("stale")), want: store.ErrPrecondition, sent: []string{"PUT 412"}},
		{name: "replace nothing, told by a 404", fault: new(fault(404, "ObjectNotFound")), do: put(store.IfMatch("stale")), want: store.ErrPrecondition, sent: []string{"PUT 404"}},
		{name: "delete a stale version", exists: true, do: remove, want: store.ErrPrecondition, sent: []string{"DELETE 412"}},
		{name: "put beside another put", fault: new(fault(409, "ConcurrentObjectUpdate")), do: put(store.Always()), want: store.ErrPrecondition, sent: []string{"PUT 409"}},
		{name: "get a conflict", fault: new(fault(409, "NotRestored")), do: get, text: "409 NotRestored", sent: []string{"GET 409"}},
		{name: "get without a bucket", fault: new(fault(404, "BucketNotFound")), do: get, want: store.ErrAccess, text: "404 BucketNotFound", sent: []string{"GET 404", "GET 404", "GET 404"}},
		{name: "stat without a bucket", fault: new(fault(404, "BucketNotFound")), do: stat, want: store.ErrAccess, text: "404 BucketNotFound",
			sent: []string{"HEAD 404", "GET 404", "HEAD 404", "GET 404", "HEAD 404", "GET 404"}},
		{name: "put without a bucket", fault: new(fault(404, "NotAuthorizedOrNotFound")), do: put(store.IfAbsent()), want: store.ErrAccess, text: "NotAuthorizedOrNotFound", sent: []string{"PUT 404", "PUT 404", "PUT 404"}},
		{name: "list without a bucket", fault: new(fault(404, "NamespaceNotFound")), do: listing, want: store.ErrAccess, text: "NamespaceNotFound", sent: []string{"GET 404", "GET 404", "GET 404"}},
		{name: "delete without a bucket", fault: new(fault(404, "BucketNotFound")), do: remove, want: store.ErrAccess, sent: []string{"DELETE 404", "DELETE 404", "DELETE 404"}},
		{name: "forbidden", fault: new(fault(403, "NotAllowed")), do: put(store.Always()), want: store.ErrAccess, text: "check that a policy", sent: []string{"PUT 403"}},
		{name: "stat forbidden", fault: new(fault(403, "")), do: stat, want: store.ErrAccess, text: "403 Forbidden", sent: []string{"HEAD 403"}},
		{name: "broken service", fault: new(fault(500, "InternalServerError")), do: put(store.Always()), text: "500 InternalServerError", sent: slices.Repeat([]string{"PUT 500"}, 5)},
		{name: "not implemented", fault: new(fault(501, "MethodNotImplemented")), do: get, text: "501", sent: []string{"GET 501"}},
		{name: "bad request", fault: new(fault(400, "InvalidParameter")), do: get, text: "400 InvalidParameter", sent: []string{"GET 400"}},
		{name: "redirected", fault: new(fault(302, "")), do: get, text: "302", sent: []string{"GET 302"}},
		{name: "bad name", do: func(s *ocistore.Store, ctx context.Context) error { _, err := s.Get(ctx, "../x"); return err }, want: store.ErrInvalid},
		{name: "no condition", do: put(store.Cond{}), want: store.ErrInvalid},
		{name: "delete any version", do: func(s *ocistore.Store, ctx context.Context) error { return s.Delete(ctx, "a/b", "") }, want: store.ErrInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := ocitest.NewServer(t)
			if test.exists {
				server.Put(server.Bucket, "a/b", []byte("old"))
			}
			if test.fault != nil {
				server.Script(*test.fault)
			}
			err := test.do(open(t, server), t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, sentinel := range []error{store.ErrNotExist, store.ErrPrecondition, store.ErrAccess, store.ErrInvalid} {
				if got, want := errors.Is(err, sentinel), sentinel == test.want; got != want {
					t.Errorf("errors.Is(err, %q) = %v for: %v", sentinel, got, err)
				}
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("%q is missing in: %v", test.text, err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if diff := cmp.Diff(test.sent, sent(server)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorNamesWhatItTakesToFindTheCause(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Status: 404, Code: "BucketNotFound", Times: 3})
	_, err := open(t, server).Get(t.Context(), "metadata/last_seen.json")
	e, ok := errors.AsType[*ocistore.Error](err)
	if !ok || e.Operation != "get" || e.Object != "metadata/last_seen.json" || e.Tries != 3 {
		t.Errorf("error is %#v", err)
	}
	answer, ok := errors.AsType[*ociclient.Error](err)
	if !ok || answer.RequestID == "" {
		t.Fatalf("no request id in %#v", answer)
	}
	want := "get metadata/last_seen.json in oci://testnamespace/testbucket (eu-stockholm-1): no access to the store: " +
		"404 BucketNotFound: a scripted fault (opc-request-id " + answer.RequestID + "); 3 tries: " +
		"check the bucket, namespace and region, and that a policy lets these credentials manage its objects"
	if err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Faults that pass, and what is sent until they have.
func TestRetries(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	get := func(s *ocistore.Store, ctx context.Context) error {
		o, err := s.Get(ctx, "a/b")
		if err == nil && !bytes.Equal(o.Body, body) {
			err = fmt.Errorf("got %d bytes", len(o.Body))
		}
		return err
	}
	put := func(s *ocistore.Store, ctx context.Context) error {
		_, err := s.Put(ctx, "a/b", body, store.Always())
		return err
	}
	tests := []struct {
		name  string
		fault ocitest.Fault
		do    func(*ocistore.Store, context.Context) error
		sent  []string
	}{
		{"unavailable", ocitest.Fault{Status: 503, Code: "ServiceUnavailable", Times: 2}, put, []string{"PUT 503", "PUT 503", "PUT 200"}},
		{"throttled", ocitest.Fault{Status: 429, Code: "TooManyRequests"}, get, []string{"GET 429", "GET 200"}},
		{"cut before an answer", ocitest.Fault{Reset: true}, put, []string{"PUT 0", "PUT 200"}},
		{"lost answer", ocitest.Fault{Reset: true, AfterEffect: true}, put, []string{"PUT 0", "PUT 200"}},
		{"truncated", ocitest.Fault{Truncate: true, Times: 2}, get, []string{"GET 200", "GET 200", "GET 200"}},
		{"spurious 404 once", ocitest.Fault{Status: 404, Code: "BucketNotFound"}, get, []string{"GET 404", "GET 200"}},
		{"spurious 404 twice", ocitest.Fault{Status: 404, Code: "BucketNotFound", Times: 2}, put, []string{"PUT 404", "PUT 404", "PUT 200"}},
		{"body damaged on the way", ocitest.Fault{Status: 400, Code: "UnmatchedContentMD5"}, put, []string{"PUT 400", "PUT 200"}},
		{"too slow", ocitest.Fault{Delay: 600 * time.Millisecond}, get, []string{"GET 0", "GET 200"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := ocitest.NewServer(t)
			server.Put(server.Bucket, "a/b", body)
			server.Script(test.fault)
			var told []string
			s := open(t, server, func(o *ocistore.Options) {
				o.Timeout = 400 * time.Millisecond
				o.OnRetry = func(op string, err error, d time.Duration) { told = append(told, fmt.Sprint(op, " ", d)) }
			})
			if err := test.do(s, t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := server.Objects(server.Bucket)["a/b"]; !bytes.Equal(got, body) {
				t.Errorf("the service holds %d bytes, want %d", len(got), len(body))
			}
			for len(server.Requests()) < len(test.sent) { // one that was given up is logged when its delay is over
				time.Sleep(5 * time.Millisecond)
			}
			got, want := sent(server), slices.Clone(test.sent)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got := s.Stats(); got.Retries != len(test.sent)-1 || len(told) != got.Retries {
				t.Errorf("%d retries counted, %d told: %q", got.Retries, len(told), told)
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Put(server.Bucket, "a", nil)
	server.Script(ocitest.Fault{Status: 429, Code: "TooManyRequests", RetryAfter: "17"})
	clock := retrytest.NewClock(time.Now())
	s := open(t, server, func(o *ocistore.Options) {
		o.Retry = retry.Policy{Attempts: 2, Base: time.Second, Clock: clock}
	})
	if _, err := s.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := clock.Sleeps(); !slices.Equal(got, []time.Duration{17 * time.Second}) {
		t.Errorf("slept %v, want 17s", got)
	}
}

// A conditional PUT whose answer was lost meets its own effect.
func TestLostAnswerOfConditionalPut(t *testing.T) {
	for _, cond := range []store.Cond{store.IfAbsent(), store.IfMatch("current")} {
		server := ocitest.NewServer(t)
		s := open(t, server)
		if _, ok := cond.Match(); ok {
			old, err := s.Put(t.Context(), "a", []byte("old"), store.Always())
			if err != nil {
				t.Fatal(err)
			}
			cond = store.IfMatch(old.ETag)
		}
		server.Script(ocitest.Fault{Status: 503, AfterEffect: true})
		_, err := s.Put(t.Context(), "a", []byte("ours"), cond)
		if !errors.Is(err, store.ErrPrecondition) || !strings.Contains(err.Error(), "an earlier one may have succeeded") {
			t.Errorf("error is %v", err)
		}
		if got := string(server.Objects(server.Bucket)["a"]); got != "ours" {
			t.Errorf("the object holds %q", got)
		}
	}
}

func TestDamagedContentIsNotReturned(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Put(server.Bucket, "a", []byte("content"))
	s := open(t, server, func(o *ocistore.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				resp.Header.Set("Content-Md5", store.MD5([]byte("other")))
			}
			return resp, err
		})
	})
	_, err := s.Get(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "damaged on the way") {
		t.Errorf("error is %v", err)
	}
	if n := len(server.Requests()); n != 5 {
		t.Errorf("%d tries, want 5", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTooLarge(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Put(server.Bucket, "fits", make([]byte, 64<<20))
	server.Put(server.Bucket, "large", make([]byte, 64<<20+1))
	s := open(t, server)
	if o, err := s.Get(t.Context(), "fits"); err != nil || o.Size != 64<<20 {
		t.Errorf("64 MiB: %v", err)
	}
	if _, err := s.Get(t.Context(), "large"); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("64 MiB and a byte: %v", err)
	}
	if n := len(server.Requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestSignatureRefused(t *testing.T) {
	t.Run("unknown key", func(t *testing.T) {
		server := ocitest.NewServer(t)
		config, err := ociauthtest.NewIdentity().WriteConfig(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		server.ConfigFile = config
		_, err = open(t, server).Get(t.Context(), "a")
		if !errors.Is(err, store.ErrAccess) || !strings.Contains(err.Error(), "401 NotAuthenticated") ||
			!strings.Contains(err.Error(), "opc-request-id test:") || strings.Contains(err.Error(), "clock is") {
			t.Errorf("error is %v", err)
		}
	})
	for name, test := range map[string]struct {
		ahead time.Duration // of the service's clock
		want  string
	}{
		"slow clock": {7 * time.Minute, "this machine's clock is 7m0s behind the service's"},
		"fast clock": {-time.Hour, "this machine's clock is 1h0m0s ahead of the service's"},
	} {
		t.Run(name, func(t *testing.T) {
			server := ocitest.NewServer(t)
			server.Clock = func() time.Time { return time.Now().Add(test.ahead) }
			_, err := open(t, server).Get(t.Context(), "a")
			// The Date header has whole seconds, so a second may be missing.
			if !errors.Is(err, store.ErrAccess) || !strings.Contains(roundMinute(err.Error()), test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// roundMinute undoes the second that an HTTP date may cut off.
func roundMinute(s string) string {
	return strings.NewReplacer("6m59s", "7m0s", "1h0m1s", "1h0m0s").Replace(s)
}

func TestCancel(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Delay: 300 * time.Millisecond, Times: ocitest.Forever})
	s := open(t, server)
	cause := errors.New("the user pressed Ctrl-C")
	for name, do := range map[string]func(ctx context.Context) error{
		"get":    func(ctx context.Context) error { _, err := s.Get(ctx, "a"); return err },
		"stat":   func(ctx context.Context) error { _, err := s.Stat(ctx, "a"); return err },
		"put":    func(ctx context.Context) error { _, err := s.Put(ctx, "a", []byte("x"), store.Always()); return err },
		"delete": func(ctx context.Context) error { return s.Delete(ctx, "a", "x") },
		"list": func(ctx context.Context) error {
			for _, err := range s.List(ctx, "") {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
			err := do(ctx)
			if !errors.Is(err, cause) {
				t.Errorf("error is %v", err)
			}
			for _, sentinel := range []error{store.ErrNotExist, store.ErrPrecondition, store.ErrAccess} {
				if errors.Is(err, sentinel) {
					t.Errorf("error is also %v", sentinel)
				}
			}
		})
	}
	if n := s.Stats().Retries; n != 0 {
		t.Errorf("%d retries after the end", n)
	}
}

// An answer that is still in doubt when the wait ends proves nothing.
func TestCancelWhileInDoubt(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Status: 404, Code: "BucketNotFound"})
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, server, func(o *ocistore.Options) {
		o.Retry = retry.Policy{Attempts: 5, Base: time.Hour}
		o.OnRetry = func(string, error, time.Duration) { cancel() }
	})
	_, err := s.Get(ctx, "a")
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrAccess) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
}

// A PUT that its client gave up may take effect later.
func TestLateEffect(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Delay: 100 * time.Millisecond, Late: true})
	s := open(t, server, func(o *ocistore.Options) {
		o.Timeout, o.Retry.Attempts = 20*time.Millisecond, 1
	})
	_, err := s.Put(t.Context(), "a", []byte("late"), store.IfAbsent())
	if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no complete answer in time (20ms)") {
		t.Errorf("error is %v", err)
	}
	for len(server.Requests()) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if got := string(server.Objects(server.Bucket)["a"]); got != "late" {
		t.Errorf("the object holds %q", got)
	}
}

func TestNoTimeForAnotherTry(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Status: 503, Times: ocitest.Forever})
	s := open(t, server, func(o *ocistore.Options) { o.Retry = retry.Policy{Attempts: 5, Base: time.Hour} })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := s.Get(ctx, "a")
	if !errors.Is(err, retry.ErrNoTime) || !strings.Contains(err.Error(), "503 Service Unavailable") {
		t.Errorf("error is %v", err)
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
