// Package config reads the settings of the program from flags, environment
// variables and an env-file, and checks them. One table lists all settings. The
// flags, the help texts and the checks are made from it, so they always agree.
//
// The only file that the package reads is the env-file. It checks that a saved
// response exists, since a misspelt URL looks like a path. It does not check whether a
// folder, a vault or a bucket exists; the code that uses them does.
package config

import (
	"log/slog"
	"time"

	"polisen-events-collector/pkg/address"
)

// Settings are checked settings. The fields of a [Group] that the command does
// not use are zero.
type Settings struct {
	General    General
	API        API
	Archive    Archive
	Health     Health
	Monitoring Monitoring
}

// General are the settings of every command.
type General struct {
	EnvFile string // absolute path of the env-file, or empty
	// Variables are the variables of the env-file that have a value there and none in
	// the environment. The caller sets them, so that libraries see them too.
	Variables map[string]string
	// Replaced are the names of variables in the env-file that an older collector of
	// these events reads, and that have no effect.
	Replaced  []string
	LogLevel  slog.Level
	LogFormat Format
	Output    Format
	Quiet     bool
}

// Format is the format of diagnostics or results.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// API are the settings for calls to the events API.
type API struct {
	URL       APIURL
	UserAgent string // the whole header; printable ASCII
	// MinInterval is the minimum time between two calls: at least
	// [ratelimit.MinInterval], except for a loopback host or a saved response. A
	// nanosecond stands for no interval.
	MinInterval time.Duration
	// StateDir is the absolute path of the folder for what this host remembers
	// between runs, such as its last calls to the API. The folder may be missing.
	StateDir string
	// MaxLag is the age of the newest event from which the API counts as stale.
	MaxLag time.Duration
	// Contact is true if the User-Agent was set or has a contact.
	Contact bool
	// Host is the name of this host in reports; empty for the machine's name.
	Host string
	// Flags is the flag --state-dir of the command line, quoted for a shell; empty if it
	// was not given. Commands that the program suggests repeat it. They do not repeat
	// the URL and the contact, since such a command may become part of a report.
	Flags string
}

// Archive are the settings of the store and of the access to it.
type Archive struct {
	Store     StoreURL
	Timeout   time.Duration // time limit of the whole run, including retries; zero if not set
	RetryBase time.Duration // delay before the first retry of a call to the store or the vault
	OCI       OCI
	Vault     Vault
	// Flags are the flags of the command line that select the archive and the
	// access to it, quoted for a shell. Commands that the program suggests
	// repeat them.
	Flags string
}

// Health are the limits of the health check.
type Health struct {
	MaxAge time.Duration // of the last success
	Hosts  int           // minimum number of healthy hosts, at most [report.MaxHosts]
}

// Monitoring are the settings for the systems that watch the runs of collect.
type Monitoring struct {
	MetricsFile string         // absolute path of the file for metrics, or empty
	PingURL     address.Secret // zero if not set
}

// OCI are the settings for Object Storage. Only a store of kind [OCIStore] uses
// them.
type OCI struct {
	Auth       AuthKind
	ConfigFile string // absolute path; empty if Auth does not need the file
	Profile    string
	Region     string // empty means the region of the credentials
	Endpoint   string // scheme and host that replace the region's endpoint, or empty
	Key        Key    // replaces ConfigFile and Profile if its Content is set
}

// Key is a user's signing key in the environment. Only [AuthAPIKey] uses it. Either all
// fields are set, or Content is zero and none is used.
type Key struct {
	Content                    address.SecretText // in PEM form
	User, Tenancy, Fingerprint string
}

// Vault are the settings of the vault that holds the credentials. Only
// [AuthVault] uses them. It needs either ID, or Name and Compartment.
type Vault struct {
	ID           string   // OCID
	Name         string   // display name
	Compartment  string   // OCID of the compartment or tenancy that contains the vault
	Region       string   // region of the vault, which may differ from the bucket's; empty means that in ID
	Auth         AuthKind // how to sign requests to the vault; never AuthVault
	SecretPrefix string   // prefix of each secret's name

	// Scheme and host that replace the region's endpoint of the Secret Retrieval
	// service and of the Key Management service, or empty.
	SecretsEndpoint, KMSEndpoint string
}

// AuthKind is a way to sign requests to Oracle Cloud.
type AuthKind string

// The kinds. AuthVault reads an API key from a vault. The others have the names
// that Oracle's own command line gives them
// (https://docs.oracle.com/iaas/Content/API/Concepts/sdk_authentication_methods.htm).
const (
	AuthVault             AuthKind = "vault"
	AuthAPIKey            AuthKind = "api_key"
	AuthInstancePrincipal AuthKind = "instance_principal"
	AuthResourcePrincipal AuthKind = "resource_principal"
	AuthSecurityToken     AuthKind = "security_token"
)
