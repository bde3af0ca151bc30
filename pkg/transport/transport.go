// Package transport makes HTTP transports for all calls of the program, and explains
// two kinds of their errors: a proxy that refuses a connection, and a certificate of an
// authority that this machine does not know. It repeats, signs and logs no requests.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

// New returns a copy of [http.DefaultTransport], whose errors are a [*ProxyError] if a
// proxy refuses a connection.
func New() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.OnProxyConnectResponse = checkProxy
	return t
}

// ProxyError is the refusal of a proxy to connect to a target.
type ProxyError struct {
	Proxy, Target string // hosts with ports; not secret
	Status        int    // HTTP status of the answer
}

// checkProxy returns a [*ProxyError] unless a proxy has made the connection that it was
// asked for. Go's own error is the text of the status without the proxy.
func checkProxy(_ context.Context, proxy *url.URL, request *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Proxy: proxy.Host, Target: request.Host, Status: response.StatusCode}
}

// Error returns one line with the proxy, the target and advice.
func (e *ProxyError) Error() string {
	advice := "allow the target there, or list it in NO_PROXY"
	if e.Status == http.StatusProxyAuthRequired {
		advice = "add the user and the password to HTTPS_PROXY, as in http://user:password@host:port"
	}
	return fmt.Sprintf("the proxy %s refuses a connection to %s (%d %s): %s",
		e.Proxy, e.Target, e.Status, http.StatusText(e.Status), advice)
}

// IsPermanent reports whether err is a failure to connect that another attempt does not
// change: the refusal of a proxy, except 429 and 5xx, or a certificate that this machine
// does not trust.
func IsPermanent(err error) bool {
	if e, ok := errors.AsType[*ProxyError](err); ok {
		return e.Status < http.StatusInternalServerError && e.Status != http.StatusTooManyRequests
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted
}

// Explain returns err, the error of a transport, with advice if this machine does not
// know the authority that signed the server's certificate.
func Explain(err error) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, noRoots := errors.AsType[x509.SystemRootsError](err)
	if !unknown && !noRoots {
		return err
	}
	pool, poolErr := x509.SystemCertPool()
	empty := poolErr != nil || pool.Equal(x509.NewCertPool())
	switch {
	case empty && os.Getenv("SSL_CERT_FILE") != "":
		return fmt.Errorf("%w: there are no certificates in the file that SSL_CERT_FILE names: check the file", err)
	case empty:
		return fmt.Errorf("%w: there are no CA certificates on this machine: install the package ca-certificates, "+
			"or set SSL_CERT_FILE to a file of CA certificates", err)
	}
	return fmt.Errorf("%w: if your organisation's proxy or server has its own CA, add the CA's certificate to this machine, "+
		"or set SSL_CERT_FILE to a file of CA certificates that includes it", err)
}
