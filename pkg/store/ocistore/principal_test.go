package ocistore_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/ocistore"
	"polisen-events-collector/pkg/store/ocistore/ocitest"
)

// A failed renewal of the credentials is not an error of the bucket, and the call
// is not repeated.
func TestRenewalFails(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Cloud.Instance = ociauthtest.NewInstance()
	server.Cloud.Instance.Session = time.Minute // shorter than the SDK's margin, so each call renews it
	t.Setenv("OCI_METADATA_BASE_URL", server.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", server.URL)
	creds, err := ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.InstancePrincipal, Region: "eu-stockholm-1"})
	if err != nil {
		t.Fatal(err)
	}
	retries := 0
	s, err := ocistore.Open(creds, ocistore.Options{
		Namespace: "ns", Bucket: server.Bucket, Endpoint: server.URL,
		OnRetry: func(string, error, time.Duration) { retries++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{401, 404} {
		server.Cloud.Script(ociauthtest.Fault{On: ociauthtest.On("", "x509"), Status: status, Code: "Code", Times: ociauthtest.Forever})
		_, err := s.Get(t.Context(), "a")
		if !errors.Is(err, ociauth.ErrCredentials) || errors.Is(err, store.ErrAccess) || errors.Is(err, store.ErrNotExist) ||
			!strings.Contains(err.Error(), "federation service") || strings.Contains(err.Error(), "check the bucket") {
			t.Errorf("error is %v", err)
		}
	}
	if n := len(server.Requests()); n != 0 || retries != 0 {
		t.Errorf("%d requests to the bucket and %d retries, want none", n, retries)
	}
}

// An instance in a region that the SDK does not know uses the addresses of the realm that
// its metadata service names, for the federation service and for the bucket.
func TestUnknownRealm(t *testing.T) {
	server := ocitest.NewServer(t)
	server.Cloud.Instance = ociauthtest.NewInstance()
	server.Cloud.Instance.Region = "xyz"
	server.Cloud.Instance.RegionInfo = `{"realmKey":"oc99","realmDomainComponent":"cloud.invalid","regionKey":"XYZ","regionIdentifier":"eu-nowhere-1"}`
	t.Setenv("OCI_METADATA_BASE_URL", server.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", server.URL)
	for region, want := range map[string]string{
		"":               "https://objectstorage.eu-nowhere-1.cloud.invalid",
		"eu-elsewhere-1": "https://objectstorage.eu-elsewhere-1.cloud.invalid",
		"eu-stockholm-1": "https://objectstorage.eu-stockholm-1.oraclecloud.com",
	} {
		creds, err := ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.InstancePrincipal, Region: region})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ocistore.Open(creds, ocistore.Options{Namespace: "ns", Bucket: "b"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Location(t.Context())
		got = strings.Replace(got, "{dualStack?ds.oci.:}", "", 1) // the SDK decides this part in each call
		if got != "oci://ns/b at "+want {
			t.Errorf("region %q: %s, %v", region, got, err)
		}
	}

	os.Unsetenv("OCI_SDK_AUTH_CLIENT_REGION_URL")
	_, err := ociauth.Resolve(t.Context(), ociauth.Options{
		Kind: ociauth.InstancePrincipal, Retry: retry.Policy{Attempts: 1, Clock: retrytest.NewClock(time.Now())},
	})
	if err == nil || !strings.Contains(err.Error(), "auth.eu-nowhere-1.cloud.invalid") {
		t.Errorf("federation service: %v", err)
	}

	server.Cloud.Instance.RegionInfo = `{"regionIdentifier":"eu-nowhere-1","realmDomainComponent":"canary/path"}`
	_, err = ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.InstancePrincipal})
	if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), "/instance/regionInfo: the response does not name") || strings.Contains(err.Error(), "canary") {
		t.Errorf("malformed information: %v", err)
	}
}

// A session's 401 has the command that renews the session, and a 403 is about the
// session's user.
func TestSessionRefused(t *testing.T) {
	server := ocitest.NewServer(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	id := server.Identity
	token := new(ociauthtest.Verifier).Token(&id.Key.PublicKey, time.Now().Add(time.Hour)) // not known to the server
	for name, text := range map[string]string{
		"config": "[work]\nregion=eu-stockholm-1\ntenancy=" + id.Tenancy + "\nkey_file=" + dir + "/key.pem\nsecurity_token_file=" + dir + "/token\n",
		"token":  token, "key.pem": string(id.PEM()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	creds, err := ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.SecurityToken, ConfigFile: config, Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ocistore.Open(creds, ocistore.Options{Namespace: server.Namespace, Bucket: server.Bucket, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrAccess) ||
		!strings.HasSuffix(err.Error(), `the session may have ended: run "oci session authenticate --profile-name work --region eu-stockholm-1"`) {
		t.Errorf("error is %v", err)
	}
	server.Script(ocitest.Fault{Status: 403, Code: "NotAllowed"})
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrAccess) ||
		!strings.HasSuffix(err.Error(), "check that a policy lets the session's user manage the bucket's objects") {
		t.Errorf("error is %v", err)
	}
}

// The store works with the credentials of an instance, and with those of a vault
// that the instance reads.
func TestOtherCredentials(t *testing.T) {
	const vault = "ocid1.vault.oc1.eu-frankfurt-1.abc.testvault"
	server := ocitest.NewServer(t)
	server.Cloud.Instance = ociauthtest.NewInstance()
	server.Cloud.AddVault(ociauthtest.Vault{ID: vault, Secrets: server.Identity.Secrets("")})
	t.Setenv("OCI_METADATA_BASE_URL", server.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", server.URL)
	for _, o := range []ociauth.Options{
		{Kind: ociauth.InstancePrincipal, Region: "eu-stockholm-1"},
		{Kind: ociauth.FromVault, Vault: ociauth.Vault{ID: vault, Auth: ociauth.InstancePrincipal, SecretsEndpoint: server.URL}},
	} {
		creds, err := ociauth.Resolve(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ocistore.Open(creds, ocistore.Options{Bucket: server.Bucket, Endpoint: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), "by/"+string(o.Kind), []byte("x"), store.IfAbsent()); err != nil {
			t.Error(err)
		}

		// With a principal's own provider, the SDK would sleep for three seconds.
		server.Script(ocitest.Fault{Status: 401, Code: "NotAuthenticated"})
		start := time.Now()
		advice := map[ociauth.Kind]string{
			ociauth.InstancePrincipal: "NotAuthenticated.*a dynamic group contains this instance$",
			ociauth.FromVault:         "NotAuthenticated.*the key in the vault is one of the user's API keys$",
		}[o.Kind]
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, store.ErrAccess) || !regexp.MustCompile(advice).MatchString(err.Error()) {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("a 401 took %v", took)
		}
		server.Script(ocitest.Fault{Status: 404, Code: "BucketNotFound", Times: 3})
		if _, err := s.Get(t.Context(), "a"); strings.Contains(err.Error(), "contains this instance, and that a policy lets this group manage its objects") != (o.Kind == ociauth.InstancePrincipal) {
			t.Errorf("error is %v", err)
		}
	}
}
