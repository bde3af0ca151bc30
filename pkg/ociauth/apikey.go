package ociauth

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// fromConfigFile takes a user's API key from a profile.
func fromConfigFile(o Options) (*Credentials, error) {
	p, err := readProfile(o)
	if err != nil {
		return nil, err
	}
	want := []string{"user", "tenancy", "fingerprint", "key_file"}
	if o.Region == "" {
		want = append(want, "region")
	}
	if missing := p.lacks(want...); len(missing) > 0 {
		return nil, p.errorf("no %s%s", strings.Join(missing, ", "), otherKind(p))
	}
	path, err := expand(p.text("key_file"))
	if err != nil {
		return nil, p.errorf("key_file: %w", err)
	}
	pemText, err := os.ReadFile(path)
	if err != nil {
		return nil, p.errorf("key_file: %w", err)
	}
	c, err := newAPIKey(apiKey{
		tenancy:     p.text("tenancy"),
		user:        p.text("user"),
		fingerprint: p.text("fingerprint"),
		pem:         newSecret(string(pemText)),
		passphrase:  p.passphrase(),
	}, fileNames(path))
	if err != nil {
		return nil, p.errorf("%w", err)
	}
	c.origin = p.String()
	if c.region = o.Region; c.region == "" {
		c.region = p.text("region")
	}
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

func fileNames(keyFile string) names {
	return names{"tenancy", "user", "fingerprint", "key_file " + keyFile, "pass_phrase"}
}

// newAPIKey checks k, and reports all that is wrong at once.
func newAPIKey(k apiKey, n names) (*Credentials, error) {
	var faults []error
	for _, id := range []struct{ name, text, kind string }{{n.tenancy, k.tenancy, "tenancy"}, {n.user, k.user, "user"}} {
		if !strings.HasPrefix(id.text, "ocid1."+id.kind+".") || strings.ContainsAny(id.text, " /\t\r\n\"") {
			faults = append(faults, fmt.Errorf("%s is not the OCID of a %s (ocid1.%s...)", id.name, id.kind, id.kind))
		}
	}
	key, err := parseKey(k.pem, k.passphrase, n.passphrase)
	if err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", n.key, err))
	} else if own := fingerprint(&key.PublicKey); !strings.EqualFold(k.fingerprint, own) {
		faults = append(faults, fmt.Errorf("%s is not that of the key in %s, which is %s", n.fingerprint, n.key, own))
	}
	if len(faults) > 0 {
		return nil, joined(faults)
	}
	return &Credentials{
		kind:        APIKey,
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
