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

// resourceTimeout bounds those kinds of resource principals that take calls of
// the SDK's own, which know no context.
const resourceTimeout = 30 * time.Second

// fromResource makes credentials of what OCI puts into the environment of a
// function or another resource of its own.
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
	ctx, cancel := context.WithTimeout(ctx, resourceTimeout)
	defer cancel()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("resource principal: %w", r.err)
		}
		r.creds.kind, r.creds.origin = ResourcePrincipal, "the environment"
		return r.creds, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("resource principal: no token within %v", resourceTimeout)
	}
}

// fromProvider makes credentials of a principal's provider, which renews its
// token and key as needed. They do not show the provider's method Refreshable:
// the SDK takes it as leave to answer a 401 with three seconds of sleep.
// explain makes one line of an error of the SDK.
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
		return nil, errors.New("no region: name one")
	}
	return c, nil
}

// guarded explains f's errors, and turns its panics into one: the SDK panics on
// a token that has no expiry.
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

// quoted is what the SDK quotes in its errors: now and then a whole token.
var quoted = regexp.MustCompile(`"[^"]*("|$)`)

// firstLine takes from an error of the SDK's what can be shown: without quoted
// text, and without the general advice on later lines.
func firstLine(err error) error {
	line, _, _ := strings.Cut(quoted.ReplaceAllString(err.Error(), `"..."`), "\n")
	return errors.New(strings.TrimSpace(line))
}
