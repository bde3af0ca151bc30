package ocitest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Server is a [Service] that listens on loopback, with one bucket and one user.
// The services of Cloud listen at the same URL.
type Server struct {
	*Service
	Cloud      *ociauthtest.Cloud // without vaults and instance
	URL        string
	Bucket     string
	Identity   *ociauthtest.Identity
	ConfigFile string // its profile DEFAULT is the user
}

// NewServer starts a Server, and stops it when the test ends.
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
	server := httptest.NewServer(combine(service, cloud))
	t.Cleanup(server.Close)
	return &Server{Service: service, Cloud: cloud, URL: server.URL, Bucket: "testbucket", Identity: id, ConfigFile: config}
}

// combine returns a handler for both the Object Storage service and the other
// services of a cloud, which have different paths.
func combine(s *Service, c *ociauthtest.Cloud) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/n" || strings.HasPrefix(r.URL.Path, "/n/") {
			s.ServeHTTP(w, r)
		} else {
			c.ServeHTTP(w, r)
		}
	})
}
