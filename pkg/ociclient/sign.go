package ociclient

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// unsigned stands in for the SDK's signer, which asks for the key and for its
// name one after the other: when a principal renews both in between, the
// service refuses the request. And it asks without a context, while a renewal
// may take its time. So the dispatcher signs.
type unsigned struct{}

func (unsigned) Sign(*http.Request) error { return nil }

// pair is a key and what names it.
type pair struct {
	id  string
	key *rsa.PrivateKey
}

var _ common.KeyProvider = pair{}

func (p pair) KeyID() (string, error)                  { return p.id, nil }
func (p pair) PrivateRSAKey() (*rsa.PrivateKey, error) { return p.key, nil }

// sign signs r, whose context ends the wait for the keys.
func sign(r *http.Request, keys common.KeyProvider) error {
	p, err := getPair(r.Context(), keys)
	if err != nil {
		return err
	}
	// An object's PUT is signed without its body
	// (docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm).
	hashed := func(r *http.Request) bool { return r.Method == http.MethodPost }
	signer := common.RequestSignerWithBodyHashingPredicate(p, common.DefaultGenericHeaders(), common.DefaultBodyHeaders(), hashed)
	if err := signer.Sign(r); err != nil {
		return &Error{cause: fmt.Errorf("sign the request: %w", err), unsent: true}
	}
	return nil
}

// getPair returns a key and its name as they belong together. After ctx it
// waits no longer: the keys are renewed for whoever asks next.
func getPair(ctx context.Context, keys common.KeyProvider) (pair, error) {
	type result struct {
		pair
		err error
	}
	got := make(chan result, 1)
	go func() {
		p, err := matching(keys)
		got <- result{p, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			return pair{}, &Error{cause: fmt.Errorf("get the key to sign with: %w", r.err), unsent: true}
		}
		return r.pair, nil
	case <-ctx.Done():
		return pair{}, fmt.Errorf("get the key to sign with: %w", ctx.Err())
	}
}

func matching(keys common.KeyProvider) (pair, error) {
	id, err := keys.KeyID()
	for err == nil {
		var p pair
		if p.key, err = keys.PrivateRSAKey(); err != nil {
			break
		}
		if p.id, err = keys.KeyID(); err == nil && p.id == id {
			return p, nil
		}
		id = p.id
	}
	return pair{}, err
}
