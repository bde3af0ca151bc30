package ociauth

import (
	"context"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/youmark/pkcs8"

	"polisen-events-collector/pkg/address"
	"polisen-events-collector/pkg/statefile"
)

// fromProfile returns the API key of a profile.
func fromProfile(ctx context.Context, o Options) (*Credentials, error) {
	p, err := readProfile(ctx, o)
	if err != nil {
		return nil, err
	}
	required := []string{"user", "tenancy", "fingerprint", "key_file"}
	if o.region("") == "" {
		required = append(required, "region")
	}
	if missing := strings.Join(p.missing(required...), ", "); missing != "" {
		return nil, fmt.Errorf("%v has no %s: %s", p, missing, p.otherKind("add the missing entries, or choose another profile"))
	}
	if err := p.checkForm("user", "tenancy", "fingerprint", "region"); err != nil {
		return nil, err
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
	}, keyNames{
		tenancy:     "tenancy",
		user:        "user",
		fingerprint: "fingerprint",
		pem:         "key_file " + path,
		encrypted:   errNoPassphrase,
	})
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	c.kind, c.origin, c.region = APIKey, p.String(), o.region(p.text("region"))
	return c, nil
}

// fromEnvironment returns the API key in the environment.
func fromEnvironment(o Options) (*Credentials, error) {
	c, err := newAPIKey(apiKey{
		tenancy:     o.Key.Tenancy,
		user:        o.Key.User,
		fingerprint: o.Key.Fingerprint,
		pem:         o.Key.Content,
	}, keyNames{
		tenancy:     "OCI_CLI_TENANCY",
		user:        "OCI_CLI_USER",
		fingerprint: "OCI_CLI_FINGERPRINT",
		pem:         "OCI_CLI_KEY_CONTENT",
		encrypted:   errors.New("the private key is encrypted: set the variable to the key without a passphrase"),
	})
	if err != nil {
		return nil, err
	}
	if c.region = o.region(""); c.region == "" {
		return nil, errors.New("the key in OCI_CLI_KEY_CONTENT has no region: set --oci-region")
	}
	c.kind, c.origin = APIKey, "OCI_CLI_KEY_CONTENT"
	return c, nil
}

// apiKey is a user's signing key before it is checked.
type apiKey struct {
	tenancy, user, fingerprint string
	pem, passphrase            address.SecretText
}

// keyNames holds the texts of error messages about an apiKey, which depend on its
// origin.
type keyNames struct {
	// The names of the profile's entries or of the vault's secrets.
	tenancy, user, fingerprint, pem string
	// encrypted is the error for an encrypted key without a passphrase.
	encrypted error
}

// newAPIKey returns the credentials of k, or one error with all its problems. The
// caller sets kind, origin and region.
func newAPIKey(k apiKey, n keyNames) (*Credentials, error) {
	var problems []error
	if address.CheckOCID(k.tenancy, "tenancy") != nil {
		problems = append(problems, fmt.Errorf("%s is not the OCID of a tenancy (ocid1.tenancy...)", n.tenancy))
	}
	if address.CheckOCID(k.user, "user") != nil {
		problems = append(problems, fmt.Errorf("%s is not the OCID of a user (ocid1.user...)", n.user))
	}
	wellFormed := address.IsFingerprint(k.fingerprint)
	if !wellFormed {
		problems = append(problems, fmt.Errorf("%s is not 16 pairs of hexadecimal digits, such as 0a:1b:2c", n.fingerprint))
	}
	key, err := parseKey(k.pem, k.passphrase)
	if errors.Is(err, errNoPassphrase) {
		err = n.encrypted
	}
	actual := ""
	if err != nil {
		problems = append(problems, fmt.Errorf("%s: %w", n.pem, err))
	} else if actual = fingerprint(&key.PublicKey); !strings.EqualFold(k.fingerprint, actual) {
		if wellFormed {
			problems = append(problems, fmt.Errorf("%s is that of another key", n.fingerprint))
		}
		problems = append(problems, fmt.Errorf("%s has the fingerprint %s", n.pem, actual))
	}
	if len(problems) > 0 {
		return nil, joinLine(problems)
	}
	return &Credentials{
		tenancy:     k.tenancy,
		user:        k.user,
		fingerprint: actual, // the service does not accept capitals
		keyID:       constant(k.tenancy + "/" + k.user + "/" + actual),
		key:         constant(key),
	}, nil
}

// Errors of parseKey for an encrypted key.
var (
	errNoPassphrase      = errors.New("the private key is encrypted, and there is no pass_phrase: add it to the profile")
	errWrongPassphrase   = errors.New("the private key cannot be decrypted: check pass_phrase")
	errQuotedPassphrase  = errors.New("the private key cannot be decrypted: the quotation marks around pass_phrase count as part of it: remove them")
	errUnknownEncryption = errors.New("the private key is encrypted in a way that this program does not know: change it with " +
		"\"openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA256 -in OLD.pem -out NEW.pem\", and use NEW.pem")
)

// parseKey parses a private RSA key in PEM form, and decrypts it if necessary. Its
// errors hold no part of the key.
//
// The credentials keep the result, while the SDK's own providers parse and decrypt
// the key again for each request
// (https://github.com/oracle/oci-go-sdk/blob/v65.129.0/common/configuration.go).
func parseKey(text, passphrase address.SecretText) (*rsa.PrivateKey, error) {
	block, err := findKey(text.Reveal())
	if err != nil {
		return nil, err
	}
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
	if encrypted && passphrase.Reveal() == "" {
		return nil, errNoPassphrase
	}
	var password []byte // stays nil for a key that is not encrypted: the SDK tries to decrypt with an empty one
	if encrypted {
		password = []byte(passphrase.Reveal())
	}
	key, err := common.PrivateKeyFromBytesWithPassword(pem.EncodeToMemory(block), password)
	switch {
	case err == nil:
		return key, nil
	case !encrypted:
		return nil, errors.New("the private key is damaged, or is not an RSA key")
	case isUnknownEncryption(block, password, err):
		return nil, errUnknownEncryption
	case isQuoted(passphrase.Reveal()):
		return nil, errQuotedPassphrase
	}
	return nil, errWrongPassphrase
}

// findKey returns the first private key of a text in PEM form. Like OCI's command line
// tool, and unlike [pem.Decode], it accepts a byte order mark, spaces around a line, and
// text before or after the key, such as a certificate or the label OCI_API_KEY on the
// last line.
func findKey(s string) (*pem.Block, error) {
	const begin, dashes, key = "-----BEGIN ", "-----", "PRIVATE KEY"
	other := "" // type of a block that is not a private key
	for rest := s; ; {
		_, after, found := strings.Cut(rest, begin)
		if !found {
			break
		}
		rest = after
		label, content, found := strings.Cut(rest, dashes)
		if !found || strings.ContainsFunc(label, func(r rune) bool { return r != ' ' && !unicode.IsUpper(r) && !unicode.IsDigit(r) }) {
			continue
		}
		if !strings.HasSuffix(label, key) {
			other = label
			continue
		}
		end := dashes + "END " + label + dashes
		body, _, found := strings.Cut(content, end)
		switch {
		case strings.Contains(body, `\n`):
			return nil, errors.New(`the line breaks of the private key are written as the two characters \n: replace them with line breaks`)
		case !found:
			return nil, fmt.Errorf("the private key has no line %s: copy the whole key", end)
		}
		var text strings.Builder
		for line := range strings.Lines(begin + label + dashes + body) {
			text.WriteString(strings.TrimSpace(line) + "\n")
		}
		block, _ := pem.Decode([]byte(text.String() + end + "\n"))
		if block == nil {
			return nil, errors.New("the private key is damaged, or is not an RSA key")
		}
		return block, nil
	}
	switch {
	case other != "":
		return nil, fmt.Errorf("it holds a %s instead of a private key", other)
	case statefile.IsUTF16(s):
		return nil, errUTF16
	}
	return nil, errors.New("not a PEM file: its first line must be -----BEGIN ... PRIVATE KEY-----")
}

// isUnknownEncryption reports whether the library does not know the encryption of a
// key. err is its error for the password. The libraries have no error values for it.
func isUnknownEncryption(block *pem.Block, password []byte, err error) bool {
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		// The SDK hides the error of this library, which it uses itself.
		_, err = pkcs8.ParsePKCS8PrivateKeyRSA(block.Bytes, password)
	}
	if err == nil {
		return false
	}
	for _, text := range []string{"pkcs8: unsupported", "pkcs8: only PBES2", "x509: unknown encryption mode"} {
		if strings.HasPrefix(err.Error(), text) {
			return true
		}
	}
	return false
}

// fingerprint returns the fingerprint of a public key, an MD5, as the OCI console
// shows it
// (https://docs.oracle.com/iaas/Content/API/Concepts/apisigningkey.htm).
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

// joinLine is errors.Join with "; " instead of line breaks.
func joinLine(errs []error) error {
	err := errs[0]
	for _, next := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, next)
	}
	return err
}
