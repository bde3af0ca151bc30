//go:build linux && amd64

package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"polisen-events-collector/pkg/polisen/polisentest"
)

// isAPI reports whether a request is a call to the events API.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api") }

// isStore reports whether a request is one to Object Storage.
func isStore(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/n/") }

// isPut reports whether a request writes an object.
func isPut(r *http.Request) bool { return isStore(r) && r.Method == http.MethodPut }

// intercept lets a function handle the requests that match. The function that it returns
// ends this.
func (w *world) intercept(match func(*http.Request) bool, handle func(http.ResponseWriter, *http.Request, http.HandlerFunc)) func() {
	w.cloud.SetIntercept(func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if match(r) {
			handle(rw, r, serve)
		} else {
			serve(rw, r)
		}
	})
	return func() { w.cloud.SetIntercept(nil) }
}

// sends returns a fault's cause: the API sends head, and then this text many times with a
// pause after each one.
func sends(head, text string, times int, pause time.Duration) func(w *world, c *exec.Cmd) (func(), error) {
	return func(w *world, c *exec.Cmd) (func(), error) {
		set(c, "POLISEN_TIMEOUT", waiting.String())
		if pause == 0 {
			set(c, "POLISEN_TIMEOUT", "20s")
		}
		return w.intercept(isAPI, func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, head)
			for range times {
				if _, err := io.WriteString(rw, text); err != nil {
					return // the client has closed the connection
				}
				if pause > 0 {
					_ = http.NewResponseController(rw).Flush()
					time.Sleep(pause)
				}
			}
		}), nil
	}
}

// bomb answers with 1 GB of blanks, compressed.
func bomb(w *world, _ *exec.Cmd) (func(), error) {
	var body bytes.Buffer
	z, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = z.Write([]byte("["))
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for i := 0; i < 1000 && err == nil; i++ {
		_, err = z.Write(blanks)
	}
	if err == nil {
		err = z.Close()
	}
	return w.intercept(isAPI, func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Encoding", "gzip")
		_, _ = rw.Write(body.Bytes())
	}), err
}

// answers returns a fault's cause: the API gives this answer to each call.
func answers(a polisentest.Answer) func(w *world, c *exec.Cmd) (func(), error) {
	return func(w *world, c *exec.Cmd) (func(), error) {
		set(c, "POLISEN_TIMEOUT", waiting.String())
		w.cloud.API.SetDefault(func(*http.Request) polisentest.Answer { return a })
		return func() { w.publish(0) }, nil
	}
}

// limited lets the API ask for an hour without calls. The next run begins after that: it
// finds no record of the calls.
func limited(w *world, c *exec.Cmd) (func(), error) {
	undo, err := answers(polisentest.RetryAfter(429, "3600"))(w, c)
	return func() { undo(); os.RemoveAll(filepath.Join(w.disk, "state")) }, err
}

// cut lets the API send the beginning of each response only.
func cut(w *world, _ *exec.Cmd) (func(), error) {
	body := w.publish(0)
	w.cloud.API.SetDefault(func(*http.Request) polisentest.Answer {
		return polisentest.Answer{Body: body, Truncate: 1000, Plain: true}
	})
	return func() { w.publish(0) }, nil
}

// elsewhere returns a fault's cause: the run calls another URL of the API.
func elsewhere(settings ...string) func(w *world, c *exec.Cmd) (func(), error) {
	return func(_ *world, c *exec.Cmd) (func(), error) {
		c.Env = append(append(c.Env, "POLISEN_TIMEOUT="+waiting.String()), settings...)
		return nil, nil
	}
}

// distant are settings for an API that is not on this machine.
func distant(more ...string) []string {
	return append([]string{"POLISEN_API_URL=https://api.invalid/events", "POLISEN_MIN_INTERVAL=10s"}, more...)
}

func networkFaults() (all []fault) {
	failed := []int{4}
	for _, s := range []single{
		{name: "API: unknown host name", exits: failed, cause: elsewhere(distant()...)},
		{name: "API: connection refused", exits: failed, cause: elsewhere("POLISEN_API_URL=http://127.0.0.1:1/")},
		{name: "API: certificate of an unknown authority", exits: failed, cause: func(_ *world, c *exec.Cmd) (func(), error) {
			server := httptest.NewTLSServer(http.NotFoundHandler())
			set(c, "POLISEN_API_URL", server.URL)
			return server.Close, nil
		}},
		{name: "API: server without TLS behind https", exits: failed, cause: func(w *world, c *exec.Cmd) (func(), error) {
			set(c, "POLISEN_API_URL", "https"+strings.TrimPrefix(w.cloud.URL, "http")+"/api/events")
			return nil, nil
		}},
		{name: "proxy: connection refused", exits: failed, cause: elsewhere(distant("HTTPS_PROXY=http://127.0.0.1:1")...)},
		{name: "proxy: status 407", exits: failed, cause: func(_ *world, c *exec.Cmd) (func(), error) {
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(http.StatusProxyAuthRequired)
			}))
			c.Env = append(append(c.Env, "POLISEN_TIMEOUT="+waiting.String()), distant("HTTPS_PROXY="+server.URL)...)
			return server.Close, nil
		}},
		{name: "API: one byte every 100 ms", exits: failed, cause: sends("[", " ", 600, 100*time.Millisecond)},
		{name: "API: gzip bomb of 1 GB", exits: failed, cause: bomb},
		{name: "API: body of 200 MB", exits: failed, cause: sends("[", strings.Repeat(" ", 1<<20), 200, 0)},
		{name: "API: text of 200 MB in one event", exits: failed, cause: sends(`[{"id":1,"summary":"`, strings.Repeat("a", 1<<20), 200, 0)},
		{name: "API: answer cut in the middle", exits: []int{3}, cause: cut},
		{name: "API: connection reset", exits: failed, cause: answers(polisentest.Answer{Reset: true})},
		{name: "API: no answer", exits: failed, cause: answers(polisentest.Answer{Delay: limit})},
		{name: "API: empty body", exits: failed, cause: answers(polisentest.Answer{})},
		{name: "API: HTML page with status 200", exits: failed, cause: answers(polisentest.Answer{Body: []byte("<html><body>Fel</body></html>")})},
		{name: "API: status 503", exits: failed, cause: answers(polisentest.Status(503))},
		{name: "API: status 429, Retry-After an hour", exits: failed, cause: limited},
	} {
		all = append(all, s.fault())
	}
	return all
}

// status returns a fault's cause: the bucket answers with this status and code.
func status(match func(*http.Request) bool, code int, text string) func(w *world, c *exec.Cmd) (func(), error) {
	return func(w *world, c *exec.Cmd) (func(), error) {
		set(c, "POLISEN_TIMEOUT", waiting.String())
		return w.intercept(match, func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(code)
			_, _ = io.WriteString(rw, `{"code":"`+text+`","message":"fault"}`)
		}), nil
	}
}

func bucketFaults() (all []fault) {
	for _, s := range []single{
		{name: "bucket: status 503", exits: []int{5}, cause: status(isStore, 503, "ServiceUnavailable")},
		{name: "bucket: status 503 for each PUT", exits: []int{5}, cause: status(isPut, 503, "ServiceUnavailable")},
		{name: "bucket: status 401", exits: []int{6}, cause: status(isStore, 401, "NotAuthenticated")},
		{name: "bucket: status 404 for each PUT", exits: []int{6}, cause: status(isPut, 404, "BucketNotFound")},
		{name: "bucket: status 429", exits: []int{5}, cause: status(isStore, 429, "TooManyRequests")},
		{name: "bucket: connection refused", exits: []int{5}, cause: elsewhere("OCI_ENDPOINT=http://127.0.0.1:1")},
		{name: "bucket: no answer", exits: []int{5}, cause: func(w *world, c *exec.Cmd) (func(), error) {
			set(c, "POLISEN_TIMEOUT", waiting.String())
			return w.intercept(isStore, func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				time.Sleep(2 * waiting)
				panic(http.ErrAbortHandler)
			}), nil
		}},
		{name: "bucket: the answer to each first PUT of an object is lost after its effect", exits: []int{0}, cause: func(w *world, _ *exec.Cmd) (func(), error) {
			var seen sync.Map
			return w.intercept(isPut, func(rw http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if _, again := seen.LoadOrStore(r.URL.Path, true); again {
					serve(rw, r)
					return
				}
				serve(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}), nil
		}},
	} {
		s.bucket = true
		all = append(all, s.fault())
	}
	return all
}
