package archive

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"
)

// Fingerprint returns a short hash of a JSON value's content: 16 hexadecimal
// digits. Values that differ only in white space, order of names or escapes
// have the same fingerprint, so a line that another program wrote counts as
// the same version. The text of numbers counts as it stands.
func Fingerprint(raw []byte) string {
	var buf [1024]byte
	canonical, err := jsontext.AppendFormat(buf[:0], raw,
		jsontext.AllowDuplicateNames(true),
		jsontext.ReorderRawObjects(true),
		jsontext.PreserveRawStrings(false),
		jsontext.CanonicalizeRawInts(false),
		jsontext.CanonicalizeRawFloats(false),
		jsontext.EscapeForHTML(false),
		jsontext.EscapeForJS(false),
	)
	if err != nil {
		canonical = raw // not JSON: its bytes are its content
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8])
}
