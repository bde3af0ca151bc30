package cmd

import (
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/store"
)

// TestCredentialsOptions checks that the settings of credentials reach ociauth.
func TestCredentialsOptions(t *testing.T) {
	s := config.Archive{
		RetryBase: 7 * time.Millisecond,
		OCI:       config.OCI{Auth: config.AuthVault, ConfigFile: "/config", Profile: "P", Region: "eu-paris-1"},
		Vault: config.Vault{
			ID: "id", Name: "name", Compartment: "c", Region: "eu-paris-1", Auth: config.AuthAPIKey,
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
	if v.ID != "id" || v.Name != "name" || v.Compartment != "c" || v.Region != "eu-paris-1" || v.DefaultRegion != "eu-frankfurt-1" || string(v.Auth) != "api_key" ||
		v.SecretPrefix != "x-" || v.SecretsEndpoint != "https://s" || v.KMSEndpoint != "https://k" {
		t.Errorf("%+v", v)
	}
}

// TestOpenWithoutDescriptors opens a folder while the process cannot open files.
func TestOpenWithoutDescriptors(t *testing.T) {
	s := config.Archive{Store: config.StoreURL{Kind: config.DirStore, Path: t.TempDir()}}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := openStore(t.Context(), s, slog.New(slog.DiscardHandler), nil)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if got := exitCode(err); got != exitStorage || errors.Is(err, store.ErrAccess) {
		t.Errorf("exit code %d for %v; want %d", got, err, exitStorage)
	}
}
