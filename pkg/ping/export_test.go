package ping

import "net/http"

// SetTransport replaces the transport of p.
func (p *Pinger) SetTransport(t http.RoundTripper) { p.client.Transport = t }
