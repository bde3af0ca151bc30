package ociauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"polisen-events-collector/pkg/ociauth"
	"polisen-events-collector/pkg/ociauth/ociauthtest"
	"polisen-events-collector/pkg/retry"
	"polisen-events-collector/pkg/retry/retrytest"
)

var instance = sync.OnceValue(ociauthtest.NewInstance)

// onInstance makes the test run on an instance of the returned cloud.
func onInstance(t *testing.T) (*ociauthtest.Cloud, ociauth.Options) {
	t.Helper()
	c := ociauthtest.NewCloud(new(ociauthtest.Verifier))
	c.Instance = instance()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OCI_METADATA_BASE_URL", server.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", server.URL)
	return c, ociauth.Options{
		Kind:  ociauth.InstancePrincipal,
		Retry: retry.Policy{Attempts: 3, Base: time.Second, Clock: retrytest.NewClock(time.Now())},
	}
}

// assertSigns checks that the cloud accepts a request signed with creds.
func assertSigns(t *testing.T, c *ociauthtest.Cloud, creds *ociauth.Credentials) {
	t.Helper()
	server := httptest.NewServer(c)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/20180608/vaults?compartmentId=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if err := common.DefaultRequestSigner(creds).Sign(r); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("response to a signed request: %s", resp.Status)
	}
}

func TestInstancePrincipal(t *testing.T) {
	c, o := onInstance(t)
	creds, err := ociauth.Resolve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if region, _ := creds.Region(); region != "eu-frankfurt-1" || creds.String() != "instance_principal from this instance" {
		t.Errorf("%s in %s", creds, region)
	}
	if tenancy, _ := creds.TenancyOCID(); tenancy != c.Instance.Tenancy {
		t.Errorf("tenancy %s", tenancy)
	}
	if keyID, err := creds.KeyID(); err != nil || !strings.HasPrefix(keyID, "ST$ey") {
		t.Errorf("key id %s, %v", keyID, err)
	}
	if _, ok := any(creds).(interface{ Refreshable() bool }); ok {
		t.Error("the credentials have the method Refreshable: the SDK would sleep after a 401")
	}
	assertSigns(t, c, creds)
}

func TestInstancePrincipalErrors(t *testing.T) {
	forever := func(part string, status int) ociauthtest.Fault {
		return ociauthtest.Fault{On: ociauthtest.On("", part), Status: status, Code: "Code", Times: ociauthtest.Forever}
	}
	for name, test := range map[string]struct {
		fault ociauthtest.Fault
		want  string // part of the error; empty means success
		calls int    // requests that the fault selects
	}{
		"metadata throttled":   {fault: ociauthtest.Fault{On: ociauthtest.On("", "region"), Status: 429, Times: 2}, calls: 3},
		"certificate retried":  {fault: ociauthtest.Fault{On: ociauthtest.On("", "cert.pem"), Status: 503, Times: 2}, calls: 4},
		"federation retried":   {fault: ociauthtest.Fault{On: ociauthtest.On("", "x509"), Status: 503, Times: 2}, calls: 3},
		"federation reset":     {fault: ociauthtest.Fault{On: ociauthtest.On("", "x509"), Reset: true}, calls: 2},
		"no metadata":          {fault: forever("region", 404), want: "no metadata service at http://127.0.0.1:", calls: 1},
		"no certificate":       {fault: forever("cert.pem", 404), want: "metadata service, /opc/v2/identity/cert.pem: 404 Code", calls: 1},
		"federation refuses":   {fault: forever("x509", 401), want: "federation service: 401 Code: a scripted fault (opc-request-id test:", calls: 1},
		"federation is broken": {fault: forever("x509", 500), want: "federation service: 500 Code", calls: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c, o := onInstance(t)
			c.Script(test.fault)
			start := time.Now()
			_, err := ociauth.Resolve(t.Context(), o)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want == "":
			case !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n"):
				t.Errorf("error is %v", err)
			}
			calls := 0
			for _, r := range c.Requests() {
				if req := httptest.NewRequest(r.Method, r.Path, nil); test.fault.On(req) {
					calls++
				}
			}
			if calls != test.calls {
				t.Errorf("%d requests, want %d", calls, test.calls)
			}
			if took := time.Since(start); took > 2*time.Second { // the SDK's own sleeps take 7 s and more
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestMalformedFederationToken(t *testing.T) {
	for token, want := range map[string]string{
		"canary":         `the token string "..."`,
		"e30.e30.canary": "the token is malformed", // the SDK panics if a token has no expiry time
	} {
		c, o := onInstance(t)
		serve := c.Serve
		c.Serve = func(r *http.Request, body []byte) ociauthtest.Response {
			if r.URL.Path == "/v1/x509" {
				return ociauthtest.JSON(http.StatusOK, map[string]string{"token": token})
			}
			return serve(r, body)
		}
		_, err := ociauth.Resolve(t.Context(), o)
		if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("error is %v", err)
		}
	}
}

// Outside OCI, Resolve fails within seconds, whether connections to the metadata
// service are refused or not answered.
func TestNotAnInstance(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never responds
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, l := range map[string]net.Listener{"refused": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OCI_METADATA_BASE_URL", "http://"+l.Addr().String()+"/opc/v2")
			start := time.Now()
			_, err := ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.InstancePrincipal})
			if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), "this is not an OCI compute instance") {
				t.Errorf("error is %v", err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestInstancePrincipalCancel(t *testing.T) {
	for _, part := range []string{"region", "cert.pem", "x509"} {
		c, o := onInstance(t)
		c.Script(ociauthtest.Fault{On: ociauthtest.On("", part), Delay: 6 * time.Second})
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cancelled by the test")
		time.AfterFunc(200*time.Millisecond, func() { cancel(cause) })
		start := time.Now()
		if _, err := ociauth.Resolve(ctx, o); !errors.Is(err, cause) || !errors.Is(err, ociauth.ErrCredentials) {
			t.Errorf("%s: error is %v", part, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: Resolve returned %v after the start", part, took)
		}
	}
}

// The credentials still renew themselves after the context of Resolve has ended.
func TestInstancePrincipalRenews(t *testing.T) {
	c, o := onInstance(t)
	short := *c.Instance
	short.Session = time.Minute
	c.Instance = &short
	ctx, cancel := context.WithCancel(t.Context())
	creds, err := ociauth.Resolve(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	before := len(c.Requests())
	if _, err := creds.KeyID(); err != nil {
		t.Error(err)
	}
	if len(c.Requests()) == before {
		t.Error("the token was not renewed")
	}
	c.Script(ociauthtest.Fault{On: ociauthtest.On("", "x509"), Status: 401, Code: "NotAuthenticated"})
	if _, err := creds.KeyID(); err == nil || !strings.Contains(err.Error(), "federation service: 401 NotAuthenticated") {
		t.Errorf("failed renewal: %v", err)
	}
	if _, err := creds.KeyID(); err != nil {
		t.Errorf("next renewal: %v", err)
	}
	serve := c.Serve
	c.Serve = func(r *http.Request, body []byte) ociauthtest.Response {
		if r.URL.Path == "/v1/x509" {
			return ociauthtest.JSON(http.StatusOK, map[string]string{"token": "canary"})
		}
		return serve(r, body)
	}
	if _, err := creds.KeyID(); !errors.Is(err, ociauth.ErrCredentials) || strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "canary") {
		t.Errorf("renewal without a token: %v", err)
	}
}

// Requests to the metadata service do not go through a proxy.
func TestMetadataBypassesProxy(t *testing.T) {
	_, o := onInstance(t)
	standard := http.DefaultTransport.(*http.Transport)
	old := standard.Proxy
	defer func() { standard.Proxy = old }()
	standard.Proxy = func(r *http.Request) (*url.URL, error) {
		if strings.Contains(r.URL.Path, "/opc/v2") {
			t.Errorf("%s goes through a proxy", r.URL)
		}
		return nil, nil
	}
	if _, err := ociauth.Resolve(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestVaultByInstancePrincipal(t *testing.T) {
	c, o := onInstance(t)
	c.AddVault(ociauthtest.Vault{ID: vaultID, Name: "collector", Compartment: compartment, Secrets: vaultUser().Secrets("")})
	server := httptest.NewServer(c)
	defer server.Close()
	o.Kind = ociauth.FromVault
	o.Vault = ociauth.Vault{Name: "collector", Compartment: compartment, Auth: ociauth.InstancePrincipal, SecretsEndpoint: server.URL, KMSEndpoint: server.URL}
	creds, err := ociauth.Resolve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	assertIdentity(t, creds, vaultUser())
}

// A cancelled Resolve does not report the time limit, which has not passed.
func TestResourcePrincipalCancelled(t *testing.T) {
	id := ociauthtest.Shared()
	for k, text := range map[string]string{
		"VERSION": "2.2", "REGION": "eu-frankfurt-1", "PRIVATE_PEM": string(id.PEM()),
		"RPST": new(ociauthtest.Verifier).Token(&id.Key.PublicKey, time.Now().Add(time.Hour)),
	} {
		t.Setenv("OCI_RESOURCE_PRINCIPAL_"+k, text)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cancelled by the test")
	cancel(cause)
	_, err := ociauth.Resolve(ctx, ociauth.Options{Kind: ociauth.ResourcePrincipal})
	if err == nil {
		t.Skip("the credentials were there before Resolve looked at its context")
	}
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "no token within") {
		t.Errorf("error is %v", err)
	}
}

func TestResourcePrincipal(t *testing.T) {
	id := ociauthtest.Shared()
	v := new(ociauthtest.Verifier)
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	good := map[string]string{
		"VERSION":     "2.2",
		"REGION":      "eu-frankfurt-1",
		"RPST":        v.Token(&id.Key.PublicKey, time.Now().Add(time.Hour)),
		"PRIVATE_PEM": string(id.PEM()),
	}
	for name, test := range map[string]struct {
		change map[string]string
		want   string // part of the error; empty means success
	}{
		"good":            {},
		"not in OCI":      {change: map[string]string{"VERSION": ""}, want: "OCI_RESOURCE_PRINCIPAL_VERSION is not set"},
		"unknown version": {change: map[string]string{"VERSION": "9"}, want: "OCI_RESOURCE_PRINCIPAL_VERSION"},
		"malformed token": {change: map[string]string{"RPST": "canary"}, want: `the token string "..."`},
		"several lines":   {change: map[string]string{"RPST": "x\ncanary"}, want: `the token string "..."`},
		"no expiry":       {change: map[string]string{"RPST": part("{}") + "." + part(`{"canary":1}`) + ".x"}, want: "the token is malformed"},
		"no tenancy":      {change: map[string]string{"RPST": part("{}") + "." + part(fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()+3600)) + ".x"}, want: "claim"},
		"malformed key":   {change: map[string]string{"PRIVATE_PEM": "canary"}, want: "resource principal: "},
	} {
		t.Run(name, func(t *testing.T) {
			for k, text := range good {
				if changed, ok := test.change[k]; ok {
					text = changed
				}
				t.Setenv("OCI_RESOURCE_PRINCIPAL_"+k, text)
			}
			creds, err := ociauth.Resolve(t.Context(), ociauth.Options{Kind: ociauth.ResourcePrincipal})
			if test.want != "" {
				if !errors.Is(err, ociauth.ErrCredentials) || !strings.Contains(err.Error(), test.want) ||
					strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if keyID, _ := creds.KeyID(); keyID != "ST$"+good["RPST"] {
				t.Errorf("key id %s", keyID)
			}
			region, _ := creds.Region()
			tenancy, _ := creds.TenancyOCID()
			if got := []string{creds.String(), region, tenancy}; !slices.Equal(got, []string{"resource_principal from the environment", "eu-frankfurt-1", id.Tenancy}) {
				t.Errorf("got %q", got)
			}
			assertNoKey(t, creds, id)
		})
	}
}
