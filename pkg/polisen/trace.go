package polisen

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// callTrace measures the phases of one call. It is safe for concurrent use, since
// the transport calls its hooks on several goroutines.
type callTrace struct {
	now func() time.Time

	mu                        sync.Mutex
	dns, connect, tls         span
	requestWritten, firstByte time.Time
}

// span lasts from the first start to the last end of an activity that a call may
// repeat, such as connecting to several addresses.
type span struct{ start, end time.Time }

func (s span) duration() time.Duration {
	if s.start.IsZero() || s.end.IsZero() {
		return 0
	}
	return s.end.Sub(s.start)
}

// withHooks returns a context with which the transport calls the hooks of t.
func (t *callTrace) withHooks(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.first(&t.dns.start) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.last(&t.dns.end) },
		ConnectStart:         func(string, string) { t.first(&t.connect.start) },
		ConnectDone:          func(string, string, error) { t.last(&t.connect.end) },
		TLSHandshakeStart:    func() { t.first(&t.tls.start) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.last(&t.tls.end) },
		GotFirstResponseByte: func() { t.last(&t.firstByte) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.last(&t.requestWritten) },
	})
}

// first sets at to the current time, unless it is set.
func (t *callTrace) first(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.IsZero() {
		*at = t.now()
	}
}

// last sets at to the current time, even if it is set.
func (t *callTrace) last(at *time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = t.now()
}

// timings returns the timings of a call whose body was complete at end.
func (t *callTrace) timings(end time.Time) Timings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Timings{
		DNS:     t.dns.duration(),
		Connect: t.connect.duration(),
		TLS:     t.tls.duration(),
		// The answer may begin before the request has been written to its end.
		Wait:     max(span{t.requestWritten, t.firstByte}.duration(), 0),
		Transfer: span{t.firstByte, end}.duration(),
	}
}
