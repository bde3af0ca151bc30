package ociauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/retry"
)

// fromSession takes a user's session from a profile, as left there by
// "oci session authenticate". A session cannot be renewed here.
func fromSession(o Options) (*Credentials, error) {
	p, err := readProfile(o)
	if err != nil {
		return nil, err
	}
	want := []string{"security_token_file", "key_file"}
	if o.region("") == "" {
		want = append(want, "region")
	}
	region := o.region(p.text("region"))
	renew := fmt.Sprintf("run \"oci session authenticate --profile-name %s --region %s\"", p.name, region)
	if missing := p.lacks(want...); len(missing) > 0 {
		return nil, p.errorf("no %s: %s", strings.Join(missing, ", "), renew)
	}
	tokenPath, text, err := p.readFile("security_token_file")
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(text.reveal())
	expires, ok := expiry(token)
	if !ok {
		return nil, p.errorf("security_token_file %s does not hold a token: %s", tokenPath, renew)
	}
	clock := o.Retry.Clock
	if clock == nil {
		clock = retry.System
	}
	if !expires.After(clock.Now()) {
		return nil, p.errorf("the session expired at %s: %s", expires.UTC().Format(time.RFC3339), renew)
	}
	keyPath, pemText, err := p.readFile("key_file")
	if err != nil {
		return nil, err
	}
	key, err := parseKey(pemText, p.passphrase(), "pass_phrase")
	if err != nil {
		return nil, p.errorf("key_file %s: %w", keyPath, err)
	}
	return &Credentials{
		kind:    SecurityToken,
		origin:  p.String(),
		tenancy: p.text("tenancy"),
		region:  region,
		keyID:   constant("ST$" + token),
		key:     constant(key),
	}, nil
}

// expiry reads when a token (a JWT) expires. It is the service that checks the
// token's signature.
func expiry(token string) (time.Time, bool) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return time.Time{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct{ Exp *int64 }
	if err := json.Unmarshal(text, &claims); err != nil || claims.Exp == nil {
		return time.Time{}, false
	}
	return time.Unix(*claims.Exp, 0), true
}
