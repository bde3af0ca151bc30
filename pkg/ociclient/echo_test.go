package ociclient_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/ociclient"
)

// session is a key whose name is a session token.
type session string

func (s session) KeyID() (string, error) { return "ST$" + string(s), nil }

func (session) PrivateRSAKey() (*rsa.PrivateKey, error) { return ociauthtest.Shared().Key, nil }

// TestEchoedSecrets calls services that repeat the request's headers in their
// answers: no error shows a part of the token or of the signature, or is long.
func TestEchoedSecrets(t *testing.T) {
	token := new(ociauthtest.Verifier).Token(&ociauthtest.Shared().Key.PublicKey, time.Now().Add(time.Hour))
	message := func(code, message string) string {
		text, _ := json.Marshal(map[string]string{"code": code, "message": message})
		return string(text)
	}
	for name, respond := range map[string]func(w http.ResponseWriter, authorization string){
		"message":    func(w http.ResponseWriter, a string) { w.WriteHeader(401); fmt.Fprint(w, message("X", a)) },
		"middle":     func(w http.ResponseWriter, a string) { w.WriteHeader(401); fmt.Fprint(w, message("X", a[len(a)/2:])) },
		"code":       func(w http.ResponseWriter, a string) { w.WriteHeader(500); fmt.Fprint(w, message(a, "")) },
		"request id": func(w http.ResponseWriter, a string) { w.Header().Set("Opc-Request-Id", a); w.WriteHeader(401) },
		"signature": func(w http.ResponseWriter, a string) {
			w.Header().Set("Opc-Request-Id", a[strings.Index(a, "signature="):])
			w.WriteHeader(401)
		},
		"status line": func(w http.ResponseWriter, a string) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", a)
				conn.Close()
			}
		},
		"header": func(w http.ResponseWriter, a string) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", a)
				conn.Close()
			}
		},
		"result":   func(w http.ResponseWriter, a string) { fmt.Fprint(w, message("X", a)) },
		"not JSON": func(w http.ResponseWriter, a string) { fmt.Fprint(w, a) },
		"long id": func(w http.ResponseWriter, a string) {
			w.Header().Set("Opc-Request-Id", strings.Repeat("x", 5000))
			w.WriteHeader(409)
		},
		"hostile": func(w http.ResponseWriter, a string) {
			w.WriteHeader(404)
			fmt.Fprint(w, message("a\nb", "\x1b[2J\u202e\u2028\u009b\r\n forged"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			signature := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := r.Header.Get("Authorization")
				_, signature, _ = strings.Cut(a, `signature="`)
				_, _ = io.Copy(io.Discard, r.Body)
				respond(w, a)
			}))
			defer server.Close()
			id := ociauthtest.Shared()
			keys := common.NewRawConfigurationProvider(id.Tenancy, id.User, id.Region, id.Fingerprint, string(id.PEM()), nil)
			c, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(keys)
			if err != nil {
				t.Fatal(err)
			}
			if err := ociclient.Configure(&c.BaseClient, session(token), ociclient.Options{Endpoint: server.URL}); err != nil {
				t.Fatal(err)
			}
			_, err = ociclient.Try(t.Context(), time.Minute, func(ctx context.Context) (objectstorage.ListObjectsResponse, error) {
				return c.ListObjects(ctx, objectstorage.ListObjectsRequest{NamespaceName: &id.Region, BucketName: &id.Region})
			})
			if err == nil {
				return // the SDK ignores what it does not know
			}
			if _, ok := errors.AsType[*ociclient.Error](err); !ok {
				t.Errorf("error is %#v", err)
			}
			text := fmt.Sprintf("%v %+v", err, err)
			if len(err.Error()) > 1100 || strings.ContainsAny(text, "\n\r\x1b\u202e\u2028\u009b") {
				t.Errorf("%d bytes: %q", len(text), text)
			}
			for _, secret := range []string{token, signature} {
				for i := range len(secret) - 7 {
					if strings.Contains(text, secret[i:i+8]) {
						t.Fatalf("the error shows %q: %s", secret[i:i+8], text)
					}
				}
			}
		})
	}
}
