package ociauthtest

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cloud fakes the services that provide credentials, at the paths of the real
// ones: the key management service, which lists vaults, the secret retrieval
// service, an instance's metadata service, and the federation service, which
// returns a token for an instance's certificate.
type Cloud struct {
	*Handler
	// Instance is the instance of the metadata service; nil means that there
	// is no metadata service.
	Instance *Instance

	mu     sync.Mutex
	vaults []Vault
}

// Vault is a vault with its secrets. An empty State means ACTIVE.
type Vault struct {
	ID, Name, Compartment, State string
	// Secrets maps names to contents.
	Secrets map[string]string
}

// NewCloud returns a cloud without vaults and without an instance. It accepts
// requests that v accepts. The federation service makes v trust the keys of its
// tokens.
func NewCloud(v *Verifier) *Cloud {
	c := &Cloud{Handler: &Handler{Verifier: v}}
	c.Serve = c.serve
	return c
}

// AddVault adds a vault.
func (c *Cloud) AddVault(v Vault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v.State = cmp.Or(v.State, "ACTIVE")
	c.vaults = append(c.vaults, v)
}

func (c *Cloud) serve(r *http.Request, body []byte) Response {
	route := r.Method + " " + r.URL.Path
	switch {
	case route == "GET /20180608/vaults":
		if err := c.Check(r, body, SignedHead); err != nil {
			return NotAuthenticated(err)
		}
		return c.listVaults(r)
	case route == "POST /20190301/secretbundles/actions/getByName":
		if err := c.Check(r, body, signedBody); err != nil {
			return NotAuthenticated(err)
		}
		return c.secretByName(r)
	case route == "POST /v1/x509" && c.Instance != nil:
		return c.federate(r, body)
	case strings.HasPrefix(route, "GET /opc/v2/") && c.Instance != nil:
		return c.Instance.metadata(r)
	}
	return ErrorResponse(http.StatusNotFound, "NotFound", "no such route")
}

// vaultsPerList is small, so that a test with few vaults needs several lists.
const vaultsPerList = 2

func (c *Cloud) listVaults(r *http.Request) Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	start, err := strconv.Atoi(cmp.Or(q.Get("page"), "0"))
	if err != nil || !q.Has("compartmentId") {
		return ErrorResponse(http.StatusBadRequest, "InvalidParameter", "page or compartmentId is not valid")
	}
	items := []map[string]any{}
	for _, v := range c.vaults {
		if v.Compartment != q.Get("compartmentId") {
			continue
		}
		items = append(items, map[string]any{
			"id": v.ID, "compartmentId": v.Compartment, "displayName": v.Name, "lifecycleState": v.State,
			"cryptoEndpoint": "https://crypto.example", "managementEndpoint": "https://management.example",
			"vaultType": "DEFAULT", "timeCreated": c.Now().UTC().Format(time.RFC3339),
		})
	}
	end := min(start+vaultsPerList, len(items))
	resp := JSON(http.StatusOK, items[min(start, end):end])
	if end < len(items) {
		resp.Header["Opc-Next-Page"] = strconv.Itoa(end)
	}
	return resp
}

func (c *Cloud) secretByName(r *http.Request) Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	for _, v := range c.vaults {
		content, ok := v.Secrets[q.Get("secretName")]
		if v.ID != q.Get("vaultId") || !ok || q.Get("stage") != "CURRENT" {
			continue
		}
		return JSON(http.StatusOK, map[string]any{
			"secretId":      "ocid1.vaultsecret.oc1..test" + q.Get("secretName"),
			"versionNumber": 1,
			"stages":        []string{"CURRENT", "LATEST"},
			"secretBundleContent": map[string]string{
				"contentType": "BASE64",
				"content":     base64.StdEncoding.EncodeToString([]byte(content)),
			},
		})
	}
	return ErrorResponse(http.StatusNotFound, "NotAuthorizedOrNotFound",
		"Authorization failed or requested resource not found.")
}

// Secrets returns the user as secrets of a vault whose names begin with prefix.
func (id *Identity) Secrets(prefix string) map[string]string {
	return map[string]string{
		prefix + "oci-user-ocid":    id.User,
		prefix + "oci-tenancy-ocid": id.Tenancy,
		prefix + "oci-fingerprint":  id.Fingerprint,
		prefix + "oci-private-key":  string(id.PEM()),
		prefix + "oci-region":       id.Region,
	}
}
