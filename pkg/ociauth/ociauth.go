// Package ociauth finds the credentials that requests to OCI are signed with:
// by the user's settings, from the places where OCI's own tools look for them.
//
// It hands them to whoever signs, and says what is wrong with them in terms of
// the settings. It never prints a secret, and stores none. What the signed
// requests are for is not its business.
package ociauth

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"polisen-events-collector/pkg/retry"
)

// Kind is a way to get credentials, named as in OCI's command line tool.
type Kind string

// The kinds of credentials.
const (
	// APIKey is a user's signing key, named by a profile of a configuration file.
	APIKey Kind = "api_key"
	// SecurityToken is a user's session, as made by "oci session authenticate".
	SecurityToken Kind = "security_token"
	// InstancePrincipal is the compute instance that the program runs on.
	InstancePrincipal Kind = "instance_principal"
	// ResourcePrincipal is the OCI resource, such as a function, that the
	// program runs in.
	ResourcePrincipal Kind = "resource_principal"
	// FromVault is a user's signing key, kept as secrets of an OCI Vault.
	FromVault Kind = "vault"
)

// ErrCredentials is wrapped by every error of Resolve and of Credentials.
var ErrCredentials = errors.New("no usable credentials")

// Options says where to look. The zero value is the DEFAULT profile of
// ~/.oci/config.
type Options struct {
	// Kind is how to get credentials; empty means APIKey.
	Kind Kind
	// ConfigFile is the configuration file, which may begin with ~/; empty
	// means ~/.oci/config. It and Profile serve APIKey and SecurityToken.
	ConfigFile string
	// Profile is the profile in it; empty means DEFAULT.
	Profile string
	// Region is the region of the requests. Empty means the one that the
	// credentials come with, and DefaultRegion if they come with none.
	Region, DefaultRegion string
	// Vault is for FromVault.
	Vault Vault
	// Retry says how often and how long apart a call is tried; the zero policy
	// means DefaultRetry. Its Clock also tells which sessions have expired.
	Retry retry.Policy
	// OnRetry, if not nil, is told of each failed try that is followed by
	// another. It may be called by several goroutines at once.
	OnRetry func(operation string, err error, delay time.Duration)
}

// region returns the region of credentials that come with this one, or none.
func (o Options) region(own string) string { return cmp.Or(o.Region, own, o.DefaultRegion) }

// Credentials sign requests to OCI. They are a common.ConfigurationProvider,
// and hold their secrets where no formatting reaches them. Those of a principal
// renew themselves; all others do no I/O.
type Credentials struct {
	kind                               Kind
	origin                             string
	tenancy, user, fingerprint, region string
	// keyID is secret where it holds a session's token.
	keyID func() (string, error)
	key   func() (*rsa.PrivateKey, error)
}

// Resolve finds the credentials. Its errors wrap ErrCredentials and, once ctx is
// done, context.Cause(ctx).
func Resolve(ctx context.Context, o Options) (*Credentials, error) {
	if o.Retry == (retry.Policy{}) {
		o.Retry = DefaultRetry
	}
	c, err := resolve(ctx, o)
	if err == nil && !regionForm(c.region) {
		c, err = nil, fmt.Errorf("%s: %.40q is not a region's name, such as eu-stockholm-1", c, c.region)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return c, unusable(err)
}

// unusable marks an error as one of credentials.
func unusable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrCredentials, err)
}

func resolve(ctx context.Context, o Options) (*Credentials, error) {
	if err := checkDump(o.Kind); err != nil {
		return nil, err
	}
	switch o.Kind {
	case "", APIKey:
		return fromProfile(o)
	case SecurityToken:
		return fromSession(o)
	case InstancePrincipal:
		return fromInstance(ctx, o)
	case ResourcePrincipal:
		return fromResource(ctx, o)
	case FromVault:
		return fromVault(ctx, o)
	}
	return nil, fmt.Errorf("unknown kind %q", string(o.Kind))
}

// checkDump refuses to fetch secrets while the SDK is told to print all that it
// receives: that includes a vault's private key and an instance's.
func checkDump(k Kind) error {
	const name = "OCI_GO_SDK_DEBUG"
	if k == "" || k == APIKey || k == SecurityToken {
		return nil // they come from files
	}
	switch level := os.Getenv(name); strings.ToLower(level) {
	case "d", "debug", "v", "verbose", "1":
		return fmt.Errorf("%s=%s would print private keys: unset it, or set it to info", name, level)
	}
	return nil
}

// Kind returns how the credentials were found.
func (c *Credentials) Kind() Kind { return c.kind }

// String names the credentials by where they came from. It holds no secret.
func (c *Credentials) String() string {
	return fmt.Sprintf("%s from %s", c.kind, c.origin)
}

// KeyID names the key in a signature.
func (c *Credentials) KeyID() (string, error) {
	id, err := c.keyID()
	return id, unusable(err)
}

// PrivateRSAKey returns the signing key.
func (c *Credentials) PrivateRSAKey() (*rsa.PrivateKey, error) {
	key, err := c.key()
	return key, unusable(err)
}

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
