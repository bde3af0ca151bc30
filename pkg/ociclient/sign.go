package ociclient

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// noSigner replaces the SDK's signer, since the Dispatcher signs.
//
// The SDK's signer gets the key ID and the key with two calls. If a principal
// renews both in between, the service rejects the request
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/http_signer.go).
// The SDK's signer also has no context that would end a slow renewal.
type noSigner struct{}

// Sign does nothing.
func (noSigner) Sign(*http.Request) error { return nil }

// keyPair is a key and its key ID.
type keyPair struct {
	id  string
	key *rsa.PrivateKey
}

var _ common.KeyProvider = keyPair{}

// KeyID returns the key ID.
func (p keyPair) KeyID() (string, error) { return p.id, nil }

// PrivateRSAKey returns the key.
func (p keyPair) PrivateRSAKey() (*rsa.PrivateKey, error) { return p.key, nil }

// sign signs r with the provider's key. It waits for the provider until r's
// context ends. The error is an [*Error] or wraps the context's error.
func sign(r *http.Request, keys common.KeyProvider) error {
	p, err := getKeyPair(r.Context(), keys)
	if err != nil {
		return err
	}
	// The signature of an object's PUT does not cover the body
	// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm).
	signsBody := func(r *http.Request) bool { return r.Method == http.MethodPost }
	signer := common.RequestSignerWithBodyHashingPredicate(p, common.DefaultGenericHeaders(), common.DefaultBodyHeaders(), signsBody)
	if err := signer.Sign(r); err != nil {
		return &Error{cause: fmt.Errorf("sign the request: %w", err), unsigned: true}
	}
	return nil
}

// getKeyPair returns a key with its key ID. If ctx ends, it returns at once, and
// the provider finishes its renewal in the background.
func getKeyPair(ctx context.Context, keys common.KeyProvider) (keyPair, error) {
	type result struct {
		keyPair
		err error
	}
	done := make(chan result, 1)
	go func() {
		p, err := readKeyPair(keys)
		done <- result{p, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return keyPair{}, &Error{cause: fmt.Errorf("get the signing key: %w", r.err), unsigned: true}
		}
		return r.keyPair, nil
	case <-ctx.Done():
		return keyPair{}, fmt.Errorf("get the signing key: %w", ctx.Err())
	}
}

// readKeyPair reads the key ID before and after the key, and again until both are
// the same: then no renewal came in between.
func readKeyPair(keys common.KeyProvider) (keyPair, error) {
	id, err := keys.KeyID()
	for err == nil {
		var p keyPair
		if p.key, err = keys.PrivateRSAKey(); err != nil {
			break
		}
		if p.id, err = keys.KeyID(); err == nil && p.id == id {
			return p, nil
		}
		id = p.id
	}
	return keyPair{}, err
}
