package polisen_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
)

func TestParse(t *testing.T) {
	first := polisentest.Event(600_000, polisentest.Newest)
	second := polisentest.Event(12, polisentest.Newest.Add(-11*time.Hour), polisentest.Summary("två\nrader"))
	body := polisentest.Response(first, []byte(`null`), second, []byte(`{"id":1.5}`))

	for _, bom := range []string{"", "\xef\xbb\xbf"} {
		given := append([]byte(bom), body...)
		events, rejected, err := polisen.Parse(given)
		if err != nil || len(events) != 2 || len(rejected) != 2 {
			t.Fatalf("Parse() = %d events, %d rejected, %v; want 2 and 2", len(events), len(rejected), err)
		}
		clear(given) // no event may refer to it
		for i, want := range [][]byte{first, second} {
			if got := events[i].Raw; !bytes.Equal(got, want) {
				t.Errorf("event %d:\n got %s\nwant %s", i, got, want)
			}
		}
		if !events[1].Time.Equal(polisentest.Newest.Add(-11*time.Hour)) || events[1].ID != 12 {
			t.Errorf("event 1 = %d at %v", events[1].ID, events[1].Time)
		}
		for i, want := range []string{"null", `{"id":1.5}`} {
			if got := string(rejected[i].Raw); got != want {
				t.Errorf("rejected %d: %s, want %s", i, got, want)
			}
		}
		_ = append(events[0].Raw, "overrun"...)
		if !bytes.Equal(events[1].Raw, second) {
			t.Error("appending to one event's Raw changes another's")
		}
	}
	events, rejected, err := polisen.Parse([]byte(" [ ] "))
	if len(events) != 0 || len(rejected) != 0 || err != nil {
		t.Errorf("Parse of an empty array = %v, %v, %v", events, rejected, err)
	}
}

func TestParseItem(t *testing.T) {
	const at = `"datetime":"2026-01-02 19:56:53 +01:00"`
	for _, tt := range []struct {
		name, raw string
		id        int64
		time      string // RFC 3339; empty: not checked
		compact   string // empty: raw
	}{
		{"two-digit hour", `{"id":7,"datetime":"2026-01-02 19:56:53 +01:00"}`, 7, "2026-01-02T19:56:53+01:00", ""},
		{"one-digit hour", `{"id":7,"datetime":"2026-01-02 9:38:09 +01:00"}`, 7, "2026-01-02T09:38:09+01:00", ""},
		{"hour zero in one digit", `{"id":7,"datetime":"2026-07-02 0:00:00 +02:00"}`, 7, "2026-07-02T00:00:00+02:00", ""},
		{"any offset", `{"id":7,"datetime":"2026-01-02 23:38:09 -11:30"}`, 7, "2026-01-02T23:38:09-11:30", ""},
		{"UTC as an offset", `{"id":7,"datetime":"2026-01-02 9:38:09 +00:00"}`, 7, "2026-01-02T09:38:09Z", ""},
		{"UTC as Z", `{"id":7,"datetime":"2026-01-02 9:38:09 Z"}`, 7, "2026-01-02T09:38:09Z", ""},
		{"last second", `{"id":7,"datetime":"9999-12-31 23:59:59 +00:00"}`, 7, "9999-12-31T23:59:59Z", ""},
		{"leap day", `{"id":7,"datetime":"2028-02-29 9:38:09 +01:00"}`, 7, "2028-02-29T09:38:09+01:00", ""},
		{"escaped datetime", `{"id":7,"datetime":"2026\u002d01-02 9:38:09 +01:00"}`, 7, "2026-01-02T09:38:09+01:00", ""},
		{"escaped names", `{"i\u0064":7,"datet\u0069me":"2026-01-02 9:38:09 +01:00"}`, 7, "2026-01-02T09:38:09+01:00", ""},
		{"key order", `{"z":1,` + at + `,"a":2,"id":7,"b":3}`, 7, "", ""},
		{"escapes", `{"id":7,` + at + `,"name":"J\u00e4rf\/\"\u00C4 \\ å"}`, 7, "", ""},
		{"half a surrogate pair", `{"id":7,` + at + `,"summary":"cut \ud83d"}`, 7, "", ""},
		{"number text", `{"id":7,` + at + `,"n":[1.0,1e3,-0,0.10,123456789012345678901234567890]}`, 7, "", ""},
		{"names inside other values", `{"location":{"id":1,"datetime":"x"},"id":7,"list":[{"id":2}],` + at + `}`, 7, "", ""},
		{"other key cases", `{"ID":1,"Id":2,"id":7,` + at + `,"DateTime":5}`, 7, "", ""},
		{"the last of two equal names counts", `{"id":"x","id":6,"id":7,"datetime":null,` + at + `}`, 7, "", ""},
		{"negative id", `{"id":-7,` + at + `}`, -7, "", ""},
		{"largest id", `{"id":9223372036854775807,` + at + `}`, 9223372036854775807, "", ""},
		{"white space", "\r\n{\t\"id\" : 7 ,\n " + at + " , \"n\" : [ 1 , { } ] , \"s\":\" a  b \" } \n", 7, "", `{"id":7,` + at + `,"n":[1,{}],"s":" a  b "}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			event, rejected := polisen.ParseItem([]byte(tt.raw))
			if rejected != nil {
				t.Fatalf("rejected: %s", rejected.Reason)
			}
			if event.ID != tt.id {
				t.Errorf("id %d, want %d", event.ID, tt.id)
			}
			if got := event.Time.Format(time.RFC3339); tt.time != "" && got != tt.time {
				t.Errorf("time %s, want %s", got, tt.time)
			}
			want := tt.compact
			if want == "" {
				want = tt.raw
			}
			if string(event.Raw) != want {
				t.Errorf("raw\n got %s\nwant %s", event.Raw, want)
			}
			if want := polisen.Fingerprint([]byte(tt.raw)); event.Fingerprint != want {
				t.Errorf("fingerprint %s, want %s", event.Fingerprint, want)
			}
		})
	}
}

func TestParseItemRejects(t *testing.T) {
	const at = `"datetime":"2026-01-02 19:56:53 +01:00"`
	datetime := func(s string) string { return `{"id":7,"datetime":"` + s + `"}` }
	for _, tt := range []struct{ name, raw, reason string }{
		{"null", `null`, "not an object: `null`"},
		{"string", ` "x" `, "not an object: `\"x\"`"},
		{"array", `[{"id":7}]`, "not an object"},
		{"empty object", `{}`, "no id"},
		{"no id", `{` + at + `}`, "no id"},
		{"id null", `{"id":null,` + at + `}`, "id is not an integer: `null`"},
		{"id a string", `{"id":"7",` + at + `}`, "id is not an integer: `\"7\"`"},
		{"id with hostile text", "{\"id\":\"a\u202eb\u009b\"," + at + `}`, "id is not an integer: `\"a\\u202eb\\x9b\"`"},
		{"id a fraction", `{"id":1.5,` + at + `}`, "id is not an integer: `1.5`"},
		{"id with a zero fraction", `{"id":7.0,` + at + `}`, "id is not an integer: `7.0`"},
		{"id with an exponent", `{"id":1e3,` + at + `}`, "id is not an integer: `1e3`"},
		{"id too large", `{"id":9223372036854775808,` + at + `}`, "id is not an integer: `9223372036854775808`"},
		{"last id wrong", `{"id":7,"id":{},` + at + `}`, "id is not an integer: `{}`"},
		{"spaced id", "{\"id\" : { \n } }", "id is not an integer: `{}`"},
		{"no datetime", `{"id":7}`, "no datetime"},
		{"datetime null", `{"id":7,"datetime":null}`, "datetime is not a string: `null`"},
		{"datetime a number", `{"id":7,"datetime":1767380213}`, "datetime is not a string: `1767380213`"},
		{"no such day", datetime("2026-02-29 9:38:09 +01:00"), "datetime is not a date and time: `\"2026-02-29 9:38:09 +01:00\"`"},
		{"no such hour", datetime("2026-02-28 24:38:09 +01:00"), "datetime is not a date and time"},
		{"year zero", datetime("0000-02-28 9:38:09 +01:00"), "datetime is not a date and time"},
		{"year ten thousand in UTC", datetime("9999-12-31 23:59:59 -05:00"), "datetime is not a date and time"},
		{"year zero in UTC", datetime("0001-01-01 0:59:59 +01:00"), "datetime is not a date and time"},
		{"five-digit year", datetime("12026-02-28 9:38:09 +01:00"), "datetime is not a date and time"},
		{"text after it", datetime("2026-02-28 9:38:09 +01:00 CET"), "datetime is not a date and time"},
		{"control characters", datetime(`2026\n\u001b[31m`), "datetime is not a date and time: `\"2026\\n\\u001b[31m\"`"},
		{"empty", ``, "not JSON: ``"},
		{"cut", `{"id":7,` + at, "not JSON"},
		{"two values", `{"id":7,` + at + `} {}`, "more than one JSON value"},
		{"invalid UTF-8", "{\"id\":7," + at + ",\"s\":\"\xff\"}", "not valid UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			event, rejected := polisen.ParseItem([]byte(tt.raw))
			if rejected == nil {
				t.Fatalf("accepted as an event: %+v", event)
			}
			if !strings.HasPrefix(rejected.Reason, tt.reason) || !isOneLine(rejected.Reason) {
				t.Errorf("reason %q, want %q", rejected.Reason, tt.reason)
			}
			if !jsontext.Value(rejected.Raw).IsValid(jsontext.AllowDuplicateNames(true)) {
				t.Errorf("raw is not JSON: %s", rejected.Raw)
			}
			if event.ID != 0 || !event.Time.IsZero() || event.Raw != nil {
				t.Errorf("rejected, but also returned as the event %+v", event)
			}
		})
	}
}

// TestParser checks that a Parser returns the same as ParseItem, even after damaged
// items, and that events keep their text when the parser and the item are used again.
func TestParser(t *testing.T) {
	var p polisen.Parser
	var kept []polisen.Event
	items := []string{
		`{"a":{"b":[{"c":1`, `{"id":1,"datetime":"2026-01-02 9:38:09 +01:00","b":{"d":"\u0061","c":2}}`, `[{"a":`, `]`, `"text"`, ``,
		`{"id":2,"datetime":"2026-01-02 9:38:09 +01:00"}`, `{"id":1} 2`, "\"\xff\"", `{"id":3,"datetime":"2026-01-02 9:38:09 +01:00","a":1}`,
	}
	for _, item := range items {
		raw := []byte(item)
		event, rejected := p.Item(raw)
		wantEvent, wantRejected := polisen.ParseItem(raw)
		clear(raw)
		if diff := cmp.Diff(wantEvent, event); diff != "" {
			t.Errorf("event of %s (-ParseItem +Parser):\n%s", item, diff)
		}
		if diff := cmp.Diff(wantRejected, rejected); diff != "" {
			t.Errorf("rejected of %s (-ParseItem +Parser):\n%s", item, diff)
		}
		if rejected == nil {
			kept = append(kept, event)
		}
	}
	for i, raw := range []string{items[1], items[6], items[9]} {
		if string(kept[i].Raw) != raw {
			t.Errorf("at the end event %d is %s, want %s", i, kept[i].Raw, raw)
		}
	}
}

func isOneLine(text string) bool {
	return utf8.ValidString(text) && len(text) < 500 && !strings.ContainsAny(text, "\r\n\t\x1b")
}

func TestParseDamaged(t *testing.T) {
	whole := polisentest.Body(3)
	for _, tt := range []struct {
		name, body string
		kind       polisen.BodyKind
		message    string
	}{
		{"empty", "", polisen.BodyEmpty, "the response is empty"},
		{"white space", " \r\n", polisen.BodyEmpty, "the response is empty"},
		{"only a byte order mark", "\xef\xbb\xbf", polisen.BodyEmpty, "the response is empty"},
		{
			"maintenance page", "<!DOCTYPE html>\n<html><head><TITLE lang=sv>\n Underhåll\n pågår </TITLE>", polisen.BodyHTML,
			"the response is HTML, not JSON: a page titled `Underhåll pågår`",
		},
		{"page without a title", "<h1>\nFel</h1>", polisen.BodyHTML, `the response is HTML, not JSON: "<h1>\nFel</h1>"`},
		{"object", ` {"error":"nej"}`, polisen.BodyNotArray, "the response is JSON, but not an array: `{\"error\":\"nej\"}`"},
		{"long object", `{"e":"` + strings.Repeat("å", 200) + `"}`, polisen.BodyNotArray, "the response is JSON, but not an array: `{\"e\":\"åååå"},
		{"an event", string(polisentest.Event(1, polisentest.Newest)), polisen.BodyNotArray, "the response is JSON, but not an array: "},
		{"null", "null", polisen.BodyNotArray, "the response is JSON, but not an array: `null`"},
		{"plain text", "Too many requests", polisen.BodyMalformed, "the response is not valid JSON: `Too many requests`"},
		{"cut in an item", string(whole[:len(whole)/2]), polisen.BodyTruncated, fmt.Sprintf("the response is truncated JSON at byte %d", len(whole)/2)},
		{"cut before the end", string(whole[:len(whole)-1]), polisen.BodyTruncated, "the response is truncated JSON"},
		{"cut after the bracket", "[", polisen.BodyTruncated, "the response is truncated JSON at byte 1"},
		{"cut after a comma", `[{},`, polisen.BodyTruncated, "the response is truncated JSON at byte 4"},
		{"invalid UTF-8", "J\xe4rf\xe4lla", polisen.BodyMalformed, `the response is not valid JSON: "J\xe4rf\xe4lla"`},
		{"object with an empty array", `{"items":[]}`, polisen.BodyNotArray, "the response is JSON, but not an array: `{\"items\":[]}`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, rejected, err := polisen.Parse([]byte(tt.body))
			damage, ok := errors.AsType[*polisen.BodyError](err)
			if !ok {
				t.Fatalf("Parse() = %v, %v, %v; want a BodyError", events, rejected, err)
			}
			if damage.Kind != tt.kind {
				t.Errorf("kind %q, want %q", damage.Kind, tt.kind)
			}
			if !strings.HasPrefix(err.Error(), tt.message) || !isOneLine(err.Error()) {
				t.Errorf("message\n got %s\nwant %s", err, tt.message)
			}
		})
	}
}

// TestParseDamagedItems checks that Parse takes all items that it can read, in their
// order, and rejects the rest with its text.
func TestParseDamagedItems(t *testing.T) {
	item := func(id int) string {
		return fmt.Sprintf(`{"id":%d,"datetime":"2026-01-02 9:38:09 +01:00","location":{"name":"Järfälla"}}`, id)
	}
	deep := `{"id":7,"a":` + strings.Repeat("[", 12_000) + strings.Repeat("]", 12_000) + "}"
	latin := strings.ReplaceAll(item(7), "ä", "\xe4")
	broken := strings.Replace(item(7), "Jär", "J\nr", 1)
	base64ed := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct {
		body     string
		ids      []int64
		rejected []string // texts, or base64
	}{
		"newline in a string":    {"[" + item(1) + ",\n" + broken + ",\n" + item(2) + "]", []int64{1, 2}, []string{broken}},
		"the last item damaged":  {"[" + item(1) + "," + broken + "]\n", []int64{1}, []string{broken + "]"}},
		"the only item damaged":  {"[" + broken + "]", nil, []string{broken + "]"}},
		"NaN":                    {"[" + item(1) + `,{"id":7,"gps":{"a":NaN}},` + item(2) + "]", []int64{1, 2}, []string{`{"id":7,"gps":{"a":NaN}}`}},
		"no comma":               {"[" + item(1) + " " + item(2) + "]", []int64{1, 2}, []string{""}},
		"two commas":             {"[" + item(1) + ",," + item(2) + "]", []int64{1, 2}, []string{","}},
		"a comma at the end":     {"[" + item(1) + ",]", []int64{1}, []string{""}},
		"text before":            {"<br />\n<b>Warning</b>: [x] in {y}\n[" + item(1) + "," + item(2) + "]", []int64{1, 2}, []string{"<br />\n<b>Warning</b>: [x] in {y}"}},
		"text before on a line":  {"callback([" + item(1) + "," + item(2) + "]);", []int64{1, 2}, []string{"callback([", ");"}},
		"text after":             {"[" + item(1) + "]\n<!-- cached -->", []int64{1}, []string{"<!-- cached -->"}},
		"an object around":       {`{"count":2,"items":[` + item(1) + "," + item(2) + `],"next":null}`, []int64{1, 2}, []string{`{"count":2,"items":`, ",", "next", ":null}"}},
		"half in Latin-1":        {"[" + item(1) + "," + latin + "," + item(2) + "]", []int64{1, 2}, []string{base64ed(latin)}},
		"nested too deep":        {"[" + item(1) + "," + deep + "," + item(2) + "]", []int64{1, 2}, []string{deep}},
		"a bracket missing":      {"[" + item(1) + `,{"id":7,` + item(2) + "," + item(3) + "]", []int64{1, 2, 3}, []string{`{"id":7`}},
		"a quote missing":        {"[" + `{"id":7,"a":"b},` + item(1) + "," + item(2) + "]", []int64{1, 2}, []string{`{"id":7,"a":"b}`}},
		"two arrays":             {"[" + item(1) + "][" + item(2) + "]", []int64{1, 2}, nil},
		"BOM, and CR LF in text": {"\xef\xbb\xbf[\r\n{\"id\":7,\"a\":\"x\r\ny\"},\r\n" + item(1) + "\r\n]", []int64{1}, []string{"{\"id\":7,\"a\":\"x\r\ny\"}"}},
	} {
		t.Run(name, func(t *testing.T) {
			events, rejected, err := polisen.Parse([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for _, e := range events {
				ids = append(ids, e.ID)
				if want := item(int(e.ID)); string(e.Raw) != want {
					t.Errorf("event %s, want %s", e.Raw, want)
				}
			}
			var texts []string
			for _, r := range rejected {
				text, err := jsontext.AppendUnquote(nil, r.Raw)
				if object := (struct{ Base64 string }{}); err != nil && json.Unmarshal(r.Raw, &object) == nil {
					text = []byte(object.Base64)
				}
				texts = append(texts, string(text))
				if !isOneLine(r.Reason) || r.Reason == "" {
					t.Errorf("reason %q", r.Reason)
				}
			}
			if diff := cmp.Diff(tt.ids, ids) + cmp.Diff(tt.rejected, texts); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestParseCut checks that Parse returns the items of a body that is cut, with an error.
func TestParseCut(t *testing.T) {
	items := []string{
		string(polisentest.Event(1, polisentest.Newest)), string(polisentest.Event(2, polisentest.Newest)), string(polisentest.Event(3, polisentest.Newest)),
	}
	body := "[" + strings.Join(items, ",") + "]"
	for n := range len(body) {
		events, _, err := polisen.Parse([]byte(body[:n]))
		if _, ok := errors.AsType[*polisen.BodyError](err); !ok {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		want := 0
		for _, item := range items {
			if strings.Contains(body[:n], item) {
				want++
			}
		}
		if len(events) != want {
			t.Fatalf("cut after %d bytes: %d events, want %d", n, len(events), want)
		}
	}
}

// FuzzParse checks that a body that a strict parser reads gives the same items: each
// becomes an event or a rejected item, in order, its Raw is the item's JSON in compact
// form, and parsing Raw gives the same result. Items that are arrays may be taken as
// responses. All other bodies give events, rejected items or an error.
func FuzzParse(f *testing.F) {
	f.Add(polisentest.Body(2))
	for _, s := range []string{
		`[{"id":1,"id":2,"datetime":"2026-01-02 9:38:09 +01:00"},null,[],{"id":1e3},"\ud83d"]`,
		"\xef\xbb\xbf[ ]", "[[[[", "[1]2", "<html>", "[\"\xff\"]", `[{},]`, "[\n[{}],\n[],[\n{}]]", `[[{}]{}]`,
	} {
		f.Add([]byte(s))
	}
	cases, err := filepath.Glob("../../testdata/cases/*.json")
	if err != nil || len(cases) == 0 {
		f.Fatal(cases, err)
	}
	for _, name := range cases {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, rejected, err := polisen.Parse(body)
		if err != nil {
			if _, ok := errors.AsType[*polisen.BodyError](err); !ok {
				t.Fatalf("%d events and the error %#v", len(events), err)
			}
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 600 || strings.Contains(err.Error(), "\n") {
				t.Errorf("message %q", err)
			}
		}
		items, ok := itemsOf(body)
		for _, item := range items {
			if _, reason := polisen.ParseItem(item); reason == nil {
				if !slices.ContainsFunc(events, func(e polisen.Event) bool { return bytes.Equal(e.Raw, item) }) {
					t.Fatalf("event %s is lost", item)
				}
			}
		}
		if !ok || slices.ContainsFunc(items, func(item []byte) bool { return item[0] == '[' }) {
			for _, e := range events {
				if second, reason := polisen.ParseItem(e.Raw); reason != nil || second.ID != e.ID || !utf8.Valid(e.Raw) {
					t.Fatalf("event %q, parsed again: %v", e.Raw, reason)
				}
			}
			for _, r := range rejected {
				if !jsontext.Value(r.Raw).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) || r.Reason == "" {
					t.Fatalf("rejected %q: %q", r.Raw, r.Reason)
				}
			}
			return
		}
		if err != nil || len(items) != len(events)+len(rejected) {
			t.Fatalf("%d items became %d events and %d rejected, %v", len(items), len(events), len(rejected), err)
		}
		for _, item := range items {
			second, reason := polisen.ParseItem(item)
			switch {
			case reason == nil && len(events) > 0 && bytes.Equal(events[0].Raw, item):
				e := events[0]
				if second.ID != e.ID || second.Fingerprint != e.Fingerprint || !second.Time.Equal(e.Time) || second.Time.Format(time.RFC3339) != e.Time.Format(time.RFC3339) {
					t.Errorf("%s parsed as %d at %v, then as %d at %v", item, e.ID, e.Time, second.ID, second.Time)
				}
				events = events[1:]
			case reason != nil && len(rejected) > 0 && bytes.Equal(rejected[0].Raw, item):
				if reason.Reason != rejected[0].Reason {
					t.Errorf("%s is rejected for %q, then %q", item, rejected[0].Reason, reason.Reason)
				}
				rejected = rejected[1:]
			default:
				t.Fatalf("item %s is neither the next event nor the next rejected", item)
			}
		}
	})
}

// itemsOf splits an array into its items with encoding/json, and compacts them. ok is
// false if the body is not a JSON array in UTF-8.
func itemsOf(body []byte) (compact [][]byte, ok bool) {
	var items []json.RawMessage
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) || json.Unmarshal(body, &items) != nil || items == nil {
		return nil, false
	}
	for _, item := range items {
		var b bytes.Buffer
		if json.Compact(&b, item) != nil {
			return nil, false
		}
		compact = append(compact, b.Bytes())
	}
	return compact, true
}
