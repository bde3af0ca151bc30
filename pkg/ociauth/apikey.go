package ociauth

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// fromProfile takes a user's API key from a profile.
func fromProfile(o Options) (*Credentials, error) {
	p, err := readProfile(o)
	if err != nil {
		return nil, err
	}
	want := []string{"user", "tenancy", "fingerprint", "key_file"}
	if o.region("") == "" {
		want = append(want, "region")
	}
	if missing := p.lacks(want...); len(missing) > 0 {
		return nil, p.errorf("no %s%s", strings.Join(missing, ", "), otherKind(p))
	}
	path, text, err := p.readFile("key_file")
	if err != nil {
		return nil, err
	}
	c, err := newAPIKey(apiKey{
		tenancy:     p.text("tenancy"),
		user:        p.text("user"),
		fingerprint: p.text("fingerprint"),
		pem:         text,
		passphrase:  p.passphrase(),
	}, names{"tenancy", "user", "fingerprint", "key_file " + path, "pass_phrase"})
	if err != nil {
		return nil, p.errorf("%w", err)
	}
	c.kind, c.origin, c.region = APIKey, p.String(), o.region(p.text("region"))
	return c, nil
}

// otherKind is the advice for a profile that is meant for another kind.
func otherKind(p profile) string {
	switch {
	case p.text("authentication_type") == "instance_principal":
		return ": it is made for --auth instance_principal"
	case p.text("security_token_file") != "":
		return ": it is made for --auth security_token"
	}
	return ": add the line, or name another profile"
}

// apiKey is a user's signing key before it is checked.
type apiKey struct {
	tenancy, user, fingerprint string
	pem, passphrase            secret
}

// names tells the user where each part of an apiKey came from.
type names struct{ tenancy, user, fingerprint, key, passphrase string }

// fingerprintForm is an MD5 in hexadecimal pairs.
var fingerprintForm = regexp.MustCompile(`^(?i)[0-9a-f]{2}(:[0-9a-f]{2}){15}$`)

// ocidForm is ocid1.<type>.<realm>.[region][.future].<id>
// (docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm).
var ocidForm = regexp.MustCompile(`^ocid1\.([a-z0-9]+)\.[a-z0-9-]+\.[a-z0-9-]*(\.[A-Za-z0-9_-]+)+$`)

// newAPIKey checks k, and reports all that is wrong at once. It leaves kind,
// origin and region to the caller.
func newAPIKey(k apiKey, n names) (*Credentials, error) {
	var faults []error
	for _, id := range []struct{ name, text, kind string }{{n.tenancy, k.tenancy, "tenancy"}, {n.user, k.user, "user"}} {
		if m := ocidForm.FindStringSubmatch(id.text); m == nil || m[1] != id.kind {
			faults = append(faults, fmt.Errorf("%s is not the OCID of a %s (ocid1.%s...)", id.name, id.kind, id.kind))
		}
	}
	wellFormed := fingerprintForm.MatchString(k.fingerprint)
	if !wellFormed {
		faults = append(faults, fmt.Errorf("%s is not 16 pairs of digits like 0a:1b:2c", n.fingerprint))
	}
	key, err := parseKey(k.pem, k.passphrase, n.passphrase)
	if err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", n.key, err))
	} else if own := fingerprint(&key.PublicKey); !strings.EqualFold(k.fingerprint, own) {
		if wellFormed {
			faults = append(faults, fmt.Errorf("%s is not that of the key", n.fingerprint))
		}
		faults = append(faults, fmt.Errorf("%s has the fingerprint %s", n.key, own))
	}
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	return &Credentials{
		tenancy:     k.tenancy,
		user:        k.user,
		fingerprint: k.fingerprint,
		keyID:       constant(k.tenancy + "/" + k.user + "/" + k.fingerprint),
		key:         constant(key),
	}, nil
}

// parseKey reads a private RSA key once and for all: the SDK's own providers
// decrypt and parse it again for each request. Its errors hold no part of the
// text.
func parseKey(text, passphrase secret, passphraseName string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text.reveal()))
	switch {
	case block == nil:
		return nil, errors.New("it is not PEM: it must begin with a line -----BEGIN ... PRIVATE KEY-----")
	case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, fmt.Errorf("it holds a %s, not a private key", block.Type)
	}
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
	if encrypted && passphrase.reveal() == "" {
		return nil, fmt.Errorf("it is encrypted, and there is no %s", passphraseName)
	}
	var word []byte // nil and not empty, which would mean an encrypted key
	if encrypted {
		word = []byte(passphrase.reveal())
	}
	key, err := common.PrivateKeyFromBytesWithPassword(pem.EncodeToMemory(block), word)
	switch {
	case err != nil && encrypted:
		return nil, fmt.Errorf("it cannot be decrypted: check %s", passphraseName)
	case err != nil:
		return nil, errors.New("it is damaged, or not an RSA key")
	}
	return key, nil
}

// fingerprint is the key's MD5 as OCI's console shows it.
func fingerprint(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "unknown"
	}
	sum := md5.Sum(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}

// joined is errors.Join on one line.
func joined(faults []error) error {
	err := faults[0]
	for _, f := range faults[1:] {
		err = fmt.Errorf("%w; %w", err, f)
	}
	return err
}
