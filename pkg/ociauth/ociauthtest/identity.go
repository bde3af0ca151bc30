// Package ociauthtest is a fake of the side of OCI that knows who calls: users
// with their keys and configuration files, and the check of a request's
// signature that every fake service makes.
//
// It is strict where the real services are, and is meant for loopback alone.
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

// NewIdentity returns a user with a new key. Making the key takes some 70 ms.
func NewIdentity() *Identity {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return &Identity{
		Tenancy:     "ocid1.tenancy.oc1..testtenancy",
		User:        "ocid1.user.oc1..testuser",
		Fingerprint: Fingerprint(&key.PublicKey),
		Region:      "eu-stockholm-1",
		Key:         key,
	}
}

// Shared returns a user made once for the whole process.
var Shared = sync.OnceValue(NewIdentity)

// Fingerprint returns a public key's fingerprint as the console shows it.
func Fingerprint(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // every RSA key can be written
	}
	sum := md5.Sum(der)
	return strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":")
}

// KeyID returns what names the key in a signature.
func (id *Identity) KeyID() string {
	return id.Tenancy + "/" + id.User + "/" + id.Fingerprint
}

// PEM returns the private key as the console hands it out, label included.
func (id *Identity) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		panic(err) // every RSA key can be written
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "OCI_API_KEY\n"...)
}

// WriteConfig writes the files config, with the user as its DEFAULT profile,
// and key.pem into dir, and returns the path of config.
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
