package ociclient_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
)

// renewing is a principal that renews its key and token after every few calls.
type renewing struct {
	calls atomic.Int64
	keys  [2]*rsa.PrivateKey
}

func (r *renewing) generation() int64 { return r.calls.Add(1) / 5 }

func (r *renewing) KeyID() (string, error) { return fmt.Sprintf("ST$%d", r.generation()), nil }

func (r *renewing) PrivateRSAKey() (*rsa.PrivateKey, error) { return r.keys[r.generation()%2], nil }

// TestKeyMatchesToken checks that each request is signed with the key of its
// token, however often the principal renews both.
func TestKeyMatchesToken(t *testing.T) {
	keys := &renewing{keys: [2]*rsa.PrivateKey{ociauthtest.NewIdentity().Key, ociauthtest.NewIdentity().Key}}
	var verifier ociauthtest.Verifier
	for i := range 2000 {
		verifier.Trust(fmt.Sprintf("ST$%d", i), &keys.keys[i%2].PublicKey)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := verifier.Check(r, nil, ociauthtest.SignedHead); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `"namespace"`)
	}))
	defer server.Close()
	c := client(t, server.URL, ociclient.Options{})
	if err := ociclient.Configure(&c.BaseClient, keys, ociclient.Options{Endpoint: server.URL}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := namespace(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := keys.calls.Load(); n < 160*3 {
		t.Errorf("%d calls of the principal, want 480 or more", n)
	}
}

// principal is a provider whose renewals take some time and then fail.
type principal struct{ delay time.Duration }

var errRenewal = errors.New("the federation service is down")

func (p principal) KeyID() (string, error) {
	time.Sleep(p.delay)
	return "", errRenewal
}

func (p principal) PrivateRSAKey() (*rsa.PrivateKey, error) { return nil, errRenewal }

func TestRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := new(counter)
		c := client(t, "http://127.0.0.1:1", ociclient.Options{})
		call := func(ctx context.Context, timeout time.Duration, keys principal) error {
			if err := ociclient.Configure(&c.BaseClient, keys, ociclient.Options{Endpoint: "http://127.0.0.1:1", Transport: requests}); err != nil {
				t.Fatal(err)
			}
			_, err := ociclient.Try(ctx, timeout, func(ctx context.Context) (any, error) {
				return c.GetNamespace(ctx, objectstorage.GetNamespaceRequest{})
			})
			return err
		}
		err := call(t.Context(), time.Minute, principal{})
		if e, ok := errors.AsType[*ociclient.Error](err); !ok || e.Transient() || !errors.Is(err, errRenewal) || !strings.Contains(err.Error(), "get the signing key") {
			t.Errorf("a failed renewal: %v", err)
		}

		slow := principal{delay: time.Hour}
		start := time.Now()
		err = call(t.Context(), time.Minute, slow)
		if e, ok := errors.AsType[*ociclient.Error](err); !ok || !e.Transient() || time.Since(start) != time.Minute {
			t.Errorf("a slow renewal: %v after %v", err, time.Since(start))
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cancelled by the test")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		start = time.Now()
		if err := call(ctx, time.Minute, slow); !errors.Is(err, cause) || time.Since(start) != time.Second {
			t.Errorf("a slow renewal, cancelled: %v after %v", err, time.Since(start))
		}
		if n := requests.Load(); n != 0 {
			t.Errorf("%d unsigned requests were sent", n)
		}
		time.Sleep(2 * time.Hour) // until the renewals have ended
	})
}
