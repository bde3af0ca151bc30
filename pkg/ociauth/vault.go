package ociauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Vault says which vault holds the secrets, and how to reach it.
type Vault struct {
	// ID is the vault's OCID. If it is empty, the one active vault called Name
	// in Compartment is looked for.
	ID, Name, Compartment string
	// Auth is how to sign for the vault itself; empty means APIKey. It is not
	// FromVault.
	Auth Kind
	// Region is the vault's.
	Region string
	// SecretPrefix is put before the secrets' names.
	SecretPrefix string
	// SecretsEndpoint and KMSEndpoint replace the addresses of the region's
	// secret retrieval service, and of its key management service, which knows
	// vaults by their names. Plain http is for loopback hosts only.
	SecretsEndpoint, KMSEndpoint string
}

// The secrets' names, less the prefix. The region's may be missing.
const (
	secretUser        = "oci-user-ocid"
	secretTenancy     = "oci-tenancy-ocid"
	secretFingerprint = "oci-fingerprint"
	secretKey         = "oci-private-key"
	secretRegion      = "oci-region"
)

// fromVault takes a user's API key from the secrets of a vault.
func fromVault(ctx context.Context, o Options) (*Credentials, error) {
	if o.Vault.Auth == FromVault {
		return nil, errors.New("a vault cannot be the way to the vault itself")
	}
	way := o
	way.Kind, way.Region = o.Vault.Auth, o.Vault.Region
	creds, err := resolve(ctx, way)
	if err != nil {
		return nil, fmt.Errorf("to reach the vault: %w", err)
	}
	id := o.Vault.ID
	if id == "" {
		if id, err = findVault(ctx, o, creds); err != nil {
			return nil, err
		}
	}
	names := []string{secretUser, secretTenancy, secretFingerprint, secretKey}
	if o.Region == "" {
		names = append(names, secretRegion)
	}
	got, err := readSecrets(ctx, o, creds, id, names)
	if err != nil {
		return nil, err
	}
	return fromSecrets(o, id, got)
}

// fromSecrets checks the secrets and makes credentials of them.
func fromSecrets(o Options, vault string, got map[string]secret) (*Credentials, error) {
	text := func(name string) string { return strings.TrimSpace(got[name].reveal()) }
	called := func(name string) string { return "secret " + o.Vault.SecretPrefix + name }
	c, err := newAPIKey(apiKey{
		tenancy:     text(secretTenancy),
		user:        text(secretUser),
		fingerprint: text(secretFingerprint),
		pem:         got[secretKey],
	}, names{
		called(secretTenancy), called(secretUser), called(secretFingerprint), called(secretKey),
		"place for its passphrase: store it without one",
	})
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", vault, err)
	}
	own := text(secretRegion)
	c.kind, c.origin, c.region = FromVault, vault, o.region(own)
	switch {
	case c.region == "":
		return nil, fmt.Errorf("vault %s: no %s: add it, or name the region", vault, called(secretRegion))
	case own != "" && !regionForm(own):
		return nil, fmt.Errorf("vault %s: %s is not a region's name, such as eu-stockholm-1", vault, called(secretRegion))
	}
	return c, nil
}

// regionForm reports whether the text can be a region's name, so that nothing
// else becomes a part of a host's name.
func regionForm(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}
