package polisen

import (
	"crypto/x509"
	"net/http"
)

// TransportTrusting is the client's own transport, trusting a test server.
func TransportTrusting(c *x509.Certificate) http.RoundTripper {
	t := newTransport()
	t.TLSClientConfig.RootCAs = x509.NewCertPool()
	t.TLSClientConfig.RootCAs.AddCert(c)
	t.TLSClientConfig.ServerName = "example.com" // which httptest's certificate is for
	return t
}
