package cmd

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// misplaced returns secrets as users paste them into a wrong place, by their kind:
// the text of the value, and the part that nobody may see.
func misplaced() map[string][2]string {
	key := string(ociauthtest.Shared().PEM())
	block, _ := pem.Decode([]byte(key))
	der := base64.StdEncoding.EncodeToString(block.Bytes)
	token := new(ociauthtest.Verifier).Token(&ociauthtest.Shared().Key.PublicKey, time.Now().Add(time.Hour))
	lines := strings.Join(strings.Split(key, "\n")[1:4], "")
	return map[string][2]string{
		"PEM":                     {key, lines},
		"PEM with escapes":        {strings.ReplaceAll(key, "\n", `\n`), lines},
		"base64":                  {der, der},
		"base64 lines":            {strings.Join(strings.Split(key, "\n")[1:5], "\n"), lines},
		"passphrase":              {"correct horse, battery staple!", "correct horse, battery staple!"},
		"token":                   {token, token},
		"URL with a password":     {"https://user:hunter2hunter3@host.example.org/x", "hunter2hunter3"},
		"misspelt URL":            {"https:/user:hunter2hunter3@host", "user:hunter2hunter3"},
		"user and password":       {"user:hunter2hunter3@host", "user:hunter2hunter3"},
		"URL, odd scheme":         {"sesame4sesame://user:hunter2hunter3@host", "sesame4sesame://user:hunter2hunter3"},
		"URL, slash in the word":  {"https://user:hunter2/hunter3@host", "hunter2/hunter3"},
		"bucket with a password":  {"oci://user:hunter2hunter3@namespace/bucket", "hunter2hunter3"},
		"folder with a password":  {"file://user:hunter2hunter3@host/folder", "hunter2hunter3"},
		"passphrase as a flag":    {"--correct-horse-battery-staple", "correct-horse-battery-staple"},
		"passphrase and newlines": {"correct horse\nbattery staple", "battery staple"},
	}
}

// shows returns a part of 8 characters of the secret that the text shows.
func shows(text, secret string) string {
	for i := range len(secret) - 7 {
		if strings.Contains(text, secret[i:i+8]) {
			return secret[i : i+8]
		}
	}
	return ""
}

// checkSecret runs the program in both formats, and checks that neither its output nor
// what it stores shows the secret. Runs at the level debug print the most; the
// other levels take turns.
func checkSecret(t *testing.T, secret string, args []string, vars map[string]string, stored func() map[string][]byte) {
	t.Helper()
	level := []string{"debug", "info", "warn", "error"}[len(t.Name())%4]
	for _, options := range [][]string{{"--log-level", "debug"}, {"--log-level", level, "--log-format", "json", "--output", "json"}} {
		vars := maps.Clone(vars)
		vars["HOME"] = t.TempDir()
		exit, stdout, stderr := runWith(append(append([]string{}, args...), options...), vars, strings.NewReader(""))
		if part := shows(stdout+stderr, secret); part != "" {
			t.Errorf("%q: exit code %d, and the output shows %q:\n%s%s", options, exit, part, stdout, stderr)
			return
		}
	}
	for name, body := range stored() {
		if part := shows(name+string(body), secret); part != "" {
			t.Errorf("%s in the archive shows %q: %s", name, part, body)
		}
	}
}

// TestMisplacedSecrets gives each setting each kind of secret.
func TestMisplacedSecrets(t *testing.T) {
	t.Chdir(t.TempDir()) // some values are folders
	response := writeResponse(t, []byte(`[{"id":1,"datetime":"2026-01-02 03:04:05 +01:00"}]`))
	cloud := ocitest.NewServer(t)
	base := map[string]string{
		"POLISEN_STORE": "oci://testnamespace/" + cloud.Bucket, "OCI_ENDPOINT": cloud.URL, "OCI_CONFIG_FILE": cloud.ConfigFile,
		"OCI_SECRETS_ENDPOINT": cloud.URL, "OCI_KMS_ENDPOINT": cloud.URL,
		"POLISEN_RETRY_BASE": "1ms", "POLISEN_TIMEOUT": "2s", "POLISEN_API_URL": response, "POLISEN_MIN_INTERVAL": "1ms",
	}
	more := map[string]map[string]string{ // settings with which another one has an effect
		"OCI_VAULT_NAME":           {"OCI_VAULT_COMPARTMENT_ID": "ocid1.compartment.oc1..testcompartment"},
		"OCI_VAULT_COMPARTMENT_ID": {"OCI_VAULT_NAME": "vault"},
		"OCI_VAULT_SECRET_PREFIX":  {"OCI_VAULT_ID": "ocid1.vault.oc1.eu-frankfurt-1.abc.testvault"},
		"OCI_NAMESPACE":            {"POLISEN_STORE": "", "OCI_BUCKET_NAME": "bucket"},
		"OCI_BUCKET_NAME":          {"POLISEN_STORE": "", "OCI_NAMESPACE": "testnamespace"},
		"OCI_REGION":               {"OCI_ENDPOINT": ""},
		"OCI_VAULT_REGION":         {"OCI_VAULT_ID": "ocid1.vault.oc1.eu-frankfurt-1.abc.testvault", "OCI_SECRETS_ENDPOINT": ""},
	}
	for _, s := range config.All(config.AllGroups) {
		for kind, secret := range misplaced() {
			t.Run(s.Name()+" "+kind, func(t *testing.T) {
				stored := func() map[string][]byte { return cloud.Objects(cloud.Bucket) }
				vars := maps.Clone(base)
				maps.Copy(vars, more[s.Env])
				if s.Flag != "" && s.Placeholder != "" {
					delete(vars, s.Env)
					checkSecret(t, secret[1], []string{"collect", "--" + s.Flag + "=" + secret[0]}, vars, stored)
				}
				if s.Env != "" {
					vars[s.Env] = secret[0]
					checkSecret(t, secret[1], []string{"verify", "--quick"}, vars, stored)
					checkSecret(t, secret[1], []string{"collect"}, vars, stored)
				}
			})
		}
	}
}

// TestMisplacedSecretsInProfiles gives each entry of a profile each kind of secret.
func TestMisplacedSecretsInProfiles(t *testing.T) {
	t.Chdir(t.TempDir())
	response := writeResponse(t, []byte(`[{"id":1,"datetime":"2026-01-02 03:04:05 +01:00"}]`))
	cloud := ocitest.NewServer(t)
	id := ociauthtest.Shared()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := new(ociauthtest.Verifier).Token(&id.Key.PublicKey, time.Now().Add(time.Hour))
	entries := map[string]string{
		"user": id.User, "fingerprint": id.Fingerprint, "tenancy": id.Tenancy, "region": id.Region, "key_file": write("key.pem", string(id.PEM())),
		"security_token_file": write("token", token), "pass_phrase": "", "passphrase": "", "authentication_type": "", "other": "", "": "",
	}
	for _, auth := range []string{"api_key", "security_token"} {
		for entry := range entries {
			for kind, secret := range misplaced() {
				t.Run(auth+" "+entry+" "+kind, func(t *testing.T) {
					text := "[DEFAULT]\n"
					for name, value := range entries {
						if name == entry {
							value = secret[0]
						}
						if name != "" {
							text += fmt.Sprintf("%s=%s\n", name, value)
						}
					}
					if entry == "" { // the secret is a line of the file, or a file of the profile
						write("damaged", secret[0])
						text += "key_file=" + filepath.Join(dir, "damaged") + "\nsecurity_token_file=" + filepath.Join(dir, "damaged") + "\n"
					}
					checkSecret(t, secret[1], []string{"collect"}, map[string]string{
						"POLISEN_STORE": "oci:///" + cloud.Bucket, "OCI_ENDPOINT": cloud.URL, "OCI_CONFIG_FILE": write("config", text), "OCI_AUTH": auth,
						"POLISEN_RETRY_BASE": "1ms", "POLISEN_TIMEOUT": "2s", "POLISEN_API_URL": response,
					}, func() map[string][]byte { return cloud.Objects(cloud.Bucket) })
				})
			}
		}
	}
}
