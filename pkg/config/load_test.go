package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/config"
)

const (
	all         = config.AllGroups
	vaultID     = "ocid1.vault.oc1.eu-frankfurt-1.bbpabc.abtheljr"
	compartment = "ocid1.compartment.oc1..aaaa"
)

// load loads all settings from command-line arguments and an environment of
// NAME=value pairs. HOME is /home/me unless env sets it.
func load(t *testing.T, args []string, env ...string) (config.Settings, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Bind(flags, all)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"HOME": "/home/me"}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	return config.Load(flags, all, lookup, "product/1")
}

// mustLoad is load for valid settings. It clears the Flags, which depend on
// the origin of the values.
func mustLoad(t *testing.T, args []string, env ...string) config.Settings {
	t.Helper()
	s, err := load(t, args, env...)
	if err != nil {
		t.Fatal(err)
	}
	s.API.Flags, s.Archive.Flags = "", ""
	return s
}

// TestSecretFlags checks which settings hold a secret, and that only one of them has a flag:
// all users of a host see the arguments of a process.
func TestSecretFlags(t *testing.T) {
	secret := []reflect.Type{reflect.TypeFor[address.Secret](), reflect.TypeFor[address.SecretText]()}
	var holds func(v reflect.Value) bool
	holds = func(v reflect.Value) bool {
		if slices.Contains(secret, v.Type()) {
			return !v.IsZero()
		}
		if v.Kind() == reflect.Struct {
			for field, value := range v.Fields() {
				if field.IsExported() && holds(value) {
					return true
				}
			}
		}
		return false
	}
	var got []string
	for _, s := range config.All(all) {
		if s.Env == "" || s.Env == "POLISEN_ENV_FILE" {
			continue
		}
		settings, _ := load(t, nil, s.Env+"="+s.Example) // some settings need others, too
		if holds(reflect.ValueOf(settings)) {
			got = append(got, s.Env+" --"+s.Flag)
		}
	}
	slices.Sort(got)
	if want := []string{"OCI_CLI_KEY_CONTENT --", "POLISEN_PING_URL --ping-url"}; !slices.Equal(got, want) {
		t.Errorf("settings with secrets, and their flags: %q, want %q", got, want)
	}
}

func TestArchiveFlags(t *testing.T) {
	file := writeFile(t, "OCI_PROFILE=x")
	for want, args := range map[string][]string{
		"":                      {"--quiet", "--timeout", "1m", "--retry-base=1s", "--contact", "x"},
		"--store ./a":           {"--store=./a", "--timeout", "1m"},
		`--store './two words'`: {"--store", `./two words`},
		"--store oci:///b --auth instance_principal --env-file " + file: {"--auth", "instance_principal", "--env-file", file, "--store", "oci:///b"},
	} {
		s, err := load(t, args, "OCI_REGION=eu-paris-1", "POLISEN_STATE_DIR=/state")
		if err != nil || s.Archive.Flags != want || s.API.Flags != "" {
			t.Errorf("%q: %s, %v; want %s", args, s.Archive.Flags, err, want)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	want := config.Settings{
		General: config.General{LogLevel: slog.LevelWarn, LogFormat: config.Text, Output: config.Text},
		API: config.API{
			URL:         config.APIURL{URL: "https://polisen.se/api/events"},
			UserAgent:   "product/1",
			MinInterval: 10 * time.Second,
			StateDir:    "/home/me/.local/state/polisen-events-collector",
			MaxLag:      24 * time.Hour,
		},
		Archive: config.Archive{
			Store:     config.StoreURL{Kind: config.DirStore, Path: "/home/me/.local/share/polisen-events-collector"},
			RetryBase: 500 * time.Millisecond,
			OCI:       config.OCI{Auth: config.AuthAPIKey, Profile: "DEFAULT"},
			Vault:     config.Vault{Auth: config.AuthAPIKey},
		},
		Health: config.Health{MaxAge: 45 * time.Minute},
	}
	if diff := cmp.Diff(want, mustLoad(t, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestEachFieldHasItsSetting(t *testing.T) {
	const local = "http://127.0.0.1:"
	got := mustLoad(t, []string{
		"--api-url", local + "1/", "--user-agent", "agent", "--min-interval", "2ms", "--state-dir", "/state", "--max-lag", "5h",
		"--store", "oci://ns/bucket", "--timeout", "3m", "--retry-base", "4ms", "--auth", "vault",
		"--oci-config", "/config", "--oci-profile", "profile", "--oci-region", "phx", "--oci-endpoint", local + "5/",
		"--vault-name", "name", "--vault-compartment", compartment, "--vault-region", "iad",
		"--vault-auth", "resource_principal", "--vault-secret-prefix", "prefix-",
		"--oci-secrets-endpoint", local + "6", "--oci-kms-endpoint", local + "7",
		"--max-age", "9m", "--hosts", "2", "--metrics-file", "/metrics.prom", "--ping-url", local + "8/secret",
		"--log-level", "error", "--log-format", "json", "--output", "json", "--quiet",
	})
	ping, err := address.ParseSecret(local + "8/secret")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		General: config.General{LogLevel: slog.LevelError, LogFormat: config.JSON, Output: config.JSON, Quiet: true},
		API: config.API{
			URL: config.APIURL{URL: local + "1/", Loopback: true}, UserAgent: "agent",
			MinInterval: 2 * time.Millisecond, StateDir: "/state", MaxLag: 5 * time.Hour, Contact: true,
		},
		Archive: config.Archive{
			Store:   config.StoreURL{Kind: config.OCIStore, Namespace: "ns", Bucket: "bucket"},
			Timeout: 3 * time.Minute, RetryBase: 4 * time.Millisecond,
			OCI: config.OCI{
				Auth: config.AuthVault, ConfigFile: "/config", Profile: "profile", Region: "phx", Endpoint: local + "5",
			},
			Vault: config.Vault{
				Name: "name", Compartment: compartment, Region: "iad", Auth: config.AuthResourcePrincipal, SecretPrefix: "prefix-",
				SecretsEndpoint: local + "6", KMSEndpoint: local + "7",
			},
		},
		Health:     config.Health{MaxAge: 9 * time.Minute, Hosts: 2},
		Monitoring: config.Monitoring{MetricsFile: "/metrics.prom", PingURL: ping},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestEverySetting gives each setting its example, as a flag and as a variable:
// both must be accepted and have the same effect.
func TestEverySetting(t *testing.T) {
	needs := map[string]string{ // the other variable that a setting needs
		"vault-name":      "OCI_VAULT_COMPARTMENT_ID=" + compartment,
		"OCI_NAMESPACE":   "OCI_BUCKET_NAME=bucket",
		"OCI_BUCKET_NAME": "OCI_NAMESPACE=namespace",
	}
	defaults := mustLoad(t, nil)
	seen := map[string]bool{"": true}
	for _, s := range config.All(all) {
		t.Run(s.Name(), func(t *testing.T) {
			if s.Help == "" || s.Example == "" || seen[s.Flag] && seen[s.Env] {
				t.Errorf("no help text, no example or a name that another setting has: %+v", s)
			}
			seen[s.Flag], seen[s.Env] = true, true
			if s.Flag == "env-file" {
				s.Example = writeFile(t, "")
			}
			more := needs[s.Flag] + needs[s.Env]
			var got []config.Settings
			if s.Flag != "" {
				got = append(got, mustLoad(t, []string{"--" + s.Flag + "=" + s.Example}, more))
			}
			if s.Env != "" {
				got = append(got, mustLoad(t, nil, more, s.Env+"="+s.Example))
			}
			if diff := cmp.Diff(got[0], got[len(got)-1]); diff != "" {
				t.Errorf("flag and variable have different effects: %s", diff)
			}
			if s.Example != s.Default && cmp.Equal(defaults, got[0]) {
				t.Error("the example has no effect")
			}
		})
	}
}

// TestKeyInEnvironment checks the key in OCI_CLI_KEY_CONTENT, which needs neither a
// home folder nor a config file.
func TestKeyInEnvironment(t *testing.T) {
	const (
		store       = "POLISEN_STORE=oci:///bucket"
		key         = "OCI_CLI_KEY_CONTENT=-----BEGIN PRIVATE KEY-----\ncanary"
		user        = "OCI_CLI_USER=ocid1.user.oc1..u"
		tenancy     = "OCI_CLI_TENANCY=ocid1.tenancy.oc1..t"
		fingerprint = "OCI_CLI_FINGERPRINT=AA:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"
	)
	s := mustLoad(t, nil, "HOME=", "XDG_STATE_HOME=/state", store, key, user, tenancy, fingerprint)
	got := s.Archive.OCI.Key
	if got.Content.Reveal() != "-----BEGIN PRIVATE KEY-----\ncanary" || got.User != "ocid1.user.oc1..u" || got.Tenancy != "ocid1.tenancy.oc1..t" ||
		!strings.HasPrefix(got.Fingerprint, "AA:") || s.Archive.OCI.ConfigFile != "" {
		t.Errorf("%+v", s.Archive.OCI)
	}
	if text := fmt.Sprintf("%v %+v %#v %q", s, s, s, got); strings.Contains(text, "canary") {
		t.Errorf("printing the settings shows the key: %s", text)
	}
	for want, env := range map[string][]string{
		"OCI_CLI_USER: not set: OCI_CLI_KEY_CONTENT is set, and the key needs it": {key, tenancy, fingerprint},
		"OCI_CLI_TENANCY: not set":     {key, user, fingerprint},
		"OCI_CLI_FINGERPRINT: not set": {key, user, tenancy},
		"OCI_CLI_KEY_CONTENT: not set: OCI_CLI_USER is set, and only the key in the environment uses it": {user},
		"OCI_CLI_KEY_CONTENT: invalid value": {"OCI_CLI_KEY_CONTENT=canary-passphrase", user, tenancy, fingerprint},
	} {
		_, err := load(t, nil, append(env, store)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("want %q, error is %v", want, err)
		}
	}
	mustLoad(t, nil, store, user, "OCI_AUTH=instance_principal") // the key is not used
}

// TestProxy checks that an address of a proxy that Go would ignore is refused, unless no
// call uses a proxy.
func TestProxy(t *testing.T) {
	for value, ok := range map[string]bool{
		"http://proxy:3128": true, "proxy:3128": true, "proxy.example.org": true, "socks5://127.0.0.1:1080": true, "https://me:pass@proxy": true, "10.0.0.1:3128": true,
		"http://proxy:canary": false, "ftp://canary": false, "http://": false, "http:/canary:3128": false, "://canary": false, "http://canary%zz@proxy": false, "canary proxy": false,
	} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			_, err := load(t, nil, name+"="+value, "POLISEN_STORE=oci:///bucket")
			if (err == nil) != ok || err != nil && (strings.Contains(err.Error(), "canary") || !strings.HasPrefix(err.Error(), name+": the value (") ||
				!strings.Contains(err.Error(), "for example http://") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	mustLoad(t, nil, "HTTPS_PROXY=http://", "POLISEN_STORE=/x", "POLISEN_API_URL=http://127.0.0.1:1/")
}

// TestContact checks which settings give the User-Agent a contact.
func TestContact(t *testing.T) {
	for variable, want := range map[string]bool{"API_CONTACT_EMAIL=a@b": true, "API_USER_AGENT=me (a@b)": true, "LOG_LEVEL=info": false} {
		if got := mustLoad(t, nil, variable).API.Contact; got != want {
			t.Errorf("with %s: contact %v, want %v", variable, got, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "LOG_LEVEL=error\nOCI_PROFILE='file'\n# comment\nOCI_REGION=eu-paris-1\n")
	flags := []string{"--env-file", file, "--log-level", "debug"}
	s := mustLoad(t, flags, "LOG_LEVEL=info", "OCI_PROFILE=environment", "OCI_REGION=")
	if s.General.LogLevel != slog.LevelDebug {
		t.Errorf("log level %v: the flag should win", s.General.LogLevel)
	}
	if got := s.Archive.OCI.Profile; got != "environment" {
		t.Errorf("profile %q: the environment should win over the env-file", got)
	}
	if got := s.Archive.OCI.Region; got != "eu-paris-1" {
		t.Errorf("region %q: the env-file should win over a variable set to nothing and the default", got)
	}
	if got := os.Getenv("OCI_PROFILE"); got != "" {
		t.Errorf("the env-file reached the process: OCI_PROFILE=%q", got)
	}
	s = mustLoad(t, nil, "POLISEN_ENV_FILE="+file)
	if got := s.Archive.OCI.Profile; got != "file" {
		t.Errorf("profile %q: POLISEN_ENV_FILE should name the env-file", got)
	}
}

// TestVariables checks that the variables of the env-file count as part of the
// environment: for the settings, and for the libraries through [config.General].
func TestVariables(t *testing.T) {
	file := writeFile(t, "\ufeffHTTPS_PROXY=http://proxy:1\r\nHOME=/from/file\nNO_PROXY=file\nEMPTY=\nSSL_CERT_FILE='/a b'\nPOLISEN_STORE=~/x\n")
	s := mustLoad(t, []string{"--env-file", file}, "HOME=", "NO_PROXY=environment")
	want := map[string]string{"HTTPS_PROXY": "http://proxy:1", "HOME": "/from/file", "SSL_CERT_FILE": "/a b", "POLISEN_STORE": "~/x"}
	if diff := cmp.Diff(want, s.General.Variables); diff != "" {
		t.Error(diff)
	}
	if s.Archive.Store.Path != "/from/file/x" || s.API.StateDir != "/from/file/.local/state/polisen-events-collector" {
		t.Errorf("HOME of the env-file does not count: %+v", s)
	}
}

// TestOtherNames checks which names in an env-file are misspelt settings.
func TestOtherNames(t *testing.T) {
	for name, near := range map[string]string{
		"POLISEN_STATE": "POLISEN_STATE_DIR", "POLISEN_CONTACT": "API_CONTACT_EMAIL", "POLISEN_LOG_LEVEL": "LOG_LEVEL", "POLISEN_BUCKET": "OCI_BUCKET_NAME", "polisen_store": "POLISEN_STORE",
		"OCI_BUCKET": "OCI_BUCKET_NAME", "OCI_NAMESPCE": "OCI_NAMESPACE", "OCI_NAMESPACE_NAME": "OCI_NAMESPACE", "OCI_BUCKETNAME": "OCI_BUCKET_NAME", "OCI_CONFIG": "OCI_CONFIG_FILE",
		"OCI_REGOIN": "OCI_REGION", "OCI_VAULT": "OCI_VAULT_ID", "oci_region": "OCI_REGION", "OCI_CLI_PROFLE": "OCI_PROFILE",
		"OCI_REGION_METADATA": "", "OCI_METADATA_BASE_URL": "", "OCI_DEFAULT_CERTS_PATH": "", "OCI_RESOURCE_PRINCIPAL_REGION": "", "OCI_RESOURCE_PRINCIPAL_VERSION": "", "OCI_SDK_AUTH_CLIENT_REGION_URL": "",
		"OCI_CLI_PROFILE": "", "OCI_CLI_RC_FILE": "", "OCI_CLI_SECURITY_TOKEN_FILE": "", "OCI_CLI_KEY_FILE": "", "OCI_CLI_CERT_BUNDLE": "", "OCI_CLI_ENDPOINT": "", "OCI_USER": "", "OCI_TENANCY": "", "OCI_HOME": "", "OCI_PATH": "",
		"AWS_REGION": "", "STORE": "", "BUCKET_NAME": "", "LOG_LEVELS": "", "PATH": "",
	} {
		_, err := load(t, []string{"--env-file", writeFile(t, name+"=phx")})
		if want := "the nearest one is " + near + ","; (near == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want nearest %q", name, err, near)
		}
	}
	if _, err := load(t, []string{"--env-file", writeFile(t, "POLISEN_hunter2hunter3=x")}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v; want an error that does not show a name that may be a secret", err)
	}
}

// TestCLIVariables checks that the variables of Oracle's command line count where the
// program's own are not set.
func TestCLIVariables(t *testing.T) {
	cli := []string{"OCI_CLI_PROFILE=P", "OCI_CLI_REGION=eu-paris-1", "OCI_CLI_CONFIG_FILE=/cli", "OCI_CLI_AUTH=security_token"}
	own := []string{"OCI_PROFILE=Q", "OCI_REGION=phx", "OCI_CONFIG_FILE=/own", "OCI_AUTH=api_key"}
	inFile := []string{"--env-file", writeFile(t, strings.Join(own, "\n"))}
	for _, tt := range []struct {
		args []string
		env  []string
		want config.OCI
	}{
		{nil, cli, config.OCI{Auth: config.AuthSecurityToken, ConfigFile: "/cli", Profile: "P", Region: "eu-paris-1"}},
		{nil, append(own, cli...), config.OCI{Auth: config.AuthAPIKey, ConfigFile: "/own", Profile: "Q", Region: "phx"}},
		{inFile, cli, config.OCI{Auth: config.AuthAPIKey, ConfigFile: "/own", Profile: "Q", Region: "phx"}},
	} {
		if got := mustLoad(t, tt.args, tt.env...).Archive.OCI; !cmp.Equal(got, tt.want) {
			t.Errorf("%q, %q: got %+v, want %+v", tt.args, tt.env, got, tt.want)
		}
	}
}

// TestReplaced checks that the settings file of an older collector works as it is.
func TestReplaced(t *testing.T) {
	file := writeFile(t, `# Object Storage
OCI_NAMESPACE=your-namespace
OCI_COMPARTMENT_ID=ocid1.compartment.oc1..your-compartment-id
OCI_REGION=eu-stockholm-1
USE_VAULT=true
VAULT_SECRET_ID=ocid1.vaultsecret.oc1.your-secret-id

API_USER_AGENT=ExampleCollector/1.0 (Data Collection; Contact: you@example.org)
API_CONTACT_EMAIL=you@example.org
LOG_DIR=./logs
LOG_LEVEL=WARNING
POLISEN_API_URL=https://polisen.se/api/events
POLLING_INTERVAL_MINUTES=30
`)
	s := mustLoad(t, []string{"--env-file", file})
	want := []string{"LOG_DIR", "OCI_COMPARTMENT_ID", "POLLING_INTERVAL_MINUTES", "USE_VAULT", "VAULT_SECRET_ID"}
	if diff := cmp.Diff(want, s.General.Replaced); diff != "" {
		t.Error(diff)
	}
	if got := s.Archive.Store.String(); got != "oci://your-namespace/polisen-events-collector" || s.General.LogLevel != slog.LevelWarn {
		t.Errorf("got %s and level %v", got, s.General.LogLevel)
	}
	if got := mustLoad(t, nil, "LOG_LEVEL=critical").General.LogLevel; got != slog.LevelError {
		t.Errorf("critical is %v", got)
	}
}

func TestImplied(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  []string
		got  func(config.Settings) any
		want any
	}{
		"a vault in the environment beside a folder": {
			args: []string{"--store", "/a"}, env: []string{"OCI_VAULT_NAME=v", "OCI_AUTH=vault"},
			got: func(s config.Settings) any { return s.Archive.Store.Path }, want: "/a",
		},
		"capital letters": {
			env: []string{"LOG_LEVEL=ERROR", "LOG_FORMAT=Json", "OCI_AUTH=API_KEY"},
			got: func(s config.Settings) any {
				return [3]any{s.General.LogLevel, s.General.LogFormat, s.Archive.OCI.Auth}
			}, want: [3]any{slog.LevelError, config.JSON, config.AuthAPIKey},
		},
		"contact": {
			args: []string{"--contact", "ops@example.org"},
			got:  func(s config.Settings) any { return s.API.UserAgent }, want: "product/1 (+ops@example.org)",
		},
		"user agent over contact": {
			args: []string{"--contact", "ops@example.org", "--user-agent", "mine/2"},
			got:  func(s config.Settings) any { return s.API.UserAgent }, want: "mine/2",
		},
		"store of namespace and bucket": {
			env:  []string{"OCI_NAMESPACE=ns", "OCI_BUCKET_NAME=events"},
			got:  func(s config.Settings) any { return s.Archive.Store },
			want: config.StoreURL{Kind: config.OCIStore, Namespace: "ns", Bucket: "events"},
		},
		"namespace without a bucket": {
			env:  []string{"OCI_NAMESPACE=ns"},
			got:  func(s config.Settings) any { return s.Archive.Store },
			want: config.StoreURL{Kind: config.OCIStore, Namespace: "ns", Bucket: "polisen-events-collector"},
		},
		"store over namespace and bucket": {
			args: []string{"--store", "oci:///mine"}, env: []string{"OCI_NAMESPACE=ns", "OCI_BUCKET_NAME=events"},
			got:  func(s config.Settings) any { return s.Archive.Store },
			want: config.StoreURL{Kind: config.OCIStore, Bucket: "mine"},
		},
		"XDG folders": {
			env:  []string{"XDG_DATA_HOME=/data", "XDG_STATE_HOME=/state", "HOME="},
			got:  func(s config.Settings) any { return s.Archive.Store.Path + " " + s.API.StateDir },
			want: "/data/polisen-events-collector /state/polisen-events-collector",
		},
		"relative XDG folder": {
			env:  []string{"XDG_STATE_HOME=state"},
			got:  func(s config.Settings) any { return s.API.StateDir },
			want: "/home/me/.local/state/polisen-events-collector",
		},
		"home folder in a value": {
			env: []string{"POLISEN_STORE=~/archive"},
			got: func(s config.Settings) any { return s.Archive.Store.Path }, want: "/home/me/archive",
		},
		"config file of a bucket": {
			args: []string{"--store", "oci:///b"},
			got:  func(s config.Settings) any { return s.Archive.OCI.ConfigFile }, want: "/home/me/.oci/config",
		},
		"no config file for an instance principal": {
			args: []string{"--store", "oci:///b", "--auth", "instance_principal", "--state-dir", "/s"}, env: []string{"HOME="},
			got: func(s config.Settings) any { return s.Archive.OCI.ConfigFile }, want: "",
		},
		"config file to reach the vault": {
			args: []string{"--store", "oci:///b", "--vault-id", vaultID},
			got:  func(s config.Settings) any { return s.Archive.OCI.ConfigFile }, want: "/home/me/.oci/config",
		},
		"vault by id": {
			args: []string{"--vault-id", vaultID},
			got:  func(s config.Settings) any { return s.Archive.OCI.Auth }, want: config.AuthVault,
		},
		"vault by name": {
			env: []string{"OCI_VAULT_NAME=v", "OCI_VAULT_COMPARTMENT_ID=ocid1.tenancy.oc1..aaaa"},
			got: func(s config.Settings) any { return s.Archive.OCI.Auth }, want: config.AuthVault,
		},
		"auth over vault": {
			args: []string{"--vault-id", vaultID, "--auth", "security_token"},
			got:  func(s config.Settings) any { return s.Archive.OCI.Auth }, want: config.AuthSecurityToken,
		},
		"switch": {
			args: []string{"--quiet"},
			got:  func(s config.Settings) any { return s.General.Quiet }, want: true,
		},
		"short interval on loopback": {
			args: []string{"--api-url", "http://127.0.0.1:1/", "--min-interval", "1ms"},
			got:  func(s config.Settings) any { return s.API.MinInterval }, want: time.Millisecond,
		},
		"no interval on loopback": {
			args: []string{"--api-url", "http://127.0.0.1:1/", "--min-interval", "0"},
			got:  func(s config.Settings) any { return s.API.MinInterval }, want: time.Nanosecond,
		},
		"short interval for a saved response": {
			args: []string{"--api-url", writeFile(t, "[]"), "--min-interval", "1ms"},
			got:  func(s config.Settings) any { return s.API.MinInterval }, want: time.Millisecond,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.got(mustLoad(t, tt.args, tt.env...)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestProblems has a case for each mistake. Each must give exactly one line,
// which names the setting, its value and origin, the reason and a valid value.
func TestProblems(t *testing.T) {
	damaged := writeFile(t, "LOG_LEVEL=info\nPASSWORD=canary\nthis is not canary\n")
	tests := map[string]struct {
		args []string
		env  []string
		want []string
	}{
		"remote http":        {args: []string{"--api-url", "http://polisen.se/api/events"}, want: []string{"--api-url (POLISEN_API_URL)", "the command line", "loopback hosts only"}},
		"other scheme":       {env: []string{"POLISEN_API_URL=ftp://polisen.se/"}, want: []string{"the environment", `unsupported scheme "ftp"`}},
		"no host":            {args: []string{"--api-url", "https:///events"}, want: []string{"not a URL with a host"}},
		"endpoint http":      {env: []string{"OCI_ENDPOINT=http://10.0.0.1"}, want: []string{"--oci-endpoint (OCI_ENDPOINT)", "loopback hosts only"}},
		"endpoint path":      {env: []string{"OCI_KMS_ENDPOINT=https://kms.example.org/v1"}, want: []string{"OCI_KMS_ENDPOINT", "without a path"}},
		"interval":           {args: []string{"--min-interval", "9.9s"}, want: []string{"--min-interval (POLISEN_MIN_INTERVAL)", `"9.9s"`, "10s between calls"}},
		"interval of zero":   {args: []string{"--min-interval", "0"}, want: []string{"10s between calls"}},
		"negative interval":  {args: []string{"--min-interval=-1s"}, want: []string{"must not be negative", "for example 30s"}},
		"API without scheme": {args: []string{"--api-url", "polisen.se/api/events"}, want: []string{"did you mean https://polisen.se/api/events?"}},
		"blank at the end":   {args: []string{"--api-url", "https://polisen.se/api/events "}, want: []string{"ends with a space"}},
		"blank in endpoint":  {env: []string{"OCI_ENDPOINT=https://example.org\r"}, want: []string{"OCI_ENDPOINT", "line end"}},
		"API with a query":   {args: []string{"--api-url", "polisen.se/api/events?type=Brand"}, want: []string{"did you mean https://polisen.se/api/events?"}},
		"www and no scheme":  {args: []string{"--api-url", "WWW.polisen.se"}, want: []string{"did you mean https://polisen.se/api/events?"}},
		"host and port":      {args: []string{"--api-url", "localhost:8080/api/events"}, want: []string{"a URL begins with https://"}},
		"folder":             {args: []string{"--api-url", "/"}, want: []string{"a folder", "backfill --input"}},
		"file of that name":  {args: []string{"--api-url", "polisen.se.json"}, want: []string{"no such file"}},
		"bare number":        {env: []string{"POLISEN_TIMEOUT=300"}, want: []string{"not a duration", "for example 2m"}},
		"negative timeout":   {args: []string{"--timeout=-1m"}, want: []string{"more than zero"}},
		"level":              {env: []string{"LOG_LEVEL=verbose"}, want: []string{"debug, info, warn, error"}},
		"log format":         {env: []string{"LOG_FORMAT=xml"}, want: []string{"not one of text, json"}},
		"output":             {args: []string{"--output", "yaml"}, want: []string{"--output: ", "not one of text, json"}},
		"scheme's slashes":   {args: []string{"--store", "oci:/bucket"}, want: []string{"two slashes"}},
		"another tool":       {args: []string{"--store", "oci:bucket"}, want: []string{"oci:///bucket", "./PATH"}},
		"OCID of a bucket":   {env: []string{"POLISEN_STORE=ocid1.bucket.oc1.eu-stockholm-1.aaaa"}, want: []string{"OCID", "oci:///bucket"}},
		"bare word":          {args: []string{"--store", "archive"}, want: []string{`"archive"`, "./PATH"}},
		"switch":             {args: []string{"--quiet=maybe"}, want: []string{"neither true nor false"}},
		"empty flag":         {args: []string{"--store="}, want: []string{"the value is empty"}},
		"flag as value":      {args: []string{"--store", "--quiet"}, want: []string{"looks like a flag"}},
		"store scheme":       {args: []string{"--store", "s3://bucket/x"}, want: []string{`unsupported scheme "s3"`}},
		"no bucket":          {args: []string{"--store", "oci://bucket"}, want: []string{"has no bucket", "oci://namespace/bucket"}},
		"hidden prefix":      {args: []string{"--store", "oci://ns/bucket/.prefix"}, want: []string{"a prefix has"}},
		"namespace":          {args: []string{"--store", "oci://n s/bucket"}, want: []string{"a namespace has"}},
		"relative file URL":  {args: []string{"--store", "file://archive/x"}, want: []string{"three slashes"}},
		"namespace form":     {env: []string{"OCI_NAMESPACE=n.s"}, want: []string{"OCI_NAMESPACE: invalid value \"n.s\"", "a namespace has"}},
		"alias":              {env: []string{"OCI_CLI_AUTH=oke_workload_identity"}, want: []string{"--auth (OCI_AUTH)", "from OCI_CLI_AUTH in the environment: not one of"}},
		"namespace missing":  {env: []string{"OCI_BUCKET_NAME=b"}, want: []string{"OCI_NAMESPACE: not set", "oci:///b"}},
		"bucket form":        {env: []string{"OCI_NAMESPACE=ns", "OCI_BUCKET_NAME=b/c"}, want: []string{"OCI_BUCKET_NAME", "no folder"}},
		"no home for store":  {args: []string{"--state-dir", "/s"}, env: []string{"HOME="}, want: []string{"--store (POLISEN_STORE): not set", "HOME or XDG_DATA_HOME"}},
		"no home for state":  {args: []string{"--store", "/s"}, env: []string{"HOME="}, want: []string{"--state-dir (POLISEN_STATE_DIR): not set", "HOME or XDG_STATE_HOME"}},
		"no home for config": {args: []string{"--store", "oci:///b", "--state-dir", "/s"}, env: []string{"HOME="}, want: []string{"--oci-config (OCI_CONFIG_FILE): not set", "needs HOME"}},
		"auth kind":          {env: []string{"OCI_AUTH=password"}, want: []string{"vault, api_key, instance_principal, resource_principal, security_token"}},
		"vault in a vault":   {env: []string{"OCI_VAULT_AUTH=vault"}, want: []string{"--vault-auth", "not one of api_key"}},
		"vault nowhere":      {args: []string{"--auth", "vault"}, want: []string{"--vault-id (OCI_VAULT_ID): not set"}},
		"vault OCID":         {args: []string{"--vault-id", "my-vault"}, want: []string{"not an OCID"}},
		"other OCID":         {args: []string{"--vault-id", compartment}, want: []string{"the OCID of a compartment, not of a vault"}},
		"compartment":        {args: []string{"--vault-name", "v"}, want: []string{"--vault-compartment (OCI_VAULT_COMPARTMENT_ID): not set"}},
		"two vaults":         {args: []string{"--vault-name", "v", "--vault-compartment", compartment}, env: []string{"OCI_VAULT_ID=" + vaultID}, want: []string{"--vault-name", "--vault-id (OCI_VAULT_ID) from the environment", "only one"}},
		"vault of a bucket":  {args: []string{"--store", "oci:///b", "--auth", "vault"}, want: []string{"--vault-id (OCI_VAULT_ID): not set"}},
		"region":             {env: []string{"OCI_REGION=Stockholm 1"}, want: []string{"not a region"}},
		"profile":            {env: []string{"OCI_PROFILE=a\nb"}, want: []string{"control character"}},
		"header break":       {args: []string{"--user-agent", "x\r\nHost: y"}, want: []string{"printable ASCII"}},
		"header letters":     {args: []string{"--contact", "åsa@example.org"}, want: []string{"printable ASCII"}},
		"host with a space":  {args: []string{"--host", "two words"}, want: []string{"--host (POLISEN_HOST)", "letters, digits, dots, hyphens and underscores"}},
		"long host":          {args: []string{"--host", strings.Repeat("h", 256)}, want: []string{"255 at most"}},
		"contact comment":    {args: []string{"--contact", "a) b("}, want: []string{"parentheses"}},
		"no env-file":        {args: []string{"--env-file", "/nowhere/env"}, want: []string{"--env-file (POLISEN_ENV_FILE)", "cannot be read: no such file"}},
		"damaged env-file":   {args: []string{"--env-file", damaged}, want: []string{"line 3 is not"}},
		"misspelt name":      {args: []string{"--env-file", writeFile(t, "POLISEN_STROE=canary\nOTHER=x\n")}, want: []string{"POLISEN_STROE in /", "/env is not a setting: the nearest one is POLISEN_STORE", "help environment", "; for example POLISEN_STORE=oci://namespace/bucket"}},
		"word in a name":     {args: []string{"--env-file", writeFile(t, "OCI_BUCKET=canary\n")}, want: []string{"OCI_BUCKET in /", "nearest one is OCI_BUCKET_NAME", "; for example OCI_BUCKET_NAME=polisen-events"}},
		"runtime's variable": {args: []string{"--env-file", writeFile(t, "GOMEMLIMIT=canary\n")}, want: []string{"--env-file", "GOMEMLIMIT in this file", "no effect"}},
		"no value":           {args: []string{"--env-file", writeFile(t, "LOG_LEVEL=info\nLOG_FORMAT")}, want: []string{"line 2 is not"}},
		"relative in a file": {args: []string{"--env-file", writeFile(t, "POLISEN_STORE=./archive")}, want: []string{"--store (POLISEN_STORE)", "/env: the path is relative", "from / or ~/ on"}},
		"alias in a file":    {args: []string{"--env-file", writeFile(t, "OCI_CLI_CONFIG_FILE=config")}, want: []string{"from OCI_CLI_CONFIG_FILE in /", "the path is relative"}},
		"from an env-file": {
			args: []string{"--env-file", writeFile(t, "POLISEN_TIMEOUT=soon")},
			want: []string{"--timeout (POLISEN_TIMEOUT)", "/env: not a duration"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tt.args, tt.env...)
			problems, ok := errors.AsType[config.Problems](err)
			if !ok || len(problems) != 1 {
				t.Fatalf("want one problem, got %v", err)
			}
			line := problems[0].Error()
			if strings.Contains(line, "\n") || strings.Contains(line, "canary") || !strings.Contains(line, "; for example ") {
				t.Errorf("want one line with an example and without secrets, got %q", line)
			}
			for _, want := range tt.want {
				if !strings.Contains(line, want) {
					t.Errorf("%q is not in %q", want, line)
				}
			}
		})
	}
}

// TestLeftovers checks that no path setting takes text that a shell or another tool would
// have changed as the name of a folder, and that a file:// URL can name each folder.
func TestLeftovers(t *testing.T) {
	for _, s := range config.All(all) {
		if !s.Path {
			continue
		}
		for text, want := range map[string]string{
			`"/x"`: `character "`, `'/x'`: "character '", `/x"`: `character "`, "$HOME/arch": "character $", "/x/${USER}": "character $", "`pwd`/x": "character `", `/my\ x`: `character \`,
			"/x # my archive": "comment follows", "/x ": "ends with a space", " /x": "begins or ends", "/x\r": "line end", "/x\t": "line end", "~bob/x": "character ~", "~": "character ~",
			"ocid1.bucket.oc1.eu-stockholm-1.aaaa": "OCID", `file:///x"`: "%22", "file:///home/$USER": "%24", "file:///x #y": "comment",
		} {
			_, err := load(t, []string{"--" + s.Flag + "=" + text})
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "; for example "+s.Example) {
				t.Errorf("--%s=%q: %v; want one line with %q and an example", s.Flag, text, err, want)
			}
		}
	}
	for text, want := range map[string]string{
		"file:///it%27s%20%22%24HOME%22%20%23%5Cx": `/it's "$HOME" #\x`, "/a#b": "/a#b", "./a b~": "", "/x/~bob": "/x/~bob", "~/x": "/it's/x",
	} {
		s := mustLoad(t, []string{"--store", text}, "HOME=/it's")
		if want != "" && s.Archive.Store.Path != want {
			t.Errorf("%q: got %q, want %q", text, s.Archive.Store.Path, want)
		}
		if again := mustLoad(t, []string{"--store", s.Archive.Store.String()}); again.Archive.Store != s.Archive.Store {
			t.Errorf("%q: the program's own form of the URL is %q, which is %+v", text, s.Archive.Store, again.Archive.Store)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	s, err := load(t, []string{"--log-format", "json", "--timeout", "x", "--min-interval", "1s"},
		"LOG_LEVEL=x", "OCI_BUCKET_NAME=x", "OCI_REGION=X", "HOME=")
	problems, _ := errors.AsType[config.Problems](err)
	got := map[string]bool{}
	for _, p := range problems {
		name, _, _ := strings.Cut(p.Error(), ":")
		got[name] = true
	}
	want := map[string]bool{
		"--timeout (POLISEN_TIMEOUT)": true, "--min-interval (POLISEN_MIN_INTERVAL)": true, "--log-level (LOG_LEVEL)": true,
		"OCI_NAMESPACE": true, "--oci-region (OCI_REGION)": true, "--state-dir (POLISEN_STATE_DIR)": true,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s.General.LogFormat != config.JSON || s.Archive.RetryBase != 500*time.Millisecond {
		t.Errorf("want the valid values, and defaults for the invalid ones, beside the error: %+v", s)
	}
}

func TestGroups(t *testing.T) {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Bind(flags, config.ArchiveGroup)
	if flags.Lookup("api-url") != nil || flags.Lookup("store") == nil {
		t.Error("want the flags of the archive only")
	}
	env := map[string]string{"HOME": "/home/me", "POLISEN_API_URL": "gopher://x", "LOG_LEVEL": "debug"}
	s, err := config.Load(flags, config.ArchiveGroup, func(n string) (string, bool) { v, ok := env[n]; return v, ok }, "p")
	if err != nil {
		t.Errorf("a setting of another group had an effect: %v", err)
	}
	if s.API != (config.API{}) || s.General.LogLevel != slog.LevelDebug {
		t.Errorf("want the general settings and none of the API: %+v", s)
	}
}

func TestProblemsHideSecrets(t *testing.T) {
	for _, text := range []string{
		"https://user:canary@example.org/x", "http://canary@example.org", "https://user:canary/2@example.org/x", "s3://key:canary/2@b@bucket", "-----BEGIN PRIVATE KEY-----canary",
	} {
		_, err := load(t, []string{"--api-url", text, "--oci-endpoint", text, "--vault-id", text})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v; want an error without the secret", text, err)
		}
	}
}

// TestTimeout checks that the time limit is known before the env-file is read.
func TestTimeout(t *testing.T) {
	for want, tt := range map[time.Duration]struct{ flag, env string }{
		3 * time.Second: {"3s", "5s"},
		5 * time.Second: {"", "5s"},
		0:               {"", "soon"},
	} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		config.Bind(flags, config.AllGroups)
		args := []string{"--env-file", "/missing"}
		if tt.flag != "" {
			args = append(args, "--timeout", tt.flag)
		}
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		env := func(name string) (string, bool) { return tt.env, name == "POLISEN_TIMEOUT" }
		if got := config.Timeout(flags, env); got != want {
			t.Errorf("%+v: got %v, want %v", tt, got, want)
		}
	}
}
