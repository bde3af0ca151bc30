package ociauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

const (
	vaultID     = "ocid1.vault.oc1.eu-frankfurt-1.abc.testvault"
	compartment = "ocid1.compartment.oc1..testcompartment"
)

// cloud is a running fake whose vault holds the key of a user, with the options
// that read it.
type cloud struct {
	*ociauthtest.Cloud
	url     string
	id      *ociauthtest.Identity // the user whose key is in the vault
	options ociauth.Options
}

// vaultUser is made once, since making its key takes a while.
var vaultUser = sync.OnceValue(func() *ociauthtest.Identity {
	id := ociauthtest.NewIdentity()
	id.User = "ocid1.user.oc1..vaultuser"
	return id
})

func newCloud(t *testing.T, vaults ...ociauthtest.Vault) *cloud {
	t.Helper()
	reader := ociauthtest.Shared()
	v := new(ociauthtest.Verifier)
	v.Trust(reader.KeyID(), &reader.Key.PublicKey)
	c := &cloud{Cloud: ociauthtest.NewCloud(v), id: vaultUser()}
	if len(vaults) == 0 {
		vaults = []ociauthtest.Vault{{ID: vaultID, Name: "collector", Compartment: compartment, Secrets: c.id.Secrets("")}}
	}
	for _, v := range vaults {
		c.AddVault(v)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	config, err := reader.WriteConfig(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.url = server.URL
	c.options = ociauth.Options{
		Kind: ociauth.FromVault, ConfigFile: config,
		Vault: ociauth.Vault{ID: vaultID, Region: "eu-frankfurt-1", SecretsEndpoint: server.URL, KMSEndpoint: server.URL},
		Retry: retry.Policy{Attempts: 3, Base: time.Second, Clock: retrytest.NewClock(time.Now())},
	}
	return c
}

func (c *cloud) sent() []string {
	var lines []string
	for _, r := range c.Requests() {
		lines = append(lines, r.String())
	}
	return lines
}

func assertIdentity(t *testing.T, c *ociauth.Credentials, id *ociauthtest.Identity) {
	t.Helper()
	if got, err := c.KeyID(); got != id.KeyID() || err != nil {
		t.Errorf("key id %s, want %s (%v)", got, id.KeyID(), err)
	}
	if key, err := c.PrivateRSAKey(); err != nil || !key.Equal(id.Key) {
		t.Errorf("wrong key: %v", err)
	}
}

func TestVault(t *testing.T) {
	c := newCloud(t)
	got, err := ociauth.Resolve(t.Context(), c.options)
	if err != nil {
		t.Fatal(err)
	}
	assertIdentity(t, got, c.id)
	assertNoKey(t, got, c.id)
	if region, _ := got.Region(); region != "eu-stockholm-1" || got.String() != "vault from "+vaultID {
		t.Errorf("%s in %s", got, region)
	}
	if want := slices.Repeat([]string{"POST 200"}, 5); !slices.Equal(c.sent(), want) {
		t.Errorf("sent %q", c.sent())
	}
}

func TestVaultRegions(t *testing.T) {
	c := newCloud(t)
	withoutRegion := c.id.Secrets("bare-")
	delete(withoutRegion, "bare-oci-region")
	c.AddVault(ociauthtest.Vault{ID: vaultID, Secrets: withoutRegion})
	for _, test := range []struct {
		prefix, region, fallback string
		want                     string
		requests                 int
	}{
		{"", "", "eu-paris-1", "eu-stockholm-1", 5},
		{"", "eu-madrid-1", "eu-paris-1", "eu-madrid-1", 4}, // the region's secret is not read
		{"bare-", "", "eu-paris-1", "eu-paris-1", 5},
		{"bare-", "eu-madrid-1", "", "eu-madrid-1", 4},
		{"bare-", "", "", "", 5},
	} {
		c.ResetLog()
		o := c.options
		o.Vault.SecretPrefix, o.Region, o.DefaultRegion = test.prefix, test.region, test.fallback
		got, err := ociauth.Resolve(t.Context(), o)
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "there is no secret bare-oci-region") {
				t.Errorf("no region: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if region, _ := got.Region(); region != test.want || len(c.sent()) != test.requests {
			t.Errorf("%+v: %s, %d requests", test, region, len(c.sent()))
		}
	}
}

// Without a setting, a vault is read in the region of its OCID, and a message names the
// region.
func TestVaultOfOCIDRegion(t *testing.T) {
	for id, want := range map[string]string{
		"ocid1.vault.oc1.eu-paris-1.abc.testvault": "eu-paris-1",
		"ocid1.vault.oc1.phx.abc.testvault":        "phx",
		"ocid1.vault.oc1..testvault":               "eu-milan-1",
	} {
		for _, set := range []string{"", "eu-madrid-1"} {
			c := newCloud(t, ociauthtest.Vault{ID: id})
			c.options.Vault.ID, c.options.Vault.Region, c.options.Vault.DefaultRegion = id, set, "eu-milan-1"
			_, err := ociauth.Resolve(t.Context(), c.options)
			if set != "" {
				want = set
			}
			checkCredentialsError(t, err, []string{"vault " + id + " in region " + want + " has no secret"})
		}
	}
}

func TestVaultByName(t *testing.T) {
	secrets := vaultUser().Secrets("")
	v := func(id, name, in, state string) ociauthtest.Vault {
		return ociauthtest.Vault{ID: id, Name: name, Compartment: in, State: state, Secrets: secrets}
	}
	others := []ociauthtest.Vault{v("ocid1.vault.1", "a", compartment, ""), v("ocid1.vault.2", "b", compartment, ""), v("ocid1.vault.3", "Storage", compartment, "")}
	for name, test := range map[string]struct {
		vaults []ociauthtest.Vault
		want   string // part of the error; empty means success
		lists  int
	}{
		"first list":        {vaults: []ociauthtest.Vault{v(vaultID, "storage", compartment, "")}, lists: 1},
		"third list":        {vaults: append(slices.Clone(others), v("ocid1.vault.4", "d", compartment, ""), v(vaultID, "storage", compartment, "")), lists: 3},
		"one inactive":      {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "storage", compartment, "PENDING_DELETION"), v(vaultID, "storage", compartment, "")}, lists: 1},
		"none":              {vaults: others, want: `no vault in ` + compartment + ` of region eu-frankfurt-1 has the name "storage"`, lists: 2},
		"other compartment": {vaults: []ociauthtest.Vault{v(vaultID, "storage", "ocid1.compartment.oc1..other", "")}, want: "no vault in", lists: 1},
		"all inactive":      {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "storage", compartment, "DELETED")}, want: "no active vault in " + compartment + ` has the name "storage": ocid1.vault.1 is DELETED`, lists: 1},
		"several":           {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "storage", compartment, ""), v("ocid1.vault.2", "storage", compartment, "")}, want: "choose one by its OCID: ocid1.vault.1, ocid1.vault.2", lists: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, test.vaults...)
			o := c.options
			o.Vault.ID, o.Vault.Name, o.Vault.Compartment = "", "storage", compartment
			got, err := ociauth.Resolve(t.Context(), o)
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				assertIdentity(t, got, c.id)
			} else if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
			if n := strings.Count(strings.Join(c.sent(), ","), "GET 200"); n != test.lists {
				t.Errorf("%d lists, want %d", n, test.lists)
			}
		})
	}
}

// Resolve checks the content of the secrets and shows none of it.
func TestVaultErrors(t *testing.T) {
	other := ociauthtest.Shared() // the vault has another user's fingerprint
	for name, test := range map[string]struct {
		change map[string]string // to a secret's content; "-" removes it
		auth   ociauth.Kind
		want   []string
	}{
		"one is missing":         {change: map[string]string{"x-oci-fingerprint": "-"}, want: []string{"no secret x-oci-fingerprint: 404 NotAuthorizedOrNotFound", "(opc-request-id test:", "policy lets these credentials read secret-bundles of that vault (the requests are signed with api_key from profile [DEFAULT]"}},
		"several missing":        {change: map[string]string{"x-oci-user-ocid": "-", "x-oci-private-key": "-"}, want: []string{"no secret x-oci-user-ocid, x-oci-private-key: 404"}},
		"swapped":                {change: map[string]string{"x-oci-user-ocid": "ocid1.tenancy.oc1..canary", "x-oci-tenancy-ocid": "ocid1.user.oc1..canary"}, want: []string{"secret x-oci-tenancy-ocid is not the OCID of a tenancy", "secret x-oci-user-ocid is not the OCID of a user"}},
		"malformed fingerprint":  {change: map[string]string{"x-oci-fingerprint": "canary"}, want: []string{"secret x-oci-fingerprint is not 16 pairs", "secret x-oci-private-key has the fingerprint "}},
		"other key":              {change: map[string]string{"x-oci-private-key": string(other.PEM())}, want: []string{"secret x-oci-fingerprint is that of another key", "has the fingerprint " + other.Fingerprint}},
		"no PEM":                 {change: map[string]string{"x-oci-private-key": "canary"}, want: []string{"secret x-oci-private-key: not a PEM file"}},
		"encrypted key":          {change: map[string]string{"x-oci-private-key": encrypted(t, vaultUser(), "canary")}, want: []string{"secret x-oci-private-key: the private key is encrypted: store it in the vault without a passphrase"}},
		"malformed region":       {change: map[string]string{"x-oci-region": "canary.example.com"}, want: []string{"secret x-oci-region is not a region's name"}},
		"vault from vault":       {auth: ociauth.FromVault, want: []string{"the credentials that read the vault cannot come from a vault"}},
		"no session for vault":   {auth: ociauth.SecurityToken, want: []string{"credentials that read the vault: profile [DEFAULT]", "no security_token_file"}},
		"unknown kind for vault": {auth: "magic", want: []string{"credentials that read the vault: unknown kind"}},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := vaultUser().Secrets("x-")
			for k, v := range test.change {
				if secrets[k] = v; v == "-" {
					delete(secrets, k)
				}
			}
			c := newCloud(t, ociauthtest.Vault{ID: vaultID, Secrets: secrets})
			c.options.Vault.SecretPrefix, c.options.Vault.Auth = "x-", test.auth
			_, err := ociauth.Resolve(t.Context(), c.options)
			checkCredentialsError(t, err, test.want)
		})
	}
}

func TestVaultRetries(t *testing.T) {
	for name, test := range map[string]struct {
		fault    ociauthtest.Fault
		want     string // part of the error; empty means success
		requests int
	}{
		"throttled":      {fault: ociauthtest.Fault{Status: 429, Code: "TooManyRequests", Times: 2}, requests: 7},
		"reset":          {fault: ociauthtest.Fault{Reset: true}, requests: 6},
		"truncated":      {fault: ociauthtest.Fault{Truncate: true}, requests: 6},
		"one fails":      {fault: ociauthtest.Fault{On: ociauthtest.On("", "oci-fingerprint"), Status: 500, Code: "InternalServerError", Times: ociauthtest.Forever}, want: "read secret oci-fingerprint: 500 InternalServerError", requests: 7},
		"unknown caller": {fault: ociauthtest.Fault{Status: 401, Code: "NotAuthenticated", Times: ociauthtest.Forever}, want: "(region eu-frankfurt-1): check this machine's clock, and that the key is one of the user's API keys", requests: 5},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.Script(test.fault)
			got, err := ociauth.Resolve(t.Context(), c.options)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want == "":
				assertIdentity(t, got, c.id)
			case !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), test.want):
				t.Errorf("error is %v", err)
			}
			if n := len(c.sent()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
}

func TestVaultCancelled(t *testing.T) {
	c := newCloud(t)
	c.Script(ociauthtest.Fault{Delay: 200 * time.Millisecond, Times: ociauthtest.Forever})
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cancelled by the test")
	time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
	start := time.Now()
	_, err := ociauth.Resolve(ctx, c.options)
	if !errors.Is(err, cause) || !errors.Is(err, ociauth.ErrCredentials) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 150*time.Millisecond {
		t.Errorf("Resolve returned %v after the start", took)
	}
}

// The secrets are read in parallel: all requests arrive before the first response.
func TestSecretsAreReadInParallel(t *testing.T) {
	c := newCloud(t)
	const calls = 5
	arrived := make(chan struct{}, calls)
	all := make(chan struct{})
	go func() {
		for range calls {
			<-arrived
		}
		close(all)
	}()
	serve := c.Serve
	c.Serve = func(r *http.Request, body []byte) ociauthtest.Response {
		arrived <- struct{}{}
		select {
		case <-all:
			return serve(r, body)
		case <-time.After(5 * time.Second):
			return ociauthtest.ErrorResponse(http.StatusBadRequest, "Timeout", "the other requests did not arrive")
		}
	}
	if _, err := ociauth.Resolve(t.Context(), c.options); err != nil {
		t.Error(err)
	}
}

// Resolve refuses to receive a key while the SDK's debug log would print it.
func TestDebugLogIsRefused(t *testing.T) {
	c := newCloud(t)
	for level, refused := range map[string]bool{"v": true, "VERBOSE": true, "1": true, "debug": true, "info": false, "": false} {
		t.Setenv("OCI_GO_SDK_DEBUG", level)
		c.ResetLog()
		_, err := ociauth.Resolve(t.Context(), c.options)
		if refused != (err != nil) {
			t.Errorf("level %q: %v", level, err)
		}
		if refused && (len(c.sent()) != 0 || !strings.Contains(err.Error(), "OCI_GO_SDK_DEBUG="+level)) {
			t.Errorf("level %q: %d requests, %v", level, len(c.sent()), err)
		}
		key := c.options
		key.Kind = ociauth.APIKey
		if _, err := ociauth.Resolve(t.Context(), key); err != nil {
			t.Errorf("level %q, key from a file: %v", level, err)
		}
	}
}

// No kind of credentials signs requests while net/http would print them.
func TestHTTP2DebugIsRefused(t *testing.T) {
	c := newCloud(t)
	for value, refused := range map[string]bool{"http2debug=1": true, "x=1,http2debug=2": true, "http2debug=0": false, "gctrace=1": false} {
		t.Setenv("GODEBUG", value)
		for _, kind := range []ociauth.Kind{ociauth.FromVault, ociauth.APIKey} {
			o := c.options
			o.Kind = kind
			c.ResetLog()
			_, err := ociauth.Resolve(t.Context(), o)
			if refused != (err != nil) || refused && (len(c.sent()) != 0 || !strings.Contains(err.Error(), "GODEBUG")) {
				t.Errorf("%s, %s: %d requests, %v", value, kind, len(c.sent()), err)
			}
		}
	}
}

// TestCanary runs printAll in another process with each level of the SDK's log,
// and looks for a part of the key in the output.
func TestCanary(t *testing.T) {
	if config := os.Getenv("CANARY_CONFIG"); config != "" {
		printAll(config, os.Getenv("CANARY_URL"))
		return
	}
	c := newCloud(t)
	pem := strings.Split(string(c.id.PEM()), "\n")
	sent := base64.StdEncoding.EncodeToString(c.id.PEM()) // as in the vault's response
	canaries := []string{pem[1], pem[5], sent[200:250], c.id.Key.D.String(), fmt.Sprintf("%x", c.id.Key.D)}
	for _, level := range []string{"null", "info", "debug", "verbose"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCanary$")
		cmd.Env = append(os.Environ(), "GOTRACEBACK=all", "OCI_GO_SDK_DEBUG="+level,
			"CANARY_CONFIG="+c.options.ConfigFile, "CANARY_URL="+c.url)
		out, _ := cmd.CombinedOutput() // it ends with a panic
		if !strings.Contains(string(out), "panic: vault from "+vaultID) && (level == "null" || level == "info") {
			t.Errorf("level %s: no panic in %s", level, out)
		}
		for _, canary := range canaries {
			if strings.Contains(string(out), canary) {
				t.Errorf("level %s: the output has a part of the key", level)
			}
		}
	}
}

// printAll prints errors and credentials in many ways, and ends with a panic.
func printAll(config, url string) {
	o := ociauth.Options{
		Kind: ociauth.FromVault, ConfigFile: config,
		Vault: ociauth.Vault{ID: vaultID, Region: "eu-frankfurt-1", SecretsEndpoint: url},
	}
	wrong := o
	wrong.Vault.SecretPrefix = "wrong-"
	_, err := ociauth.Resolve(context.Background(), wrong)
	fmt.Printf("%v %+v %#v\n", err, err, err)
	c, err := ociauth.Resolve(context.Background(), o)
	if err != nil {
		fmt.Printf("%v %+v %#v\n", err, err, err)
		return
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x"} {
		fmt.Printf(verb+"\n", c)
	}
	panic(c)
}

// TestListOfVaultsThatStandsStill checks that a list of vaults ends if the service
// repeats its pages.
func TestListOfVaultsThatStandsStill(t *testing.T) {
	c := newCloud(t)
	c.options.Vault.ID, c.options.Vault.Name, c.options.Vault.Compartment = "", "collector", compartment
	serve, pages := c.Serve, 0
	c.Serve = func(r *http.Request, body []byte) ociauthtest.Response {
		resp := serve(r, body)
		if pages++; pages > 10 {
			return ociauthtest.ErrorResponse(http.StatusBadRequest, "InvalidParameter", "the list does not end")
		}
		resp.Header["Opc-Next-Page"] = fmt.Sprint(pages % 2)
		return resp
	}
	_, err := ociauth.Resolve(t.Context(), c.options)
	if err == nil || !strings.Contains(err.Error(), "repeats a page") {
		t.Errorf("after %d pages: %v", pages, err)
	}
}
