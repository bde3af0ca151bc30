package cmd

import (
	"context"
	"path/filepath"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
)

// checkMetricsFile is checkOutside for --metrics-file. It drops a file in the archive from
// the settings, since a run that fails writes the file too.
func checkMetricsFile(ctx context.Context, s *config.Settings) error {
	file := s.Monitoring.MetricsFile
	defer blocking.Call(ctx, "check "+file)()
	err := checkOutside("--metrics-file (POLISEN_METRICS_FILE)", file, s.Archive.Store)
	if err != nil {
		s.Monitoring.MetricsFile = ""
	}
	return err
}

// checkStateDir is checkOutside for --state-dir. What a host knows of an archive must not be
// lost with it.
func checkStateDir(ctx context.Context, s config.Settings) error {
	defer blocking.Call(ctx, "check "+s.API.StateDir)()
	return checkOutside("--state-dir (POLISEN_STATE_DIR)", s.API.StateDir, s.Archive.Store)
}

// checkOutside returns an error if the file or folder that a setting names is in the folder of
// the archive. It could replace an object there, and verify would report it.
func checkOutside(setting, file string, s config.StoreURL) error {
	if s.Kind != config.DirStore || file == "" {
		return nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return usagef("%s: %w", setting, err)
	}
	inside, err := filepath.Rel(withoutLinks(s.Path), withoutLinks(path))
	if err == nil && filepath.IsLocal(inside) {
		return usagef("%s: %s is in the folder of the archive, which must hold nothing else: choose another place", setting, file)
	}
	return nil
}

// withoutLinks returns the path without symbolic links, as far as its folders exist.
func withoutLinks(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil || path == filepath.Dir(path) {
		return target
	}
	return filepath.Join(withoutLinks(filepath.Dir(path)), filepath.Base(path))
}
