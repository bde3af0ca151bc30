package ociauthtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// authorization is an Authorization header with a signature.
type authorization struct {
	headers   []string // the signed headers, in lower case, in the order of the signing text
	keyID     string
	signature []byte
}

// parameter is one parameter of an Authorization header, with the comma or the end after
// it.
var parameter = regexp.MustCompile(`^[ \t]*([A-Za-z]+)[ \t]*=[ \t]*"([^"]*)"[ \t]*(?:,|$)`)

// parseSignature parses the values of the Authorization headers of a request. There must be
// one, of the form that OCI services accept
// (https://docs.oracle.com/iaas/Content/API/Concepts/signingrequests.htm,
// https://datatracker.ietf.org/doc/html/draft-cavage-http-signatures-08#section-4.1).
// The order of its parameters differs between clients, and their names may be in any
// case. Parameters that OCI does not use are ignored.
func parseSignature(values []string) (authorization, error) {
	if len(values) != 1 {
		return authorization{}, fmt.Errorf("no signature: the request has %d Authorization headers", len(values))
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	if !strings.EqualFold(scheme, "Signature") {
		return authorization{}, errors.New("no signature: the scheme of the Authorization header is not Signature")
	}
	params := map[string]string{}
	for rest != "" {
		m := parameter.FindStringSubmatch(rest)
		if m == nil {
			return authorization{}, errors.New("malformed signature: want name=\"value\" between commas")
		}
		name := strings.ToLower(m[1])
		if _, twice := params[name]; twice {
			return authorization{}, fmt.Errorf("malformed signature: %s occurs twice", name)
		}
		params[name] = m[2]
		rest = rest[len(m[0]):]
	}
	if version, ok := params["version"]; ok && version != "1" {
		return authorization{}, fmt.Errorf("malformed signature: version %q is not 1", version)
	}
	if a := params["algorithm"]; !strings.EqualFold(a, "rsa-sha256") {
		return authorization{}, fmt.Errorf("malformed signature: algorithm %q is not rsa-sha256", a)
	}
	if params["keyid"] == "" {
		return authorization{}, errors.New("malformed signature: no keyId")
	}
	sig, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return authorization{}, fmt.Errorf("malformed signature: %w", err)
	}
	return authorization{
		headers:   strings.Fields(strings.ToLower(params["headers"])),
		keyID:     params["keyid"],
		signature: sig,
	}, nil
}
