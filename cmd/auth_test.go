package cmd

import (
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// TestCredentials collects into a bucket with the kinds of credentials that work
// outside Oracle Cloud, and checks that no output contains a key.
func TestCredentials(t *testing.T) {
	const (
		vaultID     = "ocid1.vault.oc1.eu-frankfurt-1.abc.testvault"
		compartment = "ocid1.compartment.oc1..testcompartment"
	)
	cloud := ocitest.NewServer(t)
	user := ociauthtest.NewIdentity() // its key is only in the vault
	user.User = "ocid1.user.oc1..vaultuser"
	cloud.Trust(user.KeyID(), &user.Key.PublicKey)
	cloud.Cloud.AddVault(ociauthtest.Vault{ID: vaultID, Name: "collector", Compartment: compartment, Secrets: user.Secrets("arch-")})
	canary := strings.Split(string(user.PEM()), "\n")[3] // a line of the key

	vault := []string{"OCI_SECRETS_ENDPOINT", cloud.URL, "OCI_KMS_ENDPOINT", cloud.URL, "OCI_VAULT_SECRET_PREFIX", "arch-"}
	for name, test := range map[string]struct {
		env   []string
		exit  int
		error string // part of stderr
	}{
		"config file":   {},
		"vault by OCID": {env: append([]string{"OCI_VAULT_ID", vaultID}, vault...)},
		"vault by name": {env: append([]string{"OCI_VAULT_NAME", "collector", "OCI_VAULT_COMPARTMENT_ID", compartment}, vault...)},
		"key in variables": {env: []string{
			"OCI_CLI_KEY_CONTENT", string(cloud.Identity.PEM()), "OCI_CLI_USER", cloud.Identity.User, "OCI_CLI_TENANCY", cloud.Identity.Tenancy,
			"OCI_CLI_FINGERPRINT", cloud.Identity.Fingerprint, "OCI_CONFIG_FILE", "/does/not/exist",
		}},
		"key with \\n": {[]string{
			"OCI_CLI_KEY_CONTENT", strings.ReplaceAll(string(cloud.Identity.PEM()), "\n", `\n`), "OCI_CLI_USER", cloud.Identity.User, "OCI_CLI_TENANCY", cloud.Identity.Tenancy,
			"OCI_CLI_FINGERPRINT", cloud.Identity.Fingerprint,
		}, 6, `OCI_CLI_KEY_CONTENT: the line breaks of the private key are written as the two characters \n`},
		"no such vault":  {append([]string{"OCI_VAULT_NAME", "other", "OCI_VAULT_COMPARTMENT_ID", compartment}, vault...), 6, `"other"`},
		"no such secret": {[]string{"OCI_VAULT_ID", vaultID, "OCI_SECRETS_ENDPOINT", cloud.URL}, 6, "oci-user-ocid"},
		"no profile":     {[]string{"OCI_PROFILE", "OTHER"}, 6, "OTHER"},
		"no bucket":      {[]string{"POLISEN_STORE", "oci://testnamespace/other"}, 6, "BucketNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			env := append([]string{
				"POLISEN_STORE", "oci:///" + cloud.Bucket, "OCI_ENDPOINT", cloud.URL, "OCI_CONFIG_FILE", cloud.ConfigFile,
				"POLISEN_RETRY_BASE", "1ms", "LOG_LEVEL", "debug",
			}, test.env...)
			response, err := filepath.Abs("../testdata/responses/first.json")
			if err != nil {
				t.Fatal(err)
			}
			exit, stdout, stderr := run(t, []string{"collect", "--output", "json", "--api-url", response}, env...)
			if exit != test.exit || !strings.Contains(stderr, test.error) {
				t.Errorf("exit code %d, want %d; stderr: %s", exit, test.exit, stderr)
			}
			if strings.Contains(stdout+stderr, canary) || strings.Contains(stdout+stderr, "PRIVATE KEY") {
				t.Errorf("the output shows a private key: %s%s", stdout, stderr)
			}
		})
	}
	if objects := cloud.Objects(cloud.Bucket); len(objects) < 3 {
		t.Errorf("%d objects in the bucket", len(objects))
	}
}
