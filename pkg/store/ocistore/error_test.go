package ocistore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// TestErrors checks the error of each failure and the requests that were sent.
func TestErrors(t *testing.T) {
	get := func(s *ocistore.Store, ctx context.Context) error { _, err := s.Get(ctx, "a/b"); return err }
	stat := func(s *ocistore.Store, ctx context.Context) error { _, err := s.Stat(ctx, "a/b"); return err }
	put := func(cond store.Cond) func(*ocistore.Store, context.Context) error {
		return func(s *ocistore.Store, ctx context.Context) error {
			_, err := s.Put(ctx, "a/b", []byte("new"), cond)
			return err
		}
	}
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
		want   error  // an error of package store; nil means none of them
		text   string // part of the error
		sent   []string
	}{
		{name: "get nothing", do: get, want: store.ErrNotExist, text: "404 ObjectNotFound", sent: []string{"GET 404"}},
		{name: "stat nothing", do: stat, want: store.ErrNotExist, text: "404 ObjectNotFound", sent: []string{"HEAD 404", "GET 404"}},
		{name: "create an existing object", exists: true, do: put(store.IfAbsent()), want: store.ErrPrecondition, text: "412 IfNoneMatchFailed", sent: []string{"PUT 412"}},
		{name: "replace with a stale ETag", exists: true, do: put(store.IfMatch("stale")), want: store.ErrPrecondition, text: "412 IfMatchFailed", sent: []string{"PUT 412"}},
		{name: "replace nothing", do: put(store.IfMatch("stale")), want: store.ErrPrecondition, sent: []string{"PUT 412"}},
		{name: "replace nothing, with a 404", fault: new(fault(404, "ObjectNotFound")), do: put(store.IfMatch("stale")), want: store.ErrPrecondition, sent: []string{"PUT 404"}},
		{name: "put beside another put", fault: new(fault(409, "ConcurrentObjectUpdate")), do: put(store.Always()), want: store.ErrPrecondition, sent: []string{"PUT 409"}},
		{name: "get with a conflict", fault: new(fault(409, "ConcurrentObjectUpdate")), do: get, text: "409 ConcurrentObjectUpdate", sent: []string{"GET 409"}},
		{name: "get from the Archive tier", fault: new(fault(409, "NotRestored")), do: get, text: "restore it; the bucket's default tier must be Standard", sent: []string{"GET 409"}},
		{name: "put over an object in the Archive tier", fault: new(fault(409, "NotRestored")), do: put(store.Always()), text: "the bucket's default tier must be Standard", sent: []string{"PUT 409"}},
		{name: "get without a bucket", fault: new(fault(404, "BucketNotFound")), do: get, want: store.ErrAccess, text: "404 BucketNotFound", sent: []string{"GET 404", "GET 404", "GET 404"}},
		{name: "stat without a bucket", fault: new(fault(404, "BucketNotFound")), do: stat, want: store.ErrAccess, text: "404 BucketNotFound",
			sent: []string{"HEAD 404", "GET 404", "HEAD 404", "GET 404", "HEAD 404", "GET 404"}},
		{name: "put without a bucket", fault: new(fault(404, "NotAuthorizedOrNotFound")), do: put(store.IfAbsent()), want: store.ErrAccess, text: "NotAuthorizedOrNotFound", sent: []string{"PUT 404", "PUT 404", "PUT 404"}},
		{name: "list without a bucket", fault: new(fault(404, "NamespaceNotFound")), do: listing, want: store.ErrAccess, text: "NamespaceNotFound", sent: []string{"GET 404", "GET 404", "GET 404"}},
		{name: "forbidden", fault: new(fault(403, "NotAllowed")), do: put(store.Always()), want: store.ErrAccess, text: "check that a policy", sent: []string{"PUT 403"}},
		{name: "stat forbidden", fault: new(fault(403, "")), do: stat, want: store.ErrAccess, text: "403 Forbidden", sent: []string{"HEAD 403"}},
		{name: "service fails", fault: new(fault(500, "InternalServerError")), do: put(store.Always()), text: "500 InternalServerError", sent: slices.Repeat([]string{"PUT 500"}, 5)},
		{name: "not implemented", fault: new(fault(501, "MethodNotImplemented")), do: get, text: "501", sent: []string{"GET 501"}},
		{name: "bad request", fault: new(fault(400, "InvalidParameter")), do: get, text: "400 InvalidParameter", sent: []string{"GET 400"}},
		{name: "redirected", fault: new(fault(302, "")), do: get, text: "302", sent: []string{"GET 302"}},
		{name: "bad name", do: func(s *ocistore.Store, ctx context.Context) error { _, err := s.Get(ctx, "../x"); return err }, want: store.ErrInvalid},
		{name: "no condition", do: put(store.Cond{}), want: store.ErrInvalid},
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
				t.Errorf("error does not contain %q: %v", test.text, err)
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

func TestErrorText(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Script(ocitest.Fault{Status: 404, Code: "BucketNotFound", Times: 3})
	_, err := open(t, server).Get(t.Context(), "metadata/last_seen.json")
	e, ok := errors.AsType[*ocistore.Error](err)
	if !ok || e.Operation != "get" || e.Object != "metadata/last_seen.json" || e.Attempts != 3 {
		t.Errorf("error is %#v", err)
	}
	response, ok := errors.AsType[*ociclient.Error](err)
	if !ok || response.RequestID == "" {
		t.Fatalf("no request id in %#v", response)
	}
	want := "get metadata/last_seen.json in oci://testnamespace/testbucket (eu-stockholm-1): no access to the store: " +
		"404 BucketNotFound: a scripted fault (opc-request-id " + response.RequestID + "); tried 3 times: " +
		"check the bucket, namespace and region, and that a policy lets these credentials manage its objects"
	if err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
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
			// The Date header has whole seconds, so the difference may be a second less.
			if !errors.Is(err, store.ErrAccess) || !strings.Contains(roundMinute(err.Error()), test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// roundMinute corrects the difference of a second that a Date header can cause.
func roundMinute(s string) string {
	return strings.NewReplacer("6m59s", "7m0s", "1h0m1s", "1h0m0s").Replace(s)
}

func TestNoTimeForAnotherAttempt(t *testing.T) {
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
