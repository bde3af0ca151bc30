// Package ociauth finds the credentials that requests to OCI are signed with:
// by the user's settings, from the places where OCI's own tools look for them.
//
// It hands them to whoever signs, and says what is wrong with them in terms of
// the settings. It never prints a secret, and stores none. What the signed
// requests are for is not its business.
package ociauth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// Kind is a way to get credentials, named as in OCI's command line tool.
type Kind string

// The kinds of credentials.
const (
	// APIKey is a user's signing key, named by a profile of a configuration file.
	APIKey Kind = "api_key"
)

// ErrCredentials is wrapped by every error of Resolve that a change of
// settings, files or policies would mend.
var ErrCredentials = errors.New("no usable credentials")

// Options says where to look. The zero value is the DEFAULT profile of
// ~/.oci/config.
type Options struct {
	// Kind is how to get credentials; empty means APIKey.
	Kind Kind
	// ConfigFile is the configuration file, which may begin with ~/; empty
	// means ~/.oci/config.
	ConfigFile string
	// Profile is the profile in it; empty means DEFAULT.
	Profile string
	// Region is the region of the requests; empty means the one that the
	// credentials come with.
	Region string
}

// Credentials sign requests to OCI. They are a common.ConfigurationProvider
// that does no I/O, and hold their secrets where no formatting reaches them.
type Credentials struct {
	kind                               Kind
	origin                             string
	tenancy, user, fingerprint, region string
	// keyID is secret where it holds a session's token.
	keyID func() (string, error)
	key   func() (*rsa.PrivateKey, error)
}

// Resolve finds the credentials. Errors wrap ErrCredentials, but for those of
// a ctx that is done.
func Resolve(ctx context.Context, o Options) (*Credentials, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var c *Credentials
	var err error
	switch o.Kind {
	case "", APIKey:
		c, err = fromConfigFile(o)
	default:
		err = fmt.Errorf("unknown kind %q", string(o.Kind))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	return c, nil
}

// Kind returns how the credentials were found.
func (c *Credentials) Kind() Kind { return c.kind }

// String names the credentials by where they came from. It holds no secret.
func (c *Credentials) String() string {
	return fmt.Sprintf("%s from %s", c.kind, c.origin)
}

// KeyID names the key in a signature.
func (c *Credentials) KeyID() (string, error) { return c.keyID() }

// PrivateRSAKey returns the signing key.
func (c *Credentials) PrivateRSAKey() (*rsa.PrivateKey, error) { return c.key() }

// TenancyOCID returns the tenancy.
func (c *Credentials) TenancyOCID() (string, error) { return c.tenancy, nil }

// UserOCID returns the user; empty for credentials that are not a user's.
func (c *Credentials) UserOCID() (string, error) { return c.user, nil }

// KeyFingerprint returns the API key's fingerprint; empty for credentials that
// are not an API key.
func (c *Credentials) KeyFingerprint() (string, error) { return c.fingerprint, nil }

// Region returns the region of the requests.
func (c *Credentials) Region() (string, error) { return c.region, nil }

// AuthType keeps the SDK from looking for other credentials: a profile with
// authentication_type=instance_principal would make it call the metadata
// service for each new client.
func (c *Credentials) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UnknownAuthenticationType}, nil
}

var _ common.ConfigurationProvider = (*Credentials)(nil)

// constant is a func that returns v.
func constant[T any](v T) func() (T, error) {
	return func() (T, error) { return v, nil }
}
