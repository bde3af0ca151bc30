package cmd

import (
	"context"
	"log/slog"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/report"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/dirstore"
	"polisen-events-collector/pkg/store/ocistore"
)

// openStore opens the store that the settings name. For a bucket that takes
// finding credentials, which may take a while.
func openStore(ctx context.Context, s config.Archive, log *slog.Logger, rec *report.Recorder) (store.Store, error) {
	if s.Store.Kind == config.DirStore {
		return dirstore.Open(s.Store.Path)
	}
	creds, err := ociauth.Resolve(ctx, ociauth.Options{
		Kind:       ociauth.Kind(s.OCI.Auth),
		ConfigFile: s.OCI.ConfigFile,
		Profile:    s.OCI.Profile,
		Region:     s.OCI.Region,
	})
	if err != nil {
		return nil, err
	}
	policy := ocistore.DefaultRetry
	policy.Base = s.RetryBase
	return ocistore.Open(creds, ocistore.Options{
		Namespace: s.Store.Namespace,
		Bucket:    s.Store.Bucket,
		Region:    s.OCI.Region,
		Endpoint:  s.OCI.Endpoint,
		Retry:     policy,
		OnRetry: func(operation string, err error, delay time.Duration) {
			rec.StoreRetry()
			log.Info("storage call failed, trying again", "operation", operation, "delay", delay, "error", err)
		},
	})
}
