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

	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// TestRetries checks the requests that a call sends until a fault has passed.
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
		{"reset before effect", ocitest.Fault{Reset: true}, put, []string{"PUT 0", "PUT 200"}},
		{"reset after effect", ocitest.Fault{Reset: true, AfterEffect: true}, put, []string{"PUT 0", "PUT 200"}},
		{"truncated", ocitest.Fault{Truncate: true, Times: 2}, get, []string{"GET 200", "GET 200", "GET 200"}},
		{"spurious 404 once", ocitest.Fault{Status: 404, Code: "BucketNotFound"}, get, []string{"GET 404", "GET 200"}},
		{"spurious 404 twice", ocitest.Fault{Status: 404, Code: "BucketNotFound", Times: 2}, put, []string{"PUT 404", "PUT 404", "PUT 200"}},
		{"body damaged in transit", ocitest.Fault{Status: 400, Code: "UnmatchedContentMD5"}, put, []string{"PUT 400", "PUT 200"}},
		{"too slow", ocitest.Fault{Delay: 600 * time.Millisecond}, get, []string{"GET 0", "GET 200"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := ocitest.NewServer(t)
			server.Put(server.Bucket, "a/b", body)
			server.Script(test.fault)
			var notified []string
			s := open(t, server, func(o *ocistore.Options) {
				if test.fault.Delay > 0 { // without a delay, a short timeout would fail on a busy machine
					o.Timeout = test.fault.Delay * 2 / 3
				}
				o.OnRetry = func(op string, err error, d time.Duration) { notified = append(notified, fmt.Sprint(op, " ", d)) }
			})
			if err := test.do(s, t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := server.Objects(server.Bucket)["a/b"]; !bytes.Equal(got, body) {
				t.Errorf("the service holds %d bytes, want %d", len(got), len(body))
			}
			server.Await(len(test.sent), 5*time.Second) // a cancelled request is logged after its delay
			got, want := sent(server), slices.Clone(test.sent)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if len(notified) != len(test.sent)-1 {
				t.Errorf("%d calls of OnRetry, want %d: %q", len(notified), len(test.sent)-1, notified)
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

// TestLongRetryAfter checks that the store does not wait for more than an hour, and
// says when the service wants to be called again.
func TestLongRetryAfter(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Status: 503, Code: "ServiceUnavailable", RetryAfter: "7200"})
	clock := retrytest.NewClock(time.Now())
	s := open(t, server, func(o *ocistore.Options) {
		o.Retry = retry.Policy{Attempts: 2, Base: time.Second, Clock: clock}
	})
	_, err := s.Get(t.Context(), "a")
	until := clock.Now().Add(2 * time.Hour).Local().Format(time.RFC3339)
	if err == nil || !strings.Contains(err.Error(), "asked to wait until "+until) || !strings.Contains(err.Error(), "503 ServiceUnavailable") {
		t.Errorf("got %v, want the time %s", err, until)
	}
	if got := clock.Sleeps(); len(got) > 0 {
		t.Errorf("slept %v", got)
	}
}

// A conditional PUT whose response was lost fails because of its own effect.
func TestLostResponseOfConditionalPut(t *testing.T) {
	for _, cond := range []store.Cond{store.IfAbsent(), store.IfMatch("current")} {
		server := ocitest.NewServer(t)
		s := open(t, server)
		if _, ok := cond.Match(); ok {
			old, err := s.Put(t.Context(), "a", []byte("old"), store.Always())
			if err != nil {
				t.Fatal(err)
			}
			cond = store.IfMatch(old)
		}
		server.Script(ocitest.Fault{Status: 503, AfterEffect: true})
		_, err := s.Put(t.Context(), "a", []byte("ours"), cond)
		if !errors.Is(err, store.ErrPrecondition) || !strings.Contains(err.Error(), "an earlier attempt may have succeeded") {
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
		o.Transport = withHeader(func(h http.Header) { h.Set("Content-Md5", store.MD5([]byte("other"))) })
	})
	_, err := s.Get(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "damaged in transit") {
		t.Errorf("error is %v", err)
	}
	if n := len(server.Requests()); n != 5 {
		t.Errorf("%d attempts, want 5", n)
	}
}

// withHeader returns a transport that changes the headers of responses.
func withHeader(change func(http.Header)) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			change(resp.Header)
		}
		return resp, err
	})
}

// After many failures, the next call is still sent.
func TestNoCircuitBreaker(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Put(server.Bucket, "a", nil)
	server.Script(ocitest.Fault{Status: 503, Times: 20})
	s := open(t, server, func(o *ocistore.Options) { o.Retry.Attempts = 1 })
	for range 20 {
		if _, err := s.Get(t.Context(), "a"); err == nil {
			t.Fatal("no error")
		}
	}
	if _, err := s.Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCancel(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Delay: 300 * time.Millisecond, Times: ocitest.Forever})
	retries := 0
	s := open(t, server, func(o *ocistore.Options) {
		o.OnRetry = func(string, error, time.Duration) { retries++ }
	})
	cause := errors.New("cancelled by the test")
	for name, do := range map[string]func(ctx context.Context) error{
		"get":  func(ctx context.Context) error { _, err := s.Get(ctx, "a"); return err },
		"stat": func(ctx context.Context) error { _, err := s.Stat(ctx, "a"); return err },
		"put":  func(ctx context.Context) error { _, err := s.Put(ctx, "a", []byte("x"), store.Always()); return err },
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
	if retries != 0 {
		t.Errorf("%d retries after the context ended", retries)
	}
}

// A 404 for the bucket is not ErrAccess if the context ends before its retries.
func TestCancelDuringRetriesOf404(t *testing.T) {
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

// A PUT that its client has cancelled may take effect later.
func TestLateEffect(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Delay: 100 * time.Millisecond, Late: true})
	s := open(t, server, func(o *ocistore.Options) {
		o.Timeout, o.Retry.Attempts = 20*time.Millisecond, 1
	})
	// On a busy machine the time may be up before the request arrives.
	for tries := 1; ; tries++ {
		_, err := s.Put(t.Context(), "a", []byte("late"), store.IfAbsent())
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no complete response within the time limit (20ms)") {
			t.Fatalf("error is %v", err)
		}
		if server.Await(1, 500*time.Millisecond) {
			break
		}
		if tries == 100 {
			t.Fatal("no request reaches the server")
		}
	}
	if got := string(server.Objects(server.Bucket)["a"]); got != "late" {
		t.Errorf("the object holds %q", got)
	}
}
