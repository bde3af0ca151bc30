// Package ociauthtest fakes the parts of OCI that identify callers: users with
// keys and configuration files, the signature check of each service, vaults, an
// instance's metadata service and the federation service.
//
// The fakes reject what the real services reject. They are meant to listen on a
// loopback address only.
package ociauthtest

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Identity is a user with an API signing key.
type Identity struct {
	Tenancy, User, Fingerprint, Region string
	Key                                *rsa.PrivateKey
}

// NewIdentity returns a user with a new key, which takes about 70 ms.
func NewIdentity() *Identity {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // impossible: crypto/rand never fails
	}
	return &Identity{
		Tenancy:     "ocid1.tenancy.oc1..testtenancy",
		User:        "ocid1.user.oc1..testuser",
		Fingerprint: Fingerprint(&key.PublicKey),
		Region:      "eu-stockholm-1",
		Key:         key,
	}
}

// Shared returns a user that is made once in each process.
var Shared = sync.OnceValue(NewIdentity)

// Fingerprint returns the fingerprint of a public key as the OCI console shows it.
func Fingerprint(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // impossible: every RSA key can be encoded
	}
	sum := md5.Sum(der)
	return strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":")
}

// KeyID returns the keyId of the user's signatures.
func (id *Identity) KeyID() string {
	return id.Tenancy + "/" + id.User + "/" + id.Fingerprint
}

// PEM returns the private key as the OCI console offers it for download, with the
// label after the key.
func (id *Identity) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		panic(err) // impossible: every RSA key can be encoded
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "OCI_API_KEY\n"...)
}

// WriteConfig writes a configuration file with the user as profile DEFAULT to
// dir/config, and the key to dir/key.pem. It returns the path of the first.
func (id *Identity) WriteConfig(dir string) (string, error) {
	key := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, id.PEM(), 0o600); err != nil {
		return "", err
	}
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n",
		id.User, id.Fingerprint, id.Tenancy, id.Region, key)
	return config, os.WriteFile(config, []byte(text), 0o600)
}
