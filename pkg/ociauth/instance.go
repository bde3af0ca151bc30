package ociauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
)

const (
	// metadataURL is the address of an instance's metadata service
	// (https://docs.oracle.com/iaas/Content/Compute/Tasks/gettingmetadata.htm),
	// unless the environment variable metadataEnv is set, which the SDK reads.
	metadataURL = "http://169.254.169.254/opc/v2"
	metadataEnv = "OCI_METADATA_BASE_URL"
	regionPath  = "/instance/region"
	// regionInfoPath has the names of the region and the domain of its realm, as JSON.
	regionInfoPath = "/instance/regionInfo"

	// federationEnv replaces the address of the federation service in the SDK.
	federationEnv = "OCI_SDK_AUTH_CLIENT_REGION_URL"

	// probeTimeout bounds the first request to the metadata service. On an
	// instance the service is local and fast; elsewhere, usually nothing responds
	// at its address.
	probeTimeout = 2 * time.Second
	maxMetadata  = 1 << 20 // bytes of a response that are read
)

// fromInstance returns the credentials of the compute instance. It gets the
// instance's certificate from the metadata service, and for it a token from the
// federation service
// (https://docs.oracle.com/iaas/Content/Identity/Tasks/callingservicesfrominstances.htm).
func fromInstance(ctx context.Context, o Options) (*Credentials, error) {
	direct := ociclient.NewTransport()
	direct.Proxy = nil // the metadata service is local
	c := &instanceClient{
		ctx:        ctx,
		o:          o,
		base:       cmp.Or(os.Getenv(metadataEnv), metadataURL),
		metadata:   ociclient.NewDispatcher(direct),
		federation: ociclient.NewDispatcher(ociclient.NewTransport()),
	}
	if err := c.probe(); err != nil {
		return nil, err
	}
	if err := c.findRealm(); err != nil {
		return nil, fmt.Errorf("instance principal: %w", err)
	}
	provider, err := auth.InstancePrincipalConfigurationProviderWithCustomClient(
		func(common.HTTPRequestDispatcher) (common.HTTPRequestDispatcher, error) { return c, nil })
	if err != nil {
		return nil, fmt.Errorf("instance principal: %w", c.explain(err))
	}
	creds, err := fromProvider(provider, c.explain, o)
	if err != nil {
		return nil, fmt.Errorf("instance principal: %w", err)
	}
	creds.kind, creds.origin, creds.domain = InstancePrincipal, "this instance", c.domain
	c.ctx = context.WithoutCancel(ctx) // renewals outlive Resolve
	return creds, nil
}

// instanceClient sends the SDK's requests to the metadata service and the
// federation service. The SDK's own client would send them without a context, and
// repeat them for two minutes if nothing responds
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/auth/instance_principal_key_provider.go).
type instanceClient struct {
	ctx                  context.Context
	o                    Options
	base                 string // URL of the metadata service
	region               []byte // the region's name, which the SDK gets in response to regionPath
	domain               string // of the region's realm; empty if the SDK knows the region
	metadata, federation *ociclient.Dispatcher
	failure              atomic.Pointer[error] // of the last request; nil if it succeeded
}

// explain returns the error of the last request if that failed, since err, the
// SDK's error, is then about the response that Do made up. Otherwise it returns
// the first line of err.
func (c *instanceClient) explain(err error) error {
	if cause := c.failure.Load(); cause != nil {
		return *cause
	}
	return firstLine(err)
}

// probe reads the instance's region. It repeats the request only after a response
// that is transient: without a response, this is probably not an instance.
func (c *instanceClient) probe() error {
	var err error
	c.region, err = retry.Do(c.ctx, c.o.Retry,
		func(err error) bool {
			e, ok := errors.AsType[*ociclient.Error](err)
			return ok && e.Status != 0 && e.Transient()
		},
		func(ctx context.Context) ([]byte, error) {
			return ociclient.Try(ctx, probeTimeout, func(ctx context.Context) ([]byte, error) { return c.get(ctx, regionPath) })
		}, nil)
	if e, ok := errors.AsType[*ociclient.Error](err); ok && e.Status != 0 && e.Transient() {
		return fmt.Errorf("metadata service at %s: %w", c.base, err)
	}
	if err != nil {
		// It does not wrap the error, which looks as if it could pass.
		return fmt.Errorf("no metadata service at %s (%v): this is not an OCI compute instance, or a firewall blocks the service", c.base, err)
	}
	return nil
}

// get reads a value of the metadata service.
func (c *instanceClient) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer Oracle")
	return send(c.metadata, r, nil)
}

// findRealm sets the domain of the region's realm if the SDK's table lacks the region.
// For the SDK it would be a region of the realm oraclecloud.com
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/regions.go).
func (c *instanceClient) findRealm() error {
	if knowsRegion(string(c.region)) {
		return nil
	}
	body, err := call(c.ctx, c.o, "metadata service, "+regionInfoPath, func(ctx context.Context) ([]byte, error) { return c.get(ctx, regionInfoPath) })
	if err != nil {
		return err
	}
	var info struct{ RegionIdentifier, RealmDomainComponent string }
	if err := json.Unmarshal(body, &info); err != nil || !address.IsRegion(info.RegionIdentifier) || !domainForm.MatchString(info.RealmDomainComponent) {
		return fmt.Errorf("metadata service, %s: the response does not name a region and the domain of its realm", regionInfoPath)
	}
	c.region, c.domain = []byte(info.RegionIdentifier), info.RealmDomainComponent
	return nil
}

// domainForm matches the name of a domain.
var domainForm = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// knowsRegion reports whether the SDK knows the realm of a region.
func knowsRegion(name string) bool {
	_, err := common.StringToRegion(name).RealmID()
	return err == nil
}

// Do sends a request of the SDK and repeats it after transient failures. If it
// gives up, it returns a made-up 400, after which the SDK does not sleep and try
// again; explain then returns the actual error.
func (c *instanceClient) Do(r *http.Request) (*http.Response, error) {
	if r.URL.String() == c.base+regionPath {
		return newResponse(r, http.StatusOK, c.region), nil
	}
	if c.domain != "" && os.Getenv(federationEnv) == "" && strings.HasSuffix(r.URL.Host, "."+ociclient.Domain) {
		// The signature of a request to the federation service does not cover the host.
		r.URL.Host = strings.TrimSuffix(r.URL.Host, ociclient.Domain) + c.domain
		r.Host = r.URL.Host
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	service, operation := c.federation, "federation service"
	if strings.HasPrefix(r.URL.String(), c.base+"/") {
		service, operation = c.metadata, "metadata service, "+r.URL.Path
	}
	text, err := call(c.ctx, c.o, operation, func(ctx context.Context) ([]byte, error) {
		return send(service, r.Clone(ctx), body)
	})
	if err != nil {
		c.failure.Store(&err)
		return newResponse(r, http.StatusBadRequest, nil), nil
	}
	c.failure.Store(nil)
	return newResponse(r, http.StatusOK, text), nil
}

// send sends r with this body and returns the body of the response.
func send(d *ociclient.Dispatcher, r *http.Request, body []byte) ([]byte, error) {
	if r.Body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := d.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
}

// newResponse returns a made-up response to r.
func newResponse(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}
}
