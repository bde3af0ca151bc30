package main

import (
	"fmt"
	"runtime/debug"
)

// checkBuild returns an error unless the build is a release of this version: static, and
// built from the commit with that tag, without changes and without local paths.
func checkBuild(info *debug.BuildInfo, version string) error {
	if info.Main.Version != version {
		return fmt.Errorf("the go command gives the program the version %s, not %s (a major version of 2 or more needs a module path that ends with it)", info.Main.Version, version)
	}
	for key, want := range map[string]string{"vcs.modified": "false", "-trimpath": "true", "CGO_ENABLED": "0"} {
		if got := setting(info, key); got != want {
			return fmt.Errorf("the program is built with %s=%s, not %s", key, got, want)
		}
	}
	return nil
}

// setting returns a setting of the build, or "" if it has none of this name.
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
