package cmd

import (
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
)

// TestCredentialsOptions checks that the settings of credentials reach ociauth.
func TestCredentialsOptions(t *testing.T) {
	s := config.Archive{
		RetryBase: 7 * time.Millisecond,
		OCI:       config.OCI{Auth: config.AuthVault, ConfigFile: "/config", Profile: "P", Region: "eu-paris-1"},
		Vault: config.Vault{
			ID: "id", Name: "name", Compartment: "c", Region: "eu-frankfurt-1", Auth: config.AuthAPIKey,
			SecretPrefix: "x-", SecretsEndpoint: "https://s", KMSEndpoint: "https://k",
		},
	}
	o := credentials(s, nil)
	if o.Retry.Base != s.RetryBase || o.Retry.Attempts < 2 || o.DefaultRegion != "eu-stockholm-1" {
		t.Errorf("%+v", o)
	}
	if string(o.Kind) != "vault" || o.ConfigFile != "/config" || o.Profile != "P" || o.Region != "eu-paris-1" {
		t.Errorf("%+v", o)
	}
	v := o.Vault
	if v.ID != "id" || v.Name != "name" || v.Compartment != "c" || v.Region != "eu-frankfurt-1" || string(v.Auth) != "api_key" ||
		v.SecretPrefix != "x-" || v.SecretsEndpoint != "https://s" || v.KMSEndpoint != "https://k" {
		t.Errorf("%+v", v)
	}
}
