package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/ratelimit"
)

// Program is the name of the executable and of the folders that are its defaults.
const Program = "polisen-events-collector"

// defaultBucket is the bucket of an older collector of these events, whose archives this
// program continues.
const defaultBucket = "polisen-events-collector"

// deriveAPI sets the fields that depend on several settings of the API, and checks
// that these settings agree.
func (l *loader) deriveAPI(product string) {
	api := &l.settings.API
	api.Contact = l.has(flagUserAgent) || l.has(flagContact)
	if api.URL.Path != "" {
		switch info, err := os.Stat(api.URL.Path); {
		case errors.Is(err, fs.ErrNotExist) && lacksScheme(l.given[flagAPIURL].text):
			l.invalid(flagAPIURL, "%w", errPolisen)
		case errors.Is(err, fs.ErrNotExist):
			l.invalid(flagAPIURL, "%w", errNoScheme)
		case err == nil && info.IsDir():
			l.invalid(flagAPIURL, "a folder, not a saved response: backfill --input reads all files in a folder")
		}
	}
	if !l.has(flagUserAgent) {
		api.UserAgent = product
		if l.has(flagContact) {
			api.UserAgent += " (+" + l.given[flagContact].text + ")"
		}
	}
	if api.MinInterval < ratelimit.MinInterval && api.URL.URL != "" && !api.URL.Loopback {
		l.invalid(flagMinInterval, "the API's rules require at least %v between calls", ratelimit.MinInterval)
	}
	if !l.has(flagStateDir) {
		dir, ok := l.userFolder("XDG_STATE_HOME", ".local/state")
		if !ok {
			l.missing(flagStateDir, "its default needs HOME or XDG_STATE_HOME, and neither is set")
		}
		api.StateDir = dir
	}
}

// deriveArchive sets the fields that depend on several settings of the archive,
// and checks that these settings agree.
func (l *loader) deriveArchive() {
	l.deriveStore()
	l.deriveAuth()
	inBucket := l.settings.Archive.Store.Kind == OCIStore
	if inBucket || !l.has(flagStore) { // a folder that --store names needs no vault
		l.checkVault()
	}
	if inBucket && l.signsWith(AuthAPIKey) {
		l.checkKey()
	}
	if inBucket && !l.has(flagOCIConfig) {
		l.deriveConfigFile()
	}
}

// deriveConfigFile sets the default of --oci-config, if requests are signed with a key or
// a token that the file names.
func (l *loader) deriveConfigFile() {
	needed := l.signsWith(AuthSecurityToken) || l.signsWith(AuthAPIKey) && !l.has(envKeyContent)
	home, ok := l.variable("HOME")
	switch {
	case needed && !ok:
		l.missing(flagOCIConfig, "its default needs HOME, which is not set")
	case needed:
		l.settings.Archive.OCI.ConfigFile = filepath.Join(home, ".oci", "config")
	}
}

// deriveStore sets the default store: the bucket that the environment names,
// or else a folder of the user.
func (l *loader) deriveStore() {
	store := &l.settings.Archive.Store
	if l.has(flagStore) {
		return
	}
	namespace, bucket := l.given[envNamespace].text, l.given[envBucket].text
	switch {
	case namespace == "" && bucket != "": // a user who names a bucket does not want a folder
		if !address.MayShow(bucket) {
			bucket = "BUCKET"
		}
		l.missing(envNamespace, "%s is set, and the default store needs both (or set --%s oci:///%s, which looks up the namespace)", envBucket, flagStore, bucket)
	case namespace != "":
		url, err := bucketURL(namespace, cmp.Or(bucket, defaultBucket))
		switch {
		case err != nil && bucket == "":
			l.invalid(envNamespace, "%w", err)
		case err != nil:
			l.invalid(envBucket, "together with %s it does not name a bucket: %w", envNamespace, err)
		}
		*store = url
	default:
		dir, ok := l.userFolder("XDG_DATA_HOME", ".local/share")
		if !ok {
			l.missing(flagStore, "its default needs HOME or XDG_DATA_HOME, and neither is set")
		}
		*store = StoreURL{Kind: DirStore, Path: dir}
	}
}

// deriveAuth sets the default of --auth.
func (l *loader) deriveAuth() {
	if l.has(flagAuth) {
		return
	}
	l.settings.Archive.OCI.Auth = AuthAPIKey
	if l.has(flagVaultID) || l.has(flagVaultName) {
		l.settings.Archive.OCI.Auth = AuthVault
	}
}

// checkVault checks that the settings name one vault, and one only, if --auth
// needs it.
func (l *loader) checkVault() {
	byID, byName := l.has(flagVaultID), l.has(flagVaultName)
	if byID && byName {
		id := l.given[flagVaultID]
		l.invalid(flagVaultName, "%s from %s also names a vault; set only one of them", id.setting.Name(), id.from)
	}
	if byName && !l.has(flagCompartment) {
		l.missing(flagCompartment, "--%s needs the compartment that contains the vault", flagVaultName)
	}
	if l.settings.Archive.OCI.Auth == AuthVault && !byID && !byName {
		l.missing(flagVaultID, "--%s %s needs a vault; set its OCID here or its name with --%s", flagAuth, AuthVault, flagVaultName)
	}
}

// checkProxy checks the address of the proxy for https. Go ignores an address that it
// cannot read, and calls without the proxy (https://pkg.go.dev/golang.org/x/net/http/httpproxy).
// The error shows no part of the address, which may hold a password.
func (l *loader) checkProxy() {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		text, ok := l.variable(name)
		if !ok {
			continue
		}
		if !isProxy(text) {
			l.problems = append(l.problems, fmt.Errorf("%s: the value (%d characters, not shown) is not the address of a proxy; for example http://proxy.example.org:3128",
				name, utf8.RuneCountInString(text)))
		}
		return // Go reads the first one only
	}
}

// isProxy reports whether text is an address that Go takes for a proxy: a URL with a
// host, or host:port.
func isProxy(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		if strings.Contains(text, ":/") { // a URL without a host
			return false
		}
		if u, err = url.Parse("http://" + text); err != nil {
			return false
		}
	}
	return u.Hostname() != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) &&
		!strings.ContainsFunc(u.Hostname(), unicode.IsSpace)
}

// signsWith reports whether requests to the bucket or to the vault are signed with a
// kind of credentials.
func (l *loader) signsWith(k AuthKind) bool {
	a := l.settings.Archive
	return a.OCI.Auth == k || a.OCI.Auth == AuthVault && a.Vault.Auth == k
}

// checkKey checks that the key in the environment has all its parts.
func (l *loader) checkKey() {
	parts := []string{envKeyUser, envKeyTenancy, envFingerprint}
	for _, part := range parts {
		switch {
		case l.has(envKeyContent) && !l.has(part):
			l.missing(part, "%s is set, and the key needs it", envKeyContent)
		case !l.has(envKeyContent) && l.has(part):
			l.missing(envKeyContent, "%s is set, and only the key in the environment uses it", part)
			return
		}
	}
}

// userFolder returns the program's folder below the folder that the XDG variable
// names, or else below fallback in the home folder. It ignores a relative path in
// the variable, as the XDG Base Directory Specification demands
// (https://specifications.freedesktop.org/basedir-spec/latest/). It returns false
// if neither this variable nor HOME is set.
func (l *loader) userFolder(variable, fallback string) (string, bool) {
	if base, ok := l.variable(variable); ok && filepath.IsAbs(base) {
		return filepath.Join(base, Program), true
	}
	home, ok := l.variable("HOME")
	if !ok {
		return "", false
	}
	return filepath.Join(home, fallback, Program), true
}
