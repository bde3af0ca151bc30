package ociauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/retry"
)

// fromSession returns the credentials of the session that "oci session
// authenticate" has saved in a profile. It does not renew the session.
func fromSession(ctx context.Context, o Options) (*Credentials, error) {
	p, err := readProfile(ctx, o)
	if err != nil {
		return nil, err
	}
	required := []string{"security_token_file", "key_file"}
	if o.region("") == "" {
		required = append(required, "region")
	}
	if err := p.checkForm("region"); err != nil {
		return nil, err
	}
	region := o.region(p.text("region"))
	if region != "" && !address.IsRegion(region) {
		return nil, fmt.Errorf("%v: region %s", p, notRegion)
	}
	renew := fmt.Sprintf("run \"oci session authenticate --profile-name %s --region %s\"", p.name, region)
	if missing := p.missing(required...); len(missing) > 0 {
		return nil, fmt.Errorf("%v has no %s: %s", p, strings.Join(missing, ", "), p.delegation(renew))
	}
	tokenPath, text, err := p.readFile("security_token_file")
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(text.Reveal())
	expires, ok := expiry(token)
	if !ok {
		return nil, fmt.Errorf("%v: security_token_file %s does not hold a token: %s", p, tokenPath, renew)
	}
	clock := o.Retry.Clock
	if clock == nil {
		clock = retry.System
	}
	if !expires.After(clock.Now()) {
		return nil, fmt.Errorf("%v: the session expired at %s: %s", p, expires.UTC().Format(time.RFC3339), renew)
	}
	keyPath, pemText, err := p.readFile("key_file")
	if err != nil {
		return nil, err
	}
	key, err := parseKey(pemText, p.passphrase())
	if err != nil {
		return nil, fmt.Errorf("%v: key_file %s: %w", p, keyPath, err)
	}
	return &Credentials{
		kind:    SecurityToken,
		origin:  p.String(),
		tenancy: p.text("tenancy"),
		region:  region,
		renew:   renew,
		keyID:   constant("ST$" + token),
		key:     constant(key),
	}, nil
}

// expiry returns the time at which a token (a JWT) expires, and false if text is
// not a token. It does not check the token's signature; the service does.
func expiry(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct{ Exp *int64 }
	if err := json.Unmarshal(text, &claims); err != nil || claims.Exp == nil {
		return time.Time{}, false
	}
	return time.Unix(*claims.Exp, 0), true
}
