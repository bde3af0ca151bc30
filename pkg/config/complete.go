package config

import (
	"path/filepath"

	"polisen-events-collector/pkg/ratelimit"
)

const program = "polisen-events-collector"

// completeAPI fills in what follows from other settings, and checks what only
// several settings together can tell.
func (l *loader) completeAPI(product string) {
	api := &l.settings.API
	if !l.has(flagUserAgent) {
		api.UserAgent = product
		if l.has(flagContact) {
			api.UserAgent += " (+" + l.given[flagContact].text + ")"
		}
	}
	if api.MinInterval < ratelimit.MinInterval && api.URL.URL != "" && !api.URL.Loopback {
		l.reject(flagMinInterval, "the API's rules ask for %v between calls", ratelimit.MinInterval)
	}
	if !l.has(flagStateDir) {
		dir, ok := l.userFolder("XDG_STATE_HOME", ".local/state")
		if !ok {
			l.miss(flagStateDir, "its default needs HOME or XDG_STATE_HOME, which are not set")
		}
		api.StateDir = dir
	}
}

func (l *loader) completeArchive() {
	l.completeStore()
	l.completeAuth()
	inBucket := l.settings.Archive.Store.Kind == OCIStore
	if inBucket || !l.has(flagStore) { // with a folder named, a vault in the environment is for other commands
		l.checkVault()
	}
	oci := &l.settings.Archive.OCI
	if l.has(flagOCIConfig) || !inBucket {
		return
	}
	if !oci.Auth.needsConfigFile() && (oci.Auth != AuthVault || !l.settings.Archive.Vault.Auth.needsConfigFile()) {
		return
	}
	home, ok := l.variable("HOME")
	if !ok {
		l.miss(flagOCIConfig, "its default needs HOME, which is not set")
		return
	}
	oci.ConfigFile = filepath.Join(home, ".oci", "config")
}

func (l *loader) completeStore() {
	store := &l.settings.Archive.Store
	if l.has(flagStore) {
		return
	}
	namespace, bucket := l.given[envNamespace].text, l.given[envBucket].text
	switch {
	case namespace != "" && bucket == "":
		l.miss(envBucket, "%s is set, and the default store needs both", envNamespace)
	case namespace == "" && bucket != "": // a local archive would be a surprise
		l.miss(envNamespace, "%s is set, and the default store needs both (--%s oci:///%s looks the namespace up)", envBucket, flagStore, bucket)
	case bucket != "":
		url, err := ParseStore("oci://" + namespace + "/" + bucket)
		if err != nil {
			l.reject(envBucket, "%s %q and this name no bucket: %w", envNamespace, namespace, err)
		}
		*store = url
	default:
		dir, ok := l.userFolder("XDG_DATA_HOME", ".local/share")
		if !ok {
			l.miss(flagStore, "its default needs HOME or XDG_DATA_HOME, which are not set")
		}
		*store = StoreURL{Kind: DirStore, Path: dir}
	}
}

func (l *loader) completeAuth() {
	if l.has(flagAuth) {
		return
	}
	l.settings.Archive.OCI.Auth = AuthAPIKey
	if l.has(flagVaultID) || l.has(flagVaultName) {
		l.settings.Archive.OCI.Auth = AuthVault
	}
}

func (l *loader) checkVault() {
	byID, byName := l.has(flagVaultID), l.has(flagVaultName)
	if byID && byName {
		other := l.given[flagVaultID]
		l.reject(flagVaultName, "%s from %s names a vault too; give one of them", other.setting.Name(), other.from)
	}
	if byName && !l.has(flagCompartment) {
		l.miss(flagCompartment, "the vault's name needs the compartment to look in")
	}
	if l.settings.Archive.OCI.Auth == AuthVault && !byID && !byName {
		l.miss(flagVaultID, "the credentials are to come from a vault (or give --%s)", flagVaultName)
	}
}

// userFolder returns the program's folder under the one that the XDG variable
// names, or else under fallback in the home folder. A relative path in the
// variable counts as none (XDG Base Directory Specification).
func (l *loader) userFolder(variable, fallback string) (string, bool) {
	if base, ok := l.variable(variable); ok && filepath.IsAbs(base) {
		return filepath.Join(base, program), true
	}
	home, ok := l.variable("HOME")
	if !ok {
		return "", false
	}
	return filepath.Join(home, fallback, program), true
}
