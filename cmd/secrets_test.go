package cmd

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/config"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/polisen/polisentest"
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
		"URL with a token":        {"http://127.0.0.1:1/x?token=hunter2hunter3", "hunter2hunter3"},
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
// what it stores shows the secret. The first run has the level debug,
// which prints the most. The level of the second one depends on the name of the test.
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
				if s.Alias != "" {
					delete(vars, s.Env)
					vars[s.Alias] = secret[0]
					checkSecret(t, secret[1], []string{"collect"}, vars, stored)
					delete(vars, s.Alias)
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

// TestSecretsAsArguments gives the commands each kind of secret as an argument, as the
// name of a flag, and as the value of a flag that is not a setting.
func TestSecretsAsArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	secrets := misplaced()
	for kind, word := range map[string]string{"word": "hunter2hunter3", "words": "correct-horse-battery", "file": "hunter2hunter3.pem"} {
		secrets[kind] = [2]string{word, word}
	}
	nothing := func() map[string][]byte { return nil }
	for kind, s := range secrets {
		secret := s[0]
		arguments := [][]string{
			{secret}, {"help", secret}, {"completion", secret}, {"collect", secret}, {"collect", "a", secret}, {"verify", secret}, {"version", secret}, {"backfill", secret},
			{"collect", "--" + secret}, {"collect", "-" + secret}, {"collect", "--passphrase=" + secret}, {"collect", "--passphrase", secret}, {"collect", "--=" + secret},
			{"collect", "--dry-run=" + secret}, {"verify", "--concurrency", secret}, {"verify", "--quick", "--max-age", secret}, {"verify", "--repair", secret}, {"verify", "--repair=" + secret},
			{"verify", "--from", secret}, {"verify", "--to", secret}, {"backfill", "--from", secret}, {"backfill", "--from", "2026-01-01", "--to", secret},
			{"backfill", "--input", secret}, {"backfill", "--input", "-", "--input", secret + "/a"}, {"collect", "--api-url", secret}, {"inspect-metadata", "--against-api", "--api-url", secret},
			{"inspect-metadata", secret}, {"inspect-metadata", "--has", secret}, {"inspect-metadata", "--has", "1", secret}, {"inspect-metadata", "--has", "1", "--date", secret},
		}
		for _, args := range arguments {
			t.Run(kind+" "+strings.Join(args[:len(args)-1], " "), func(t *testing.T) {
				checkSecret(t, s[1], args, map[string]string{"POLISEN_STORE": t.TempDir(), "POLISEN_MIN_INTERVAL": "1ms", "POLISEN_TIMEOUT": "2s", "POLISEN_API_URL": "http://127.0.0.1:1/"}, nothing)
			})
		}
	}
}

// TestSecretsInPanics lets the program panic, once in the goroutine that opens a store
// and once in main, while it has secrets in its settings, its profile and the environment.
func TestSecretsInPanics(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cloud := newCloud(t)
	settings := cloud.Settings()
	const passphrase, contact = "correct horse, battery staple!", "hunter2hunter3@example.org"
	config, err := os.ReadFile(settings["OCI_CONFIG_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{passphrase, contact, pingSecret}
	for line := range strings.Lines(string(config)) {
		if file, ok := strings.CutPrefix(line, "key_file="); ok {
			key, err := os.ReadFile(strings.TrimSpace(file))
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, strings.Split(string(key), "\n")[1:5]...)
		}
	}
	if len(secrets) != 7 {
		t.Fatalf("%d secrets", len(secrets))
	}
	cloud.SetIntercept(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.Contains(r.URL.Path, "/b/") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		serve(w, r)
	})
	for _, tt := range []struct{ at, frame string }{
		{"will be repeated", "created by golang.org/x/sync/errgroup"},
		{`"run_id"`, "printReport"},
	} {
		p := exec.Command(exe, "collect", "--output", "json", "--log-level", "debug", "--timeout", "2s")
		p.Args[0] = panicking
		p.Env = append(environ(settings), "PANIC_AT="+tt.at, "GOTRACEBACK=all", "API_CONTACT_EMAIL="+contact, "POLISEN_PING_URL=http://127.0.0.1:1/"+pingSecret, "OCI_CLI_PASSPHRASE="+passphrase)
		output, _ := p.CombinedOutput()
		text := string(output)
		if p.ProcessState.ExitCode() != 2 || !strings.Contains(text, "panic: runtime error: index out of range") || !strings.Contains(text, tt.frame) {
			t.Errorf("%s: %v: %s", tt.at, p.ProcessState, text)
		}
		for _, secret := range secrets {
			if part := shows(text, secret); part != "" {
				t.Errorf("%s: the output shows %q: %s", tt.at, part, text)
			}
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

// TestQueryIsNotShown checks that neither the output nor the archive shows the query of the
// API's URL, which may hold a token, whatever the API answers.
func TestQueryIsNotShown(t *testing.T) {
	const secret = "hunter2hunter3"
	redirect := polisentest.Answer{Status: 301, Header: http.Header{"Location": {"https://example.org/api"}}}
	for name, answer := range map[string]polisentest.Answer{
		"not found": polisentest.Status(404), "server error": polisentest.Status(500), "no array": {Status: 200, Body: []byte("{}")}, "redirect": redirect,
		"page that repeats the query": {Status: 200, Body: []byte("<html><title>" + secret + "</title></html>")}, "error that repeats the query": {Status: 400, Body: []byte(`{"url":"` + secret + `"}`)},
		"no array that repeats the query": {Status: 200, Body: []byte(`{"token":"` + secret + `"}`)}, "server error that repeats the query": {Status: 503, Body: []byte(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			api := &polisentest.API{MinInterval: time.Nanosecond, Default: func(*http.Request) polisentest.Answer { return answer }}
			server := httptest.NewServer(api)
			defer server.Close()
			dir, home := t.TempDir(), t.TempDir()
			for _, args := range [][]string{
				{"collect"}, {"collect"}, // after a 404 the second run makes no call
				{"backfill", "--from", "2026-01-02", "--to", "2026-01-02", "--force"}, {"backfill", "--from", "2026-01-02", "--to", "2026-01-02", "--force"},
				{"backfill", "--from", "2026-01-02", "--to", "2026-01-02", "--force", "--dry-run"}, {"inspect-metadata"}, {"verify"}, {"verify", "--quick"},
			} {
				vars := map[string]string{"HOME": home, "POLISEN_STORE": dir, "POLISEN_API_URL": server.URL + "/api?token=" + secret, "POLISEN_MIN_INTERVAL": "1ms", "POLISEN_RETRY_BASE": "1ms", "POLISEN_TIMEOUT": "5s"}
				for _, output := range []string{"text", "json"} {
					exit, stdout, stderr := runWith(append(args, "--log-level", "debug", "--output", output), vars, strings.NewReader(""))
					if strings.Contains(stdout+stderr, secret) {
						t.Errorf("%q ends with %d and shows the query:\n%s%s", args, exit, stdout, stderr)
					}
				}
			}
			files, err := filepath.Glob(filepath.Join(dir, "metadata", "*"))
			if err != nil || len(files) == 0 {
				t.Errorf("files of metadata: %q, %v", files, err)
			}
			for _, name := range files {
				body, err := os.ReadFile(name)
				if err != nil || strings.Contains(string(body), secret) {
					t.Errorf("%s shows the query, or cannot be read: %v; %s", name, err, body)
				}
			}
		})
	}
}
