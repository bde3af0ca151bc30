// Package config turns flags, environment variables and an env-file into
// checked settings. All settings stand in one table, from which the flags, the
// help texts and the checks are made, so that none of them can drift.
//
// It reads the env-file and nothing else: whether a folder, a vault or a
// bucket exists is for those who use it to find out.
package config

import (
	"log/slog"
	"time"
)

// Settings are checked settings. Fields of a group that a command does not
// take (see Group) are zero.
type Settings struct {
	General General
	API     API
	Archive Archive
}

// General are the settings of every command.
type General struct {
	EnvFile   string // path of the env-file, or empty
	LogLevel  slog.Level
	LogFormat Format
	Output    Format
	Quiet     bool
}

// Format is the form of diagnostics or results.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// API are the settings of the events API and of the rules for calling it.
type API struct {
	URL       APIURL
	UserAgent string // the whole header, printable ASCII
	// MinInterval is the shortest time between two calls. It is at least
	// ratelimit.MinInterval, unless URL is a file or on this machine.
	MinInterval time.Duration
	// StateDir is the absolute path of the folder for the rate limiter's file and the
	// other things that one host remembers. It need not exist.
	StateDir string
}

// Archive are the settings of the store, and of how to sign for it.
type Archive struct {
	Store     StoreURL
	Timeout   time.Duration // of the whole run, all retries included; zero if not given
	RetryBase time.Duration // first delay between tries of a storage or vault call
	OCI       OCI
	Vault     Vault
	// Flags are those of the command line that say which archive it is and how
	// to reach it, as for a shell: another command needs them too.
	Flags string
}

// OCI are the settings of Object Storage. They matter if Store.Kind is OCIStore.
type OCI struct {
	Auth       AuthKind
	ConfigFile string // absolute path; empty if Auth does not need one
	Profile    string
	Region     string // empty for that of the credentials
	Endpoint   string // scheme and host in place of the region's own, or empty
}

// Vault are the settings of the vault that holds the credentials. They matter
// if OCI.Auth is AuthVault; then either ID or Name and Compartment are there.
type Vault struct {
	ID           string   // OCID
	Name         string   // display name
	Compartment  string   // OCID of the compartment or tenancy that holds Name
	Region       string   // of the vault, which need not be the bucket's
	Auth         AuthKind // how to reach the vault itself; never AuthVault
	SecretPrefix string   // put before each secret's name

	// Scheme and host that replace the region's endpoint of the Secret Retrieval
	// service and of the Key Management service, or empty.
	SecretsEndpoint, KMSEndpoint string
}

// AuthKind is a way to sign requests to the cloud.
type AuthKind string

// The kinds, under the names that the cloud's own command line uses; vault
// takes the credentials of api_key from a vault.
const (
	AuthVault             AuthKind = "vault"
	AuthAPIKey            AuthKind = "api_key"
	AuthInstancePrincipal AuthKind = "instance_principal"
	AuthResourcePrincipal AuthKind = "resource_principal"
	AuthSecurityToken     AuthKind = "security_token"
)

// needsConfigFile reports whether k reads a profile of the config file.
func (k AuthKind) needsConfigFile() bool { return k == AuthAPIKey || k == AuthSecurityToken }
