package polisen_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

// unsorted returns objects nested to a depth, whose members are not in the order of
// their names, of about size bytes in all.
func unsorted(depth, size int) string {
	pad := strings.Repeat("x", max(size/depth-20, 0))
	return strings.Repeat(`{"b":"`+pad+`","a":`, depth) + "1" + strings.Repeat("}", depth)
}

// TestParseTime checks that the time of Parse is proportional to the size of the
// body, whatever its form.
func TestParseTime(t *testing.T) {
	// A body has at least one item. Otherwise an empty one would be compared with one of a few large items.
	repeat := func(size int, item string) string {
		return strings.Repeat(item+",", max(size/(len(item)+1), 1)) + "0"
	}
	for name, items := range map[string]func(size int) string{
		"one nested object":           func(size int) string { return unsorted(9_000, size) },
		"deeper nested object":        func(size int) string { return unsorted(size>>10, size) },
		"deeply nested objects":       func(size int) string { return repeat(size, unsorted(9_000, 0)) },
		"large nested objects":        func(size int) string { return repeat(size, unsorted(50, 1<<17)) },
		"large deeply nested objects": func(size int) string { return repeat(size, unsorted(5_000, 1<<17)) },
		"larger nested objects":       func(size int) string { return repeat(size, unsorted(5_000, size/8)) },
		"numbers":                     func(size int) string { return repeat(size, "1") },
		"empty arrays":                func(size int) string { return repeat(size, "[]") },
		"arrays in an array":          func(size int) string { return "[" + repeat(size, "[]") + "]" },
		"members in an object":        func(size int) string { return "{" + repeat(size, `"b":1,"a":2`)[:size-100] + `"}` },
		"a long offset":               func(size int) string { return `{"id":1,"datetime":"2026-01-02T9:38:09+` + repeat(size, "z") + `"}` },
		"half surrogate pairs":        func(size int) string { return repeat(size, `{"\ud83d":"\ud83d"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, most := range []int{1 << 17, 4 << 20} { // the smaller one has at most 100,000 items
				lineartest.Check(t, most, func(size int) func() {
					body := []byte("[" + items(size) + "]")
					return func() { _, _, _ = polisen.Parse(body) }
				})
			}
		})
	}
}

// TestManyItems checks that a response has at most 100,000 items, and that the rest
// becomes one rejected item.
func TestManyItems(t *testing.T) {
	event := string(polisentest.Event(1, polisentest.Newest))
	for _, tt := range []struct {
		name, items string
		rest        string
	}{
		{"as many as allowed", event + strings.Repeat(",1", 99_999), ""},
		{"one more", event + strings.Repeat(",1", 99_999) + `, {"a": 2} `, `{"a": 2}`},
		{"a few more", event + strings.Repeat(",1", 99_999) + ",\n3 , [ ],\"å\"\n", "3 , [ ],\"å\""},
		{"far more", event + strings.Repeat(",1", 15_000_000), strings.Repeat("1,", 14_900_000) + "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, rejected, err := polisen.Parse([]byte("[" + tt.items + "]"))
			want := 99_999
			if tt.rest != "" {
				want++
			}
			if err != nil || len(events) != 1 || len(rejected) != want {
				t.Fatalf("%d events, %d rejected, %v", len(events), len(rejected), err)
			}
			if tt.rest == "" {
				return
			}
			last := rejected[len(rejected)-1]
			if !strings.Contains(last.Reason, "100000 items") || !isOneLine(last.Reason) {
				t.Errorf("reason %q", last.Reason)
			}
			if len(tt.rest) <= polisen.MaxItem {
				if got, err := jsontext.AppendUnquote(nil, last.Raw); err != nil || string(got) != tt.rest {
					t.Errorf("raw %.100s, %v", last.Raw, err)
				}
				return
			}
			checkBeginning(t, last.Raw, []byte(tt.rest))
		})
	}
	_, rejected, err := polisen.Parse([]byte("[" + strings.Repeat("1,", 100_001) + "}]"))
	if err != nil || len(rejected) != 100_001 || string(rejected[100_000].Raw) != `"1,}"` {
		t.Errorf("a damaged rest: %d rejected, %v", len(rejected), err)
	}
}

// checkBeginning checks that raw is the record of a text that is too large to keep.
func checkBeginning(t *testing.T, raw, text []byte) {
	t.Helper()
	var got struct {
		Text   *string
		Base64 []byte
		Bytes  int
		SHA256 string
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	if got.Bytes != len(text) || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%d bytes, SHA-256 %s; want %d, %x", got.Bytes, got.SHA256, len(text), sum)
	}
	beginning := got.Base64
	if got.Text != nil {
		beginning = []byte(*got.Text)
	}
	if !bytes.HasPrefix(text, beginning) || len(beginning) > 64<<10 || len(beginning) < 64<<10-utf8.UTFMax {
		t.Errorf("it holds %d bytes, %.40q...", len(beginning), beginning)
	}
	if isText := utf8.Valid(text[:len(beginning)]); isText != (got.Text != nil) {
		t.Errorf("text %t, valid UTF-8 %t", got.Text != nil, isText)
	}
}

// TestLargeItem checks that an item of more than 1 MiB is rejected, and what is kept
// of it.
func TestLargeItem(t *testing.T) {
	for _, fill := range []string{"x", "å", "😀", `\"`, "\x01"} {
		item := string(polisentest.Event(7, polisentest.Newest, polisentest.Summary("FILL")))
		if fill == "\x01" {
			fill = `\u0001`
		}
		at := strings.Index(item, "FILL")
		pad := strings.Repeat(fill, (polisen.MaxItem-len(item)+4)/len(fill))
		fits := []byte(item[:at] + pad + strings.Repeat("y", polisen.MaxItem-len(item)+4-len(pad)) + item[at+4:])
		large := []byte(item[:at] + pad + strings.Repeat("y", polisen.MaxItem-len(item)+5-len(pad)) + item[at+4:])
		if len(fits) != polisen.MaxItem || len(large) != polisen.MaxItem+1 {
			t.Fatal(len(fits), len(large))
		}
		if _, rejected := polisen.ParseItem(fits); rejected != nil {
			t.Errorf("1 MiB is rejected: %s", rejected.Reason)
		}
		_, rejected := polisen.ParseItem(large)
		if rejected == nil {
			t.Fatal("1 MiB and a byte are accepted")
		}
		if !strings.Contains(rejected.Reason, "longer than 1 MiB") {
			t.Errorf("reason %q", rejected.Reason)
		}
		checkBeginning(t, rejected.Raw, large)
		events, all, err := polisen.Parse([]byte("[ " + string(fits) + ",\n" + string(large) + "\n ," + string(fits) + "]"))
		if err != nil || len(events) != 2 || len(all) != 1 || !bytes.Equal(all[0].Raw, rejected.Raw) || all[0].Reason != rejected.Reason {
			t.Errorf("in a response: %d events, %d rejected, %v", len(events), len(all), err)
		}
	}
	if _, rejected := polisen.ParseItem(polisentest.Event(7, polisentest.Newest, polisentest.Summary(strings.Repeat("x", 2*polisen.MaxItem)))); rejected == nil {
		t.Error("an event with one text of 2 MiB is accepted")
	}
	spaces := strings.Repeat(" ", 2*polisen.MaxItem)
	if e, rejected := polisen.ParseItem([]byte(strings.Replace(string(polisentest.Event(7, polisentest.Newest)), ":", spaces+":"+spaces, 1))); rejected != nil || e.ID != 7 {
		t.Errorf("white space counts: %v", rejected)
	}
	for name, text := range map[string]string{
		"cut":           `{"a":"` + strings.Repeat("x", polisen.MaxItem),
		"invalid UTF-8": "{\"a\":\"\xff" + strings.Repeat("x", polisen.MaxItem) + `"}`,
		"no JSON":       strings.Repeat("<p>", polisen.MaxItem),
	} {
		_, rejected := polisen.ParseItem([]byte(text))
		if rejected == nil {
			t.Fatalf("%s: accepted", name)
		}
		checkBeginning(t, rejected.Raw, []byte(text))
	}
}

// TestDecompressionIsBounded checks that no more of a response is decompressed than the
// limit and one byte.
func TestDecompressionIsBounded(t *testing.T) {
	const limit = 32 << 20
	r, err := polisen.ReadResponse(bytes.NewReader(polisentest.Gzip(make([]byte, 2*limit))), time.Now)
	if e, ok := errors.AsType[*polisen.BodyError](err); !ok || e.Kind != polisen.BodyTooLarge || r.Bytes != limit+1 {
		t.Errorf("decompressed %d bytes, error %v", r.Bytes, err)
	}
}

// TestReject checks that the Raw of a text is JSON of at most 1 MiB.
func TestReject(t *testing.T) {
	for _, text := range []string{"", "x", "\"\\\n\u2028\x00", "\xff\xfe", strings.Repeat("\x01", 1<<17), strings.Repeat("\x01", 1<<18), strings.Repeat("\xff", 1<<19), strings.Repeat("\xff", polisen.MaxItem), strings.Repeat("x", polisen.MaxItem+1)} {
		r := polisen.Reject("because", []byte(text))
		if !jsontext.Value(r.Raw).IsValid() || !utf8.Valid(r.Raw) || len(r.Raw) > polisen.MaxItem || r.Reason != "because" {
			t.Errorf("%.20q: %d bytes, reason %q", text, len(r.Raw), r.Reason)
		}
		got, err := jsontext.AppendUnquote(nil, r.Raw)
		var object struct {
			Base64 *string
			SHA256 string
		}
		if json.Unmarshal(r.Raw, &object) == nil && object.SHA256 != "" {
			checkBeginning(t, r.Raw, []byte(text))
			continue
		}
		if object.Base64 != nil {
			got, err = base64.StdEncoding.DecodeString(*object.Base64)
		}
		if err != nil || string(got) != text {
			t.Errorf("%.20q is kept as %.40q, %v", text, r.Raw, err)
		}
	}
}

// TestDeepItem checks that an item that is nested too deep is rejected, and that it
// is kept as a JSON string, without white space between tokens.
func TestDeepItem(t *testing.T) {
	nested := func(depth int) string {
		return fmt.Sprintf(`{"id":7,"datetime":"2026-01-02 9:38:09 +01:00","a":%s1%s}`, strings.Repeat("[", depth-1), strings.Repeat("]", depth-1))
	}
	if _, rejected := polisen.ParseItem([]byte(nested(64))); rejected != nil {
		t.Error(rejected.Reason)
	}
	for _, depth := range []int{65, 66, 5_000, 9_998, 9_999, 10_001, 300_000} {
		item := nested(depth)
		_, one := polisen.ParseItem([]byte(item))
		_, all, err := polisen.Parse([]byte("[\n" + strings.Replace(item, ",", " , ", 1) + " ]"))
		if err != nil || one == nil || len(all) != 1 {
			t.Fatalf("%d: %v, %v, %v", depth, one, all, err)
		}
		if depth > 9_999 { // the parser of JSON does not read it, so it stays verbatim
			if text, err := jsontext.AppendUnquote(nil, all[0].Raw); err != nil || string(text) != strings.Replace(item, ",", " , ", 1) || all[0].Reason != "nested deeper than 64 levels" {
				t.Errorf("%d: %.40s, reason %q, %v", depth, text, all[0].Reason, err)
			}
			if text, err := jsontext.AppendUnquote(nil, one.Raw); err != nil || string(text) != item || one.Reason != "nested deeper than 64 levels" {
				t.Errorf("%d: %.40s, reason %q, %v", depth, text, one.Reason, err)
			}
			continue
		}
		for _, r := range []polisen.Rejected{*one, all[0]} {
			if got, err := jsontext.AppendUnquote(nil, r.JSON()); err != nil || string(got) != item || string(r.Raw) != item || r.Reason != "nested deeper than 64 levels" {
				t.Errorf("%d: %.40s, reason %q, %v", depth, got, r.Reason, err)
			}
		}
	}
}

// FuzzParseTime repeats a part of a body up to 64 KiB, and checks that the time of Parse,
// ParseItem and Fingerprint is proportional to the size.
func FuzzParseTime(f *testing.F) {
	for _, s := range [][3]string{
		{"[", `{"b":1,"a":`, ""}, {"[", "1,", "1]"}, {"[[", "[],", "[]]]"}, {`[{"":`, `"\\ud83d\\u0001"`, "}]"}, {"[", `{"b":`, ","},
		{`[{"a":1`, `,"a":1`, "}]"}, {"[", "\t", "]"}, {"", "<title", ""}, {"\xef\xbb\xbf[\"", "å", "\"]"},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, before, part, after []byte) {
		lineartest.CheckRepeated(t, 1<<16, before, part, after, func(body []byte) {
			_, _, _ = polisen.Parse(body)
			_, _ = polisen.ParseItem(body)
			_ = polisen.Fingerprint(body)
		})
	})
}

// TestDamagedText checks that a response keeps at most some 4 MiB of damaged text, and that
// one rejected item has the beginning of the rest.
func TestDamagedText(t *testing.T) {
	const pieces, size = 100, 1 << 17
	damaged := strings.Repeat(strings.Repeat("\x01", size)+"\n{", pieces)
	events, rejected, err := polisen.Parse([]byte("[" + string(polisentest.Event(1, polisentest.Newest)) + "," + damaged + "]"))
	kept := 0
	for _, r := range rejected {
		kept += len(r.Raw)
	}
	if err != nil || len(events) != 1 || len(rejected) >= pieces || kept > 6<<20 {
		t.Errorf("%d events and %d rejected items with %d bytes, %v", len(events), len(rejected), kept, err)
	}
	if last := rejected[len(rejected)-1]; !strings.Contains(string(last.Raw), `"bytes":`) {
		t.Errorf("the last rejected item is %.200s", last.Raw)
	}
}
