package transport_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/transport"
)

// get requests target through t and returns the error.
func get(test *testing.T, t *http.Transport, target string) error {
	test.Helper()
	r, err := http.NewRequestWithContext(test.Context(), http.MethodGet, target, nil)
	if err != nil {
		test.Fatal(err)
	}
	response, err := t.RoundTrip(r)
	if err == nil {
		response.Body.Close()
	}
	return err
}

// TestProxyRefuses checks the errors of a proxy that refuses to connect.
func TestProxyRefuses(t *testing.T) {
	for status, test := range map[int]struct {
		text      string
		permanent bool
	}{
		403: {"refuses a connection to target.example:443 (403 Forbidden): allow the target there, or list it in NO_PROXY", true},
		407: {"(407 Proxy Authentication Required): add the user and the password to HTTPS_PROXY", true},
		429: {"(429 Too Many Requests)", false},
		502: {"(502 Bad Gateway)", false},
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodConnect {
					t.Errorf("the proxy got %s", r.Method)
				}
				w.WriteHeader(status)
			}))
			defer proxy.Close()
			u, err := url.Parse(proxy.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword("me", "canary")
			tr := transport.New()
			tr.Proxy = http.ProxyURL(u)
			err = get(t, tr, "https://target.example/")
			refusal, ok := errors.AsType[*transport.ProxyError](err)
			if !ok || refusal.Status != status || refusal.Proxy != u.Host || refusal.Target != "target.example:443" {
				t.Fatalf("error is %#v", err)
			}
			if !strings.HasPrefix(err.Error(), "the proxy "+u.Host+" ") || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error is %v", err)
			}
			if got := transport.IsPermanent(err); got != test.permanent {
				t.Errorf("permanent: %v", got)
			}
		})
	}
}

// TestUnknownAuthority calls a server with a certificate of an unknown authority, in a
// process of its own for each environment, since Go reads the certificates once.
func TestUnknownAuthority(t *testing.T) {
	if target := os.Getenv("TEST_TARGET"); target != "" {
		err := get(t, transport.New(), target)
		if err == nil {
			t.Log("no error")
			return
		}
		t.Log(transport.Explain(err), transport.IsPermanent(err))
		return
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()
	own := filepath.Join(dir, "own.pem")
	if err := os.WriteFile(own, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, env := range map[string][]string{
		"no error": {"SSL_CERT_FILE=" + own, "SSL_CERT_DIR=/does/not/exist"},
		"no certificates in the file that SSL_CERT_FILE names: check the file true": {"SSL_CERT_FILE=/does/not/exist", "SSL_CERT_DIR=/does/not/exist"},
		"if your organisation's proxy or server has its own CA":                     {"SSL_CERT_FILE=" + otherCA(t, dir), "SSL_CERT_DIR=/does/not/exist"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestUnknownAuthority$", "-test.v")
		cmd.Env = append(append(os.Environ(), "TEST_TARGET="+server.URL), env...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("want %q: %v\n%s", want, err, out)
		}
	}
}

// otherCA writes the certificate of an authority that signed nothing, and returns the
// path of the file.
func otherCA(t *testing.T, dir string) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other"}, IsCA: true, NotAfter: time.Now().Add(time.Hour)}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "other.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
