package config

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"polisen-events-collector/pkg/address"
)

// Group is a set of settings. A command uses whole groups, which it joins with |.
type Group uint8

// The groups.
const (
	GeneralGroup    Group = 1 << iota // diagnostics and output
	APIGroup                          // calls to the API
	ArchiveGroup                      // the store and the access to it
	HealthGroup                       // the limits of the health check
	MonitoringGroup                   // the systems that watch the runs of collect

	AllGroups = GeneralGroup | APIGroup | ArchiveGroup | HealthGroup | MonitoringGroup
)

const (
	// DefaultRegion is the region of the bucket if neither the settings nor the
	// credentials name one.
	DefaultRegion = "eu-stockholm-1"
	// DefaultVaultRegion is the region of the vault if neither the settings nor its OCID
	// name one.
	DefaultVaultRegion = "eu-frankfurt-1"
)

// Setting describes one setting. Most are a flag and an environment variable.
type Setting struct {
	Flag        string // name without dashes; empty if there is only a variable
	Env         string // variable; empty if there is only a flag
	Alias       string // variable of Oracle's command line that counts if Env has no value
	Group       Group
	Placeholder string            // stands for the value in help texts; empty for a switch
	Choices     []string          // the allowed values; nil if they cannot be listed
	Synonyms    map[string]string // other texts, in lower case, for allowed values
	Common      bool              // shown in the help of each command that has the flag
	Default     string            // default value; empty if it depends on other settings, or if there is none
	Implied     string            // describes the default if it depends on other settings
	Help        string            // meaning in a few words
	Detail      string            // more, in whole sentences, for "help environment"
	Example     string            // a valid value
	Path        bool              // the value is a path or a file:// URL, or may be one

	set func(*Settings, string) error // parses a value and stores it
}

// Name returns the setting's name in error messages: --flag (VARIABLE).
func (s Setting) Name() string {
	switch {
	case s.Env == "":
		return "--" + s.Flag
	case s.Flag == "":
		return s.Env
	}
	return "--" + s.Flag + " (" + s.Env + ")"
}

// Meaning returns the help text with the choices, if there are any.
func (s Setting) Meaning() string {
	if s.Choices == nil {
		return s.Help
	}
	return s.Help + ": " + strings.Join(s.Choices, ", ")
}

// DefaultText returns the default for help texts; empty if there is none.
func (s Setting) DefaultText() string {
	if s.Default != "" {
		return s.Default
	}
	return s.Implied
}

// key identifies the setting: the flag, or else the variable.
func (s Setting) key() string {
	if s.Flag != "" {
		return s.Flag
	}
	return s.Env
}

// isSwitch reports whether the flag needs no value.
func (s Setting) isSwitch() bool { return s.Placeholder == "" }

// All returns the settings of the groups in the order of the help texts.
func All(groups Group) []Setting {
	var all []Setting
	for _, s := range table() {
		if s.Group&groups != 0 {
			all = append(all, s)
		}
	}
	return all
}

// Keys of the settings that the rest of the package refers to.
const (
	flagAPIURL      = "api-url"
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
	envKeyContent   = "OCI_CLI_KEY_CONTENT"
	envKeyUser      = "OCI_CLI_USER"
	envKeyTenancy   = "OCI_CLI_TENANCY"
	envFingerprint  = "OCI_CLI_FINGERPRINT"
)

// authKinds returns the choices of --auth. Those of --vault-auth are all but
// the first.
func authKinds() []string {
	return []string{
		string(AuthVault), string(AuthAPIKey), string(AuthInstancePrincipal),
		string(AuthResourcePrincipal), string(AuthSecurityToken),
	}
}

func formats() []string { return []string{string(Text), string(JSON)} }

// table lists all settings. It is the same list at each call, so nothing may change it.
var table = sync.OnceValue(newTable)

func newTable() []Setting {
	return []Setting{
		{
			Flag: flagAPIURL, Env: "POLISEN_API_URL", Group: APIGroup, Placeholder: "URL",
			Default: "https://polisen.se/api/events",
			Help:    "URL of the events API, or a path or file:// URL of a saved response",
			Example: "https://polisen.se/api/events",
			Path:    true,
			set:     into(func(s *Settings) *APIURL { return &s.API.URL }, parseAPIURL),
		},
		{
			Flag: flagContact, Env: "API_CONTACT_EMAIL", Group: APIGroup, Placeholder: "ADDRESS", Common: true,
			Help:    "your mail or web address, sent with each call",
			Detail:  "It is part of the User-Agent header. The API's rules ask for one that names the program and, preferably, a contact.",
			Example: "ops@example.org",
			set:     check(parseContact),
		},
		{
			Flag: flagUserAgent, Env: "API_USER_AGENT", Group: APIGroup, Placeholder: "TEXT",
			Implied: "polisen-events-collector/<version> (+<contact>)",
			Help:    "whole User-Agent header of calls to the API",
			Example: "example-archive/1.0 (+https://example.org)",
			set:     into(func(s *Settings) *string { return &s.API.UserAgent }, parseHeader),
		},
		{
			Flag: flagMinInterval, Env: "POLISEN_MIN_INTERVAL", Group: APIGroup, Placeholder: "DURATION",
			Default: "10s",
			Help:    "minimum time between two calls to the API",
			Detail: "It is also the delay before the first retry of a call; the delay doubles with each retry. " +
				"Values below 10s, such as 0 for no interval, work only for loopback hosts and saved responses, and also disable the hourly and daily limits.",
			Example: "30s",
			set:     interval(func(s *Settings) *time.Duration { return &s.API.MinInterval }),
		},
		{
			Flag: flagStateDir, Env: "POLISEN_STATE_DIR", Group: APIGroup, Placeholder: "FOLDER",
			Implied: "$XDG_STATE_HOME/polisen-events-collector, else ~/.local/state/polisen-events-collector",
			Help:    "folder for this host's record of its API calls, its archives and backfilled days",
			Detail:  "All runs on a host must use the same folder, since the API's call limits count all of them together.",
			Example: "/var/lib/polisen-events-collector",
			Path:    true,
			set:     into(func(s *Settings) *string { return &s.API.StateDir }, localPath),
		},
		{
			Flag: "max-lag", Env: "POLISEN_MAX_LAG", Group: MonitoringGroup | HealthGroup, Placeholder: "DURATION",
			Default: "24h",
			Help:    "age of the newest event from which the API counts as stale",
			Detail:  "A collect then ends with exit code 3, and verify --quick with 7. In three years of recorded responses the newest event was never older than 22 hours.",
			Example: "48h",
			set:     duration(func(s *Settings) *time.Duration { return &s.API.MaxLag }),
		},
		{
			Flag: "host", Env: "POLISEN_HOST", Group: APIGroup, Placeholder: "NAME",
			Implied: "the machine's name",
			Help:    "name of this host in reports and in the history of runs",
			Detail:  "Several hosts that collect into one archive need different names.",
			Example: "collector-1",
			set:     into(func(s *Settings) *string { return &s.API.Host }, parseHost),
		},
		{
			Flag: flagStore, Env: "POLISEN_STORE", Group: ArchiveGroup, Placeholder: "URL", Common: true,
			Implied: "oci://$OCI_NAMESPACE/$OCI_BUCKET_NAME, else a folder in $XDG_DATA_HOME or ~/.local/share",
			Help:    "archive: folder, or oci://[namespace]/bucket[/prefix]",
			Detail: "Write a folder as a file:// URL or as a path that begins with one of / ./ ../ and ~/. For oci:///bucket the program looks up the namespace. " +
				"With /prefix at the end, all names of objects begin with it, so one bucket can hold several archives. " +
				"The default folder is polisen-events-collector in $XDG_DATA_HOME, or in ~/.local/share if that is not set.",
			Example: "oci://namespace/bucket",
			Path:    true,
			set:     into(func(s *Settings) *StoreURL { return &s.Archive.Store }, parseStore),
		},
		{
			Env: envNamespace, Group: ArchiveGroup, Placeholder: "NAME",
			Help:    "Object Storage namespace of the default store",
			Example: "axaxnpcrorw5",
			set:     check(parseName),
		},
		{
			Env: envBucket, Group: ArchiveGroup, Placeholder: "NAME",
			Implied: defaultBucket,
			Help:    "bucket of the default store",
			Example: "polisen-events",
			set:     check(parseName),
		},
		{
			Flag: flagTimeout, Env: "POLISEN_TIMEOUT", Group: ArchiveGroup, Placeholder: "DURATION", Common: true,
			Implied: "5m for collect, 10s for verify --quick, no limit for other commands",
			Help:    "time limit for the whole run, including retries",
			Detail:  "The process ends within a second after the limit. To leave time for the report, the work stops before it: by a fifth of the limit, but at most by 12 seconds.",
			Example: "2m",
			set:     duration(func(s *Settings) *time.Duration { return &s.Archive.Timeout }),
		},
		{
			Flag: flagRetryBase, Env: "POLISEN_RETRY_BASE", Group: ArchiveGroup, Placeholder: "DURATION",
			Default: "500ms",
			Help:    "delay before the first retry of a call to the store or the vault",
			Detail:  "The delay doubles with each retry.",
			Example: "1s",
			set:     duration(func(s *Settings) *time.Duration { return &s.Archive.RetryBase }),
		},
		{
			Flag: flagAuth, Env: "OCI_AUTH", Alias: "OCI_CLI_AUTH", Group: ArchiveGroup, Placeholder: "KIND", Common: true,
			Choices: authKinds(),
			Implied: "vault if a vault is set, else api_key",
			Help:    "how to sign requests to Object Storage",
			Example: string(AuthInstancePrincipal),
			set:     choice(func(s *Settings) *AuthKind { return &s.Archive.OCI.Auth }),
		},
		{
			Flag: flagOCIConfig, Env: "OCI_CONFIG_FILE", Alias: "OCI_CLI_CONFIG_FILE", Group: ArchiveGroup, Placeholder: "FILE",
			Implied: "~/.oci/config",
			Help:    "OCI config file, for api_key and security_token",
			Example: "/etc/polisen-events-collector/oci-config",
			Path:    true,
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.ConfigFile }, localPath),
		},
		{
			Flag: "oci-profile", Env: "OCI_PROFILE", Alias: "OCI_CLI_PROFILE", Group: ArchiveGroup, Placeholder: "NAME",
			Default: "DEFAULT",
			Help:    "profile in the OCI config file",
			Example: "ARCHIVE",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Profile }, parseName),
		},
		{
			Env: envKeyContent, Group: ArchiveGroup, Placeholder: "KEY",
			Help:    "text of the private key for api_key, instead of the OCI config file",
			Detail:  "For containers, which get their secrets as variables. It needs OCI_CLI_USER, OCI_CLI_TENANCY and OCI_CLI_FINGERPRINT, and the key must not be encrypted. In a shell, set it to \"$(cat key.pem)\".",
			Example: "-----BEGIN PRIVATE KEY-----...",
			set:     into(func(s *Settings) *address.SecretText { return &s.Archive.OCI.Key.Content }, parseKey),
		},
		{
			Env: envKeyUser, Group: ArchiveGroup, Placeholder: "OCID",
			Help:    "user of the key in OCI_CLI_KEY_CONTENT",
			Example: "ocid1.user.oc1..exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Key.User }, ocid("user")),
		},
		{
			Env: envKeyTenancy, Group: ArchiveGroup, Placeholder: "OCID",
			Help:    "tenancy of the key in OCI_CLI_KEY_CONTENT",
			Example: "ocid1.tenancy.oc1..exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Key.Tenancy }, ocid("tenancy")),
		},
		{
			Env: envFingerprint, Group: ArchiveGroup, Placeholder: "HEX",
			Help:    "fingerprint of the key in OCI_CLI_KEY_CONTENT",
			Example: "12:34:56:78:90:ab:cd:ef:12:34:56:78:90:ab:cd:ef",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Key.Fingerprint }, parseFingerprint),
		},
		{
			Flag: "oci-region", Env: "OCI_REGION", Alias: "OCI_CLI_REGION", Group: ArchiveGroup, Placeholder: "REGION",
			Implied: "the region of the credentials, else " + DefaultRegion,
			Help:    "region of the bucket",
			Example: "eu-frankfurt-1",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Region }, parseRegion),
		},
		{
			Flag: "oci-endpoint", Env: "OCI_ENDPOINT", Group: ArchiveGroup, Placeholder: "URL",
			Implied: "the endpoint of the region",
			Help:    "scheme and host of Object Storage",
			Example: "https://objectstorage.eu-stockholm-1.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.OCI.Endpoint }, parseEndpoint),
		},
		{
			Flag: flagVaultID, Env: "OCI_VAULT_ID", Group: ArchiveGroup, Placeholder: "OCID",
			Help:    "OCID of the vault that holds the credentials",
			Example: "ocid1.vault.oc1.eu-frankfurt-1.example.exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.ID }, ocid("vault")),
		},
		{
			Flag: flagVaultName, Env: "OCI_VAULT_NAME", Group: ArchiveGroup, Placeholder: "NAME",
			Help:    "display name of the vault, instead of its OCID",
			Example: "polisen-vault",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Name }, parseName),
		},
		{
			Flag: flagCompartment, Env: "OCI_VAULT_COMPARTMENT_ID", Group: ArchiveGroup, Placeholder: "OCID",
			Help:    "OCID of the compartment that contains the vault; needed with --vault-name",
			Example: "ocid1.compartment.oc1..exampleuniqueid",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Compartment }, ocid("compartment", "tenancy")),
		},
		{
			Flag: "vault-region", Env: "OCI_VAULT_REGION", Group: ArchiveGroup, Placeholder: "REGION",
			Implied: "the region in the vault's OCID, else " + DefaultVaultRegion,
			Help:    "region of the vault",
			Example: "eu-stockholm-1",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.Region }, parseRegion),
		},
		{
			Flag: "vault-auth", Env: "OCI_VAULT_AUTH", Group: ArchiveGroup, Placeholder: "KIND",
			Choices: authKinds()[1:],
			Default: string(AuthAPIKey),
			Help:    "how to sign requests to the vault",
			Example: string(AuthInstancePrincipal),
			set:     choice(func(s *Settings) *AuthKind { return &s.Archive.Vault.Auth }),
		},
		{
			Flag: "vault-secret-prefix", Env: "OCI_VAULT_SECRET_PREFIX", Group: ArchiveGroup, Placeholder: "TEXT",
			Help:    "prefix of the names of the vault's secrets",
			Detail:  "With the prefix archive-, the user's OCID is in the secret archive-oci-user-ocid.",
			Example: "archive-",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.SecretPrefix }, parseName),
		},
		{
			Flag: "oci-secrets-endpoint", Env: "OCI_SECRETS_ENDPOINT", Group: ArchiveGroup, Placeholder: "URL",
			Implied: "the endpoint of the region",
			Help:    "scheme and host of the service that returns secrets",
			Example: "https://secrets.vaults.eu-frankfurt-1.oci.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.SecretsEndpoint }, parseEndpoint),
		},
		{
			Flag: "oci-kms-endpoint", Env: "OCI_KMS_ENDPOINT", Group: ArchiveGroup, Placeholder: "URL",
			Implied: "the endpoint of the region",
			Help:    "scheme and host of the service that lists vaults",
			Example: "https://kms.eu-frankfurt-1.oraclecloud.com",
			set:     into(func(s *Settings) *string { return &s.Archive.Vault.KMSEndpoint }, parseEndpoint),
		},
		{
			Flag: "max-age", Env: "POLISEN_MAX_AGE", Group: HealthGroup, Placeholder: "DURATION", Common: true,
			Default: "45m",
			Help:    "health: maximum age of the last success",
			Detail:  "Set it to one and a half times the interval of the runs.",
			Example: "90m",
			set:     duration(func(s *Settings) *time.Duration { return &s.Health.MaxAge }),
		},
		{
			Flag: "hosts", Env: "POLISEN_HOSTS", Group: HealthGroup, Placeholder: "NUMBER", Common: true,
			Default: "0",
			Help:    "health: minimum number of healthy hosts",
			Detail:  "A host is healthy if one of its runs has succeeded within --max-age.",
			Example: "2",
			set:     into(func(s *Settings) *int { return &s.Health.Hosts }, parseHosts),
		},
		{
			Flag: "metrics-file", Env: "POLISEN_METRICS_FILE", Group: MonitoringGroup, Placeholder: "FILE",
			Help:    "file for metrics about the runs, for Prometheus",
			Detail:  "Each run replaces it, also after a failure, and continues its counters. Name it *.prom, in the folder of node_exporter's textfile collector. If it cannot be written, there is a warning, and the exit code stays the same. Runs with --dry-run or a saved response do not change it.",
			Example: "/var/lib/prometheus/node-exporter/polisen.prom",
			Path:    true,
			set:     into(func(s *Settings) *string { return &s.Monitoring.MetricsFile }, localPath),
		},
		{
			Flag: "ping-url", Env: "POLISEN_PING_URL", Group: MonitoringGroup, Placeholder: "URL",
			Help:    "URL to call when a run starts and ends, such as one of healthchecks.io",
			Detail:  "A run calls URL/start, and at its end URL, or URL/<exit code> for any exit code but 0, with its summary or its error. Ping services count 3 as a failure too, so they report problems that need a look. A call that fails causes a warning, takes 5 seconds at most, and changes no exit code. The path is a secret, and no message shows it; set the variable rather than the flag, which other users of the host can see. Runs with --dry-run or a saved response call nothing.",
			Example: "https://hc-ping.com/your-uuid",
			set:     into(func(s *Settings) *address.Secret { return &s.Monitoring.PingURL }, address.ParseSecret),
		},
		{
			Flag: flagEnvFile, Env: "POLISEN_ENV_FILE", Group: GeneralGroup, Placeholder: "FILE", Common: true,
			Help: "file with settings, one NAME=value a line",
			Detail: "Its variables count as part of the environment, also HTTPS_PROXY and others that libraries read. Those of the environment itself take precedence. " +
				"The program and EnvironmentFile= of systemd read a file in the same way: a comment is a line that begins with #, and a value may be in quotes. Text that programs read differently is an error: $NAME, a comment after a value, a backslash outside single quotes, or the word export.",
			Example: "/etc/polisen-events-collector/env",
			Path:    true,
			set:     into(func(s *Settings) *string { return &s.General.EnvFile }, localPath),
		},
		{
			Flag: "log-level", Env: "LOG_LEVEL", Group: GeneralGroup, Placeholder: "LEVEL", Common: true,
			Choices:  []string{"debug", "info", "warn", "error"},
			Synonyms: map[string]string{"warning": "warn", "critical": "error"},
			Default:  "warn",
			Help:     "lowest level shown",
			Example:  "info",
			set:      into(func(s *Settings) *slog.Level { return &s.General.LogLevel }, parseLevel),
		},
		{
			Flag: "log-format", Env: "LOG_FORMAT", Group: GeneralGroup, Placeholder: "FORMAT",
			Choices: formats(),
			Default: string(Text),
			Help:    "format of diagnostics and errors on stderr",
			Example: string(JSON),
			set:     choice(func(s *Settings) *Format { return &s.General.LogFormat }),
		},
		{
			Flag: "output", Group: GeneralGroup, Placeholder: "FORMAT", Common: true,
			Choices: formats(),
			Default: string(Text),
			Help:    "format of results on stdout",
			Example: string(JSON),
			set:     choice(func(s *Settings) *Format { return &s.General.Output }),
		},
		{
			Flag: "quiet", Group: GeneralGroup, Common: true,
			Default: "false",
			Help:    "print no summary of a success and no progress",
			Example: "true",
			set:     into(func(s *Settings) *bool { return &s.General.Quiet }, parseBool),
		},
	}
}
