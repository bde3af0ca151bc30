// Package ping reports the start and the end of a run to a service that expects such
// calls, by the convention of healthchecks.io
// (https://healthchecks.io/docs/http_api/ and
// https://healthchecks.io/docs/signaling_failures/): a POST to URL/start at the start,
// and at the end one to URL, or to URL/<exit code> after a failure.
//
// It knows nothing about runs. No text of it shows more of the URL than the host.
package ping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/text"
	"polisen-events-collector/pkg/transport"
)

const (
	// maxTime is the longest time of a ping. A second try is part of it.
	maxTime = 5 * time.Second
	// tryTime is the longest time of one try.
	tryTime = 2 * time.Second
	// retryDelay is the delay before the second try.
	retryDelay = 500 * time.Millisecond
	// startTime is the longest time that [Pinger.Finish] waits for the first ping.
	startTime = time.Second
	// maxRedirects is the largest number of redirects that a try follows.
	maxRedirects = 3
	// maxAnswer is the number of bytes of an answer that are read.
	maxAnswer = 1000
	// maxBody is the length in bytes of the longest text that is sent. The service
	// keeps 100 kB.
	maxBody = 10_000
)

var (
	errSlow      = errors.New("no answer in time")
	errRedirect  = errors.New("it redirects to another host, which is not followed: set the URL to the new address")
	errDowngrade = errors.New("it redirects to an address without https, which is not followed: correct the redirect at the service")
	errUnknown   = errors.New("the service has no check with this URL: create it there, or correct the URL")
	errTooMany   = errors.New("the service ignored it, since there were too many pings")
)

// statusError is the error of an answer that is not a success.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// Pinger sends the pings of one run.
type Pinger struct {
	url       address.Secret
	userAgent string
	client    *http.Client

	cancelStart context.CancelFunc
	started     chan struct{} // closed when the first ping has ended
}

// New returns a Pinger for this URL. It sends nothing yet.
func New(u address.Secret, userAgent string) *Pinger {
	t := transport.New()
	// With HTTP/2, the setting GODEBUG=http2debug=2 would log the path.
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	p := &Pinger{url: u, userAgent: userAgent, started: make(chan struct{}), cancelStart: func() {}}
	p.client = &http.Client{Transport: t, CheckRedirect: sameHost}
	return p
}

// sameHost is the CheckRedirect of the client.
func sameHost(next *http.Request, before []*http.Request) error {
	last := before[len(before)-1].URL
	switch {
	case next.URL.Scheme != last.Scheme && next.URL.Scheme != "https":
		return errDowngrade
	case next.URL.Host != last.Host:
		return errRedirect
	case len(before) > maxRedirects:
		return fmt.Errorf("%d redirects in a row", len(before))
	}
	return nil
}

// Start pings in the background that the run starts. It ignores errors: the ping at the
// end meets the same ones.
func (p *Pinger) Start(ctx context.Context) {
	ctx, p.cancelStart = context.WithTimeout(ctx, maxTime)
	go func() {
		defer close(p.started)
		_ = p.send(ctx, "", "start")
	}()
}

// Finish pings that the run has ended with this exit code. The message is its summary
// or its error. Finish takes at most 5 seconds, or until ctx ends, and tries a second
// time after a failure that may be temporary. Call it once, after [Pinger.Start].
func (p *Pinger) Finish(ctx context.Context, exitCode int, message string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errSlow)
	defer cancel()
	p.awaitStart(ctx)
	var path []string
	if exitCode != 0 {
		path = append(path, strconv.Itoa(exitCode))
	}
	if err := p.send(ctx, message, path...); err != nil {
		return fmt.Errorf("ping %s: %w", p.url.Host(), err)
	}
	return nil
}

// awaitStart waits until the first ping has arrived or failed, and ends it if it is slow.
// If it arrived after the last ping, the service would wait for the end of another run.
func (p *Pinger) awaitStart(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case <-p.started:
	case <-ctx.Done():
	}
	p.cancelStart()
	<-p.started
}

// send sends a ping to the URL with path added, twice at most.
func (p *Pinger) send(ctx context.Context, message string, path ...string) error {
	target := p.url.Reveal(path...)
	try := func(ctx context.Context) (struct{}, error) { return struct{}{}, p.try(ctx, target, message) }
	_, err := retry.Do(ctx, retry.Policy{Attempts: 2, Base: retryDelay}, temporary, try, nil)
	return err
}

// temporary reports whether a second try may succeed after err.
func temporary(err error) bool {
	if status, ok := errors.AsType[statusError](err); ok {
		return status == http.StatusTooManyRequests || status >= 500
	}
	for _, permanent := range []error{errRedirect, errDowngrade, errUnknown, errTooMany} {
		if errors.Is(err, permanent) {
			return false
		}
	}
	return !transport.IsPermanent(err)
}

// try sends one request.
func (p *Pinger) try(ctx context.Context, target *url.URL, message string) error {
	tryCtx, cancel := context.WithTimeoutCause(ctx, tryTime, errSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(tryCtx, http.MethodPost, target.String(), strings.NewReader(beginning(message)))
	if err != nil {
		return errors.New("not a URL that can be called") // err shows it
	}
	request.Header.Set("User-Agent", p.userAgent)
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := p.client.Do(request)
	switch {
	case err != nil && tryCtx.Err() != nil:
		return context.Cause(tryCtx)
	case err != nil:
		return hide(err, target)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // the status has said whether it is a success
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return statusError(response.StatusCode)
	}
	return ignored(string(answer))
}

// beginning returns the part of the message that is sent.
func beginning(message string) string {
	if len(message) <= maxBody {
		return message
	}
	return strings.ToValidUTF8(message[:maxBody], "")
}

// ignored returns an error if a service has answered with the status 200, although it
// has ignored the ping. healthchecks.io does so (https://healthchecks.io/docs/http_api/).
func ignored(answer string) error {
	switch strings.TrimSpace(answer) {
	case "OK (not found)":
		return errUnknown
	case "OK (rate limited)":
		return errTooMany
	}
	return nil
}

// hide returns an error of the client without the URL.
func hide(err error, target *url.URL) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return text.HideQuoted(transport.Explain(err), target.Path, target.RequestURI())
}
