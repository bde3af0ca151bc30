package ociauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"

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
	provider, err := auth.InstancePrincipalConfigurationProviderWithCustomClient(
		func(common.HTTPRequestDispatcher) (common.HTTPRequestDispatcher, error) { return c, nil })
	if err != nil {
		return nil, fmt.Errorf("instance principal: %w", c.explain(err))
	}
	creds, err := fromProvider(provider, c.explain, o)
	if err != nil {
		return nil, fmt.Errorf("instance principal: %w", err)
	}
	creds.kind, creds.origin = InstancePrincipal, "this instance"
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
	region               []byte // the metadata service's response to regionPath
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
			return ociclient.Try(ctx, probeTimeout, func(ctx context.Context) ([]byte, error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+regionPath, nil)
				if err != nil {
					return nil, err
				}
				r.Header.Set("Authorization", "Bearer Oracle")
				return send(c.metadata, r, nil)
			})
		}, nil)
	if err != nil {
		return fmt.Errorf("no metadata service at %s (%w): this is not an OCI compute instance, or a firewall blocks the service", c.base, err)
	}
	return nil
}

// Do sends a request of the SDK and repeats it after transient failures. If it
// gives up, it returns a made-up 400, after which the SDK does not sleep and try
// again; explain then returns the actual error.
func (c *instanceClient) Do(r *http.Request) (*http.Response, error) {
	if r.URL.String() == c.base+regionPath {
		return newResponse(r, http.StatusOK, c.region), nil
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
