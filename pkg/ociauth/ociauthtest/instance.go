package ociauthtest

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Instance is a compute instance with its certificate.
type Instance struct {
	Tenancy string
	// Region is the short name of its region, such as fra.
	Region string
	// RegionInfo is the JSON of its region and realm; empty means that there is none.
	RegionInfo string
	Key        *rsa.PrivateKey
	// Session is the time for which its tokens are valid; zero means 20
	// minutes. The SDK renews a token five minutes before it expires.
	Session time.Duration

	certificate []byte // DER
}

// NewInstance returns an instance in Frankfurt with a new key, which takes about
// 70 ms.
func NewInstance() *Instance {
	i := &Instance{Tenancy: "ocid1.tenancy.oc1..testtenancy", Region: "fra", Key: NewIdentity().Key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "testinstance", OrganizationalUnit: []string{"opc-tenant:" + i.Tenancy}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &i.Key.PublicKey, i.Key)
	if err != nil {
		panic(err) // impossible: the template is valid
	}
	i.certificate = der
	return i
}

// metadata responds to a request to the metadata service.
func (i *Instance) metadata(r *http.Request) Response {
	if r.Header.Get("Authorization") != "Bearer Oracle" {
		return ErrorResponse(http.StatusUnauthorized, "NotAuthenticated", "the Authorization header must be Bearer Oracle")
	}
	var text string
	switch strings.TrimPrefix(r.URL.Path, "/opc/v2") {
	case "/instance/region":
		text = i.Region
	case "/instance/regionInfo":
		if text = i.RegionInfo; text == "" {
			return ErrorResponse(http.StatusNotFound, "NotFound", "no such metadata")
		}
	case "/identity/cert.pem", "/identity/intermediate.pem":
		text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate}))
	case "/identity/key.pem":
		text = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(i.Key)}))
	default:
		return ErrorResponse(http.StatusNotFound, "NotFound", "no such metadata")
	}
	return Response{Status: http.StatusOK, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte(text)}
}

// signedFederation lists the parts of a request to the federation service that
// its signature must cover. The host is not one of them.
var signedFederation = Signed{"date", "(request-target)", "content-length", "content-type", "x-content-sha256"}

// federate returns a token for the session key that the instance has sent.
func (c *Cloud) federate(r *http.Request, body []byte) Response {
	sum := sha256.Sum256(c.Instance.certificate)
	keyID := c.Instance.Tenancy + "/fed-x509-sha256/" + strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":")
	c.Trust(keyID, &c.Instance.Key.PublicKey)
	if err := c.Check(r, body, signedFederation); err != nil {
		return NotAuthenticated(err)
	}
	var sent struct{ Certificate, PublicKey string }
	if err := json.Unmarshal(body, &sent); err != nil {
		return ErrorResponse(http.StatusBadRequest, "InvalidParameter", err.Error())
	}
	der, err := base64.StdEncoding.DecodeString(sent.PublicKey)
	if err != nil {
		return ErrorResponse(http.StatusBadRequest, "InvalidParameter", err.Error())
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil || sent.Certificate != base64.StdEncoding.EncodeToString(c.Instance.certificate) {
		return ErrorResponse(http.StatusBadRequest, "InvalidParameter", "the key or the certificate is not valid")
	}
	token := c.Token(key.(*rsa.PublicKey), c.Now().Add(cmp.Or(c.Instance.Session, 20*time.Minute)))
	return JSON(http.StatusOK, map[string]string{"token": token})
}

// Token returns a session token for a key, and makes v trust the key under this
// token. It has the claims of a user's session and of a resource's.
func (v *Verifier) Token(key *rsa.PublicKey, expires time.Time) string {
	claims, err := json.Marshal(map[string]any{
		"exp": expires.Unix(), "tenant": "ocid1.tenancy.oc1..testtenancy", "res_tenant": "ocid1.tenancy.oc1..testtenancy",
		"jti": rand.Text(),
	})
	if err != nil {
		panic(err) // impossible: strings and numbers can be encoded
	}
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"none"}`)) + "." + part(claims) + "." + part([]byte("unsigned"))
	v.Trust("ST$"+token, key)
	return token
}
