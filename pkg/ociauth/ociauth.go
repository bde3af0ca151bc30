// Package ociauth finds the credentials that sign requests to OCI: in the places
// that the settings name, or where OCI's own tools look.
//
// It never prints or stores a secret. Its errors name the setting, file or vault
// to correct.
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

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/retry"
)

// Kind is a way to get credentials. The names, except "vault", are those of the
// OCI command line tool
// (https://docs.oracle.com/iaas/Content/API/SDKDocs/clienvironmentvariables.htm,
// OCI_CLI_AUTH).
type Kind string

// The kinds of credentials.
const (
	// APIKey is a user's signing key, which a profile of a configuration file or the
	// environment names.
	APIKey Kind = "api_key"
	// SecurityToken is a user's session from "oci session authenticate".
	SecurityToken Kind = "security_token"
	// InstancePrincipal is the compute instance on which the program runs.
	InstancePrincipal Kind = "instance_principal"
	// ResourcePrincipal is the OCI resource, such as a function, in which the
	// program runs.
	ResourcePrincipal Kind = "resource_principal"
	// FromVault is a user's signing key, kept in secrets of an OCI Vault.
	FromVault Kind = "vault"
)

// ErrCredentials is wrapped by all errors of [Resolve] and [Credentials].
var ErrCredentials = errors.New("no usable credentials")

// Options says where to look for credentials. The zero value means the profile
// DEFAULT of ~/.oci/config.
type Options struct {
	// Kind is the way to get credentials; empty means APIKey.
	Kind Kind
	// ConfigFile is the configuration file for APIKey and SecurityToken. It may
	// begin with ~/; empty means ~/.oci/config.
	ConfigFile string
	// Profile is the profile in ConfigFile; empty means DEFAULT.
	Profile string
	// Key is the key for APIKey; if its Content is set, no file is read.
	Key Key
	// Region is the region of the requests. If it is empty, it is the region of
	// the credentials, or DefaultRegion if they have none.
	Region, DefaultRegion string
	// Vault is the vault for FromVault.
	Vault Vault
	// Retry sets the number of attempts of a call and the delays between them; the
	// zero value means [ociclient.DefaultRetry]. Its Clock also decides whether a
	// session has expired.
	Retry retry.Policy
	// OnRetry, if not nil, is called before each delay, with the operation, the
	// error of the failed attempt and the delay. Several goroutines may call it at
	// once.
	OnRetry func(operation string, err error, delay time.Duration)
}

// Key is a user's signing key in the environment variables of OCI's command line tool
// (https://docs.oracle.com/iaas/Content/API/SDKDocs/clienvironmentvariables.htm).
type Key struct {
	Content                    address.SecretText // OCI_CLI_KEY_CONTENT, in PEM form, not encrypted
	User, Tenancy, Fingerprint string             // OCI_CLI_USER, OCI_CLI_TENANCY, OCI_CLI_FINGERPRINT
}

// region returns the region of the requests for credentials whose own region is
// own, which may be empty.
func (o Options) region(own string) string { return cmp.Or(o.Region, own, o.DefaultRegion) }

// Credentials sign requests to OCI. No way of formatting them shows a secret. The
// credentials of a principal renew themselves with calls over the network; the
// others make no calls.
type Credentials struct {
	kind                               Kind
	origin                             string // where they were found, for messages
	tenancy, user, fingerprint, region string
	domain                             string                 // of the realm, from the metadata service; usually empty
	renew                              string                 // the command that renews a session, with its verb
	keyID                              func() (string, error) // secret if it holds a token
	key                                func() (*rsa.PrivateKey, error)
}

// notRegion says that a setting is not the name of a region. The error does not show its
// value, which may be a secret in the wrong place.
const notRegion = "is not a region's name, such as eu-stockholm-1"

// Resolve finds the credentials. Its errors wrap ErrCredentials, and also
// context.Cause(ctx) if ctx is done.
func Resolve(ctx context.Context, o Options) (*Credentials, error) {
	if o.Retry == (retry.Policy{}) {
		o.Retry = ociclient.DefaultRetry()
	}
	c, err := resolve(ctx, o)
	if err == nil && !address.IsRegion(c.region) {
		c, err = nil, fmt.Errorf("%s: region %s", c, notRegion)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return c, credentialsError(err)
}

// credentialsError returns an error that wraps ErrCredentials and err, or nil if
// err is nil.
func credentialsError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrCredentials, err)
}

func resolve(ctx context.Context, o Options) (*Credentials, error) {
	if err := checkDebug(o.Kind); err != nil {
		return nil, err
	}
	switch o.Kind {
	case "", APIKey:
		if !o.Key.Content.IsZero() {
			return fromEnvironment(o)
		}
		return fromProfile(ctx, o)
	case SecurityToken:
		return fromSession(ctx, o)
	case InstancePrincipal:
		return fromInstance(ctx, o)
	case ResourcePrincipal:
		return fromResource(ctx, o)
	case FromVault:
		return fromVault(ctx, o)
	}
	return nil, fmt.Errorf("unknown kind of credentials %q", string(o.Kind))
}

// checkDebug returns an error if the environment asks for logs that hold secrets.
// With GODEBUG=http2debug=1 or 2, net/http logs the headers of its requests, which
// hold signatures and tokens
// (https://pkg.go.dev/net/http#hdr-HTTP_2). OCI_GO_SDK_DEBUG can make the SDK print
// the responses that it receives: for some kinds they contain a private key
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/log.go).
func checkDebug(k Kind) error {
	if debug := os.Getenv("GODEBUG"); strings.Contains(debug, "http2debug=1") || strings.Contains(debug, "http2debug=2") {
		return errors.New("GODEBUG=http2debug would print signatures and tokens: remove it from GODEBUG")
	}
	const name = "OCI_GO_SDK_DEBUG"
	if k == "" || k == APIKey || k == SecurityToken {
		return nil // no service sends the key
	}
	switch level := os.Getenv(name); strings.ToLower(level) {
	case "d", "debug", "v", "verbose", "1":
		return fmt.Errorf("%s=%s would print private keys: unset it, or set it to info", name, level)
	}
	return nil
}

// String returns the kind and the origin of the credentials, such as "api_key
// from profile [DEFAULT] of ~/.oci/config". It holds no secret.
func (c *Credentials) String() string {
	return fmt.Sprintf("%s from %s", c.kind, c.origin)
}

// KeyID returns the keyId of signatures. It may hold a token, which is secret. The
// error wraps ErrCredentials if the credentials cannot be renewed.
func (c *Credentials) KeyID() (string, error) {
	id, err := c.keyID()
	return id, credentialsError(err)
}

// PrivateRSAKey returns the signing key. The error wraps ErrCredentials if the
// credentials cannot be renewed.
func (c *Credentials) PrivateRSAKey() (*rsa.PrivateKey, error) {
	key, err := c.key()
	return key, credentialsError(err)
}

// TenancyOCID returns the OCID of the tenancy.
func (c *Credentials) TenancyOCID() (string, error) { return c.tenancy, nil }

// UserOCID returns the OCID of the user, or "" for principals and sessions.
func (c *Credentials) UserOCID() (string, error) { return c.user, nil }

// KeyFingerprint returns the fingerprint of an API key, or "" for other kinds
// of credentials.
func (c *Credentials) KeyFingerprint() (string, error) { return c.fingerprint, nil }

// Region returns the region of the requests.
func (c *Credentials) Region() (string, error) { return c.region, nil }

// RealmDomain returns the domain of the services' addresses, such as oraclecloud.com, if
// the SDK does not know the region but the metadata service does. Otherwise it is empty.
func (c *Credentials) RealmDomain() string {
	if c.domain == "" || knowsRegion(c.region) {
		return ""
	}
	return c.domain
}

// AuthType always returns UnknownAuthenticationType. The real type of a profile
// with authentication_type=instance_principal would make the SDK call the metadata
// service each time it creates a client
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/auth/utils.go).
func (c *Credentials) AuthType() (common.AuthConfig, error) {
	return common.AuthConfig{AuthType: common.UnknownAuthenticationType}, nil
}

var _ common.ConfigurationProvider = (*Credentials)(nil)

// constant returns a function that returns v.
func constant[T any](v T) func() (T, error) {
	return func() (T, error) { return v, nil }
}
