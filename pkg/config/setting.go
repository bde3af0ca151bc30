package config

import (
	"log/slog"
	"strings"
	"time"
)

// Group is a set of settings that a command takes as a whole.
type Group uint8

// The groups. A command takes one or several, joined by |.
const (
	GeneralGroup Group = 1 << iota // diagnostics and output
	APIGroup                       // the API and the rules for calling it
	ArchiveGroup                   // the store, and how to sign for it
)

// Setting describes one setting. Most are both a flag and an environment
// variable.
type Setting struct {
	Flag  string // name without dashes; empty for a variable alone
	Env   string // variable; empty for a flag alone
	Group Group
	Kind  string // stands for the value in help texts; empty for a switch
	// Default is the value that counts if none is given. Where that depends on
	// other settings it is empty, and Implied says in words what it is.
	Default string
	Implied string
	Help    string
	Example string // a value that is accepted

	set func(*Settings, string) error
}

// Name names the setting as users do: --flag (VARIABLE).
func (s Setting) Name() string {
	switch {
	case s.Env == "":
		return "--" + s.Flag
	case s.Flag == "":
		return s.Env
	}
	return "--" + s.Flag + " (" + s.Env + ")"
}

// key tells settings apart.
func (s Setting) key() string {
	if s.Flag != "" {
		return s.Flag
	}
	return s.Env
}

// All returns the settings of the groups, in the order of the help texts.
func All(groups Group) []Setting {
	var all []Setting
	for _, s := range table() {
		if s.Group&groups != 0 {
			all = append(all, s)
		}
	}
	return all
}

// Names of settings that others refer to.
const (
	flagStore       = "store"
	flagMinInterval = "min-interval"
	flagContact     = "contact"
	flagUserAgent   = "user-agent"
	flagStateDir    = "state-dir"
	flagAuth        = "auth"
	flagOCIConfig   = "oci-config"
	flagVaultID     = "vault-id"
	flagVaultName   = "vault-name"
	flagCompartment = "vault-compartment"
	flagEnvFile     = "env-file"
	flagTimeout     = "timeout"
	flagRetryBase   = "retry-base"
	envNamespace    = "OCI_NAMESPACE"
	envBucket       = "OCI_BUCKET_NAME"
)

// table lists every setting there is.
func table() []Setting {
	return []Setting{
		{
			Flag: "api-url", Env: "POLISEN_API_URL", Group: APIGroup, Kind: "URL",
			Default: "https://polisen.se/api/events",
			Help:    "the events API, or a path or file:// URL of a saved response",
			Example: "https://polisen.se/api/events",
			set:     into(func(s *Settings) *APIURL { return &s.API.URL }, ParseAPIURL),
		},
		{
			Flag: flagContact, Env: "API_CONTACT_EMAIL", Group: APIGroup, Kind: "ADDRESS",
			Help:    "mail or web address that the API's owner can turn to; part of the User-Agent",
			Example: "ops@example.org",
			set:     check(parseContact),
		},
		{
			Flag: flagUserAgent, Env: "API_USER_AGENT", Group: APIGroup, Kind: "TEXT",
			Implied: "polisen-events-collector/<version> (+<contact>)",
			Help:    "the whole User-Agent header of calls to the API",
			Example: "example-archive/1.0 (+https://example.org)",
			set:     into(func(s *Settings) *string { return &s.API.UserAgent }, parseHeader),
		},
		{
			Flag: flagMinInterval, Env: "POLISEN_MIN_INTERVAL", Group: APIGroup, Kind: "DURATION",
			Default: "10s",
			Help: "least time between two calls to the API, and the delay before its first retry, which then doubles; " +
				"less than 10s is for an API on this machine alone, and then lifts the limits an hour and a day too",
			Example: "30s",
			set:     duration(func(s *Settings) *time.Duration { return &s.API.MinInterval }),
		},
		{
			Flag: flagStateDir, Env: "POLISEN_STATE_DIR", Group: APIGroup, Kind: "FOLDER",
			Implied: "$XDG_STATE_HOME/polisen-events-collector, else ~/.local/state/polisen-events-collector",
			Help:    "what this host remembers: the calls made to the API, the days that backfills have done",
			Example: "/var/lib/polisen-events-collector",
			set:     into(func(s *Settings) *string { return &s.API.StateDir }, localPath),
		},
		{
			Flag: flagStore, Env: "POLISEN_STORE", Group: ArchiveGroup, Kind: "URL",
			Implied: "oci://$OCI_NAMESPACE/$OCI_BUCKET_NAME if these are set, " +
				"else $XDG_DATA_HOME/polisen-events-collector, else ~/.local/share/polisen-events-collector",
			Help:    "where the archive is: oci://namespace/bucket, oci:///bucket (the namespace is looked up), file:///folder or a path",
			Example: "oci://namespace/bucket",
			set:     into(func(s *Settings) *StoreURL { return &s.Archive.Store }, ParseStore),
		},
		{
			Env: envNamespace, Group: ArchiveGroup, Kind: "NAME",
			Help:    "Object Storage namespace of the default store",
			Example: "axaxnpcrorw5",
			set:     check(parseName),
		},
		{
			Env: envBucket, Group: ArchiveGroup, Kind: "NAME",
			Help:    "bucket of the default store",
			Example: "polisen-events",
			set:     check(parseName),
		},
		{
			Flag: flagTimeout, Env: "POLISEN_TIMEOUT", Group: ArchiveGroup, Kind: "DURATION",
			Implied: "5m for collect, without limit for other commands",
			Help:    "time for the whole run, all retries included",
			Example: "2m",
			set:     duration(func(s *Settings) *time.Duration { return &s.Archive.Timeout }),
		},
		{
			Flag: flagRetryBase, Env: "POLISEN_RETRY_BASE", Group: ArchiveGroup, Kind: "DURATION",
			Default: "500ms",
			Help:    "delay before the first retry of a storage or vault call, which then doubles",
			Example: "1s",
			set:     duration(func(s *Settings) *time.Duration { return &s.Archive.RetryBase }),
		},
		{
			Flag: flagAuth, Env: "OCI_AUTH", Group: ArchiveGroup, Kind: "KIND",
			Implied: "vault if a vault is named, else api_key",
			Help:    "how to sign for the store: " + strings.Join(authKinds(), ", "),
			Example: string(AuthInstancePrincipal),
			set:     choice(func(s *Settings) *AuthKind { return &s.Archive.OCI.Auth }, authKinds()),
		},
		{
			Flag: flagOCIConfig, Env: "OCI_CONFIG_FILE", Group: ArchiveGroup, Kind: "FILE",
			Implied: "~/.oci/config",
			Help:    "OCI config file, for api_key and security_token",
			Example: "/etc/polisen-events-collector/oci-config",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.ConfigFile }, localPath),
		},
		{
			Flag: "oci-profile", Env: "OCI_PROFILE", Group: ArchiveGroup, Kind: "NAME",
			Default: "DEFAULT",
			Help:    "profile of the OCI config file",
			Example: "ARCHIVE",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Profile }, parseName),
		},
		{
			Flag: "oci-region", Env: "OCI_REGION", Group: ArchiveGroup, Kind: "REGION",
			Implied: "that of the credentials, else eu-stockholm-1",
			Help:    "region of the bucket",
			Example: "eu-frankfurt-1",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Region }, parseRegion),
		},
		{
			Flag: "oci-endpoint", Env: "OCI_ENDPOINT", Group: ArchiveGroup, Kind: "URL",
			Implied: "the region's",
			Help:    "Object Storage endpoint",
			Example: "https://objectstorage.eu-stockholm-1.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Endpoint }, parseEndpoint),
		},
		{
			Flag: flagVaultID, Env: "OCI_VAULT_ID", Group: ArchiveGroup, Kind: "OCID",
			Help:    "vault that holds the credentials",
			Example: "ocid1.vault.oc1.eu-frankfurt-1.example.exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.ID }, ocid("vault")),
		},
		{
			Flag: flagVaultName, Env: "OCI_VAULT_NAME", Group: ArchiveGroup, Kind: "NAME",
			Help:    "the vault's display name, in place of its OCID",
			Example: "polisen-vault",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Name }, parseName),
		},
		{
			Flag: flagCompartment, Env: "OCI_VAULT_COMPARTMENT_ID", Group: ArchiveGroup, Kind: "OCID",
			Help:    "compartment in which to look for the vault's name",
			Example: "ocid1.compartment.oc1..exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Compartment }, ocid("compartment", "tenancy")),
		},
		{
			Flag: "vault-region", Env: "OCI_VAULT_REGION", Group: ArchiveGroup, Kind: "REGION",
			Default: "eu-frankfurt-1",
			Help:    "region of the vault",
			Example: "eu-stockholm-1",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Region }, parseRegion),
		},
		{
			Flag: "vault-auth", Env: "OCI_VAULT_AUTH", Group: ArchiveGroup, Kind: "KIND",
			Default: string(AuthAPIKey),
			Help:    "how to reach the vault itself: " + strings.Join(authKinds()[1:], ", "),
			Example: string(AuthInstancePrincipal),
			set:     choice(func(s *Settings) *AuthKind { return &s.Archive.Vault.Auth }, authKinds()[1:]),
		},
		{
			Flag: "vault-secret-prefix", Env: "OCI_VAULT_SECRET_PREFIX", Group: ArchiveGroup, Kind: "TEXT",
			Help:    "put before the names of the vault's secrets (oci-user-ocid and so on)",
			Example: "archive-",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.SecretPrefix }, parseName),
		},
		{
			Flag: "oci-secrets-endpoint", Env: "OCI_SECRETS_ENDPOINT", Group: ArchiveGroup, Kind: "URL",
			Implied: "the region's",
			Help:    "endpoint that secrets are read from",
			Example: "https://secrets.vaults.eu-frankfurt-1.oci.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.SecretsEndpoint }, parseEndpoint),
		},
		{
			Flag: "oci-kms-endpoint", Env: "OCI_KMS_ENDPOINT", Group: ArchiveGroup, Kind: "URL",
			Implied: "the region's",
			Help:    "key management endpoint, which lists vaults",
			Example: "https://kms.eu-frankfurt-1.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.KMSEndpoint }, parseEndpoint),
		},
		{
			Flag: flagEnvFile, Env: "POLISEN_ENV_FILE", Group: GeneralGroup, Kind: "FILE",
			Help:    "file of NAME=value lines for variables that are not set in the environment",
			Example: "/etc/polisen-events-collector/env",
			set:     into(func(s *Settings) *string { return &s.General.EnvFile }, localPath),
		},
		{
			Flag: "log-level", Env: "LOG_LEVEL", Group: GeneralGroup, Kind: "LEVEL",
			Default: "warn",
			Help:    "least important diagnostics to show: debug, info, warn, error",
			Example: "info",
			set:     into(func(s *Settings) *slog.Level { return &s.General.LogLevel }, parseLevel),
		},
		{
			Flag: "log-format", Env: "LOG_FORMAT", Group: GeneralGroup, Kind: "FORMAT",
			Default: string(Text),
			Help:    "form of diagnostics and errors on stderr: text, json",
			Example: string(JSON),
			set:     choice(func(s *Settings) *Format { return &s.General.LogFormat }, formats()),
		},
		{
			Flag: "output", Group: GeneralGroup, Kind: "FORMAT",
			Default: string(Text),
			Help:    "form of results on stdout: text, json",
			Example: string(JSON),
			set:     choice(func(s *Settings) *Format { return &s.General.Output }, formats()),
		},
		{
			Flag: "quiet", Group: GeneralGroup,
			Default: "false",
			Help:    "no summary and no progress, on a terminal either",
			Example: "true",
			set:     into(func(s *Settings) *bool { return &s.General.Quiet }, parseBool),
		},
	}
}
