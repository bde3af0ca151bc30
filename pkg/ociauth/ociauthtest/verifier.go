package ociauthtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Signed says what of a request its signature must cover.
type Signed []string

var (
	// SignedHead is what each request must sign.
	SignedHead = Signed{"date", "(request-target)", "host"}
	// SignedBody is what a request with a body must sign, an object's PUT
	// excepted.
	SignedBody = append(slices.Clone(SignedHead), "content-length", "content-type", "x-content-sha256")
)

// Verifier checks request signatures as the services do (draft-cavage
// HTTP signatures, version 08, with rsa-sha256).
type Verifier struct {
	// Clock tells the service's time; nil means time.Now.
	Clock func() time.Time

	mu   sync.RWMutex
	keys map[string]*rsa.PublicKey
}

// Trust makes the verifier accept signatures of this key under this keyId.
func (v *Verifier) Trust(keyID string, key *rsa.PublicKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		v.keys = map[string]*rsa.PublicKey{}
	}
	v.keys[keyID] = key
}

// Now tells the service's time.
func (v *Verifier) Now() time.Time {
	if v.Clock == nil {
		return time.Now()
	}
	return v.Clock()
}

// maxSkew is how far a request's date may be off the service's clock.
const maxSkew = 5 * time.Minute

var signature = regexp.MustCompile(`^Signature version="1",headers="([^"]+)",keyId="([^"]+)",algorithm="rsa-sha256",signature="([^"]+)"$`)

// Check returns an error that says what is wrong with the signature of r,
// whose body has been read, or nil.
func (v *Verifier) Check(r *http.Request, body []byte, want Signed) error {
	m := signature.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return fmt.Errorf("no signature, or a malformed one")
	}
	signed, keyID := strings.Fields(m[1]), m[2]
	v.mu.RLock()
	key := v.keys[keyID]
	v.mu.RUnlock()
	if key == nil {
		return fmt.Errorf("unknown keyId")
	}
	sig, err := base64.StdEncoding.DecodeString(m[3])
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	dateHeader := "date"
	if slices.Contains(signed, "x-date") { // of clients that cannot set Date
		dateHeader = "x-date"
	}
	for _, name := range want {
		if name == "date" {
			name = dateHeader
		}
		if !slices.Contains(signed, name) {
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
	if slices.Contains(signed, "x-content-sha256") &&
		r.Header.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		return fmt.Errorf("x-content-sha256 is not the body's")
	}
	text := sha256.Sum256([]byte(signingText(r, signed)))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, text[:], sig) != nil {
		return fmt.Errorf("the signature does not match")
	}
	return nil
}

func signingText(r *http.Request, signed []string) string {
	lines := make([]string, len(signed))
	for i, name := range signed {
		value := r.Header.Get(name)
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.RequestURI
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		lines[i] = name + ": " + value
	}
	return strings.Join(lines, "\n")
}
