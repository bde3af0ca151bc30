package archive_test

import (
	"slices"
	"testing"

	"polisen-events-collector/pkg/archive"
	"polisen-events-collector/pkg/polisen"
	"polisen-events-collector/pkg/store/memstore"
	"polisen-events-collector/pkg/store/storetest"
)

// TestRepeatedIDs checks that a document of another program may list an id several
// times, in any order, and that the parsed one lists and counts it once.
func TestRepeatedIDs(t *testing.T) {
	d, err := archive.ParseDocument([]byte(`{"seen_ids":[2,3,2,1,3],"last_updated":"2026-01-02T00:00:00Z","total_tracked":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.SeenIDs, []int64{3, 2, 1}) || d.TotalTracked != 3 {
		t.Errorf("ids %v, total_tracked %d; want each id once, in descending order", d.SeenIDs, d.TotalTracked)
	}
}

// TestPendingNames checks that a document which names any object but data objects in its
// redo log is damaged. A run would otherwise write those objects.
func TestPendingNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"events/2026/01/02/events-1.jsonl": true,
		archive.DocumentName:               false,
		archive.LastRunName:                false,
		"other/data.jsonl":                 false,
		"events/2026/01/02/other.jsonl":    false,
		"events/../../secret/events-1":     false,
		"../events-1.jsonl":                false,
		"/etc/passwd":                      false,
		"":                                 false,
	} {
		_, err := archive.ParseDocument([]byte(`{"seen_ids":[],"pending":[{"name":"` + name + `","content":"x"}]}`))
		if (err == nil) != valid {
			t.Errorf("%q: %v; want valid %v", name, err, valid)
		}
	}
}

// TestNamesOfHostileItems checks that the text of items does not get into object names.
func TestNamesOfHostileItems(t *testing.T) {
	events, rejected, err := polisen.Parse([]byte(`[
		{"id":1,"datetime":"2026-01-02 03:04:05 +01:00","name":"../../x","url":"/etc/passwd","type":"events/x.jsonl"},
		{"id":"../2","datetime":"2026-01-02 03:04:05 +01:00"},
		{"id":3,"datetime":"../../../../03:04:05 +01:00"},
		{"id":4,"datetime":"2026-01-02/../../x 03:04:05 +01:00"},
		"../../x", "metadata/last_seen.json"
	]`))
	if err != nil || len(events) != 1 || len(rejected) != 5 {
		t.Fatalf("%d events, %d rejected items, %v", len(events), len(rejected), err)
	}
	s, b := memstore.New(), current(events...)
	b.Rejected = rejected
	mustRun(t, s, b)
	for name := range storetest.Objects(t, s) {
		if n, ok := archive.ParseName(name); name != archive.DocumentName && (!ok || n.String() != name) {
			t.Errorf("an object has the name %q", name)
		}
	}
}
