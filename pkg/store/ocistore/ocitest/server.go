package ocitest

import (
	"net/http/httptest"
	"testing"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
)

// Server is a Service on loopback with one bucket and one known user, and the
// user's configuration file.
type Server struct {
	*Service
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
	service := New(v, "testnamespace", "testbucket")
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return &Server{Service: service, URL: server.URL, Bucket: "testbucket", Identity: id, ConfigFile: config}
}
