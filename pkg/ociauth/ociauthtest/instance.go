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

// Instance is a machine with the certificate that proves what it is.
type Instance struct {
	Tenancy string
	// Region is its short name, as the metadata service has it.
	Region string
	Key    *rsa.PrivateKey
	// Session is how long its tokens last; zero means 20 minutes. The SDK
	// renews a token five minutes before its end.
	Session time.Duration

	certificate []byte // DER
}

// NewInstance returns an instance in Frankfurt. Making its key takes some 70 ms.
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
		panic(err) // the template is good
	}
	i.certificate = der
	return i
}

// metadata answers a request to the metadata service.
func (i *Instance) metadata(r *http.Request) Answer {
	if r.Header.Get("Authorization") != "Bearer Oracle" {
		return Failure(http.StatusUnauthorized, "NotAuthenticated", "the Authorization header must be Bearer Oracle")
	}
	var text string
	switch strings.TrimPrefix(r.URL.Path, "/opc/v2") {
	case "/instance/region":
		text = i.Region
	case "/identity/cert.pem", "/identity/intermediate.pem":
		text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate}))
	case "/identity/key.pem":
		text = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(i.Key)}))
	default:
		return Failure(http.StatusNotFound, "NotFound", "no such metadata")
	}
	return Answer{Status: http.StatusOK, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte(text)}
}

// signedFederation is what a request to the federation service must sign; the
// host is not among it.
var signedFederation = Signed{"date", "(request-target)", "content-length", "content-type", "x-content-sha256"}

// federate gives the instance a token for the session key that it sent.
func (c *Cloud) federate(r *http.Request, body []byte) Answer {
	sum := sha256.Sum256(c.Instance.certificate)
	keyID := c.Instance.Tenancy + "/fed-x509-sha256/" + strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":")
	c.Trust(keyID, &c.Instance.Key.PublicKey)
	if err := c.Check(r, body, signedFederation); err != nil {
		return NotAuthenticated(err)
	}
	var sent struct{ Certificate, PublicKey string }
	if err := json.Unmarshal(body, &sent); err != nil {
		return Failure(http.StatusBadRequest, "InvalidParameter", err.Error())
	}
	der, err := base64.StdEncoding.DecodeString(sent.PublicKey)
	if err != nil {
		return Failure(http.StatusBadRequest, "InvalidParameter", err.Error())
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil || sent.Certificate != base64.StdEncoding.EncodeToString(c.Instance.certificate) {
		return Failure(http.StatusBadRequest, "InvalidParameter", "the key or the certificate")
	}
	token := c.Token(key.(*rsa.PublicKey), c.Now().Add(cmp.Or(c.Instance.Session, 20*time.Minute)))
	return JSON(http.StatusOK, map[string]string{"token": token})
}

// Token returns a session's token for a key, and makes v trust the key under
// it. Its claims are those of a user's session or a resource's.
func (v *Verifier) Token(key *rsa.PublicKey, expires time.Time) string {
	claims, err := json.Marshal(map[string]any{
		"exp": expires.Unix(), "tenant": "ocid1.tenancy.oc1..testtenancy", "res_tenant": "ocid1.tenancy.oc1..testtenancy",
		"jti": rand.Text(),
	})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"none"}`)) + "." + part(claims) + "." + part([]byte("unsigned"))
	v.Trust("ST$"+token, key)
	return token
}
