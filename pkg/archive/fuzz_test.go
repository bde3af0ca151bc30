package archive

import (
	"bytes"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzDocument checks that a document that is read, written and read again has the same
// fields, and is then written with the same bytes. An empty list may become a missing one.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{"seen_ids":[2,3,2,1],"last_updated":"2026-01-02T03:04:05Z","total_tracked":9}`,
		`{"seen_ids":[],"version":2,"commit":{"id":"a","sequence":7,"timestamp":1767351600},"complete_above":3,
			"pending":[{"name":"events/2026/01/02/events-1767351600.jsonl","content":"{\"id\":1,\"name\":\"\u00e5<\ud83d\"}\n"}],
			"fingerprints":{"1":"aa  bb","-2":"","3":null},"rejected":{"complete":true,"hashes":["x"]},
			"stored":{"2026-01":{"events":1,"revisions":2,"rejected":3}},"forgotten":[5,4],"covered_until":"2026-01-02T04:04:05+01:00",
			"gaps":[{"day":"2026-01-01","reason":"missed","since":"2026-01-02T00:00:00.5Z","unserved":true,"attempts":2,"last_attempt":"2026-01-02T01:00:00Z","ids":[1],"hashes":["y"]}],
			"accepted_days":["2025-12-31"],"later":{}}`,
		`{"SEEN_IDS":[9223372036854775807,-9223372036854775808],"stored":{},"rejected":{},"gaps":[{}],"pending":[]}`,
		`{"seen_ids":null}`, `{"seen_ids":[],"version":3}`, `{"seen_ids":[],"pending":[{}]}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		read, err := ParseDocument(body)
		if err != nil {
			return
		}
		ids := read.SeenIDs
		if !slices.IsSortedFunc(ids, descending) || len(slices.Compact(slices.Clone(ids))) != len(ids) || read.TotalTracked != len(ids) {
			t.Errorf("ids %v, total_tracked %d", ids, read.TotalTracked)
		}
		written, err := read.encode()
		if err != nil {
			t.Fatalf("a document that was read cannot be written: %v", err)
		}
		second, err := ParseDocument(written)
		if err != nil {
			t.Fatalf("%s was written and cannot be read: %v", written, err)
		}
		if diff := cmp.Diff(read, second, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read, and written and read again (-want +got):\n%s", diff)
		}
		if (read.Stored == nil) != (second.Stored == nil) {
			t.Errorf("counts known: %v, after it is written: %v", read.Stored != nil, second.Stored != nil)
		}
		if again, err := second.encode(); err != nil || !bytes.Equal(again, written) {
			t.Errorf("written twice:\n%s%s%v", written, again, err)
		}
	})
}

// The forms of the names of objects. dataForm also matches names with two different kinds
// and with days that do not exist.
var (
	dataForm     = regexp.MustCompile(`^(events|revisions|rejected)/[0-9]{4}/[0-9]{2}/[0-9]{2}/(events|revisions|rejected)-(0|-?[1-9][0-9]{0,18})\.jsonl$`)
	metadataForm = regexp.MustCompile(`^metadata/(last_seen\.json|last_run\.json|last_seen\.corrupt-(0|-?[1-9][0-9]{0,18})\.json)$`)
)

// FuzzName checks that [ParseName] and [IsMetadata] accept each name that the program
// makes, and no text in another form. No text is accepted by both.
func FuzzName(f *testing.F) {
	for _, s := range []string{
		"events/2026/01/02/events-1767351600.jsonl", "revisions/2024/02/29/revisions-0.jsonl", "rejected/0000/12/31/rejected--1.jsonl",
		"events/2026/01/02/revisions-1.jsonl", "events/2026/02/30/events-1.jsonl", "events/2026/1/2/events-1.jsonl", "events/2026/01/02/events-01.jsonl",
		"events/2026/01/02/events-+1.jsonl", "events/2026/01/02/events--0.jsonl", "events/2026/01/02/events-9223372036854775808.jsonl", "events/2026/01/02/events-1.jsonl\n",
		"/events/2026/01/02/events-1.jsonl", "events/2026/01/02//events-1.jsonl", DocumentName, LastRunName, corruptName(1), corruptPrefix + "1", corruptPrefix + "01.json",
	} {
		f.Add(s, uint8(0), int32(20455), int64(1767351600))
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8, day int32, timestamp int64) {
		const days = 10000 * 365 // from the year 0 on
		date := Date{Year: 0, Month: time.January, Day: 1}.AddDays(int(uint32(day) % days))
		made := Name{Partition: Partition{Kind: kinds[int(kind)%len(kinds)], Date: date}, Timestamp: timestamp}
		if got, ok := ParseName(made.String()); !ok || got != made {
			t.Errorf("%s is parsed as %+v, %v", made, got, ok)
		}
		for _, metadata := range []string{DocumentName, LastRunName, corruptName(timestamp)} {
			if !IsMetadata(metadata) {
				t.Errorf("%s is no metadata object", metadata)
			}
		}
		name, ok := ParseName(text)
		if m := dataForm.FindStringSubmatch(text); ok && (m == nil || m[1] != m[2] || name.String() != text) {
			t.Errorf("%q is accepted as %+v", text, name)
		}
		if IsMetadata(text) && (ok || !metadataForm.MatchString(text)) {
			t.Errorf("%q is accepted as a metadata object", text)
		}
	})
}
