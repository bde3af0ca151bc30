package archive_test

import (
	"strings"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/archive/archivetest"
	"polisen-events-collector/pkg/lineartest"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/polisen/polisentest"
	"polisen-events-collector/pkg/store"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// rejectedKinds returns an item of each kind that is rejected.
func rejectedKinds() map[string]string {
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	large := string(polisentest.Event(7, polisentest.Newest, polisentest.Summary(strings.Repeat("å", polisen.MaxItem))))
	return map[string]string{
		"null": `null`, "true": `true`, "a number": `-1.50e3`, "a string": `"x\u2028y <&>"`, "an array": `[ 1 , {} ]`,
		"an empty object": `{}`, "no datetime": `{"id":7}`, "an id that is text": `{"id":"7"}`, "a datetime without a time": `{"id":7,"datetime":"2026-01-02"}`,
		"names twice": `{"raw":1,"raw":2,"reason":3,"observed_at":4}`, "half a surrogate pair": `["\ud83d"]`, "half a pair in a name": `{"\udc00":1}`,
		"line separators": "[\"\u2028\u2029\u0085\"]", "an escaped NUL": `["\u0000"]`, "a long number": strings.Repeat("9", 1000), "a large exponent": `1e999999`,
		"deep": nested(64), "deeper": nested(65), "deepest": nested(9_998), "too deep": nested(20_000), "deep objects": strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000),
		"the largest": `"` + strings.Repeat("x", polisen.MaxItem-2) + `"`, "the largest, of quotation marks": `"` + strings.Repeat(`\"`, polisen.MaxItem/2-1) + `"`,
		"a byte too large": `"` + strings.Repeat("x", polisen.MaxItem-1) + `"`, "far too large": large, "white space": `[` + strings.Repeat(" ", polisen.MaxItem) + `]`,
		"empty": "", "no JSON": "<html>\n\"\\\x00</html>", "two values": `{} {}`, "cut": `{"id":7,"datetime":"2026`, "not UTF-8": "{\"id\":\"\xff\xfe\"}", "half a character": "\"\xc3",
		"a large text": strings.Repeat("<p>", polisen.MaxItem), "large, not UTF-8": strings.Repeat("\xff", polisen.MaxItem), "control characters": strings.Repeat("\x01", polisen.MaxItem),
		"the record of a large item": `{"text":"x","bytes":2000000,"sha256":"00"}`,
	}
}

// TestRejectedIsReadBack stores a rejected item of each kind, reads the lines, and
// stores the items again with a document that does not list them.
func TestRejectedIsReadBack(t *testing.T) {
	s := memstore.New()
	b := archive.Batch{ObservedAt: polisentest.Newest}
	kinds := map[string]string{} // by raw
	for name, text := range rejectedKinds() {
		_, r := polisen.ParseItem([]byte(text))
		if r == nil {
			t.Fatalf("%s is an event", name)
		}
		b.Rejected = append(b.Rejected, *r)
		if other, ok := kinds[string(r.JSON())]; ok {
			t.Errorf("%s is kept as %s is: %.100s", name, other, r.JSON())
		}
		kinds[string(r.JSON())] = name
	}
	mustRun(t, s, b)
	for name, content := range storetest.Objects(t, s) {
		if !strings.HasPrefix(name, archive.Rejected.Prefix()) {
			continue
		}
		for number, line := range archive.Lines(content) {
			got, reason := archive.ParseRejected(line)
			if reason != "" || !got.ObservedAt.Equal(polisentest.Newest) {
				t.Errorf("%s line %d: %s: %.100s", name, number, reason, line)
				continue
			}
			kind, ok := kinds[string(got.Raw)]
			if !ok {
				t.Errorf("%s line %d is no item, or one twice: %.100s", name, number, line)
			}
			delete(kinds, string(got.Raw))
			if l, reason := archive.ParseLine(archive.Rejected, line); l.Fingerprint != polisen.Fingerprint(got.Raw) || reason != "" {
				t.Errorf("%s: %+v, %s", kind, l, reason)
			}
		}
	}
	for _, kind := range kinds {
		t.Errorf("%s was not read back", kind)
	}
	published := []byte(`{"seen_ids":[],"last_updated":"2026-01-01T00:00:00Z","total_tracked":0}`)
	if _, err := s.Put(t.Context(), archive.DocumentName, published, store.Always()); err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, s, b); out.Rejected != 0 || out.SeenRejected != len(b.Rejected) {
		t.Errorf("the second time %d are stored and %d found, want %d", out.Rejected, out.SeenRejected, len(b.Rejected))
	}
	if c := archivetest.Read(t, s); len(c.Rejected) != len(b.Rejected) || len(c.Problems) > 0 {
		t.Errorf("%d items, want %d; problems %.300q", len(c.Rejected), len(b.Rejected), c.Problems)
	}
}

// FuzzLineTime repeats a part of a line up to 1 MiB, and checks that the time to parse the
// line, as an event and as a rejected item, is proportional to its size.
func FuzzLineTime(f *testing.F) {
	for _, s := range [][3]string{
		{`{"reason":"","observed_at":"2026-01-02T00:00:00Z","raw":`, "[", ""}, {`{"raw":`, `{"raw":`, "1"}, {"{", `"raw":1,`, `"a":1}`}, {"", `{"b":1,"a":`, ""}, {`{"reason":"`, `\\ud83d`, `"}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, before, part, after []byte) {
		lineartest.CheckRepeated(t, 1<<20, before, part, after, func(line []byte) {
			_, _ = archive.ParseLine(archive.Events, line)
			_, _ = archive.ParseLine(archive.Rejected, line)
		})
	})
}
