// Package cloudtest runs fakes of the events API and of OCI Object Storage, with
// one bucket, on one loopback address. It provides the settings of a run that uses
// them, and can delay or intercept requests.
//
// For the checks and faults of the fakes, see packages polisentest and ocitest.
package cloudtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"polisen-events-collector/pkg/address"
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
	// Browse is the path of a list of the bucket's objects. Each object can be read
	// at the path Browse+name. Neither needs a signature.
	Browse = "/archive/"
)

// Cloud is one server with both fakes.
type Cloud struct {
	URL     string // http://127.0.0.1:port
	Dir     string // for the OCI configuration file, the env-file and the state folder
	API     *polisentest.API
	Objects *ocitest.Service

	config string
	server http.Server

	mu        sync.Mutex
	delays    Delays
	intercept Intercept
}

// Intercept handles a request in place of the fake; it may call serve, which
// passes the request to the fake, now or later. The request's whole body is in
// memory, and its context does not end if the client closes the connection.
type Intercept func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)

// Delays holds the delays before the fakes handle a request.
type Delays struct {
	API         time.Duration
	Read        time.Duration // GET, HEAD and list
	PutDocument time.Duration // PUT of the metadata document
	PutReport   time.Duration // PUT of metadata/last_run.json
	Put         time.Duration // PUT of any other object
}

// Start starts a cloud with its files in dir. The address listen, such as
// 127.0.0.1:0, must be a loopback address.
func Start(dir, listen string) (*Cloud, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
	if !address.IsLoopback(host) {
		return nil, fmt.Errorf("listen on %s: the fakes only listen on a loopback address: use 127.0.0.1:PORT", listen)
	}
	id := ociauthtest.Shared()
	config, err := id.WriteConfig(dir)
	if err != nil {
		return nil, fmt.Errorf("write the OCI configuration file: %w", err)
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

// Close stops the server and closes its connections.
func (c *Cloud) Close() error { return c.server.Close() }

// SetDelays sets the delays of later requests.
func (c *Cloud) SetDelays(d Delays) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delays = d
}

// SetIntercept sets the function that intercepts later requests; nil for none.
func (c *Cloud) SetIntercept(i Intercept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intercept = i
}

// Settings returns the environment variables for a run that uses the cloud.
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

// WriteEnvFile writes the settings to a file for --env-file and returns its path.
func (c *Cloud) WriteEnvFile() (path string, err error) {
	path = filepath.Join(c.Dir, "env")
	var lines strings.Builder
	for name, value := range c.Settings() {
		fmt.Fprintf(&lines, "%s='%s'\n", name, value)
	}
	return path, os.WriteFile(path, []byte(lines.String()), 0o600)
}

// WriteRcloneConfig writes a configuration file for rclone, in which oci:BUCKET is the
// bucket, and returns its path.
func (c *Cloud) WriteRcloneConfig() (path string, err error) {
	path = filepath.Join(c.Dir, "rclone.conf")
	id := ociauthtest.Shared()
	text := fmt.Sprintf(`[oci]
type = oracleobjectstorage
provider = user_principal_auth
namespace = %s
compartment = %s
region = %s
endpoint = %s
config_file = %s
config_profile = DEFAULT
no_check_bucket = true
`, namespace, id.Tenancy, id.Region, c.URL, c.config)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// Store returns a client of the bucket.
func (c *Cloud) Store(ctx context.Context) (store.Store, error) {
	creds, err := ociauth.Resolve(ctx, ociauth.Options{ConfigFile: c.config})
	if err != nil {
		return nil, err
	}
	return ocistore.Open(creds, ocistore.Options{Namespace: namespace, Bucket: Bucket, Endpoint: c.URL})
}

// ServeHTTP passes a request to the API, to Object Storage or to Browse.
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
		return // the client has closed the connection
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	intercept(w, r, serve)
}

// of returns the delay of a request.
func (d Delays) of(r *http.Request) time.Duration {
	switch {
	case r.URL.Path == apiPath:
		return d.API
	case r.Method != http.MethodPut:
		return d.Read
	case strings.HasSuffix(r.URL.Path, "/metadata/last_seen.json"):
		return d.PutDocument
	case strings.HasSuffix(r.URL.Path, "/metadata/last_run.json"):
		return d.PutReport
	}
	return d.Put
}

// browse responds with the content of one object or the names of all objects.
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
