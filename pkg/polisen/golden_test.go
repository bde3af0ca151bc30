package polisen_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestFingerprintsOfRecording checks that the fingerprints of all items of the
// synthetic recording, and of made-up values, stay the same: archives contain
// fingerprints.
func TestFingerprintsOfRecording(t *testing.T) {
	h, n := sha256.New(), 0
	add := func(raw []byte) {
		fmt.Fprintln(h, polisen.Fingerprint(raw))
		n++
		if event, rejected := polisen.ParseItem(raw); rejected == nil && event.Fingerprint != polisen.Fingerprint(raw) {
			t.Errorf("%s has two fingerprints", raw)
		}
	}
	file, err := os.Open("../../testdata/replay/synthetic.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(lines); ; {
		var line struct{ E json.RawMessage }
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if line.E != nil {
			add(line.E)
		}
	}
	responses, err := filepath.Glob("../../testdata/responses/*.json")
	if err != nil || len(responses) == 0 {
		t.Fatal(responses, err)
	}
	for _, response := range responses {
		body, err := os.ReadFile(response)
		if err != nil {
			t.Fatal(err)
		}
		add(body)
	}
	for seed := range 200 {
		add(polisentest.Body(seed))
		for depth := range 12 {
			add([]byte(unsorted(depth+1, seed*10)))
			add([]byte(strings.ReplaceAll(unsorted(depth+1, seed), "1", `[{"ö":1,"\u00e5":[{"z":{},"y":[]}]},null]`)))
		}
	}
	const want = "e397e380b80f3b5164346ce1985ea3fecfd64d7d19a5bdbd2c4b67df32e6a19b"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("the hash of %d fingerprints is %s, want %s", n, got, want)
	}
}
