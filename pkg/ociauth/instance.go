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
	// metadataEnv and metadataURL are where the SDK looks for the metadata
	// service (docs.oracle.com/iaas/Content/Compute/Tasks/gettingmetadata.htm).
	metadataEnv = "OCI_METADATA_BASE_URL"
	metadataURL = "http://169.254.169.254/opc/v2"
	regionPath  = "/instance/region"

	// probeTimeout is ample for a service on the same machine. Elsewhere its
	// address mostly leads nowhere, and nothing ever answers.
	probeTimeout = 2 * time.Second
	maxMetadata  = 1 << 20
)

// fromInstance makes credentials of the certificate that a compute instance
// gets from its metadata service.
func fromInstance(ctx context.Context, o Options) (*Credentials, error) {
	direct := ociclient.NewTransport()
	direct.Proxy = nil // the metadata service is on this very machine
	c := &instanceClient{
		ctx:        ctx,
		o:          o,
		base:       cmp.Or(os.Getenv(metadataEnv), metadataURL),
		metadata:   ociclient.NewDispatcher(direct, nil),
		federation: ociclient.NewDispatcher(ociclient.NewTransport(), nil),
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
	c.ctx = context.WithoutCancel(ctx) // later renewals are not part of Resolve
	return creds, nil
}

// instanceClient carries the SDK's requests to the metadata service and the
// federation service. The SDK itself would ask them without a context, and
// for minutes if they do not answer.
type instanceClient struct {
	ctx                  context.Context
	o                    Options
	base                 string
	region               []byte // as the metadata service gave it
	metadata, federation *ociclient.Dispatcher
	failure              atomic.Pointer[error] // of the last request; nil if it went well
}

// explain returns the failure behind an error of the SDK, which is about the
// answer that stood in for it.
func (c *instanceClient) explain(err error) error {
	if own := c.failure.Load(); own != nil {
		return *own
	}
	return firstLine(err)
}

// probe asks for the region, once if nothing answers.
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
		return fmt.Errorf("no metadata service at %s (%w): this is not an OCI compute instance, or a firewall is in the way", c.base, err)
	}
	return nil
}

// Do answers the SDK. A failure that is final becomes an answer that keeps the
// SDK from sleeping and trying again.
func (c *instanceClient) Do(r *http.Request) (*http.Response, error) {
	if r.URL.String() == c.base+regionPath {
		return response(r, http.StatusOK, c.region), nil
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
		return response(r, http.StatusBadRequest, nil), nil
	}
	c.failure.Store(nil)
	return response(r, http.StatusOK, text), nil
}

// send sends r with this body and returns the answer's.
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

func response(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}
}
