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

// cloud is a running fake with one vault that holds the key of a user, and
// options that lead there.
type cloud struct {
	*ociauthtest.Cloud
	url     string
	id      *ociauthtest.Identity // whose key is in the vault
	options ociauth.Options
}

// vaultUser is made once: its key takes a while.
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
		t.Errorf("not the key: %v", err)
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
	if region, _ := got.Region(); region != "eu-stockholm-1" || got.Kind() != ociauth.FromVault || got.String() != "vault from "+vaultID {
		t.Errorf("%s of kind %s in %s", got, got.Kind(), region)
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
		{"", "eu-madrid-1", "eu-paris-1", "eu-madrid-1", 4}, // nobody needs to ask
		{"bare-", "", "eu-paris-1", "eu-paris-1", 5},
		{"bare-", "eu-madrid-1", "", "eu-madrid-1", 4},
		{"bare-", "", "", "", 5},
	} {
		c.ResetLog()
		o := c.options
		o.Vault.SecretPrefix, o.Region, o.DefaultRegion = test.prefix, test.region, test.fallback
		got, err := ociauth.Resolve(t.Context(), o)
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "no secret bare-oci-region") {
				t.Errorf("no region at all: %v", err)
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

func TestVaultByName(t *testing.T) {
	secrets := vaultUser().Secrets("")
	v := func(id, name, in, state string) ociauthtest.Vault {
		return ociauthtest.Vault{ID: id, Name: name, Compartment: in, State: state, Secrets: secrets}
	}
	crowd := []ociauthtest.Vault{v("ocid1.vault.1", "a", compartment, ""), v("ocid1.vault.2", "b", compartment, ""), v("ocid1.vault.3", "Collector", compartment, "")}
	for name, test := range map[string]struct {
		vaults []ociauthtest.Vault
		want   string // in the error; empty means success
		pages  int
	}{
		"first page":        {vaults: []ociauthtest.Vault{v(vaultID, "collector", compartment, "")}, pages: 1},
		"third page":        {vaults: append(slices.Clone(crowd), v("ocid1.vault.4", "d", compartment, ""), v(vaultID, "collector", compartment, "")), pages: 3},
		"one is going":      {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "collector", compartment, "PENDING_DELETION"), v(vaultID, "collector", compartment, "")}, pages: 1},
		"none":              {vaults: crowd, want: `no vault in ` + compartment + ` of region eu-frankfurt-1 is called "collector"`, pages: 2},
		"other compartment": {vaults: []ociauthtest.Vault{v(vaultID, "collector", "ocid1.compartment.oc1..other", "")}, want: "no vault in", pages: 1},
		"all are going":     {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "collector", compartment, "DELETED")}, want: "no active vault in " + compartment + ` is called "collector": ocid1.vault.1 is DELETED`, pages: 1},
		"several":           {vaults: []ociauthtest.Vault{v("ocid1.vault.1", "collector", compartment, ""), v("ocid1.vault.2", "collector", compartment, "")}, want: "name one by its OCID: ocid1.vault.1, ocid1.vault.2", pages: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, test.vaults...)
			o := c.options
			o.Vault.ID, o.Vault.Name, o.Vault.Compartment = "", "collector", compartment
			got, err := ociauth.Resolve(t.Context(), o)
			if test.want == "" && err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				assertIdentity(t, got, c.id)
			} else if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
			if n := strings.Count(strings.Join(c.sent(), ","), "GET 200"); n != test.pages {
				t.Errorf("%d pages, want %d", n, test.pages)
			}
		})
	}
}

// What the vault holds is checked before use, and never shown.
func TestVaultFaults(t *testing.T) {
	other := ociauthtest.Shared() // not the one whose fingerprint is in the vault
	for name, test := range map[string]struct {
		change map[string]string // to a secret's content; "-" removes it
		auth   ociauth.Kind
		want   []string
	}{
		"one is missing":      {change: map[string]string{"x-oci-fingerprint": "-"}, want: []string{"no secret x-oci-fingerprint: 404 NotAuthorizedOrNotFound", "(opc-request-id test:", "policy lets api_key from profile [DEFAULT]"}},
		"several missing":     {change: map[string]string{"x-oci-user-ocid": "-", "x-oci-private-key": "-"}, want: []string{"no secret x-oci-user-ocid, x-oci-private-key: 404"}},
		"swapped":             {change: map[string]string{"x-oci-user-ocid": "ocid1.tenancy.oc1..canary", "x-oci-tenancy-ocid": "ocid1.user.oc1..canary"}, want: []string{"secret x-oci-tenancy-ocid is not the OCID of a tenancy", "secret x-oci-user-ocid is not the OCID of a user"}},
		"malformed print":     {change: map[string]string{"x-oci-fingerprint": "canary"}, want: []string{"secret x-oci-fingerprint is not 16 pairs", "secret x-oci-private-key has the fingerprint "}},
		"other key":           {change: map[string]string{"x-oci-private-key": string(other.PEM())}, want: []string{"secret x-oci-fingerprint is not that of the key", "has the fingerprint " + other.Fingerprint}},
		"no PEM":              {change: map[string]string{"x-oci-private-key": "canary"}, want: []string{"secret x-oci-private-key: it is not PEM"}},
		"locked key":          {change: map[string]string{"x-oci-private-key": encrypted(t, vaultUser(), "canary")}, want: []string{"secret x-oci-private-key: it is encrypted, and there is no place for its passphrase"}},
		"strange region":      {change: map[string]string{"x-oci-region": "canary.example.com"}, want: []string{"secret x-oci-region is not a region's name"}},
		"vault by vault":      {auth: ociauth.FromVault, want: []string{"cannot be the way to the vault itself"}},
		"no way to vault":     {auth: ociauth.SecurityToken, want: []string{"to reach the vault: profile [DEFAULT]", "no security_token_file"}},
		"way of unknown kind": {auth: "magic", want: []string{"to reach the vault: unknown kind"}},
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
			if !errors.Is(err, ociauth.ErrCredentials) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
				t.Errorf("a secret, or a second line: %v", err)
			}
		})
	}
}

func TestVaultAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		fault    ociauthtest.Fault
		want     string // in the error; empty means success
		requests int
	}{
		"throttled":      {fault: ociauthtest.Fault{Status: 429, Code: "TooManyRequests", Times: 2}, requests: 7},
		"cut":            {fault: ociauthtest.Fault{Reset: true}, requests: 6},
		"truncated":      {fault: ociauthtest.Fault{Truncate: true}, requests: 6},
		"one breaks":     {fault: ociauthtest.Fault{On: ociauthtest.On("", "oci-fingerprint"), Status: 500, Code: "InternalServerError", Times: ociauthtest.Forever}, want: "read secret oci-fingerprint: 500 InternalServerError", requests: 7},
		"unknown caller": {fault: ociauthtest.Fault{Status: 401, Code: "NotAuthenticated", Times: ociauthtest.Forever}, want: "401 NotAuthenticated: a scripted fault", requests: 5},
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

func TestVaultCalls(t *testing.T) {
	c := newCloud(t)
	c.Latency = func(*http.Request) time.Duration { return 200 * time.Millisecond }
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
	start := time.Now()
	_, err := ociauth.Resolve(ctx, c.options)
	if !errors.Is(err, cause) || !errors.Is(err, ociauth.ErrCredentials) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 150*time.Millisecond {
		t.Errorf("the end was heeded after %v", took)
	}
}

// All secrets are asked for before any is answered.
func TestSecretsAreReadAtOnce(t *testing.T) {
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
	c.Serve = func(r *http.Request, body []byte) ociauthtest.Answer {
		arrived <- struct{}{}
		select {
		case <-all:
			return serve(r, body)
		case <-time.After(5 * time.Second):
			return ociauthtest.Failure(http.StatusBadRequest, "Alone", "the others did not come")
		}
	}
	if _, err := ociauth.Resolve(t.Context(), c.options); err != nil {
		t.Error(err)
	}
}

// The SDK can be told to print all it receives; not while that is a key.
func TestDumpIsRefused(t *testing.T) {
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

// TestCanary runs in a process of its own all that fails and prints, with each
// level of the SDK's log, and looks for a part of the key in what comes out.
func TestCanary(t *testing.T) {
	if config := os.Getenv("CANARY_CONFIG"); config != "" {
		leak(config, os.Getenv("CANARY_URL"))
		return
	}
	c := newCloud(t)
	pem := strings.Split(string(c.id.PEM()), "\n")
	sent := base64.StdEncoding.EncodeToString(c.id.PEM()) // as the vault sends it
	canaries := []string{pem[1], pem[5], sent[200:250], c.id.Key.D.String(), fmt.Sprintf("%x", c.id.Key.D)}
	for _, level := range []string{"null", "info", "debug", "verbose"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCanary$")
		cmd.Env = append(os.Environ(), "GOTRACEBACK=all", "OCI_GO_SDK_DEBUG="+level,
			"CANARY_CONFIG="+c.options.ConfigFile, "CANARY_URL="+c.url)
		out, _ := cmd.CombinedOutput() // it ends in a panic
		if !strings.Contains(string(out), "panic: vault from "+vaultID) && (level == "null" || level == "info") {
			t.Errorf("level %s: no panic in %s", level, out)
		}
		for _, canary := range canaries {
			if strings.Contains(string(out), canary) {
				t.Errorf("level %s: a part of the key was printed", level)
			}
		}
	}
}

// leak does what could print the key, ending in a panic.
func leak(config, url string) {
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
