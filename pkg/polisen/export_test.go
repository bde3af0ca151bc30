package polisen

import (
	"crypto/x509"
	"net/http"
)

// TransportTrusting returns the client's default transport, changed to trust the
// certificate of a test server.
func TransportTrusting(c *x509.Certificate) http.RoundTripper {
	t := newTransport()
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	t.TLSClientConfig.RootCAs.AddCert(c)
	t.TLSClientConfig.ServerName = "example.com" // the name in httptest's certificate
	return t
}
