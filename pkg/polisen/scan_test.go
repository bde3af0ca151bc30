package polisen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"polisen-events-collector/pkg/lineartest"
)

// got is an item that a scan yielded.
type got struct {
	Raw    string
	Damage string
	offset int64
}

// tester has the methods of *testing.T and *rapid.T that the tests need.
type tester interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// scanAll scans content with items of at most limit bytes. It checks that the items
// are verbatim and in order, that each item without damage is a JSON value, and that
// there are only delimiters between items.
func scanAll(t tester, content string, limit int, wrap func(io.Reader) io.Reader) []got {
	t.Helper()
	var all []got
	long := map[int]bool{}
	var s Scanner
	s.in.reset(t.Context(), wrap(strings.NewReader(content)))
	err := s.scan(limit, func(item Piece) bool {
		if item.Long != nil {
			item.Raw = []byte(content[item.Offset:][:item.Long.Size()])
			checkLong(t, item, limit)
			long[len(all)] = true
		}
		all = append(all, got{string(item.Raw), item.Damage, item.Offset})
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for i, g := range all {
		if g.offset < end || !strings.HasPrefix(content[g.offset:], g.Raw) {
			t.Fatalf("%+v is not at offset %d, or begins before the end %d of the previous one", g, g.offset, end)
		}
		checkDelimiters(t, content[end:g.offset])
		end = g.offset + int64(len(g.Raw))
		if good := g.Damage == ""; good != (json.Valid([]byte(g.Raw)) && utf8.ValidString(g.Raw)) && good || len(g.Raw) > limit && !long[i] {
			t.Fatalf("%+v", g)
		}
	}
	checkDelimiters(t, content[end:])
	return all
}

// checkLong checks the record of a long item, whose text is in Raw.
func checkLong(t tester, item Piece, limit int) {
	t.Helper()
	var want Beginning
	_, _ = want.Write(item.Raw)
	if got := item.Long.JSON(); !bytes.Equal(got, want.JSON()) || len(item.Raw) < limit || item.Damage == "" {
		t.Fatalf("damage %q, %d bytes, recorded as %.100s", item.Damage, len(item.Raw), got)
	}
}

// checkDelimiters checks that text consists of delimiters.
func checkDelimiters(t tester, text string) {
	t.Helper()
	if rest := strings.Trim(strings.ReplaceAll(text, bom, ""), whiteSpace+",[]"); rest != "" {
		t.Fatalf("%q was skipped", rest)
	}
}

func whole(r io.Reader) io.Reader { return r }

// TestLongItemIsBounded checks that a long item with too many open brackets ends
// there, since a scan keeps them in memory, and that the scan goes on after it.
func TestLongItemIsBounded(t *testing.T) {
	const limit = 100
	begin := `{"a":"` + strings.Repeat("x", limit) + `","b":`
	content := begin + strings.Repeat("[", 2*maxBrackets) + strings.Repeat("]", 2*maxBrackets) + "}\n" + `{"id":1}`
	all := scanAll(t, content, limit, whole)
	if got, want := len(all[0].Raw), len(begin)+maxBrackets-1; got != want {
		t.Errorf("the long item has %d bytes, want %d", got, want)
	}
	if last := all[len(all)-1]; last.Raw != `{"id":1}` || last.Damage != "" {
		t.Errorf("the last item is %+v", last)
	}
}

func TestScan(t *testing.T) {
	const (
		notClosed = "the previous array is not closed"
		atEnd     = "the array is not closed at the end"
		noComma   = "no comma before this item"
		noItem    = "text outside of items"
	)
	good := func(raws ...string) (all []got) {
		for _, raw := range raws {
			all = append(all, got{Raw: raw})
		}
		return all
	}
	damaged := func(raw, reason string) []got { return []got{{Raw: raw, Damage: reason}} }
	for name, tt := range map[string]struct {
		content string
		want    [][]got
	}{
		"nothing":             {"", nil},
		"white space":         {" \r\n\t", nil},
		"no items":            {"[]\n[ ]", nil},
		"indented":            {"[\n  {\n    \"id\": 1\n  },\n  {\n    \"id\": 2\n  }\n]\n", [][]got{good("{\n    \"id\": 1\n  }", "{\n    \"id\": 2\n  }")}},
		"compact":             {`[{"id":1},{"id":2}]`, [][]got{good(`{"id":1}`, `{"id":2}`)}},
		"lines":               {"{\"id\":1}\n{\"id\":2}\r\n{\"id\":3}", [][]got{good(`{"id":1}`, `{"id":2}`, `{"id":3}`)}},
		"arrays in a row":     {"[{\"id\":1}][{\"id\":2}]\n\n[{\"id\":3}]", [][]got{good(`{"id":1}`, `{"id":2}`, `{"id":3}`)}},
		"arrays and lines":    {"[{\"id\":1}]\n{\"id\":2}\n[{\"id\":3}]", [][]got{good(`{"id":1}`, `{"id":2}`, `{"id":3}`)}},
		"byte order marks":    {bom + "[{\"id\":1}]\n" + bom + "[{\"id\":2}]", [][]got{good(`{"id":1}`, `{"id":2}`)}},
		"no objects":          {`[1,"a",null,[2,3],-4.5e6,[]]`, [][]got{good("1", `"a"`, "null", "[2,3]", "-4.5e6", "[]")}},
		"duplicate names":     {`[{"id":1,"id":2}]`, [][]got{good(`{"id":1,"id":2}`)}},
		"half a surrogate":    {`[{"a":"\ud800"}]`, [][]got{good(`{"a":"\ud800"}`)}},
		"objects in an event": {`[{"a":[{"b":1},{"b":2}]}]`, [][]got{good(`{"a":[{"b":1},{"b":2}]}`)}},

		"truncated array, in an item": {"[{\"id\":1},{\"id\":2,\"name\":\"a\n[{\"id\":3}]",
			[][]got{good(`{"id":1}`), damaged(`{"id":2,"name":"a`, `not JSON at byte 27: invalid character '\n' in string (expecting non-control character)`), good(`{"id":3}`)}},
		"truncated array, after an item":  {"[{\"id\":1}\n[{\"id\":2}]", [][]got{good(`{"id":1}`), damaged("", notClosed), good(`{"id":2}`)}},
		"truncated array, after a comma":  {"[{\"id\":1},\n[{\"id\":2}]", [][]got{good(`{"id":1}`), damaged("", notClosed), good(`{"id":2}`)}},
		"truncated array, before items":   {"[\n[{\"id\":2}]", [][]got{damaged("", notClosed), good(`{"id":2}`)}},
		"truncated array, then no items":  {"[{\"id\":1},\n[]\n[{\"id\":2}]", [][]got{good(`{"id":1}`), damaged("", notClosed), good(`{"id":2}`)}},
		"truncated array, then lines":     {"[{\"id\":1}\n{\"id\":2}\n{\"id\":3}", [][]got{good(`{"id":1}`), damaged("", noComma), good(`{"id":2}`, `{"id":3}`)}},
		"truncated at the end, in a name": {`[{"id":1},{"i`, [][]got{good(`{"id":1}`), damaged(`{"i`, "truncated")}},
		"truncated at the end, in a rune": {"[{\"id\":1},{\"a\":\"\xc3", [][]got{good(`{"id":1}`), damaged("{\"a\":\"\xc3", "truncated")}},
		"truncated at the end, in a word": {`[nul`, [][]got{damaged(`nul`, "truncated")}},
		"truncated at the end, after":     {`[{"id":1},`, [][]got{good(`{"id":1}`), damaged("", atEnd)}},
		"truncated line":                  {"{\"id\":1}\n{\"id\":\n{\"id\":3}\n", [][]got{good(`{"id":1}`), damaged(`{"id":`, "truncated"), good(`{"id":3}`)}},
		"truncated start":                 {"\"a\"},{\"id\":2}]\n[{\"id\":3}]", [][]got{damaged(`"a"}`, noItem), good(`{"id":2}`, `{"id":3}`)}},

		"page between arrays": {"[{\"id\":1}]\n<html>\n<a href=\"[x]\">{</a>\n</html>\n[{\"id\":2}]",
			[][]got{good(`{"id":1}`), damaged("<html>\n<a href=\"[x]\">{</a>\n</html>", noItem), good(`{"id":2}`)}},
		"page in an array": {"[\n  {\"id\":1},\n<<<<<<< HEAD\n  {\"id\":2}\n]",
			[][]got{good(`{"id":1}`), damaged("<<<<<<< HEAD", "not JSON at byte 14: invalid character '<' at start of value"), good(`{"id":2}`)}},
		"words outside of an array": {"404 not found\nnull\n{\"id\":1}", [][]got{damaged("404 not found\nnull", noItem), good(`{"id":1}`)}},
		"NUL bytes":                 {"{\"id\":1}\n\x00\x00\x00\n{\"id\":2}", [][]got{good(`{"id":1}`), damaged("\x00\x00\x00", noItem), good(`{"id":2}`)}},
		"NUL bytes in an item": {"[{\"id\":1,\"a\":\"\x00\x00\"},{\"id\":2}]",
			[][]got{damaged("{\"id\":1,\"a\":\"\x00\x00\"}", `not JSON at byte 14: invalid character '\x00' in string (expecting non-control character)`), good(`{"id":2}`)}},
		"not UTF-8": {"[{\"a\":\"\xff\"},{\"id\":2}]", [][]got{damaged("{\"a\":\"\xff\"}", "not valid UTF-8"), good(`{"id":2}`)}},

		"comma missing between items":   {`[{"id":1}{"id":2},{"id":3}]`, [][]got{good(`{"id":1}`), damaged("", noComma), good(`{"id":2}`, `{"id":3}`)}},
		"comma missing in an item":      {`[{"id":1 "a":2},{"id":3}]`, [][]got{damaged(`{"id":1 "a":2}`, `not JSON at byte 9: invalid character '"' after object value (expecting ',' or '}')`), good(`{"id":3}`)}},
		"quote missing":                 {`[{"a":"b},{"id":2,"a":"b"},{"id":3}]`, [][]got{damaged(`{"a":"b}`, `not JSON at byte 12: invalid character 'i' after object value (expecting ',' or '}')`), good(`{"id":2,"a":"b"}`, `{"id":3}`)}},
		"brace missing":                 {`[{"l":{"a":1},{"id":2}]`, [][]got{damaged(`{"l":{"a":1}`, `not JSON at byte 14: invalid character '{' at start of string (expecting '"')`), good(`{"id":2}`)}},
		"brace too many":                {`[{"id":1}},{"id":2}]`, [][]got{good(`{"id":1}`), damaged("}", noItem), good(`{"id":2}`)}},
		"opening bracket missing":       {`{"id":1},{"id":2}]`, [][]got{good(`{"id":1}`), damaged(",", "a comma without an item before it"), good(`{"id":2}`)}},
		"opening bracket too many":      {`[[{"id":1}]`, [][]got{damaged("", notClosed), good(`{"id":1}`)}},
		"closing bracket too many":      {`[{"id":1}]][{"id":2}]`, [][]got{good(`{"id":1}`), damaged("]", "a closing bracket without an opening one"), good(`{"id":2}`)}},
		"comma too many":                {`[{"id":1},,{"id":2}]`, [][]got{good(`{"id":1}`), damaged(",", "a comma without an item before it"), good(`{"id":2}`)}},
		"comma first":                   {`[,{"id":2}]`, [][]got{damaged(",", "a comma without an item before it"), good(`{"id":2}`)}},
		"comma last":                    {`[{"id":1},]`, [][]got{good(`{"id":1}`), damaged("", "no item between the comma and the closing bracket")}},
		"nested object is no candidate": {"[{\"a\" 1,\"l\":{\"b\":2},\"m\":\n {\"b\":3}},{\"id\":2}]", [][]got{damaged("{\"a\" 1,\"l\":{\"b\":2},\"m\":\n {\"b\":3}}", `not JSON at byte 6: invalid character '1' after object name (expecting ':')`), good(`{"id":2}`)}},
		"word in an array":              {`[{"id":1},undefined,{"id":2}]`, [][]got{good(`{"id":1}`), damaged("undefined", "not JSON at byte 10: invalid character 'u' at start of value"), good(`{"id":2}`)}},
		"comma at the start of the line after a cut-off item": {"{\"id\":1}\n[{\"id\":7,\"name\":\"a\n,{\"id\":2,\"l\":{\"a\":[\"\",{\"b\":[]}]}}]",
			[][]got{good(`{"id":1}`), damaged("{\"id\":7,\"name\":\"a\n", `not JSON at byte 27: invalid character '\n' in string (expecting non-control character)`), good(`{"id":2,"l":{"a":["",{"b":[]}]}}`)}},
		"damage hides no later damage": {"[{\"id\":1 2}]\n[{\"id\":3}\n[{\"id\":4}]",
			[][]got{damaged("{\"id\":1 2}]", `not JSON at byte 9: invalid character '2' after object value (expecting ',' or '}')`), good(`{"id":3}`), damaged("", notClosed), good(`{"id":4}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Concat(tt.want...)
			for _, wrap := range []func(io.Reader) io.Reader{whole, iotest.OneByteReader, iotest.DataErrReader} {
				if diff := cmp.Diff(want, scanAll(t, tt.content, 1<<10, wrap), cmp.Comparer(same)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

// same compares text and damage. scanAll checks the offsets.
func same(a, b got) bool { return a.Raw == b.Raw && a.Damage == b.Damage }

// sameText compares everything except the text of the damage: if a character has
// several bytes, the decoder's message contains only those that it has read.
func sameText(a, b got) bool {
	return a.offset == b.offset && a.Raw == b.Raw && (a.Damage == "") == (b.Damage == "")
}

func TestLimit(t *testing.T) {
	const limit = 64
	long := `{"id":1,"a":"` + strings.Repeat("x", limit) + `"}`
	fits := `{"a":"` + strings.Repeat("x", limit-8) + `"}`
	for name, tt := range map[string]struct {
		content string
		want    []got
	}{
		"fits":                       {"[" + fits + "]", []got{{Raw: fits}}},
		"too long":                   {"[" + long + `,{"id":2}]`, []got{{Raw: long, Damage: "longer than 64 bytes"}, {Raw: `{"id":2}`}}},
		"too long, with items in it": {`[[{"id":3},` + long + "]\n" + `,{"id":2}]`, []got{{Damage: "the previous array is not closed"}, {Raw: `{"id":3}`}, {Raw: long, Damage: "longer than 64 bytes"}, {Raw: ",", Damage: "a comma without an item before it"}, {Raw: `{"id":2}`}}},
		"an object with items in it": {`[{"a":"}]\\\"","l":[{"id":3},` + long + `]},{"id":2}]`, []got{{Raw: `{"a":"}]\\\"","l":[{"id":3},` + long + "]}", Damage: "longer than 64 bytes"}, {Raw: `{"id":2}`}}},
		"a text":                     {`["` + strings.Repeat("å", limit) + `",{"id":2}]`, []got{{Raw: `"` + strings.Repeat("å", limit) + `"`, Damage: "longer than 64 bytes"}, {Raw: `{"id":2}`}}},
		"too long, and cut":          {"[" + long[:limit+5] + "\n[" + `{"id":2}]`, []got{{Raw: long[:limit+5], Damage: "longer than 64 bytes"}, {Raw: `{"id":2}`}}},
		"too long, to the end":       {"[" + long[:limit+5], []got{{Raw: long[:limit+5], Damage: "longer than 64 bytes"}}},
		"a number":                   {"[" + strings.Repeat("1", limit+1) + `,{"id":2}]`, []got{{Raw: strings.Repeat("1", limit)}, {Raw: "1", Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"text without items": {strings.Repeat("<p>", limit) + `[{"id":2}]`, []got{
			{Raw: strings.Repeat("<p>", limit)[:limit], Damage: "text outside of items"},
			{Raw: strings.Repeat("<p>", limit)[limit : 2*limit], Damage: "text outside of items"},
			{Raw: strings.Repeat("<p>", limit)[2*limit:], Damage: "text outside of items"},
			{Raw: "[", Damage: "text outside of items"},
			{Raw: `{"id":2}`},
		}},
		"comma and brace in different pieces":          {strings.Repeat("x", limit-1) + `,{"id":2}`, []got{{Raw: strings.Repeat("x", limit-1) + ",", Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"line end and brace in different pieces":       {strings.Repeat("x", limit-1) + "\n" + `{"id":2}`, []got{{Raw: strings.Repeat("x", limit-1) + "\n", Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"colon and brace in different pieces":          {strings.Repeat("x", limit-1) + ":\n" + `{"id":2}`, []got{{Raw: strings.Repeat("x", limit-1) + ":", Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"colon and indented brace in different pieces": {strings.Repeat("x", limit-1) + ":\n " + `{"id":2}`, []got{{Raw: strings.Repeat("x", limit-1) + ":", Damage: "text outside of items"}, {Raw: "\n " + `{"id":2}`, Damage: "text outside of items"}}},
		"item across pieces":                           {strings.Repeat("x", limit-5) + "\n" + `{"id":2}`, []got{{Raw: strings.Repeat("x", limit-5), Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"array across pieces":                          {strings.Repeat("x", limit-3) + "\n[ " + `{"id":2}]`, []got{{Raw: strings.Repeat("x", limit-3) + "\n[ ", Damage: "text outside of items"}, {Raw: `{"id":2}`}}},
		"white space without end": {"[{\"id\":1}," + strings.Repeat(" ", 3*limit) + `[` + strings.Repeat(" ", 3*limit) + `{"id":2}]`, []got{
			{Raw: `{"id":1}`},
			{Raw: "[" + strings.Repeat(" ", 3*limit) + `{"id":2}]`, Damage: "longer than 64 bytes"},
			{Damage: "the array is not closed at the end"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, wrap := range []func(io.Reader) io.Reader{whole, iotest.OneByteReader} {
				if diff := cmp.Diff(tt.want, scanAll(t, tt.content, limit, wrap), cmp.Comparer(same)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

// TestWindowEdge checks that the items do not depend on the position of the window's
// end.
func TestWindowEdge(t *testing.T) {
	const n = firstInput / 4
	for shift := range 4 {
		content := strings.Repeat(" ", shift) + "[" + strings.Repeat("[2],", n) + "3]"
		for i, g := range scanAll(t, content, MaxItem, whole) {
			if i < n && g.Raw != "[2]" || i == n && g.Raw != "3" || g.Damage != "" {
				t.Fatalf("shifted by %d: item %d: %+v", shift, i, g)
			}
		}
	}
}

// TestAdversarialContent scans contents in which an item seems to begin at many bytes.
// It ends soon only if the time is proportional to the length.
func TestAdversarialContent(t *testing.T) {
	for _, text := range []string{`{"":[`, `[`, `{"a":1,`, "\n[", "\n{", "[{}", "\n{\"a\":" + strings.Repeat(" ", 100), `{"a":[` + strings.Repeat(" ", 100) + "{},", strings.Repeat(`{"":[`, 4000) + "x\n"} {
		const limit = MaxItem / 4
		scanAll(t, strings.Repeat(text, 2*limit/len(text)), limit, whole)
	}
}

// TestGoodItemsSurvive checks that a scan yields all items in arrays and on lines, in
// order, if there is damaged text between them.
func TestGoodItemsSurvive(t *testing.T) {
	// None of these contains an item, or makes the next line a part of the damage.
	damages := []string{
		`{"id":7,"name":"a`, `{"id":7,`, `{"id":7,"l":{"a":`, `{"id" 7}`, `{"id":7,"l":{"a":1}`, `"id":7}`, "<html>{}[", "\x00\x00",
		"{\"a\":\"\xff\"}", "404 not found", `{"id":7}}`, "]", ",", "[", `[{"id`, `"`, `{`, `}`, `\`, "=======", "[]]", `{"a":[[[`,
	}
	text := rapid.StringOf(rapid.RuneFrom([]rune("aö \"\\{}[],:\n\t😀")))
	rapid.Check(t, func(t *rapid.T) {
		var content bytes.Buffer
		var want []string
		newItem := func() string {
			quoted, _ := json.Marshal(text.Draw(t, "text")) // strings always encode
			raw := fmt.Sprintf(`{"id":%d,"name":%s,"l":{"a":[%[2]s,{"b":[]}]}}`, 1000+len(want), quoted)
			if rapid.Bool().Draw(t, "indent") {
				var b bytes.Buffer
				_ = json.Indent(&b, []byte(raw), "  ", "  ") // raw is valid JSON
				raw = b.String()
			}
			want = append(want, raw)
			return raw
		}
		for range rapid.IntRange(1, 6).Draw(t, "parts") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0: // lines
				for range rapid.IntRange(1, 3).Draw(t, "lines") {
					content.WriteString(newItem() + "\n")
				}
			case 1: // damaged text on a line of its own
				content.WriteString(rapid.SampledFrom(damages).Draw(t, "damage") + "\n")
			default: // an array, with damaged text as an item of its own
				content.WriteString("[")
				sep := rapid.SampledFrom([]string{",", ",\n  ", " , "}).Draw(t, "sep")
				n := rapid.IntRange(0, 3).Draw(t, "items")
				damagedAt := rapid.IntRange(0, 2*n).Draw(t, "at")
				for i := range n {
					if i == damagedAt {
						content.WriteString(rapid.SampledFrom(damages).Draw(t, "damage") + "\n" + sep)
					}
					content.WriteString(newItem())
					if i < n-1 {
						content.WriteString(sep)
					}
				}
				content.WriteString(rapid.SampledFrom([]string{"]", "]\n", "\n]\n", "\n", ",\n"}).Draw(t, "end"))
			}
		}
		var items []string
		for _, g := range scanAll(t, content.String(), 1<<12, whole) {
			if g.Damage == "" && strings.HasPrefix(g.Raw, "{") && strings.Contains(g.Raw, `"name"`) {
				items = append(items, g.Raw)
			}
		}
		if diff := cmp.Diff(want, items); diff != "" {
			t.Fatalf("of %q: -want +got:\n%s", content.String(), diff)
		}
	})
}

// TestKnownItems checks that a scanner which knows items splits a content as before: it
// recognises no item that only begins like a known one, and no longer number. It also
// checks that the number of known items is bounded.
func TestKnownItems(t *testing.T) {
	start, digits := `{"id":1,"name":"`+strings.Repeat("a", maxStart), strings.Repeat("1", maxStart)
	items := []string{start + `"}`, start + `","b":2}`, start + `","b":3}`, start + `b"}`, digits, digits + "1", `{}`, `{"a":{}}`}
	want := slices.Repeat(items, 3)
	content := strings.Repeat("["+strings.Join(items, ", ")+"]\n", 3)
	for _, wrap := range []func(io.Reader) io.Reader{whole, iotest.OneByteReader} {
		var raws []string
		for _, g := range scanAll(t, content, MaxText, wrap) {
			raws = append(raws, g.Raw+g.Damage)
		}
		if diff := cmp.Diff(want, raws); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	for _, damage := range []string{"", `",}`, "\"\xff}"} { // after the beginning of a known item
		all := scanAll(t, "["+items[0]+","+items[0]+","+start+damage+"]", MaxText, whole)
		if len(all) < 3 || all[1].Raw != items[0] || all[1].Damage != "" || all[2].Damage == "" {
			t.Errorf("with the damage %q: %+v", damage, all)
		}
	}
	var s Scanner
	var lines strings.Builder
	for i := range 3 * maxKnown {
		fmt.Fprintf(&lines, "{\"id\":%d}\n", i)
	}
	n := 0
	s.scanText([]byte(lines.String()), func(Piece) bool { n++; return len(s.known) <= maxKnown })
	if n != 3*maxKnown || len(s.known) == 0 {
		t.Errorf("%d known items after %d items, want at most %d", len(s.known), n, maxKnown)
	}
}

// FuzzScan scans any content, and checks that the sizes of the reads make no
// difference.
func FuzzScan(f *testing.F) {
	f.Add(`[{"id":1},{"id":2}]`+"\n"+`{"id":3}`, uint8(20))
	f.Add("[[{\"a\":[1,{\"b\":\"\xff\"}]},\n{\"\n[{", uint8(7))
	f.Fuzz(func(t *testing.T, content string, size uint8) {
		limit := max(int(size), 4)
		a := scanAll(t, content, limit, whole)
		b := scanAll(t, content, limit, iotest.OneByteReader)
		if diff := cmp.Diff(a, b, cmp.Comparer(sameText)); diff != "" {
			t.Fatalf("-at once +byte by byte:\n%s", diff)
		}
	})
}

// FuzzScanTime repeats a part of a content up to 1 MiB, and checks that the time of a scan
// is proportional to the size.
func FuzzScanTime(f *testing.F) {
	for _, s := range [][3]string{
		{"", `{"":[`, ""}, {"[", "{},", "]"}, {"[[", `"\\",`, ""}, {"", "\n{\"a\":", ""}, {"[{", ",", "}"}, {"", "]\n[", ""}, {`["`, "å", `"]`}, {"[", "1", "]"},
		{"", strings.Repeat(`{"":[`, 4000) + "x\n", ""},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, before, part, after []byte) {
		lineartest.CheckRepeated(t, 1<<20, before, part, after, func(content []byte) {
			var s Scanner
			if err := s.Scan(t.Context(), bytes.NewReader(content), func(Piece) bool { return true }); err != nil {
				t.Fatal(err)
			}
		})
	})
}
