package ociauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"github.com/oracle/oci-go-sdk/v65/secrets"

	"polisen-events-collector/pkg/ociclient"
)

// findVault returns the OCID of the one active vault of a name.
func findVault(ctx context.Context, o Options, creds *Credentials) (string, error) {
	client, err := keymanagement.NewKmsVaultClientWithConfigurationProvider(creds)
	if err != nil {
		return "", fmt.Errorf("list vaults: %w", err)
	}
	if err := ociclient.Configure(&client.BaseClient, creds, ociclient.Options{Endpoint: o.Vault.KMSEndpoint}); err != nil {
		return "", fmt.Errorf("list vaults: %w", err)
	}
	var active, others []string
	request := keymanagement.ListVaultsRequest{CompartmentId: &o.Vault.Compartment}
	for {
		page, err := call(ctx, o, "list vaults of "+o.Vault.Compartment, func(ctx context.Context) (keymanagement.ListVaultsResponse, error) {
			return client.ListVaults(ctx, request)
		})
		if err != nil {
			return "", denied(err, "inspect vaults in that compartment")
		}
		for _, v := range page.Items {
			switch {
			case v.Id == nil || v.DisplayName == nil || *v.DisplayName != o.Vault.Name:
			case v.LifecycleState == keymanagement.VaultSummaryLifecycleStateActive:
				active = append(active, *v.Id)
			default:
				others = append(others, fmt.Sprintf("%s is %s", *v.Id, v.LifecycleState))
			}
		}
		if page.OpcNextPage == nil {
			break
		}
		request.Page = page.OpcNextPage
	}
	switch {
	case len(active) == 1:
		return active[0], nil
	case len(active) > 1:
		return "", fmt.Errorf("%d active vaults in %s are called %q: name one by its OCID: %s",
			len(active), o.Vault.Compartment, o.Vault.Name, strings.Join(active, ", "))
	case len(others) > 0:
		return "", fmt.Errorf("no active vault in %s is called %q: %s", o.Vault.Compartment, o.Vault.Name, strings.Join(others, ", "))
	}
	return "", fmt.Errorf("no vault in %s of region %s is called %q", o.Vault.Compartment, creds.region, o.Vault.Name)
}

// readSecrets reads the named secrets, all at once. That of the region may be
// missing.
func readSecrets(ctx context.Context, o Options, creds *Credentials, vault string, names []string) (map[string]secret, error) {
	client, err := secrets.NewSecretsClientWithConfigurationProvider(creds)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	if err := ociclient.Configure(&client.BaseClient, creds, ociclient.Options{Endpoint: o.Vault.SecretsEndpoint}); err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	contents, errs := make([]secret, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { contents[i], errs[i] = readSecret(ctx, o, client, vault, name) })
	}
	wg.Wait()

	got := map[string]secret{}
	var missing []string
	var absent, failed error
	for i, name := range names {
		e, _ := errors.AsType[*ociclient.Error](errs[i])
		switch {
		case errs[i] == nil:
			got[name] = contents[i]
		case e == nil || e.Status != http.StatusNotFound:
			failed = errs[i]
		case name != secretRegion:
			missing, absent = append(missing, o.Vault.SecretPrefix+name), e
		}
	}
	switch {
	case failed != nil:
		return nil, denied(failed, "read secret-bundles of that vault")
	case absent != nil:
		return nil, fmt.Errorf("vault %s: no secret %s: %w: check the names, and that a policy lets %s read secret-bundles there",
			vault, strings.Join(missing, ", "), absent, creds)
	}
	return got, nil
}

func readSecret(ctx context.Context, o Options, client secrets.SecretsClient, vault, name string) (secret, error) {
	name = o.Vault.SecretPrefix + name
	operation := "read secret " + name
	resp, err := call(ctx, o, operation, func(ctx context.Context) (secrets.GetSecretBundleByNameResponse, error) {
		return client.GetSecretBundleByName(ctx, secrets.GetSecretBundleByNameRequest{
			SecretName: &name,
			VaultId:    &vault,
			Stage:      secrets.GetSecretBundleByNameStageCurrent,
		})
	})
	if err != nil {
		return nil, err
	}
	content, ok := resp.SecretBundleContent.(secrets.Base64SecretBundleContentDetails)
	if !ok || content.Content == nil {
		return nil, fmt.Errorf("%s: the answer has no content", operation)
	}
	text, err := base64.StdEncoding.DecodeString(*content.Content)
	if err != nil {
		return nil, fmt.Errorf("%s: the content is not base64", operation)
	}
	return newSecret(string(text)), nil
}

// denied adds what to look at to an error that says no.
func denied(err error, permission string) error {
	if e, ok := errors.AsType[*ociclient.Error](err); ok {
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			return fmt.Errorf("%w: check that a policy lets these credentials %s", err, permission)
		}
	}
	return err
}
