package ociauth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"github.com/oracle/oci-go-sdk/v65/secrets"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ociclient"
)

// findVault returns the OCID of the active vault that has the name and is in the
// compartment of o.Vault. It is an error if there are several.
func findVault(ctx context.Context, o Options, creds *Credentials) (string, error) {
	client, err := keymanagement.NewKmsVaultClientWithConfigurationProvider(creds)
	if err != nil {
		return "", fmt.Errorf("list vaults: %w", err)
	}
	if err := ociclient.Configure(&client.BaseClient, creds, ociclient.Options{Endpoint: o.Vault.KMSEndpoint}); err != nil {
		return "", fmt.Errorf("list vaults: %w", err)
	}
	var active, inactive []string
	pages := map[string]bool{} // that were requested
	request := keymanagement.ListVaultsRequest{CompartmentId: &o.Vault.Compartment}
	for {
		// The service cannot filter by name
		// (https://docs.oracle.com/en-us/iaas/api/#/en/key/release/VaultSummary/ListVaults).
		list, err := call(ctx, o, "list vaults of "+o.Vault.Compartment, func(ctx context.Context) (keymanagement.ListVaultsResponse, error) {
			return client.ListVaults(ctx, request)
		})
		if isDenied(err) {
			return "", fmt.Errorf("%w (region %s): %s", err, creds.region, creds.adviceFor(err, "inspect vaults in that compartment"))
		}
		if err != nil {
			return "", err
		}
		for _, v := range list.Items {
			switch {
			case v.Id == nil || v.DisplayName == nil || *v.DisplayName != o.Vault.Name:
			case v.LifecycleState == keymanagement.VaultSummaryLifecycleStateActive:
				active = append(active, *v.Id)
			default:
				inactive = append(inactive, fmt.Sprintf("%s is %s", *v.Id, v.LifecycleState))
			}
		}
		if list.OpcNextPage == nil {
			break
		}
		if pages[*list.OpcNextPage] { // the list would never end
			return "", fmt.Errorf("list vaults of %s: the service repeats a page: run the command again, or name the vault by its OCID", o.Vault.Compartment)
		}
		pages[*list.OpcNextPage] = true
		request.Page = list.OpcNextPage
	}
	switch {
	case len(active) == 1:
		return active[0], nil
	case len(active) > 1:
		return "", fmt.Errorf("%d active vaults in %s have the name %s: choose one by its OCID: %s",
			len(active), o.Vault.Compartment, o.Vault.quotedName(), strings.Join(active, ", "))
	case len(inactive) > 0:
		return "", fmt.Errorf("no active vault in %s has the name %s: %s", o.Vault.Compartment, o.Vault.quotedName(), strings.Join(inactive, ", "))
	}
	return "", fmt.Errorf("no vault in %s of region %s has the name %s", o.Vault.Compartment, creds.region, o.Vault.quotedName())
}

// readSecrets reads the secrets with these names, which lack the prefix, in
// parallel. Only the secret of the region may be missing.
func readSecrets(ctx context.Context, o Options, creds *Credentials, vault string, names []string) (map[string]address.SecretText, error) {
	client, err := secrets.NewSecretsClientWithConfigurationProvider(creds)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	if err := ociclient.Configure(&client.BaseClient, creds, ociclient.Options{Endpoint: o.Vault.SecretsEndpoint}); err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	contents, errs := make([]address.SecretText, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { contents[i], errs[i] = readSecret(ctx, o, client, vault, name) })
	}
	wg.Wait()

	found := map[string]address.SecretText{}
	var missing []string
	var missingErr, otherErr error
	for i, name := range names {
		e, _ := errors.AsType[*ociclient.Error](errs[i])
		switch {
		case errs[i] == nil:
			found[name] = contents[i]
		case e == nil || e.Status != http.StatusNotFound:
			otherErr = cmp.Or(otherErr, errs[i])
		case name != secretRegion:
			missing, missingErr = append(missing, o.Vault.secretName(name)), e
		}
	}
	switch {
	case isDenied(otherErr):
		return nil, fmt.Errorf("%w (region %s): %s", otherErr, creds.region, creds.adviceFor(otherErr, "read secret-bundles of that vault"))
	case otherErr != nil:
		return nil, fmt.Errorf("vault %s in region %s: %w: check the region, the network and the state of the service", vault, creds.region, otherErr)
	case missingErr != nil:
		return nil, fmt.Errorf("vault %s in region %s has no secret %s: %w: check the region and the names, and %s (the requests are signed with %s)",
			vault, creds.region, strings.Join(missing, ", "), missingErr, creds.PolicyAdvice("read secret-bundles of that vault"), creds)
	}
	return found, nil
}

// readSecret reads the current version of one secret.
func readSecret(ctx context.Context, o Options, client secrets.SecretsClient, vault, name string) (address.SecretText, error) {
	operation := "read secret " + o.Vault.secretName(name)
	name = o.Vault.SecretPrefix + name
	resp, err := call(ctx, o, operation, func(ctx context.Context) (secrets.GetSecretBundleByNameResponse, error) {
		return client.GetSecretBundleByName(ctx, secrets.GetSecretBundleByNameRequest{
			SecretName: &name,
			VaultId:    &vault,
			Stage:      secrets.GetSecretBundleByNameStageCurrent,
		})
	})
	if err != nil {
		return address.SecretText{}, err
	}
	content, ok := resp.SecretBundleContent.(secrets.Base64SecretBundleContentDetails)
	if !ok || content.Content == nil {
		return address.SecretText{}, fmt.Errorf("%s: the response has no content", operation)
	}
	text, err := base64.StdEncoding.DecodeString(*content.Content)
	if err != nil {
		return address.SecretText{}, fmt.Errorf("%s: the content is not base64", operation)
	}
	return address.NewSecretText(string(text)), nil
}

// isDenied reports whether a service may have refused a call because its caller
// has no permission. Some calls without permission get a 404
// (https://docs.oracle.com/iaas/Content/API/References/apierrors.htm).
func isDenied(err error) bool {
	e, ok := errors.AsType[*ociclient.Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound)
}
