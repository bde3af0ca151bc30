package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociclient"
	"polisen-events-collector/pkg/pipeline"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/ocistore"
)

// folderTimeout bounds a call to a store in a folder. Package ocistore bounds calls
// to a bucket.
const folderTimeout = time.Minute

// openStore opens the store that the settings name. For a bucket it first finds
// the credentials, which may take several calls.
func openStore(ctx context.Context, s config.Archive, log *slog.Logger, rec *report.Recorder) (store.Store, error) {
	ctx = blocking.WithKind(ctx, pipeline.ErrStore)
	if s.Store.Kind == config.DirStore {
		st, err := store.OpenLimited(ctx, s.Store.String(), folderTimeout, func() (store.Store, error) {
			dir, err := dirstore.Open(s.Store.Path)
			if err != nil {
				return nil, err
			}
			dir.OnUnsynced = func(err error) {
				log.Info("this file system cannot sync all files and folders, so a crash of the machine may lose the newest objects", "error", err)
			}
			return dir, nil
		})
		if err != nil {
			return nil, storeError(err)
		}
		return st, nil
	}
	onRetry := func(operation string, err error, delay time.Duration) {
		rec.StoreRetry()
		log.Info("the call failed and will be repeated", "operation", operation, "delay", delay, "error", err)
	}
	creds, err := ociauth.Resolve(ctx, credentials(s, onRetry))
	if err != nil {
		return nil, err
	}
	return ocistore.Open(creds, ocistore.Options{
		Namespace: s.Store.Namespace,
		Bucket:    s.Store.Bucket,
		Prefix:    s.Store.Prefix,
		Endpoint:  s.OCI.Endpoint,
		Retry:     retryPolicy(s),
		OnRetry:   onRetry,
	})
}

// retryPolicy returns the policy for calls to OCI services.
func retryPolicy(s config.Archive) retry.Policy {
	p := ociclient.DefaultRetry()
	p.Base = s.RetryBase
	return p
}

// credentials returns the options with which ociauth finds the credentials for a
// bucket.
func credentials(s config.Archive, onRetry func(string, error, time.Duration)) ociauth.Options {
	return ociauth.Options{
		Kind:          ociauth.Kind(s.OCI.Auth),
		ConfigFile:    s.OCI.ConfigFile,
		Profile:       s.OCI.Profile,
		Key:           ociauth.Key(s.OCI.Key),
		Region:        s.OCI.Region,
		DefaultRegion: config.DefaultRegion,
		Vault: ociauth.Vault{
			ID:              s.Vault.ID,
			Name:            s.Vault.Name,
			Compartment:     s.Vault.Compartment,
			Auth:            ociauth.Kind(s.Vault.Auth),
			Region:          s.Vault.Region,
			DefaultRegion:   config.DefaultVaultRegion,
			SecretPrefix:    s.Vault.SecretPrefix,
			SecretsEndpoint: s.Vault.SecretsEndpoint,
			KMSEndpoint:     s.Vault.KMSEndpoint,
		},
		Retry:   retryPolicy(s),
		OnRetry: onRetry,
	}
}

// storeError marks err as an error of the store, which decides the exit code.
func storeError(err error) error { return fmt.Errorf("%w: %w", pipeline.ErrStore, err) }
