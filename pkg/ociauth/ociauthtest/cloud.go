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

// Cloud is a fake of the services that credentials come from, by the paths of
// the real ones: the vaults' list (KMS), their secrets, an instance's metadata
// service, and the federation service that turns an instance's certificate
// into a session's token.
type Cloud struct {
	*Front
	// Instance is the machine on which the metadata service answers; nil
	// means that it does not.
	Instance *Instance

	mu     sync.Mutex
	vaults []Vault
}

// Vault is a vault with its secrets. An empty State means ACTIVE.
type Vault struct {
	ID, Name, Compartment, State string
	// Secrets are the current contents by name.
	Secrets map[string]string
}

// NewCloud returns a cloud without vaults. The callers are those that v
// trusts; federation makes it trust more.
func NewCloud(v *Verifier) *Cloud {
	c := &Cloud{Front: &Front{Verifier: v}}
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

func (c *Cloud) serve(r *http.Request, body []byte) Answer {
	route := r.Method + " " + r.URL.Path
	switch {
	case route == "GET /20180608/vaults":
		if err := c.Check(r, body, SignedHead); err != nil {
			return NotAuthenticated(err)
		}
		return c.listVaults(r)
	case route == "POST /20190301/secretbundles/actions/getByName":
		if err := c.Check(r, body, SignedBody); err != nil {
			return NotAuthenticated(err)
		}
		return c.secretByName(r)
	case route == "POST /v1/x509" && c.Instance != nil:
		return c.federate(r, body)
	case strings.HasPrefix(route, "GET /opc/v2/") && c.Instance != nil:
		return c.Instance.metadata(r)
	}
	return Failure(http.StatusNotFound, "NotFound", "no such route")
}

// vaultPage is small, so that tests see several pages.
const vaultPage = 2

func (c *Cloud) listVaults(r *http.Request) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	start, err := strconv.Atoi(cmp.Or(q.Get("page"), "0"))
	if err != nil || !q.Has("compartmentId") {
		return Failure(http.StatusBadRequest, "InvalidParameter", "page or compartmentId")
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
	end := min(start+vaultPage, len(items))
	a := JSON(http.StatusOK, items[min(start, end):end])
	if end < len(items) {
		a.Header["Opc-Next-Page"] = strconv.Itoa(end)
	}
	return a
}

func (c *Cloud) secretByName(r *http.Request) Answer {
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
	return Failure(http.StatusNotFound, "NotAuthorizedOrNotFound",
		"Authorization failed or requested resource not found.")
}

// Secrets returns id as the secrets of a vault, their names with prefix.
func (id *Identity) Secrets(prefix string) map[string]string {
	return map[string]string{
		prefix + "oci-user-ocid":    id.User,
		prefix + "oci-tenancy-ocid": id.Tenancy,
		prefix + "oci-fingerprint":  id.Fingerprint,
		prefix + "oci-private-key":  string(id.PEM()),
		prefix + "oci-region":       id.Region,
	}
}
