// Package cloudtest is the world around the program, on one loopback address:
// a fake of the events API and a fake of OCI Object Storage with one bucket,
// and the settings that lead a run there. Answers may be delayed by their kind,
// and each request may be intercepted.
//
// What the fakes check and how they fail is theirs to say: see polisentest and
// ocitest.
package cloudtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/joho/godotenv"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

const (
	// Bucket is the name of the one bucket.
	Bucket    = "fakebucket"
	namespace = "fakenamespace"
	apiPath   = "/api/events"
	// Browse is the path below which the bucket's objects can be looked at
	// without a signature.
	Browse = "/archive/"
)

// Cloud is the fakes behind one server.
type Cloud struct {
	URL     string // http://127.0.0.1:port
	Dir     string // holds the OCI config file, the env-file and the state folder
	API     *polisentest.API
	Objects *ocitest.Service

	config string
	server http.Server

	mu        sync.Mutex
	delays    Delays
	intercept Intercept
}

// Intercept stands between a request and the fake that serves it. The request's
// body has been read, and its context does not end with the client.
type Intercept func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)

// Delays are how long requests take before they have an effect.
type Delays struct {
	API         time.Duration
	Read        time.Duration // of objects: GET and HEAD, and listing them
	PutDocument time.Duration // the metadata document
	Put         time.Duration // any other object
}

// Start starts a cloud whose files are in dir. It listens on an address such as
// 127.0.0.1:0, whose host must be loopback.
func Start(dir, listen string) (*Cloud, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: the fakes are for this machine alone: give 127.0.0.1:port", listen)
	}
	id := ociauthtest.Shared()
	config, err := id.WriteConfig(dir)
	if err != nil {
		return nil, fmt.Errorf("write the OCI config file: %w", err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	v := new(ociauthtest.Verifier)
	v.Trust(id.KeyID(), &id.Key.PublicKey)
	c := &Cloud{
		URL:     "http://" + l.Addr().String(),
		Dir:     dir,
		API:     &polisentest.API{MinInterval: time.Millisecond},
		Objects: ocitest.New(v, namespace, Bucket),
		config:  config,
	}
	c.server = http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go c.server.Serve(l)
	return c, nil
}

// Close ends the server, and requests that are under way.
func (c *Cloud) Close() error { return c.server.Close() }

// SetDelays changes the delays of requests to come.
func (c *Cloud) SetDelays(d Delays) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delays = d
}

// SetIntercept changes who intercepts the requests to come; nil is nobody.
func (c *Cloud) SetIntercept(i Intercept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intercept = i
}

// Settings are the environment variables that lead a run to the cloud.
func (c *Cloud) Settings() map[string]string {
	return map[string]string{
		"POLISEN_API_URL":      c.URL + apiPath,
		"POLISEN_MIN_INTERVAL": "1ms",
		"POLISEN_STATE_DIR":    filepath.Join(c.Dir, "state"),
		"POLISEN_STORE":        "oci://" + namespace + "/" + Bucket,
		"OCI_ENDPOINT":         c.URL,
		"OCI_CONFIG_FILE":      c.config,
		"API_CONTACT_EMAIL":    "nobody@example.org",
	}
}

// WriteEnvFile writes the settings as a file for --env-file.
func (c *Cloud) WriteEnvFile() (path string, err error) {
	path = filepath.Join(c.Dir, "env")
	return path, godotenv.Write(c.Settings(), path)
}

// Store opens the bucket.
func (c *Cloud) Store(ctx context.Context) (store.Store, error) {
	creds, err := ociauth.Resolve(ctx, ociauth.Options{ConfigFile: c.config})
	if err != nil {
		return nil, err
	}
	return ocistore.Open(creds, ocistore.Options{Namespace: namespace, Bucket: Bucket, Endpoint: c.URL})
}

// ServeHTTP answers a request by its path.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	delay, intercept := c.delays.of(r), c.intercept
	c.mu.Unlock()
	serve := c.Objects.ServeHTTP
	switch {
	case r.URL.Path == apiPath:
		serve = c.API.ServeHTTP
	case strings.HasPrefix(r.URL.Path, Browse):
		c.browse(w, r)
		return
	}
	time.Sleep(delay)
	if intercept == nil {
		serve(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	intercept(w, r, serve)
}

func (d Delays) of(r *http.Request) time.Duration {
	switch {
	case r.URL.Path == apiPath:
		return d.API
	case r.Method != http.MethodPut:
		return d.Read
	case strings.HasSuffix(r.URL.Path, "/metadata/last_seen.json"):
		return d.PutDocument
	}
	return d.Put
}

// browse shows an object, or the names of all.
func (c *Cloud) browse(w http.ResponseWriter, r *http.Request) {
	objects := c.Objects.Objects(Bucket)
	name := strings.TrimPrefix(r.URL.Path, Browse)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if body, ok := objects[name]; ok {
		_, _ = w.Write(body)
		return
	}
	if name != "" {
		http.NotFound(w, r)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		fmt.Fprintln(w, name)
	}
}
