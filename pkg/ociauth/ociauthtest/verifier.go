package ociauthtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Signed lists the parts of a request that its signature must cover.
type Signed []string

var (
	// SignedHead is for requests without a body and for the PUT of an object.
	SignedHead = Signed{"date", "(request-target)", "host"}
	// signedBody is for all other requests.
	signedBody = append(slices.Clone(SignedHead), "content-length", "content-type", "x-content-sha256")
)

// Verifier checks the signatures of requests as OCI services do
// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm).
type Verifier struct {
	// Clock returns the service's time; nil means time.Now.
	Clock func() time.Time

	mu   sync.RWMutex
	keys map[string]*rsa.PublicKey
}

// Trust makes the verifier accept signatures with this keyId and key.
func (v *Verifier) Trust(keyID string, key *rsa.PublicKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		v.keys = map[string]*rsa.PublicKey{}
	}
	v.keys[keyID] = key
}

// Now returns the service's time.
func (v *Verifier) Now() time.Time {
	if v.Clock == nil {
		return time.Now()
	}
	return v.Clock()
}

// maxSkew is the largest accepted difference between a request's date and the
// service's clock.
const maxSkew = 5 * time.Minute

// Check returns an error unless the request has a valid signature that covers
// want. body is the request's body, which the caller has read from r.
func (v *Verifier) Check(r *http.Request, body []byte, want Signed) error {
	sig, err := parseSignature(r.Header.Values("Authorization"))
	if err != nil {
		return err
	}
	v.mu.RLock()
	key := v.keys[sig.keyID]
	v.mu.RUnlock()
	if key == nil {
		return fmt.Errorf("unknown keyId")
	}
	dateHeader := "date"
	if slices.Contains(sig.headers, "x-date") { // from clients that cannot set Date
		dateHeader = "x-date"
	}
	for _, name := range want {
		if name == "date" {
			name = dateHeader
		}
		if !slices.Contains(sig.headers, name) {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	date, err := http.ParseTime(r.Header.Get(dateHeader))
	if err != nil {
		return fmt.Errorf("%s: %w", dateHeader, err)
	}
	if skew := v.Now().Sub(date); skew.Abs() > maxSkew {
		return fmt.Errorf("the request's date is %v off", skew)
	}
	sum := sha256.Sum256(body)
	if slices.Contains(sig.headers, "x-content-sha256") &&
		r.Header.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("x-content-sha256 does not match the body")
	}
	text, err := signingText(r, sig.headers)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(text))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], sig.signature) != nil {
		return fmt.Errorf("the signature does not match")
	}
	return nil
}

// signingText returns the text whose signature the request has. signed lists header
// names in lower case.
func signingText(r *http.Request, signed []string) (string, error) {
	lines := make([]string, len(signed))
	for i, name := range signed {
		var value string
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.RequestURI
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		default:
			values := r.Header.Values(name)
			if len(values) == 0 {
				return "", fmt.Errorf("%s is signed, but not sent", name)
			}
			value = strings.Join(values, ", ")
		}
		lines[i] = name + ": " + value
	}
	return strings.Join(lines, "\n"), nil
}
