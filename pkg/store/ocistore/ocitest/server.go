package ocitest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Server is a Service on loopback with one bucket and one known user, and the
// user's configuration file. The rest of the cloud answers at the same URL.
type Server struct {
	*Service
	Cloud      *ociauthtest.Cloud // has no vaults and no instance yet
	URL        string
	Bucket     string
	Identity   *ociauthtest.Identity
	ConfigFile string // has the one profile DEFAULT
}

// NewServer starts a Server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	id := ociauthtest.Shared()
	config, err := id.WriteConfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := new(ociauthtest.Verifier)
	v.Trust(id.KeyID(), &id.Key.PublicKey)
	service, cloud := New(v, "testnamespace", "testbucket"), ociauthtest.NewCloud(v)
	server := httptest.NewServer(Both(service, cloud))
	t.Cleanup(server.Close)
	return &Server{Service: service, Cloud: cloud, URL: server.URL, Bucket: "testbucket", Identity: id, ConfigFile: config}
}

// Both serves the Object Storage service and the rest of the cloud at one
// address: their paths differ.
func Both(s *Service, c *ociauthtest.Cloud) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/n" || strings.HasPrefix(r.URL.Path, "/n/") {
			s.ServeHTTP(w, r)
		} else {
			c.ServeHTTP(w, r)
		}
	})
}
