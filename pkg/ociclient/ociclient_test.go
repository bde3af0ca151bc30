package ociclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
)

// client returns a configured SDK client for the service at endpoint.
func client(t *testing.T, endpoint string, o ociclient.Options) objectstorage.ObjectStorageClient {
	t.Helper()
	id := ociauthtest.Shared()
	keys := common.NewRawConfigurationProvider(id.Tenancy, id.User, id.Region, id.Fingerprint, string(id.PEM()), nil)
	c, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(keys)
	if err != nil {
		t.Fatal(err)
	}
	o.Endpoint = endpoint
	if err := ociclient.Configure(&c.BaseClient, keys, o); err != nil {
		t.Fatal(err)
	}
	return c
}

func namespace(ctx context.Context, c objectstorage.ObjectStorageClient) (string, error) {
	return ociclient.Try(ctx, time.Minute, func(ctx context.Context) (string, error) {
		resp, err := c.GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
		if err != nil {
			return "", err
		}
		return *resp.Value, nil
	})
}

func TestErrorResponses(t *testing.T) {
	const id = " (opc-request-id abc)"
	for name, test := range map[string]struct {
		status    int
		body      string
		header    map[string]string
		text      string
		code      string
		after     time.Duration
		transient bool
	}{
		"throttled": {status: 429, body: `{"code":"TooManyRequests","message":"slow down"}`, header: map[string]string{"Retry-After": "9"},
			text: "429 TooManyRequests: slow down" + id, code: "TooManyRequests", after: 9 * time.Second, transient: true},
		"broken":          {status: 500, body: `{"code":"InternalServerError","message":"oops"}`, text: "500 InternalServerError: oops" + id, code: "InternalServerError", transient: true},
		"proxy's page":    {status: 502, body: "<html>canary</html>", text: "502 Bad Gateway" + id, transient: true},
		"not implemented": {status: 501, body: `{"code":"MethodNotImplemented"}`, text: "501 MethodNotImplemented" + id, code: "MethodNotImplemented"},
		"not found":       {status: 404, body: `{"code":"NotFound","message":"line one\nline\u0007 two"}`, text: "404 NotFound: line one\\nline\\x07 two" + id, code: "NotFound"},
		"long message":    {status: 400, body: `{"code":"X","message":"` + strings.Repeat("å", 1000) + `"}`, text: "400 X: " + strings.Repeat("å", 150) + "..." + id, code: "X"},
		"long body":       {status: 500, body: strings.Repeat("x", 1<<20), text: "500 Internal Server Error" + id, transient: true},
		"long JSON":       {status: 500, body: `{"code":"X","message":"` + strings.Repeat("x", 1<<20) + `"}`, text: "500 Internal Server Error" + id, transient: true},
		"redirect":        {status: 302, header: map[string]string{"Location": "https://example.com"}, text: "302 Found: the response is not from the service: check the endpoint and the proxy" + id},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Opc-Request-Id", "abc")
				for k, v := range test.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			defer server.Close()
			requests := new(counter)
			_, err := namespace(t.Context(), client(t, server.URL, ociclient.Options{Transport: requests}))
			e, ok := errors.AsType[*ociclient.Error](err)
			if !ok {
				t.Fatalf("error is %#v", err)
			}
			if e.Error() != test.text || e.Status != test.status || e.Code != test.code || e.RetryAfter() != test.after || e.Transient() != test.transient {
				t.Errorf("got %q %+v, transient %v", e, *e, e.Transient())
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// counter is a transport that counts the requests.
type counter struct{ atomic.Int64 }

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

func TestNoResponse(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		_, err = namespace(t.Context(), client(t, "http://"+l.Addr().String(), ociclient.Options{}))
		e, ok := errors.AsType[*ociclient.Error](err)
		if !ok || !e.Transient() || e.Status != 0 || !strings.Contains(e.Error(), "connection refused") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("untrusted", func(t *testing.T) {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		defer server.Close()
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		_, err := namespace(t.Context(), client(t, server.URL, ociclient.Options{}))
		e, ok := errors.AsType[*ociclient.Error](err)
		if !ok || e.Transient() || !strings.Contains(e.Error(), "certificate") || !strings.Contains(e.Error(), "SSL_CERT_FILE") {
			t.Errorf("error is %v", err)
		}
	})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	t.Run("timeout", func(t *testing.T) {
		_, err := ociclient.Try(t.Context(), 20*time.Millisecond, func(ctx context.Context) (struct{}, error) {
			_, err := client(t, slow.URL, ociclient.Options{}).GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
			return struct{}{}, err
		})
		e, ok := errors.AsType[*ociclient.Error](err)
		if !ok || !e.Transient() || errors.Is(err, context.DeadlineExceeded) || e.Error() != "no complete response within the time limit (20ms)" {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cancelled by the test")
		time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		if _, err := namespace(ctx, client(t, slow.URL, ociclient.Options{})); !errors.Is(err, cause) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("without Try", func(t *testing.T) {
		c := client(t, slow.URL, ociclient.Options{})
		if _, err := c.GetNamespace(t.Context(), objectstorage.GetNamespaceRequest{}); err == nil || !strings.Contains(err.Error(), "Try") {
			t.Errorf("error is %v", err)
		}
	})
}

// The refusal of a proxy names the proxy and the service, and is not repeated unless the
// proxy may answer otherwise later.
func TestProxyRefuses(t *testing.T) {
	for status, transient := range map[int]bool{403: false, 407: false, 502: true} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		defer proxy.Close()
		u, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		tr := ociclient.NewTransport()
		tr.Proxy = http.ProxyURL(u)
		_, err = namespace(t.Context(), client(t, "https://service.example", ociclient.Options{Transport: tr}))
		e, ok := errors.AsType[*ociclient.Error](err)
		want := fmt.Sprintf("the proxy %s refuses a connection to service.example:443 (%d ", u.Host, status)
		if !ok || e.Transient() != transient || !strings.HasPrefix(e.Error(), want) {
			t.Errorf("%d: transient %v: %v", status, ok && e.Transient(), err)
		}
	}
}

func TestTruncatedResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `"names`)
	}))
	defer server.Close()
	_, err := namespace(t.Context(), client(t, server.URL, ociclient.Options{}))
	if e, ok := errors.AsType[*ociclient.Error](err); !ok || !e.Transient() {
		t.Errorf("error is %v", err)
	}
}

// Parallel calls reuse the connections of earlier ones.
func TestConnectionReuse(t *testing.T) {
	const calls = 32
	var opened atomic.Int64
	var round atomic.Pointer[sync.WaitGroup]
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		round.Load().Done()
		round.Load().Wait() // until all calls of the round have arrived
		fmt.Fprint(w, `"namespace"`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := client(t, server.URL, ociclient.Options{})
	for range 3 {
		barrier := new(sync.WaitGroup)
		barrier.Add(calls)
		round.Store(barrier)
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if _, err := namespace(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if n := opened.Load(); n > calls+2 { // a connection may become idle just after its response was read
		t.Errorf("%d connections for rounds of %d calls", n, calls)
	}
}
