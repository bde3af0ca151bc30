package cmd

import (
	"context"
	"path/filepath"

	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
)

// checkMetricsFile is checkOutside for --metrics-file. If the file is in the folder of the
// archive, it also clears the setting, because even the failed run would write the file.
func checkMetricsFile(ctx context.Context, s *config.Settings) error {
	file := s.Monitoring.MetricsFile
	defer blocking.Call(ctx, "check "+file)()
	err := checkOutside("--metrics-file (POLISEN_METRICS_FILE)", file, s.Archive.Store)
	if err != nil {
		s.Monitoring.MetricsFile = ""
	}
	return err
}

// checkStateDir is checkOutside for --state-dir. The state folder must survive the loss of
// the archive, because it shows that loss.
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
