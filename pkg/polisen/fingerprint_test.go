package polisen_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// TestFingerprintAlgorithm checks that the algorithm stays the same. Archives contain
// fingerprints, so with another algorithm each known event would count as a revision.
func TestFingerprintAlgorithm(t *testing.T) {
	for raw, want := range map[string]string{
		`{"id":7,"datetime":"2026-01-02 9:38:09 +01:00","name":"J\u00e4rf\/\"\u00C4 \\ å","n":[1.0,{"b":1,"a":{}}]}`: "c6350d8ccafd0d2c",
		`{}`:       "44136fa355b3678a",
		`null`:     "74234e98afe7498f",
		`"\ud83d"`: "2ef39d7e532783c7",
		`no JSON`:  "29ecbeb830e32446",
	} {
		if got := polisen.Fingerprint([]byte(raw)); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	const text = `{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":1,"b":2}],"n":1.0}`
	for name, same := range map[string]string{
		"white space":    "\n{ \"id\" : 7 , \"name\":\"Å \\\"x\\\"\",\t\"location\":{ \"name\":\"Y\",\"gps\":\"1,2\"},\"list\":[ 1, {\"a\":1,\"b\":2} ],\"n\":1.0 }\r\n",
		"order of names": `{"n":1.0,"list":[1,{"b":2,"a":1}],"location":{"gps":"1,2","name":"Y"},"name":"Å \"x\"","id":7}`,
		"escapes":        `{"\u0069d":7,"name":"\u00c5 \u0022x\u0022","loc\u0061tion":{"name":"\u0059","gps":"1\u002c2"},"list":[1,{"a":1,"b":2}],"n":1.0}`,
	} {
		if polisen.Fingerprint([]byte(same)) != polisen.Fingerprint([]byte(text)) {
			t.Errorf("%s: %s has a different fingerprint", name, same)
		}
	}
	// The order of values with the same name counts, even if there are many.
	many := ""
	for i := range 40 {
		many += fmt.Sprintf(`,"a":%d`, i)
	}
	if polisen.Fingerprint([]byte(`{"b":0`+many+`}`)) != polisen.Fingerprint([]byte(`{`+many[1:]+`,"b":0}`)) {
		t.Error("values with the same name were reordered")
	}
	other := map[string]string{}
	for _, raw := range []string{
		text,
		`{"id":8,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":1,"b":2}],"n":1.0}`,
		`{"id":7,"name":"Å 'x'","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":1,"b":2}],"n":1.0}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"1,2","gps":"Y"},"list":[1,{"a":1,"b":2}],"n":1.0}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[{"a":1,"b":2},1],"n":1.0}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":2,"b":1}],"n":1.0}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":1,"b":2}],"n":1}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2"},"list":[1,{"a":1,"b":2}]}`,
		`{"id":7,"name":"Å \"x\"","location":{"name":"Y","gps":"1,2","list":[1,{"a":1,"b":2}],"n":1.0}}`,
		`{"a":1,"a":2}`, `{"a":2,"a":1}`, `{"a":1}`, `{"a":2}`, // all values of a name count
		`{}`, `[]`, `[{}]`, `""`, `null`, `"null"`, `1`, `"1"`, `[1]`, `[1,1]`, `[[1],1]`, `["1,1"]`, `1 1`, `{"a":"1,b"}`, `{"a":"\",b\":\""}`,
		`"\ud83d"`, `"\ud83c"`, `"\ufffd"`, `"\\ud83d"`, // halves of surrogate pairs differ
		`{`, `{"id":7`, `x`, ``,
	} {
		f := polisen.Fingerprint([]byte(raw))
		if earlier, ok := other[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", raw, earlier)
		}
		if len(f) != 16 {
			t.Errorf("fingerprint %q of %s", f, raw)
		}
		other[f] = raw
	}
}

// FuzzFingerprint checks that a value keeps its fingerprint when encoding/json reads
// and rewrites it, which changes the order of names, escapes and white space.
func FuzzFingerprint(f *testing.F) {
	f.Add([]byte(polisentest.Event(1, polisentest.Newest)))
	for _, s := range []string{`{"b":[{"y":"\u00e5<","x":1e3}],"a":{"":null}}`, `["\ud83d\ude00",{"é":1,"e":2,"😀":3,"\uffee":4}]`, `{"a":{"b":{"d":1,"c":2}},"A":0}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		// encoding/json does not keep repeated names and half surrogate pairs.
		if !jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(false)) {
			return
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return
		}
		rewritten, err := json.MarshalIndent(v, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := polisen.Fingerprint(rewritten), polisen.Fingerprint(raw); got != want {
			t.Errorf("%s has the fingerprint %s, but %s that of %s", raw, want, got, rewritten)
		}
		if event, rejected := polisen.ParseItem(raw); rejected == nil && event.Fingerprint != polisen.Fingerprint(raw) {
			t.Errorf("the event %s has the fingerprint %s, its text %s", raw, event.Fingerprint, polisen.Fingerprint(raw))
		}
	})
}
