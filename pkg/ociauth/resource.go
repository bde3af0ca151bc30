package ociauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
)

// resourceTimeout bounds the calls over the network that some resource principals
// need, which the SDK makes without a context.
const resourceTimeout = 30 * time.Second

// fromResource returns the credentials that OCI puts into the environment of a
// function or of another resource with a principal.
func fromResource(ctx context.Context, o Options) (*Credentials, error) {
	if os.Getenv(auth.ResourcePrincipalVersionEnvVar) == "" {
		return nil, fmt.Errorf("resource principal: %s is not set: this is not an OCI function or another resource with a principal",
			auth.ResourcePrincipalVersionEnvVar)
	}
	type result struct {
		creds *Credentials
		err   error
	}
	done := make(chan result, 1)
	go func() {
		provider, err := guarded(auth.ResourcePrincipalConfigurationProvider, firstLine)()
		if err != nil {
			done <- result{nil, err}
			return
		}
		creds, err := fromProvider(provider, firstLine, o)
		done <- result{creds, err}
	}()
	limited, cancel := context.WithTimeout(ctx, resourceTimeout)
	defer cancel()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("resource principal: %w", r.err)
		}
		r.creds.kind, r.creds.origin = ResourcePrincipal, "the environment"
		return r.creds, nil
	case <-limited.Done():
		if ctx.Err() != nil {
			return nil, fmt.Errorf("resource principal: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("resource principal: no token within %v", resourceTimeout)
	}
}

// fromProvider returns the credentials of a principal, whose provider p renews the
// token and the key. explain turns the SDK's errors into one line.
//
// The credentials lack the provider's method Refreshable, because of which the SDK
// would sleep for three seconds after a 401
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/client.go).
func fromProvider(p common.ConfigurationProvider, explain func(error) error, o Options) (*Credentials, error) {
	c := &Credentials{keyID: guarded(p.KeyID, explain), key: guarded(p.PrivateRSAKey, explain)}
	if _, err := c.keyID(); err != nil {
		return nil, err
	}
	if _, err := c.key(); err != nil {
		return nil, err
	}
	var err error
	if c.tenancy, err = guarded(p.TenancyOCID, explain)(); err != nil {
		return nil, err
	}
	own, err := guarded(p.Region, explain)()
	if err != nil {
		return nil, err
	}
	if c.region = o.region(own); c.region == "" {
		return nil, errors.New("the principal has no region: set --oci-region")
	}
	return c, nil
}

// guarded returns a function that calls f, passes its errors to explain, and
// returns an error if f panics: the SDK does so if a token has no expiry time.
func guarded[T any](f func() (T, error), explain func(error) error) func() (T, error) {
	return func() (v T, err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("the token is malformed")
			}
		}()
		if v, err = f(); err != nil {
			err = explain(err)
		}
		return v, err
	}
}

// quoted matches a quoted text in an error of the SDK. It may be a whole token.
var quoted = regexp.MustCompile(`"[^"]*("|$)`)

// firstLine returns the first line of an SDK error without the quoted texts. The
// other lines hold general advice.
func firstLine(err error) error {
	line, _, _ := strings.Cut(quoted.ReplaceAllString(err.Error(), `"..."`), "\n")
	return errors.New(strings.TrimSpace(line))
}
