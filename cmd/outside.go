package cmd

import (
	"context"
	"path/filepath"
	"strings"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/blocking"
	"polisen-events-collector/pkg/config"
)

// checkMetricsFile is checkOutside for --metrics-file. It drops a file in the archive from
// the settings, since a run that fails writes the file too.
func checkMetricsFile(ctx context.Context, s *config.Settings) error {
	file := s.Monitoring.MetricsFile
	defer blocking.Call(ctx, "check "+file)()
	err := checkOutside("metrics-file", file, s.Archive.Store)
	if err != nil {
		s.Monitoring.MetricsFile = ""
	}
	return err
}

// checkOutside returns an error if the file that a flag names is in the folders of the
// archive, where it could replace an object.
func checkOutside(flag, file string, s config.StoreURL) error {
	if s.Kind != config.DirStore || file == "" {
		return nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return usagef("--%s: %w", flag, err)
	}
	inside, err := filepath.Rel(withoutLinks(s.Path), withoutLinks(path))
	first, _, _ := strings.Cut(filepath.ToSlash(inside), "/")
	if err == nil && archive.IsFolder(first) {
		return usagef("--%s %s is in the archive, whose objects it could replace: choose a file elsewhere", flag, file)
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
