package ociauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"polisen-events-collector/pkg/address"
)

// Vault says which vault holds the secrets and how to read them.
type Vault struct {
	// ID is the vault's OCID. If it is empty, the vault is the one active vault
	// with this Name in this Compartment.
	ID, Name, Compartment string
	// Auth is the kind of the credentials that read the vault; empty means
	// APIKey. FromVault is an error.
	Auth Kind
	// Region is the region of the vault. If it is empty, it is the region in ID, or
	// DefaultRegion if ID has none.
	Region, DefaultRegion string
	// SecretPrefix is the beginning of the secrets' names.
	SecretPrefix string
	// SecretsEndpoint and KMSEndpoint replace the region's addresses of the secret
	// retrieval service and of the key management service, which lists vaults.
	// Plain http works for loopback hosts only.
	SecretsEndpoint, KMSEndpoint string
}

// The names of the secrets, without the prefix. The region is optional.
const (
	secretUser        = "oci-user-ocid"
	secretTenancy     = "oci-tenancy-ocid"
	secretFingerprint = "oci-fingerprint"
	secretKey         = "oci-private-key"
	secretRegion      = "oci-region"
)

// fromVault returns a user's API key from the secrets of a vault.
func fromVault(ctx context.Context, o Options) (*Credentials, error) {
	if o.Vault.Auth == FromVault {
		return nil, errors.New("the credentials that read the vault cannot come from a vault")
	}
	readerOptions := o
	readerOptions.Kind, readerOptions.Region = o.Vault.Auth, o.Vault.region()
	reader, err := resolve(ctx, readerOptions)
	if err != nil {
		return nil, fmt.Errorf("credentials that read the vault: %w", err)
	}
	id := o.Vault.ID
	if id == "" {
		if id, err = findVault(ctx, o, reader); err != nil {
			return nil, err
		}
	}
	names := []string{secretUser, secretTenancy, secretFingerprint, secretKey}
	if o.Region == "" {
		names = append(names, secretRegion)
	}
	found, err := readSecrets(ctx, o, reader, id, names)
	if err != nil {
		return nil, err
	}
	c, err := fromSecrets(o, found)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", id, err)
	}
	c.kind, c.origin, c.domain = FromVault, id, reader.domain
	return c, nil
}

// region returns the region of the vault.
func (v Vault) region() string {
	return cmp.Or(v.Region, address.OCIDRegion(v.ID), v.DefaultRegion)
}

// fromSecrets checks the secrets of a vault and returns the credentials in them.
func fromSecrets(o Options, secrets map[string]address.SecretText) (*Credentials, error) {
	text := func(name string) string { return strings.TrimSpace(secrets[name].Reveal()) }
	fullName := func(name string) string { return "secret " + o.Vault.secretName(name) }
	c, err := newAPIKey(apiKey{
		tenancy:     text(secretTenancy),
		user:        text(secretUser),
		fingerprint: text(secretFingerprint),
		pem:         secrets[secretKey],
	}, keyNames{
		tenancy:     fullName(secretTenancy),
		user:        fullName(secretUser),
		fingerprint: fullName(secretFingerprint),
		pem:         fullName(secretKey),
		encrypted:   errors.New("the private key is encrypted: store it in the vault without a passphrase"),
	})
	switch own := text(secretRegion); {
	case err != nil:
		return nil, err
	case o.region(own) == "":
		return nil, fmt.Errorf("there is no %s: add it, or set --oci-region", fullName(secretRegion))
	case own != "" && !address.IsRegion(own):
		return nil, fmt.Errorf("%s %s", fullName(secretRegion), notRegion)
	default:
		c.region = o.region(own)
		return c, nil
	}
}

// secretName returns the name of a secret for a message. A long prefix is not shown:
// the setting may hold a secret by mistake.
func (v Vault) secretName(name string) string {
	if address.MayShow(v.SecretPrefix) {
		return v.SecretPrefix + name
	}
	return name + " (with the vault's secret prefix before it)"
}

// quotedName returns the vault's name for a message. A long name is not shown, as
// in secretName.
func (v Vault) quotedName() string {
	return strings.TrimSpace(cmp.Or(address.Quoted(v.Name), "of the settings"))
}
